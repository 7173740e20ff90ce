//! The two processor architectures that AWS Lambda runs, and their three spellings.

use std::fmt;

/// A processor architecture of AWS Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// x86-64: `amd64` for Go and on the command line, `x86_64` for Lambda.
    Amd64,
    /// 64-bit ARM: `arm64` everywhere.
    Arm64,
}

impl Arch {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Parses the name used on the command line and by Go; `None` for anything else.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.goarch() == name)
    }

    /// The value of `GOARCH`, also used in file names and layer names.
    pub const fn goarch(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The value of Lambda's `CompatibleArchitectures`.
    pub const fn lambda(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.goarch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_go_spelling_is_parsed() {
        assert_eq!(Arch::parse("amd64").map(Arch::lambda), Some("x86_64"));
        assert_eq!(Arch::parse("arm64").map(Arch::lambda), Some("arm64"));
        assert_eq!(Arch::parse("x86_64"), None);
    }
}
