//! What Secrets Manager and S3 answer to an extension that reads its configuration from them. No socket.
//!
//! Source of the interfaces: the pages "GetSecretValue" and "GetObject" of AWS's API references.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::outside::lambda::protocol::Answer;

const OK: u16 = 200;
const BAD_REQUEST: u16 = 400;
const GET_SECRET_VALUE: &str = "secretsmanager.GetSecretValue";
/// How an object of S3 is named among the secrets.
const S3: &str = "s3://";

/// The answer of Secrets Manager to a call of this `X-Amz-Target`.
pub(super) fn secret(target: &str, body: &[u8], secrets: &BTreeMap<String, String>) -> Answer {
    if target != GET_SECRET_VALUE {
        return refuse("UnknownOperationException", &format!("a check of a layer does not answer `{target}`"));
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(id) = asked["SecretId"].as_str() else {
        return refuse("InvalidParameterException", "the request has no SecretId");
    };
    let Some(value) = secrets.get(id) else {
        let why = format!("`smoke: secrets` of the distribution has no value for `{id}`");
        return refuse("ResourceNotFoundException", &why);
    };
    let name = id.rsplit_once(":secret:").map_or(id, |(_, name)| name);
    let arn = if name == id { format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{id}") } else { id.into() };
    let body = json!({
        "ARN": arn, "Name": name, "SecretString": value, "VersionId": "00000000-0000-4000-8000-000000000000",
        "VersionStages": ["AWSCURRENT"],
    });
    Answer::Now(OK, body.to_string())
}

/// The object of S3 at this path, `/BUCKET/KEY`, if there is one.
pub(super) fn object(method: &str, path: &str, secrets: &BTreeMap<String, String>) -> Option<Answer> {
    let key = path.strip_prefix('/').filter(|_| method == "GET")?;
    secrets.get(&format!("{S3}{key}")).map(|value| Answer::Now(OK, value.clone()))
}

fn refuse(kind: &str, why: &str) -> Answer {
    Answer::Now(BAD_REQUEST, json!({"__type": kind, "message": why}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> BTreeMap<String, String> {
        [("name", "value"), ("s3://bucket/a/key", "object")].map(|(id, value)| (id.into(), value.into())).into()
    }

    #[test]
    fn a_secret_is_answered_and_what_is_not_known_is_named() {
        let ask = |target: &str, body: &str| match secret(target, body.as_bytes(), &secrets()) {
            Answer::Now(status, body) => (status, body),
            Answer::Hold => (0, String::new()),
        };
        let (status, body) = ask(GET_SECRET_VALUE, r#"{"SecretId": "name"}"#);
        assert!(status == 200 && body.contains(r#""SecretString":"value""#), "{body}");
        for (target, asked, part) in [
            (GET_SECRET_VALUE, r#"{"SecretId": "other"}"#, "no value for `other`"),
            (GET_SECRET_VALUE, "{", "no SecretId"),
            ("secretsmanager.ListSecrets", "{}", "does not answer `secretsmanager.ListSecrets`"),
        ] {
            let (status, body) = ask(target, asked);
            assert!(status == 400 && body.contains(part), "{body}");
        }
    }

    #[test]
    fn an_object_is_answered_by_its_bucket_and_key() {
        assert_eq!(object("GET", "/bucket/a/key", &secrets()), Some(Answer::Now(200, "object".into())));
        assert_eq!(object("GET", "/bucket/other", &secrets()), None);
        assert_eq!(object("PUT", "/bucket/a/key", &secrets()), None);
    }
}
