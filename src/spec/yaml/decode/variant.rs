//! Enums: a name, or a map from one name to what the variant holds.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};

use crate::base::diag::quoted;
use crate::spec::yaml::decode::access::{Node, Outcome};
use crate::spec::yaml::expect::Failure;

/// An enum's variant: a name, or a map of one entry.
pub(super) struct Variant<'t, 'a> {
    name: &'t str,
    content: Option<Node<'t, 'a>>,
}

impl<'t, 'a> Variant<'t, 'a> {
    pub(super) const fn new(name: &'t str, content: Option<Node<'t, 'a>>) -> Self {
        Self { name, content }
    }
}

impl<'de, 't, 'a> EnumAccess<'de> for Variant<'t, 'a> {
    type Error = Failure;
    type Variant = Content<'t, 'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Outcome<(S::Value, Self::Variant)> {
        let name: StrDeserializer<'_, Failure> = StrDeserializer::new(self.name);
        Ok((seed.deserialize(name)?, Content { name: self.name, node: self.content }))
    }
}

/// What a variant holds.
pub(super) struct Content<'t, 'a> {
    name: &'t str,
    node: Option<Node<'t, 'a>>,
}

impl<'t, 'a> Content<'t, 'a> {
    fn needed(&self) -> Outcome<Node<'t, 'a>> {
        self.node.ok_or_else(|| {
            de::Error::custom(format!("{} needs a value: write `{}: ...`", quoted(self.name), self.name))
        })
    }
}

impl<'de> VariantAccess<'de> for Content<'_, '_> {
    type Error = Failure;

    fn unit_variant(self) -> Outcome<()> {
        match self.node {
            Some(node) if !node.tree.is_null() => {
                Err(node.settle(de::Error::custom(format!("{} has no value", quoted(self.name)))))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Outcome<S::Value> {
        let node = self.needed()?;
        seed.deserialize(node).map_err(|failure| node.settle(failure))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Outcome<V::Value> {
        self.needed()?.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Outcome<V::Value> {
        self.needed()?.deserialize_struct("", fields, visitor)
    }
}
