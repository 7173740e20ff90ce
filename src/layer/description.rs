//! The description of a layer version, which orders candidates when a published layer is looked for.
//!
//! `ocelot:1 sha256=<32 hex> <distribution> <collector version> up=<12 hex> n=<components>`. It only says where to look
//! first; whether a version *is* the layer, its `CodeSha256` alone decides.

use crate::layer::error::LayerError;
use crate::layer::hashes::Sha256Sum;
use crate::layer::limits::DESCRIPTION_LIMIT;

const MARK: &str = "ocelot:1 sha256=";
const SUM_DIGITS: usize = 32;
const COMMIT_DIGITS: usize = 12;

/// What a description says.
#[derive(Debug, Clone, Copy)]
pub struct LayerDescription<'d> {
    /// The hash of the zip.
    pub sha256: Sha256Sum,
    /// The distribution.
    pub distribution: &'d str,
    /// The collector version with its `v`.
    pub collector_version: &'d str,
    /// The full commit id of the upstream sources.
    pub commit: &'d str,
    /// The number of components in the layer.
    pub components: usize,
}

impl LayerDescription<'_> {
    /// The text. Too long is an error: a cut description would be mistaken for another one.
    pub fn text(&self) -> Result<String, LayerError> {
        let commit = self.commit.get(..COMMIT_DIGITS).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let commit = commit.ok_or_else(|| LayerError::lambda("commit", self.commit, "a full commit id is needed"))?;
        let text = format!(
            "{MARK}{} {} {} up={commit} n={}",
            &self.sha256.to_hex()[..SUM_DIGITS],
            self.distribution,
            self.collector_version,
            self.components
        );
        // AWS counts characters, and a character outside ASCII is at least one byte: bytes are the safe count.
        if text.len() > DESCRIPTION_LIMIT {
            let problem = format!(
                "{} characters; AWS Lambda takes {DESCRIPTION_LIMIT}: shorten the distribution's name",
                text.len()
            );
            return Err(LayerError::lambda("description", &text, problem));
        }
        Ok(text)
    }
}

/// Whether a description says that its version holds the zip with this hash. `None`: it is not one of ours.
pub fn names_sha256(description: &str, sha256: Sha256Sum) -> Option<bool> {
    let digits = description.strip_prefix(MARK)?.split(' ').next()?;
    (digits.len() == SUM_DIGITS).then(|| sha256.to_hex().starts_with(digits))
}

/// What a description of ours says of where its layer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'d> {
    /// The distribution.
    pub distribution: &'d str,
    /// The collector version with its `v`.
    pub collector_version: &'d str,
    /// The first digits of the commit id of the upstream sources.
    pub commit: &'d str,
}

/// Reads a description; `None` if it is not one of ours.
pub fn read(description: &str) -> Option<Said<'_>> {
    let mut words = description.strip_prefix(MARK)?.split(' ').skip(1);
    let (distribution, collector_version, commit) = (words.next()?, words.next()?, words.next()?);
    Some(Said { distribution, collector_version, commit: commit.strip_prefix("up=")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(distribution: &str) -> LayerDescription<'_> {
        LayerDescription {
            sha256: Sha256Sum::of(b"abc"),
            distribution,
            collector_version: "v0.145.0",
            commit: "0123456789abcdef0123456789abcdef01234567",
            components: 4,
        }
    }

    #[test]
    fn the_text_and_back() {
        let text = description("minimal").text().unwrap();
        assert_eq!(text, "ocelot:1 sha256=ba7816bf8f01cfea414140de5dae2223 minimal v0.145.0 up=0123456789ab n=4");
        assert_eq!(names_sha256(&text, Sha256Sum::of(b"abc")), Some(true));
        let said = Said { distribution: "minimal", collector_version: "v0.145.0", commit: "0123456789ab" };
        assert_eq!(read(&text), Some(said));
        assert_eq!(read("md5: 0 | custom"), None);
        assert_eq!(read("ocelot:1 sha256=0 minimal"), None);
        assert_eq!(names_sha256(&text, Sha256Sum::of(b"x")), Some(false));
        assert_eq!(names_sha256("md5: 0 | custom", Sha256Sum::of(b"abc")), None);
        assert_eq!(names_sha256("ocelot:1 sha256=", Sha256Sum::of(b"abc")), None);
    }

    #[test]
    fn refused_rather_than_cut() {
        let length = description("").text().unwrap().len();
        assert!(description(&"d".repeat(DESCRIPTION_LIMIT - length)).text().is_ok());
        let error = description(&"d".repeat(DESCRIPTION_LIMIT - length + 1)).text().unwrap_err().to_string();
        assert!(error.contains("257 characters"), "{error}");
        assert!(LayerDescription { commit: "abc", ..description("minimal") }.text().is_err());
    }
}
