//! YAML as a value, and its text. Every scalar that could be read as anything but itself is quoted, so that no name in a
//! project can end a text early, become a number, or start a line of its own.

use std::fmt::Write as _;

/// A YAML value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yaml {
    /// A text.
    Text(String),
    /// A text of our own with several lines, shown as it is; anything else is safer as [`Yaml::Text`].
    Lines(String),
    /// A text with a comment behind it.
    Noted(String, String),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(u64),
    /// A list.
    List(Vec<Yaml>),
    /// Keys and values, in order.
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of texts.
    pub fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// Keys and values.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The text of a document.
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out.trim_start_matches('\n').trim_start_matches(' ').to_owned()
    }

    /// Writes the value behind `key:` or `-`, with what separates them.
    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        match self {
            Self::List(items) if items.is_empty() => out.push_str(" []\n"),
            Self::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
            Self::List(items) => {
                out.push('\n');
                for item in items {
                    out.push_str(&indent);
                    out.push('-');
                    item.write_item(out, depth + 1);
                }
            }
            Self::Map(entries) => {
                out.push('\n');
                for (key, value) in entries {
                    out.push_str(&indent);
                    write_entry(out, key, value, depth);
                }
            }
            Self::Lines(text) if is_block(text) => {
                out.push_str(" |\n");
                for line in text.trim_end_matches('\n').lines() {
                    let line = if line.is_empty() { String::new() } else { format!("{indent}{line}") };
                    out.push_str(&line);
                    out.push('\n');
                }
            }
            Self::Lines(text) | Self::Text(text) => {
                // Writing to a String cannot fail.
                let _ = writeln!(out, " {}", scalar(text));
            }
            Self::Noted(text, note) => {
                let note: String = note.chars().filter(|c| !c.is_control()).collect();
                let _ = writeln!(out, " {} # {note}", scalar(text));
            }
            Self::Bool(value) => {
                let _ = writeln!(out, " {value}");
            }
            Self::Number(value) => {
                let _ = writeln!(out, " {value}");
            }
        }
    }

    /// As [`Self::write`], behind `-`: a map begins on the same line.
    fn write_item(&self, out: &mut String, depth: usize) {
        let Self::Map(entries) = self else { return self.write(out, depth) };
        if entries.is_empty() {
            return self.write(out, depth);
        }
        for (number, (key, value)) in entries.iter().enumerate() {
            out.push_str(&if number == 0 { " ".to_owned() } else { "  ".repeat(depth) });
            write_entry(out, key, value, depth);
        }
    }
}

fn write_entry(out: &mut String, key: &str, value: &Yaml, depth: usize) {
    // `on` is a key of every workflow, and no boolean for any reader of them.
    out.push_str(&if key == "on" { key.to_owned() } else { scalar(key) });
    out.push(':');
    value.write(out, depth + 1);
}

/// Whether a text may stand as a block: nothing in it ends one, and its first line is not indented.
fn is_block(text: &str) -> bool {
    let is_plain = |c: char| c == '\n' || (' '..='~').contains(&c);
    !text.trim().is_empty() && !text.starts_with([' ', '\n']) && text.chars().all(is_plain)
}

/// Words that a reader takes for something else, whatever their case.
const WORDS: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];

/// A text as a scalar.
pub fn scalar(text: &str) -> String {
    let first = text.chars().next().unwrap_or(' ');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./@+".contains(c);
    let is_word = WORDS.contains(&text.to_ascii_lowercase().as_str());
    if first.is_ascii_alphabetic() && text.chars().all(is_plain) && !is_word {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(c),
            // Line ends that only YAML knows, controls, marks of direction: nothing that an editor would hide.
            _ if (c as u32) < 0x80 || c.is_control() => {
                let _ = write!(quoted, "\\x{:02x}", c as u32);
            }
            _ if c.is_alphanumeric() && (c as u32) < 0x1_0000 => quoted.push(c),
            _ => {
                let _ = write!(quoted, "\\U{:08x}", c as u32);
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn json(yaml: &Yaml) -> Value {
        match yaml {
            Yaml::Text(text) | Yaml::Noted(text, _) => Value::from(text.clone()),
            Yaml::Lines(text) if is_block(text) => Value::from(format!("{}\n", text.trim_end_matches('\n'))),
            Yaml::Lines(text) => Value::from(text.clone()),
            Yaml::Bool(value) => Value::from(*value),
            Yaml::Number(value) => Value::from(*value),
            Yaml::List(items) => items.iter().map(json).collect(),
            Yaml::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        }
    }

    #[test]
    fn a_document_is_indented_as_people_write_it() {
        let yaml = Yaml::map([
            ("on", Yaml::map([("push", Yaml::map::<&str>([]))])),
            (
                "steps",
                Yaml::List(vec![
                    Yaml::map([("name", Yaml::text("say: it")), ("run", Yaml::Lines("a\n\nb \"c\"\n".into()))]),
                    Yaml::map([
                        ("uses", Yaml::Noted("a/b@1f".into(), "v1".into())),
                        ("with", Yaml::map([("n", Yaml::Number(3))])),
                    ]),
                ]),
            ),
            ("list", Yaml::texts(["x", "2", "no", ""])),
        ]);
        let text = "on:\n  push: {}\nsteps:\n  - name: \"say: it\"\n    run: |\n      a\n\n      b \"c\"\n  - uses: a/b@1f # v1\n    with:\n      \"n\": 3\nlist:\n  - x\n  - \"2\"\n  - \"no\"\n  - \"\"\n";
        assert_eq!(yaml.render(), text);
        assert_eq!(read(text), json(&yaml));
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\"".to_owned()),
            Just("'".to_owned()),
            Just("$(touch x)".to_owned()),
            Just("${{ secrets.X }}".to_owned()),
            Just("\n".to_owned()),
            Just("\r\n- a: b".to_owned()),
            Just(": ".to_owned()),
            Just(" #".to_owned()),
            Just("\\".to_owned()),
            Just("\u{85}\u{2028}".to_owned()),
            Just("---\n".to_owned()),
            Just("&a *a !t".to_owned()),
            Just("x".repeat(200)),
            Just("1e3".to_owned()),
            Just("yes".to_owned()),
            Just("\u{202e}é🐈".to_owned()),
            ".{0,5}".prop_map(|text| text),
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    fn yaml() -> impl Strategy<Value = Yaml> {
        let leaf = prop_oneof![
            hostile().prop_map(Yaml::Text),
            hostile().prop_map(Yaml::Lines),
            (hostile(), hostile()).prop_map(|(text, note)| Yaml::Noted(text, note)),
            any::<bool>().prop_map(Yaml::Bool),
            (0..1000_u64).prop_map(Yaml::Number),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let entries = prop::collection::btree_map(hostile(), inner.clone(), 1..4);
            prop_oneof![
                prop::collection::vec(inner, 1..4).prop_map(Yaml::List),
                entries.prop_map(|entries| Yaml::Map(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again(value in yaml()) {
            let document = Yaml::map([("root", value)]);
            prop_assert_eq!(read(&document.render()), json(&document), "{}", document.render());
        }
    }
}
