//! A value that remembers where it was read.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::diag::{SourceId, Span};

/// Name of the newtype by which [`Located`] asks our deserializer for the place.
pub(super) const LOCATED: &str = "$ocelot::Located";

/// A value and where it stands in its file. Two are equal if their values are: the place says where to point, not what
/// is meant. Read by any deserializer but that of [`decode`](crate::spec::yaml::decode()), the place is the default one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Located<T> {
    /// A value with its place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value at the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), span: self.span }
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}
impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<T: Eq> Eq for Located<T> {}
impl<T: PartialOrd> PartialOrd for Located<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}
impl<T: Ord> Ord for Located<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}
impl<T: Hash> Hash for Located<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
impl Borrow<str> for Located<String> {
    fn borrow(&self) -> &str {
        &self.value
    }
}
impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // A number or boolean where a text is wanted is read as the text it is written as.
        if T::schema_id() == String::schema_id() {
            return schemars::json_schema!({"type": ["string", "number", "boolean"]});
        }
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Located<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            /// Any other deserializer: the value alone.
            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Located<T>, D::Error> {
                T::deserialize(deserializer).map(|value| Located { value, span: Span::default() })
            }
            /// Ours: the place, packed, and the value.
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Located<T>, A::Error> {
                let missing = || de::Error::custom("BUG: a located value has three parts");
                let source = parts.next_element()?.ok_or_else(missing)?;
                let range: u64 = parts.next_element()?.ok_or_else(missing)?;
                let value = parts.next_element()?.ok_or_else(missing)?;
                Ok(Located { value, span: unpack(source, range) })
            }
        }
        deserializer.deserialize_newtype_struct(LOCATED, Parts(PhantomData))
    }
}

/// The parts of a span as the numbers that pass through serde.
pub(super) fn pack(span: Span) -> (u32, u64) {
    (span.source.to_u32(), u64::from(span.start) << 32 | u64::from(span.end))
}

fn unpack(source: u32, range: u64) -> Span {
    // The halves of the number: nothing is lost.
    Span::new(SourceId::from_u32(source), (range >> 32) as u32, range as u32)
}

/// For `#[serde(deserialize_with)]`: one value or a list of them, for types that are read from a text or a map.
///
/// # Errors
/// The value is neither a `T` nor a list of `T`.
pub fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<Located<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Shape<T>(PhantomData<T>);
    enum OneOrMany<T> {
        One(T),
        Many(Vec<Located<T>>),
    }
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Shape<T> {
        type Value = OneOrMany<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
            T::deserialize(de::value::StrDeserializer::new(text)).map(OneOrMany::One)
        }
        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map)).map(OneOrMany::One)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMany<T>, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
        }
    }
    struct Wrapped<T>(OneOrMany<T>);
    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wrapped<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            // Not `any`: a plain scalar must stay the text that was written.
            deserializer.deserialize_str(Shape(PhantomData)).map(Self)
        }
    }
    let located = Located::<Wrapped<T>>::deserialize(deserializer)?;
    Ok(match located.value.0 {
        OneOrMany::One(value) => vec![Located { value, span: located.span }],
        OneOrMany::Many(many) => many,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_see_the_value_alone() {
        let read: Located<String> = serde_json::from_str("\"x\"").unwrap();
        assert_eq!((read.as_str(), read.span), ("x", Span::default()));
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"x\"");
        assert_eq!(schemars::schema_for!(Located<u8>), schemars::schema_for!(u8));
    }

    #[test]
    fn the_place_passes_through_serde_and_is_no_part_of_the_value() {
        let span = Span::new(SourceId::from_u32(7), u32::MAX - 1, u32::MAX);
        let (source, range) = pack(span);
        assert_eq!(unpack(source, range), span);
        assert_eq!(Located::new(1, span), Located::new(1, Span::default()));
        assert_eq!(
            std::collections::BTreeSet::from([Located::new("x".to_owned(), span)]).get("x").map(|x| x.span),
            Some(span)
        );
    }
}
