//! Go toolchain versions and their order.

use std::cmp::Ordering;
use std::fmt;

/// A Go version such as `1.24.11`, `1.26rc2` or the language version `1.24`.
///
/// Ordered as Go orders them: `1.24 < 1.24beta1 < 1.24rc1 < 1.24.0`. Before Go 1.21 the first release had no patch
/// number, so `1.20` means the release `1.20.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GoVersion {
    major: u32,
    minor: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Language,
    Beta(u32),
    Candidate(u32),
    Release(u32),
}

impl GoVersion {
    /// Parses `1.24.11`, `go1.24.11`, `go1.26rc2` or `go1.26.8-vendor X:flag` (what follows `-` or a space does not
    /// count); `None` for anything else, for example `devel …`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("go").unwrap_or(text);
        let text = text.split([' ', '-', '+']).next()?;
        let (major, rest) = text.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (minor, rest) = rest.split_at(digits);
        let (major, minor) = (number(major)?, number(minor)?);
        let stage = if rest.is_empty() {
            if (major, minor) < (1, 21) { Stage::Release(0) } else { Stage::Language }
        } else if let Some(n) = rest.strip_prefix("beta") {
            Stage::Beta(number(n)?)
        } else if let Some(n) = rest.strip_prefix("rc") {
            Stage::Candidate(number(n)?)
        } else {
            Stage::Release(number(rest.strip_prefix('.')?)?)
        };
        Some(Self { major, minor, stage })
    }

    /// The minor number: 24 for `1.24.11`.
    pub const fn minor(self) -> u32 {
        self.minor
    }

    /// The toolchain that a tree with this `go` directive asks for: a language version has no toolchain of its own, its
    /// first release does.
    pub fn toolchain(self) -> Self {
        match self.stage {
            Stage::Language => Self { stage: Stage::Release(0), ..self },
            _ => self,
        }
    }

    /// The value of `GOTOOLCHAIN` that selects exactly this version.
    pub fn toolchain_name(self) -> String {
        format!("go{}", self.toolchain())
    }
}

fn number(text: &str) -> Option<u32> {
    // `parse` alone would take a leading `+`.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl PartialOrd for GoVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GoVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.stage).cmp(&(other.major, other.minor, other.stage))
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        match self.stage {
            Stage::Language => Ok(()),
            Stage::Beta(n) => write!(f, "beta{n}"),
            Stage::Candidate(n) => write!(f, "rc{n}"),
            // Before 1.21 there is no toolchain `1.20.0`, only `1.20`.
            Stage::Release(0) if (self.major, self.minor) < (1, 21) => Ok(()),
            Stage::Release(n) => write!(f, ".{n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_as_go_orders_them() {
        let ascending =
            ["1.9", "1.20", "1.20.1", "1.21", "1.21beta1", "1.21rc1", "1.21rc2", "1.21.0", "1.24.9", "1.24.11"];
        let parsed: Vec<_> = ascending.iter().map(|text| GoVersion::parse(text).unwrap()).collect();
        assert!(parsed.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(parsed.iter().zip(ascending).all(|(version, text)| version.to_string() == text));
    }

    #[test]
    fn takes_what_go_prints_and_nothing_else() {
        assert_eq!(GoVersion::parse("go1.26.8 X:nodwarf5").unwrap().to_string(), "1.26.8");
        assert_eq!(GoVersion::parse("go1.24.11-vendor").unwrap().to_string(), "1.24.11");
        for bad in ["", "go", "1", "1.", "1.x", "1.2.", "1.2.3.4", "1.+2", "devel go1.26-abc", "1.99999999999"] {
            assert_eq!(GoVersion::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_language_version_means_its_first_release() {
        assert_eq!(GoVersion::parse("1.24").unwrap().toolchain_name(), "go1.24.0");
        assert_eq!(GoVersion::parse("1.20").unwrap().toolchain_name(), "go1.20");
        assert_eq!(GoVersion::parse("1.24rc1").unwrap().toolchain_name(), "go1.24rc1");
    }
}
