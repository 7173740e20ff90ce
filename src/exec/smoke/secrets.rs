//! What a layer is told in place of AWS is not told on: neither whole nor in parts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::outside::process::redact::Redactor;

/// Takes each value out, and each member of a value that is JSON: `${secretsmanager:NAME#KEY}` reads one member, and it
/// is what the extension would show.
pub(super) fn redactor(secrets: &BTreeMap<String, String>) -> Redactor {
    let mut values: Vec<String> = Vec::new();
    for secret in secrets.values() {
        values.push(secret.clone());
        if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(secret) {
            members(&value, &mut values);
        }
    }
    Redactor::new(values.iter().map(String::as_bytes))
}

/// Every text and number at any depth, and each list and object as a whole: a collector reads one as its compact JSON.
fn members(value: &Value, values: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            values.push(text.clone());
            // As it stands in the JSON of a log line, without the quotes.
            let quoted = value.to_string();
            values.push(quoted[1..quoted.len() - 1].to_owned());
        }
        Value::Number(number) => values.push(number.to_string()),
        Value::Array(items) => {
            values.push(value.to_string());
            items.iter().for_each(|item| members(item, values));
        }
        Value::Object(items) => {
            values.push(value.to_string());
            items.values().for_each(|item| members(item, values));
        }
        // There are no secrets among these, and they are everywhere.
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(secret: &str, said: &str) -> String {
        let secrets = [("name".to_owned(), secret.to_owned())].into();
        String::from_utf8(redactor(&secrets).redact(said.as_bytes())).unwrap()
    }

    #[test]
    fn each_member_of_an_object_is_a_secret() {
        let secret =
            r#"{"at": "http://made.up", "auth": {"token": "a \"quoted\" one", "pins": [12345, true]}, "no": null}"#;
        for (said, expected) in [
            ("cannot reach http://made.up/v1/traces", "cannot reach [redacted]/v1/traces"),
            ("token: a \"quoted\" one.", "token: [redacted]."),
            (r#"{"msg":"a \"quoted\" one"}"#, r#"{"msg":"[redacted]"}"#),
            ("pin 12345, true, null", "pin [redacted], true, null"),
            ("map: [12345,true]", "map: [redacted]"),
        ] {
            assert_eq!(shown(secret, said), expected);
        }
    }

    #[test]
    fn what_is_no_object_is_one_secret() {
        assert_eq!(shown("made up", "it is made up"), "it is [redacted]");
        assert_eq!(shown("{not json", "it is {not json"), "it is [redacted]");
        assert_eq!(shown("{not json", "not json"), "not json");
    }
}
