//! Keys, and the parts of a located value: what a type sees besides nodes.

use serde::de::value::{StrDeserializer, U32Deserializer, U64Deserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor};

use crate::base::diag::Span;
use crate::spec::yaml::decode::access::{Node, Outcome};
use crate::spec::yaml::expect::Failure;
use crate::spec::yaml::located::{LOCATED, pack};
use crate::spec::yaml::tree::Key;

/// A key that is being decoded.
#[derive(Clone, Copy)]
pub(super) struct KeyNode<'t, 'a> {
    key: &'t Key<'a>,
}

impl<'t, 'a> KeyNode<'t, 'a> {
    pub(super) const fn new(key: &'t Key<'a>) -> Self {
        Self { key }
    }
}

impl<'de> Deserializer<'de> for KeyNode<'_, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_str(self.key.as_str())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Outcome<V::Value> {
        if name == LOCATED { visitor.visit_seq(Parts::of(self)) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        StrDeserializer::new(self.key.as_str()).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_some(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Something that stands somewhere.
pub(super) trait Placed {
    fn span(&self) -> Span;
}

impl Placed for Node<'_, '_> {
    fn span(&self) -> Span {
        self.tree.span()
    }
}

impl Placed for KeyNode<'_, '_> {
    fn span(&self) -> Span {
        self.key.span()
    }
}

/// What [`Located`](crate::spec::yaml::Located) is made of.
pub(super) struct Parts<N> {
    node: N,
    step: u8,
}

impl<N> Parts<N> {
    pub(super) const fn of(node: N) -> Self {
        Self { node, step: 0 }
    }
}

impl<'de, N: Placed + Copy + Deserializer<'de, Error = Failure>> SeqAccess<'de> for Parts<N> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Outcome<Option<S::Value>> {
        self.step += 1;
        let (source, range) = pack(self.node.span());
        match self.step {
            1 => {
                let source: U32Deserializer<Failure> = source.into_deserializer();
                seed.deserialize(source).map(Some)
            }
            2 => {
                let range: U64Deserializer<Failure> = range.into_deserializer();
                seed.deserialize(range).map(Some)
            }
            3 => seed.deserialize(self.node).map(Some),
            _ => Ok(None),
        }
    }
}
