//! Lines for a shell, taken apart.

/// The commands of a line, each as its words, as far as pages and help need it: with quotes, comments, pipes, lists, substitutions
/// and redirections. Variables before a command are left out.
pub fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut word: Option<String> = None;
    // The word that comes is the file of a redirection.
    let mut is_file = false;
    let mut letters = line.chars().chain(['\n']);
    while let Some(letter) = letters.next() {
        if let '\'' | '"' = letter {
            let before = word.take().unwrap_or_default();
            let quoted: String = letters.by_ref().take_while(|next| *next != letter).collect();
            assert!(!quoted.contains('\n'), "{line}: a quotation mark is not closed");
            word = Some(before + &quoted);
            continue;
        }
        if letter == '\\' {
            word.get_or_insert_default().extend(letters.next());
            continue;
        }
        if !letter.is_whitespace() && !"|&;()<>".contains(letter) && (letter != '#' || word.is_some()) {
            word.get_or_insert_default().push(letter);
            continue;
        }
        if let Some(word) = word.take().filter(|_| !std::mem::take(&mut is_file)) {
            let command = found.last_mut().expect("a command");
            let is_variable = command.is_empty() && word.split_once('=').is_some_and(|(name, _)| is_name(name));
            if !is_variable {
                command.push(word);
            }
        }
        match letter {
            '#' => break,
            '<' | '>' => is_file = true,
            '|' | '&' | ';' | '(' | ')' => {
                is_file = false;
                found.push(Vec::new());
            }
            _ => {}
        }
    }
    found.retain(|command| !command.is_empty());
    found
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[test]
fn a_line_is_taken_apart_as_a_shell_does() {
    for (line, expected) in [
        ("ocelot run 'a b'\"c\" d\\ e # more", &[&["ocelot", "run", "a bc", "d e"][..]][..]),
        ("A=b C= ocelot run --set a=b", &[&["ocelot", "run", "--set", "a=b"]]),
        (
            "x > out y && source <(ocelot completions bash)",
            &[&["x", "y"], &["source"], &["ocelot", "completions", "bash"]],
        ),
        ("a#b | c '#'", &[&["a#b"], &["c", "#"]]),
        ("a ''", &[&["a", ""]]),
        ("# nothing", &[]),
    ] {
        assert_eq!(commands(line), expected, "{line}");
    }
}
