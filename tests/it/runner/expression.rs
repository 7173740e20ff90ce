//! GitHub's expressions, as far as generated workflows use them: literals, contexts, operators, functions.
//!
//! Rules: <https://docs.github.com/actions/reference/workflows-and-actions/expressions>. What is not known here is an error,
//! never an empty value.

use serde_json::Value;

/// How the jobs or steps before this one ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// One failed.
    pub failed: bool,
    /// One was skipped or failed: what follows has no success.
    pub unsuccessful: bool,
}

/// What names mean.
pub struct Scope<'a> {
    /// `github`, `needs`, `matrix`, …: an object.
    pub contexts: &'a Value,
    /// For the status functions.
    pub before: Before,
}

/// Replaces every `${{ … }}` of a text; a text that is one expression keeps its type.
pub fn fill(text: &str, scope: &Scope<'_>) -> Value {
    let whole = text.trim();
    if let Some(inner) = whole.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"))
        && !inner.contains("${{")
    {
        return value(inner, scope);
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (inner, after) = after.split_once("}}").unwrap_or_else(|| panic!("not closed: {text}"));
        filled.push_str(before);
        filled.push_str(&string(&value(inner, scope)));
        rest = after;
    }
    Value::String(filled + rest)
}

/// Whether an `if:` holds. Without a status function of its own it needs the success of all before it.
pub fn holds(condition: Option<&str>, scope: &Scope<'_>) -> bool {
    let success = !scope.before.unsuccessful;
    let Some(condition) = condition else { return success };
    let inner = condition.trim();
    let inner = inner.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(inner);
    let own = ["success()", "failure()", "always()", "cancelled()"].iter().any(|status| inner.contains(status));
    (own || success) && truthy(&value(inner, scope))
}

/// The value of an expression.
fn value(text: &str, scope: &Scope<'_>) -> Value {
    let tokens = tokens(text);
    let mut parser = Parser { tokens: &tokens, at: 0, scope, text };
    let value = parser.or();
    assert_eq!(parser.at, tokens.len(), "more than one expression: {text}");
    value
}

/// A value as a text, as GitHub writes it.
pub fn string(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
        Value::Array(_) => "Array".to_owned(),
        Value::Object(_) => "Object".to_owned(),
    }
}

/// Whether a value counts as true.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    Sign(&'static str),
    Text(String),
    Number(f64),
    Name(String),
}

