//! The two hashes by which AWS and people know a layer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::base::digest::encode_hex;

/// The SHA-256 of a zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Sum([u8; 32]);

impl Sha256Sum {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Parses 64 lower-case hexadecimal digits.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
        let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        Some(Self(bytes?.try_into().ok()?))
    }

    /// Parses Lambda's `CodeSha256`.
    pub fn from_code_sha256(text: &str) -> Option<Self> {
        Some(Self(STANDARD.decode(text).ok()?.try_into().ok()?))
    }

    /// 64 lower-case hexadecimal digits, as in `.sha256` files.
    pub fn to_hex(self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from(DIGITS[usize::from(digit)]))
            .collect()
    }

    /// Base64, as Lambda's `CodeSha256`.
    pub fn to_code_sha256(self) -> String {
        STANDARD.encode(self.0)
    }
}

/// The MD5 of a zip as hexadecimal digits, for readers that know layers by it. It proves nothing.
pub fn md5_hex(bytes: &[u8]) -> String {
    encode_hex(&Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_of_a_known_text() {
        // RFC 1321, appendix A.5.
        assert_eq!(md5_hex(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn both_spellings_of_a_known_sum() {
        // FIPS 180-4's example message.
        let sum = Sha256Sum::of(b"abc");
        assert_eq!(sum.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sum.to_code_sha256(), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
        assert_eq!(Sha256Sum::from_hex(&sum.to_hex()), Some(sum));
        assert_eq!(Sha256Sum::from_code_sha256(&sum.to_code_sha256()), Some(sum));
        assert_eq!(Sha256Sum::from_hex("BA"), None);
        assert_eq!(Sha256Sum::from_hex(&"A".repeat(64)), None);
        assert_eq!(Sha256Sum::from_code_sha256("YQ=="), None);
    }
}
