//! The values of a pipeline file that have a shape of their own: texts, lists, references and durations.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::base::diag::Span;
use crate::spec::yaml::Located;

/// A text and where it stands.
pub type Text = Located<String>;

/// One text or a list of texts.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The texts, in order.
    pub items: Vec<Text>,
    /// Whether it was written as a list.
    pub is_list: bool,
}

enum OneOrMany {
    One(String),
    Many(Vec<Text>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_str(Shape)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = Located::<OneOrMany>::deserialize(deserializer)?;
        Ok(match located.value {
            OneOrMany::One(value) => Self { items: vec![Located { value, span: located.span }], is_list: false },
            OneOrMany::Many(items) => Self { items, is_list: true },
        })
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let scalar = json_schema!({"type": ["string", "number", "boolean"]});
        json_schema!({"anyOf": [scalar, {"type": "array", "items": scalar}]})
    }
}

/// A field that names another node: `NAME`, or `{node: NAME, join: [AXIS]}`.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The node's key.
    pub node: Text,
    /// Axes to join on, if not all that both have.
    pub join: Option<Vec<Text>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JoinedReference {
    /// The node's key.
    node: Text,
    /// Axes to join on.
    join: Vec<Text>,
}

enum ReferenceShape {
    Name(String),
    Joined(JoinedReference),
}

impl<'de> Deserialize<'de> for ReferenceShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = ReferenceShape;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a node, or `{node: NAME, join: [AXIS]}`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ReferenceShape, E> {
                Ok(ReferenceShape::Name(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReferenceShape, A::Error> {
                JoinedReference::deserialize(MapAccessDeserializer::new(map)).map(ReferenceShape::Joined)
            }
        }
        deserializer.deserialize_str(Shape)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = Located::<ReferenceShape>::deserialize(deserializer)?;
        Ok(match located.value {
            ReferenceShape::Name(value) => Self { node: Located { value, span: located.span }, join: None },
            ReferenceShape::Joined(joined) => Self { node: joined.node, join: Some(joined.join) },
        })
    }
}

impl JsonSchema for Reference {
    fn schema_name() -> Cow<'static, str> {
        "Reference".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let joined = generator.subschema_for::<JoinedReference>();
        json_schema!({"anyOf": [{"type": "string"}, joined]})
    }
}

/// One reference or a list of them.
#[derive(Clone, Debug, Default)]
pub struct References(pub Vec<Reference>);

impl<'de> Deserialize<'de> for References {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        enum Raw {
            One(ReferenceShape),
            Many(Vec<Reference>),
        }
        struct RawShape(Raw);
        impl<'de> Visitor<'de> for Shape {
            type Value = RawShape;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a node, `{node: NAME, join: [AXIS]}`, or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawShape, E> {
                Ok(RawShape(Raw::One(ReferenceShape::Name(text.to_owned()))))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawShape, A::Error> {
                let joined = JoinedReference::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawShape(Raw::One(ReferenceShape::Joined(joined))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawShape, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(|many| RawShape(Raw::Many(many)))
            }
        }
        impl<'de> Deserialize<'de> for RawShape {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Shape)
            }
        }
        let located = Located::<RawShape>::deserialize(deserializer)?;
        Ok(Self(match located.value.0 {
            Raw::Many(many) => many,
            Raw::One(ReferenceShape::Name(value)) => {
                vec![Reference { node: Located { value, span: located.span }, join: None }]
            }
            Raw::One(ReferenceShape::Joined(joined)) => vec![Reference { node: joined.node, join: Some(joined.join) }],
        }))
    }
}

impl JsonSchema for References {
    fn schema_name() -> Cow<'static, str> {
        "References".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Reference>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// A length of time: `90s`, `10m`, `1h`, `500ms`, or a number of seconds.
#[derive(Clone, Copy, Debug)]
pub struct Duration {
    /// In milliseconds.
    pub millis: u64,
    /// Where it stands.
    pub span: Span,
}

impl Duration {
    fn parse(text: &str) -> Option<u64> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim() {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).filter(|millis| *millis > 0)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let millis = Self::parse(&text.value).ok_or_else(|| {
            de::Error::custom(format!("`{}` is not a length of time: write `90s`, `10m` or `1h`", text.value))
        })?;
        Ok(Self { millis, span: text.span })
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "pattern": "^[0-9]+ *(ms|s|m|h)?$", "minimum": 1})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_are_never_zero() {
        for (text, millis) in [("90", 90_000), ("90s", 90_000), ("10m", 600_000), ("1 h", 3_600_000), ("5ms", 5)] {
            assert_eq!(Duration::parse(text), Some(millis), "{text}");
        }
        for text in ["", "s", "0", "-1s", "1.5s", "1d", "99999999999999999999h"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }
}