fn tokens(text: &str) -> Vec<Token> {
    const SIGNS: [&str; 14] = ["&&", "||", "==", "!=", "<=", ">=", "!", "<", ">", "(", ")", "[", "]", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if first == '\'' {
            let (mut text, mut after) = (String::new(), &rest[1..]);
            loop {
                let (piece, next) = after.split_once('\'').expect("a closed text");
                text.push_str(piece);
                match next.strip_prefix('\'') {
                    Some(next) => {
                        text.push('\'');
                        after = next;
                    }
                    None => {
                        rest = next;
                        break;
                    }
                }
            }
            tokens.push(Token::Text(text));
        } else if first == '.' {
            tokens.push(Token::Sign("."));
            rest = &rest[1..];
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-*".contains(c))).unwrap_or(rest.len());
            assert!(end > 0, "what is `{first}` in {text}?");
            let word = &rest[..end];
            tokens.push(word.parse().map_or_else(|_| Token::Name(word.to_owned()), Token::Number));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    tokens
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    scope: &'a Scope<'a>,
    text: &'a str,
}

impl Parser<'_> {
    fn takes(&mut self, sign: &'static str) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) {
        assert!(self.takes(sign), "`{sign}` is missing in {}", self.text);
    }

    fn or(&mut self) -> Value {
        let mut left = self.and();
        while self.takes("||") {
            let right = self.and();
            left = if truthy(&left) { left } else { right };
        }
        left
    }

    fn and(&mut self) -> Value {
        let mut left = self.comparison();
        while self.takes("&&") {
            let right = self.comparison();
            left = if truthy(&left) { right } else { left };
        }
        left
    }

    fn comparison(&mut self) -> Value {
        let left = self.not();
        if self.takes("==") {
            return Value::Bool(equal(&left, &self.not()));
        }
        if self.takes("!=") {
            return Value::Bool(!equal(&left, &self.not()));
        }
        for (sign, holds) in [
            ("<=", [true, true, false]),
            (">=", [false, true, true]),
            ("<", [true, false, false]),
            (">", [false, false, true]),
        ] {
            if self.takes(sign) {
                let order = number(&left).total_cmp(&number(&self.not()));
                return Value::Bool(holds[(order as i8 + 1) as usize]);
            }
        }
        left
    }

    fn not(&mut self) -> Value {
        match self.takes("!") {
            true => Value::Bool(!truthy(&self.not())),
            false => self.path(),
        }
    }

    fn path(&mut self) -> Value {
        let mut value = self.primary();
        loop {
            if self.takes(".") {
                let Some(Token::Name(name)) = self.tokens.get(self.at) else { panic!("a name in {}", self.text) };
                self.at += 1;
                value = member(&value, name);
            } else if self.takes("[") {
                let key = self.or();
                self.expect("]");
                value = match key.as_u64() {
                    Some(index) => value.get(usize::try_from(index).expect("an index")).cloned().unwrap_or_default(),
                    None => member(&value, &string(&key)),
                };
            } else {
                return value;
            }
        }
    }

    fn primary(&mut self) -> Value {
        if self.takes("(") {
            let value = self.or();
            self.expect(")");
            return value;
        }
        let token = self.tokens.get(self.at).unwrap_or_else(|| panic!("it ends too early: {}", self.text));
        self.at += 1;
        match token {
            Token::Text(text) => Value::String(text.clone()),
            Token::Number(number) => serde_json::json!(number),
            Token::Name(name) => match name.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ if self.takes("(") => self.call(name),
                context => {
                    let contexts = self.scope.contexts;
                    contexts.get(context).unwrap_or_else(|| panic!("no context `{context}` in {}", self.text)).clone()
                }
            },
            Token::Sign(sign) => panic!("`{sign}` in {}", self.text),
        }
    }

    fn call(&mut self, name: &str) -> Value {
        let mut arguments = Vec::new();
        while !self.takes(")") {
            arguments.push(self.or());
            self.takes(",");
        }
        let text = |at: usize| string(arguments.get(at).unwrap_or(&Value::Null));
        match name {
            "success" => Value::Bool(!self.scope.before.unsuccessful),
            "failure" => Value::Bool(self.scope.before.failed),
            "always" => Value::Bool(true),
            "cancelled" => Value::Bool(false),
            "fromJSON" => {
                serde_json::from_str(&text(0)).unwrap_or_else(|e| panic!("{e}: {} in {}", text(0), self.text))
            }
            "toJSON" => Value::String(serde_json::to_string_pretty(&arguments[0]).expect("JSON")),
            "contains" => Value::Bool(match &arguments[0] {
                Value::Array(elements) => elements.iter().any(|element| equal(element, &arguments[1])),
                other => string(other).to_lowercase().contains(&text(1).to_lowercase()),
            }),
            "startsWith" => Value::Bool(text(0).to_lowercase().starts_with(&text(1).to_lowercase())),
            "endsWith" => Value::Bool(text(0).to_lowercase().ends_with(&text(1).to_lowercase())),
            "format" => {
                let places = (1..arguments.len())
                    .fold(text(0), |so_far, at| so_far.replace(&format!("{{{}}}", at - 1), &text(at)));
                Value::String(places)
            }
            // What matters is that it is the same for the same files; they are the same in every job of a run.
            "hashFiles" => Value::String("0123456789abcdef".to_owned()),
            _ => panic!("no function `{name}` in {}", self.text),
        }
    }
}

/// A member by name, without regard to case; none of it is null, as on GitHub.
fn member(value: &Value, name: &str) -> Value {
    let Value::Object(members) = value else { return Value::Null };
    if let Some(found) = members.get(name) {
        return found.clone();
    }
    members.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) if text.is_empty() => 0.0,
        Value::String(text) => text.trim().parse().unwrap_or(f64::NAN),
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.eq_ignore_ascii_case(other),
        (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        _ => {
            let (one, other) = (number(one), number(other));
            one == other
        }
    }
}

#[test]
fn expressions_mean_what_they_mean_on_github() {
    let contexts = serde_json::json!({
        "needs": {"plan": {"outputs": {"matrix": "{\"include\":[]}", "empty": "true"}, "result": "skipped"}},
        "inputs": {"public": true, "name": "It's"}, "matrix": {"aws-region": "eu-west-1"},
    });
    let scope = Scope { contexts: &contexts, before: Before { failed: false, unsuccessful: true } };
    for (text, expected) in [
        ("needs.plan.outputs.empty == 'TRUE'", "true"),
        ("needs.plan.outputs['empty'] != 'true' || inputs.public && 'yes'", "yes"),
        ("fromJSON(needs.plan.outputs.matrix).include[0]", ""),
        ("inputs.name == 'It''s'", "true"),
        ("matrix.aws-region", "eu-west-1"),
        ("format('{0}-{1}', 'a', 1)", "a-1"),
        ("contains(fromJSON('[\"a\"]'), 'A')", "true"),
        ("!(inputs.missing)", "true"),
        ("1 < 2", "true"),
    ] {
        assert_eq!(string(&value(text, &scope)), expected, "{text}");
    }
    assert_eq!(fill("x-${{ matrix.aws-region }}-${{ inputs.public }}", &scope), "x-eu-west-1-true");
    // Something before it was skipped: only a status function of its own lets it go on.
    assert!(!holds(None, &scope) && !holds(Some("inputs.public"), &scope));
    assert!(holds(Some("!cancelled() && inputs.public"), &scope) && holds(Some("${{ always() }}"), &scope));
    assert!(!holds(Some("!cancelled() && needs.plan.result == 'success'"), &scope));
}
