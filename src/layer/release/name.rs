//! What a release is called: its tag, its title, and the tags of its successors.

use std::fmt;

/// What makes a release of its own: one distribution, one version, one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseName {
    distribution: String,
    /// Without a leading `v`.
    version: String,
    group: String,
}

/// The group whose releases are meant for everybody.
const PRODUCTION: &str = "prod";

impl ReleaseName {
    /// The name of a release. The version loses its leading `v`.
    ///
    /// # Errors
    /// Parts that make no tag of git's; in words.
    pub fn new(distribution: &str, version: &str, group: &str) -> Result<Self, String> {
        let version = version.strip_prefix('v').unwrap_or(version);
        for (what, text) in [("distribution", distribution), ("version", version), ("release group", group)] {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits);
            if !is_plain || text.contains("..") || text.ends_with('.') || text.ends_with(".lock") {
                return Err(format!(
                    "the {what} `{}` cannot be part of a tag: use letters, digits, `-`, `_` and single dots",
                    text.escape_debug()
                ));
            }
        }
        Ok(Self { distribution: distribution.to_owned(), version: version.to_owned(), group: group.to_owned() })
    }

    /// The distribution.
    pub fn distribution(&self) -> &str {
        &self.distribution
    }

    /// The tag of the first release of this name.
    pub fn tag(&self) -> String {
        format!("{}-v{}-{}", self.distribution, self.version, self.group)
    }

    /// The tag of the release with this number: the first has none in its tag, later ones `-2`, `-3`, ….
    pub fn numbered(&self, number: u32) -> String {
        if number <= 1 { self.tag() } else { format!("{}-{number}", self.tag()) }
    }

    /// The number of a tag of this name.
    pub fn number(&self, tag: &str) -> Option<u32> {
        let rest = tag.strip_prefix(&self.tag())?;
        if rest.is_empty() {
            return Some(1);
        }
        let number: u32 = rest.strip_prefix('-')?.parse().ok()?;
        (number > 1 && self.numbered(number) == tag).then_some(number)
    }

    /// Whether it is a release for everybody; all others are marked as not ready for that.
    pub fn is_production(&self) -> bool {
        self.group == PRODUCTION
    }
}

/// The title, for example `minimal | 0.145.0 | prod`.
impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {}", self.distribution, self.version, self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_and_title_follow_the_rule() {
        let name = ReleaseName::new("minimal", "v0.145.0", "beta").unwrap();
        assert_eq!((name.tag(), name.to_string()), ("minimal-v0.145.0-beta".into(), "minimal | 0.145.0 | beta".into()));
        assert_eq!(name.numbered(1), name.tag());
        assert_eq!(name.numbered(3), "minimal-v0.145.0-beta-3");
        assert!(!name.is_production() && ReleaseName::new("minimal", "1", "prod").unwrap().is_production());
    }

    #[test]
    fn numbers_are_read_back_in_one_spelling() {
        let name = ReleaseName::new("minimal", "0.145.0", "beta").unwrap();
        for number in [1, 2, 17] {
            assert_eq!(name.number(&name.numbered(number)), Some(number));
        }
        for other in
            ["minimal-v0.145.0-beta-1", "minimal-v0.145.0-beta-02", "minimal-v0.145.0-beta-x", "minimal-v0.145.0"]
        {
            assert_eq!(name.number(other), None, "{other}");
        }
    }

    #[test]
    fn what_makes_no_tag_is_refused() {
        for bad in ["", "a b", "-a", "a..b", "a.", "a.lock", "a/b", "a~1", "é", "a\n"] {
            let error = ReleaseName::new("minimal", "1", bad).unwrap_err();
            assert!(error.contains("release group"), "{error}");
        }
    }
}
