//! The forms of AWS's ids of accounts and organisations. Source: the API reference of AWS Organizations.

/// Whether `text` is an account: 12 digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` is an organisation: `o-` and 10 to 32 lower-case letters or digits.
pub fn is_organization(text: &str) -> bool {
    text.strip_prefix("o-").is_some_and(|rest| {
        (10..=32).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_forms() {
        assert!(is_account("012345678901") && is_organization("o-abcdefghi0"));
        for text in ["", "12345678901", "1234567890123", "12345678901x", "1234-5678-9012"] {
            assert!(!is_account(text), "{text}");
        }
        for text in ["", "o-", "o-short", "x-abcdefghij", "o-ABCDEFGHIJ", "o-abcdefghi_"] {
            assert!(!is_organization(text), "{text}");
        }
    }
}
