//! Did-you-mean: the known word that an unknown one was probably meant to be.

/// Longest word that is compared, in bytes: nobody mistypes longer ones, and the comparison is quadratic.
const LONGEST: usize = 64;

/// The candidate nearest to `word`, if one is near enough: at most a third of the letters differ, where two letters
/// swapped count once and case, `-` and `_` not at all. Of equally near ones the alphabetically first.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    let letters = word.chars().count();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST && candidate.len().abs_diff(word.len()) <= LONGEST / 3)
        .filter_map(|candidate| {
            let other = plain(candidate);
            let distance = strsim::damerau_levenshtein(&word, &other);
            let allowed = letters.max(other.chars().count()).div_ceil(3);
            // With one letter right out of two or three, anything would be near.
            let allowed = if letters < 3 { allowed.min(1) } else { allowed };
            (distance <= allowed && distance < letters).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let fields = ["command", "inputs", "outputs", "pass-env", "env", "dir"];
        for (word, meant) in [
            ("comand", Some("command")),
            ("cmomand", Some("command")),
            ("Command", Some("command")),
            ("pass_env", Some("pass-env")),
            ("input", Some("inputs")),
            ("evn", Some("env")),
            ("zzz", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(word, fields), meant, "{word}");
        }
        assert_eq!(closest(&"a".repeat(100_000), fields), None);
    }

    #[test]
    fn ties_do_not_depend_on_the_order() {
        assert_eq!(closest("nodex", ["nodeb", "nodea"]), Some("nodea"));
        assert_eq!(closest("nodex", ["nodea", "nodeb"]), Some("nodea"));
    }
}
