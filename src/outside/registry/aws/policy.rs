//! The sharing policy of a layer version as Lambda writes it: JSON of the policy language, read as statements. Pure.

use serde_json::{Map, Value};

use crate::outside::registry::{Grantee, Statement};

/// The one action that a layer's policy can allow.
pub(super) const ACTION: &str = "lambda:GetLayerVersion";
const ORGANISATION_KEY: &str = "aws:PrincipalOrgID";

/// The statements of a policy. One of a form that is not known is kept as [`Grantee::Other`], so that it is shown and
/// never taken for something that it is not.
///
/// # Errors
/// If it is no policy, in words.
pub(super) fn read(text: &str) -> Result<Vec<Statement>, String> {
    let policy: Value = serde_json::from_str(text).map_err(|error| format!("the policy is no JSON: {error}"))?;
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        // The policy language allows a single statement without a list.
        Some(single @ Value::Object(_)) => std::slice::from_ref(single),
        _ => return Err("the policy has no `Statement`".to_owned()),
    };
    Ok(statements.iter().map(statement).collect())
}

fn statement(value: &Value) -> Statement {
    let id = value.get("Sid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let grantee = value.as_object().and_then(grantee).unwrap_or_else(|| Grantee::Other(value.to_string()));
    Statement { id, grantee }
}

/// Who is allowed; `None` for a form that is not known. Anything beside the usual keys may be a condition.
fn grantee(statement: &Map<String, Value>) -> Option<Grantee> {
    let text = |name: &str| statement.get(name).and_then(Value::as_str);
    if text("Effect") != Some("Allow") || text("Action") != Some(ACTION) {
        return None;
    }
    let usual = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition", "OrganizationId"];
    if statement.iter().any(|(key, value)| !usual.contains(&key.as_str()) && !value.is_null()) {
        return None;
    }
    let organisation = organisation(statement)?;
    match (principal(statement.get("Principal")?)?, organisation) {
        ("*", None) => Some(Grantee::Everyone),
        ("*", Some(id)) => Some(Grantee::Organisation(id)),
        (account, None) => Some(Grantee::Account(account_of(account)?.to_owned())),
        (_, Some(_)) => None,
    }
}

/// `*`, an account, or the ARN of its root.
fn principal(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Object(map) if map.len() == 1 => map.get("AWS")?.as_str(),
        _ => None,
    }
}

fn account_of(principal: &str) -> Option<&str> {
    let account = match principal.strip_prefix("arn:") {
        Some(rest) => rest.split_once(":iam::")?.1.strip_suffix(":root")?,
        None => principal,
    };
    (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(account)
}

/// The organisation that the statement is limited to; `Some(None)` for one without a condition, `None` for a condition
/// of another form. Lambda writes a condition; the request's own field is what stand-ins keep.
fn organisation(statement: &Map<String, Value>) -> Option<Option<String>> {
    let field = statement.get("OrganizationId").and_then(Value::as_str).map(str::to_owned);
    let Some(condition) = statement.get("Condition").filter(|value| !value.is_null()) else { return Some(field) };
    let operators = condition.as_object().filter(|map| map.len() == 1)?;
    let keys = operators.get("StringEquals")?.as_object().filter(|map| map.len() == 1)?;
    Some(Some(keys.get(ORGANISATION_KEY)?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grantee_of(statement: &str) -> Grantee {
        let policy = format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{statement}]}}"#);
        let mut statements = read(&policy).unwrap();
        assert_eq!(statements.len(), 1);
        statements.remove(0).grantee
    }

    fn with(rest: &str) -> String {
        format!(
            r#"{{"Sid":"s","Effect":"Allow","Action":"lambda:GetLayerVersion","Resource":"arn:aws:lambda:a:1:layer:x:1",{rest}}}"#
        )
    }

    #[test]
    fn the_forms_that_lambda_writes_are_known() {
        assert_eq!(grantee_of(&with(r#""Principal":"*""#)), Grantee::Everyone);
        assert_eq!(grantee_of(&with(r#""Principal":{"AWS":"*"}"#)), Grantee::Everyone);
        let account = Grantee::Account("123456789012".into());
        for principal in [
            r#""123456789012""#,
            r#"{"AWS":"arn:aws-cn:iam::123456789012:root"}"#,
            r#""arn:aws:iam::123456789012:root""#,
        ] {
            assert_eq!(grantee_of(&with(&format!(r#""Principal":{principal}"#))), account);
        }
        let condition = r#""Principal":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-abcdefghij"}}"#;
        assert_eq!(grantee_of(&with(condition)), Grantee::Organisation("o-abcdefghij".into()));
        let field = r#""Principal":"*","OrganizationId":"o-abcdefghij""#;
        assert_eq!(grantee_of(&with(field)), Grantee::Organisation("o-abcdefghij".into()));
        assert_eq!(grantee_of(&with(r#""Principal":"*","OrganizationId":null"#)), Grantee::Everyone);
    }

    #[test]
    fn what_may_be_narrower_than_it_looks_is_never_public() {
        for rest in [
            r#""Principal":"*","Condition":{"StringLike":{"aws:PrincipalOrgID":"o-*"}}"#,
            r#""Principal":"*","Condition":{"StringEquals":{"aws:SourceIp":"1.2.3.4"}}"#,
            r#""Principal":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-a","x":"y"}}"#,
            r#""Principal":"*","NotResource":"x""#,
            r#""Principal":{"Service":"lambda.amazonaws.com"}"#,
            r#""Principal":["*"]"#,
            r#""Principal":"arn:aws:iam::123456789012:role/x""#,
        ] {
            assert!(matches!(grantee_of(&with(rest)), Grantee::Other(_)), "{rest}");
        }
        let denied = r#"{"Sid":"s","Effect":"Deny","Principal":"*","Action":"lambda:GetLayerVersion"}"#;
        assert!(matches!(grantee_of(denied), Grantee::Other(_)));
        assert!(matches!(grantee_of(r#"{"Effect":"Allow","Principal":"*","Action":"*"}"#), Grantee::Other(_)));
    }

    #[test]
    fn what_is_no_policy_is_an_error_and_not_an_empty_one() {
        for text in ["", "{}", "[]", r#"{"Statement":"x"}"#, "null"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(r#"{"Statement":[]}"#).unwrap().is_empty());
    }
}
