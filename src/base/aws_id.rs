//! The forms of AWS's ids of accounts and organisations, and of the names of tables. Sources: the API references of AWS
//! Organizations and Amazon DynamoDB.

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

/// A table in a region, as `NAME@REGION`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The table's name.
    pub name: String,
    /// Its region, which is not that of the layers.
    pub region: String,
}

impl TableName {
    /// Reads `NAME@REGION`; `None` if a part is missing or none that AWS takes.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, region) = text.split_once('@')?;
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = (3..=255).contains(&name.len()) && name.bytes().all(is_name_byte);
        let is_region = region.contains('-')
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (is_name && is_region).then(|| Self { name: name.to_owned(), region: region.to_owned() })
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "table {} in {}", self.name, self.region)
    }
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

    #[test]
    fn a_table_has_a_name_and_a_region() {
        let table = TableName::parse("ocelot-layers@us-east-1").unwrap();
        assert_eq!((table.name.as_str(), table.region.as_str()), ("ocelot-layers", "us-east-1"));
        for wrong in ["", "ocelot-layers", "@us-east-1", "x@us-east-1", "a b@us-east-1", "ocelot-layers@nowhere!"] {
            assert_eq!(TableName::parse(wrong), None, "{wrong}");
        }
    }
}
