//! The deserializer itself: what a tree offers to a type that is being decoded.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::base::code;
use crate::base::diag::Span;
use crate::spec::yaml::decode::part::{KeyNode, Parts};
use crate::spec::yaml::decode::variant::Variant;
use crate::spec::yaml::decode::{Context, Excuses, id, list, unknown};
use crate::spec::yaml::expect::{Failure, Place};
use crate::spec::yaml::located::LOCATED;
use crate::spec::yaml::scalar::{Core, core};
use crate::spec::yaml::tree::{Entry, Style, Tree, Value};

pub(super) type Outcome<T> = Result<T, Failure>;

/// A node that is being decoded.
#[derive(Clone, Copy)]
pub(super) struct Node<'t, 'a> {
    pub(super) tree: &'t Tree<'a>,
    context: &'t Context,
}

impl<'t, 'a> Node<'t, 'a> {
    pub(super) const fn new(tree: &'t Tree<'a>, context: &'t Context) -> Self {
        Self { tree, context }
    }

    /// Decodes the whole node.
    pub(super) fn decode<T: for<'de> Deserialize<'de>>(self) -> Outcome<T> {
        T::deserialize(self).map_err(|failure| self.settle(failure))
    }

    /// Makes the failure one of this node, if it is not one of something within it.
    pub(super) fn settle(self, failure: Failure) -> Failure {
        self.context.settle(failure, self.tree, &Excuses::default())
    }

    fn list<'de, V: Visitor<'de>>(self, items: &'t [Tree<'a>], free: bool, visitor: V) -> Outcome<V::Value> {
        let mut elements = Elements { list: self, items, next: 0, free, excuses: Excuses::default() };
        elements.next = if free { self.known_good() } else { 0 };
        elements.excuses.any = elements.next > 0;
        let made = visitor.visit_seq(&mut elements);
        made.map_err(|failure| self.context.settle(failure, self.tree, &elements.excuses))
    }

    fn map<'de, V: Visitor<'de>>(self, entries: &'t [Entry<'a>], fields: Fields, visitor: V) -> Outcome<V::Value> {
        let mut access = Entries { map: self, entries, next: 0, fields, excuses: Excuses::default() };
        access.next = if matches!(fields, Fields::Free) { self.known_good() } else { 0 };
        access.excuses.any = access.next > 0;
        let made = visitor.visit_map(&mut access);
        made.map_err(|failure| self.context.settle(failure, self.tree, &access.excuses))
    }

    fn known_good(self) -> usize {
        if !self.context.again.get() {
            return 0;
        }
        self.context.good.borrow().get(&id(self.tree)).copied().unwrap_or(0)
    }

    fn variant_is_known(self, variant: &str, span: Span, variants: &'static [&'static str]) -> Outcome<()> {
        if variants.contains(&variant) {
            return Ok(());
        }
        let mut failure = <Failure as de::Error>::unknown_variant(variant, variants);
        self.context.report(unknown(code::UNKNOWN_VALUE, "value", variant, span, variants.iter().copied()));
        failure.set_place(Place { node: id(self.tree), span });
        Err(failure)
    }
}

/// Forwards to `deserialize_any`: whatever is written is offered, and what does not fit is refused by the visitor.
macro_rules! offer_what_is_there {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
            self.deserialize_any(visitor)
        }
    )*};
}

/// A scalar as it was written; lists and maps as such.
macro_rules! offer_the_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
            match self.tree.value() {
                Value::Scalar(text, _) => visitor.visit_str(text).map_err(|failure| self.settle(failure)),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'_, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        let made = match self.tree.value() {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(text, Style::Plain) => match core(text) {
                Core::Null => visitor.visit_unit(),
                Core::Bool(value) => visitor.visit_bool(value),
                Core::Unsigned(value) => visitor.visit_u64(value),
                Core::Signed(value) => visitor.visit_i64(value),
                Core::Float(value) => visitor.visit_f64(value),
                Core::Text => visitor.visit_str(text),
            },
            Value::Scalar(text, _) => visitor.visit_str(text),
            Value::Seq(items) => return self.list(items, true, visitor),
            Value::Map(entries) => return self.map(entries, Fields::Unknown, visitor),
        };
        made.map_err(|failure| self.settle(failure))
    }

    offer_what_is_there! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_seq
    }
    offer_the_text! { deserialize_str deserialize_string deserialize_char deserialize_identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        if self.tree.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Outcome<V::Value> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Outcome<V::Value> {
        if name == LOCATED { visitor.visit_seq(Parts::of(self)) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Outcome<V::Value> {
        match self.tree.value() {
            Value::Seq(items) => self.list(items, false, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Outcome<V::Value> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        match self.tree.value() {
            Value::Map(entries) => self.map(entries, Fields::Free, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        match self.tree.value() {
            Value::Map(entries) => self.map(entries, Fields::Known(fields), visitor),
            // Not a list either, though serde would take one for a struct.
            Value::Seq(_) => Err(self.settle(de::Error::invalid_type(de::Unexpected::Seq, &"a map"))),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        let (name, span, content) = match self.tree.value() {
            Value::Scalar(name, _) => (name, self.tree.span(), None),
            Value::Map([Entry { key, value }]) => (key.as_str(), key.span(), Some(Node::new(value, self.context))),
            _ => {
                let names = list("one of", variants.iter().copied()).replacen(": ", " ", 1);
                return Err(self.settle(de::Error::invalid_type(de::Unexpected::Enum, &names.as_str())));
            }
        };
        self.variant_is_known(name, span, variants)?;
        if content.is_some_and(|content| self.context.is_left_out(content.tree)) {
            let mut failure = <Failure as de::Error>::custom("a variant without its content");
            failure.set_place(Place { node: id(self.tree), span });
            return Err(failure);
        }
        visitor.visit_enum(Variant::new(name, content)).map_err(|failure| self.settle(failure))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_unit()
    }
}

/// Which keys a map may have.
#[derive(Clone, Copy)]
enum Fields {
    /// Those of a struct.
    Known(&'static [&'static str]),
    /// Any, and all values are of one kind.
    Free,
    /// The type has not said.
    Unknown,
}

/// The elements of a list.
struct Elements<'t, 'a> {
    list: Node<'t, 'a>,
    items: &'t [Tree<'a>],
    next: usize,
    /// Whether elements may be skipped: the list has no fixed length.
    free: bool,
    excuses: Excuses,
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Outcome<Option<S::Value>> {
        let context = self.list.context;
        while let Some(tree) = self.items.get(self.next) {
            self.next += 1;
            if context.is_left_out(tree) {
                self.excuses.any = true;
                continue;
            }
            let node = Node::new(tree, context);
            return seed.deserialize(node).map(Some).map_err(|failure| {
                if self.free {
                    context.good.borrow_mut().insert(id(self.list.tree), self.next - 1);
                }
                node.settle(failure)
            });
        }
        Ok(None)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

/// The entries of a map.
struct Entries<'t, 'a> {
    map: Node<'t, 'a>,
    entries: &'t [Entry<'a>],
    /// The entry after the one whose key was given last.
    next: usize,
    fields: Fields,
    excuses: Excuses,
}

impl Entries<'_, '_> {
    /// Where a repetition has to go on, after a failure in the current entry.
    fn remember_good(&self) {
        if matches!(self.fields, Fields::Free) {
            self.map.context.good.borrow_mut().insert(id(self.map.tree), self.next - 1);
        }
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, '_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Outcome<Option<S::Value>> {
        let context = self.map.context;
        while let Some(Entry { key, value }) = self.entries.get(self.next) {
            self.next += 1;
            if context.is_left_out(value) {
                self.excuses.any = true;
                self.excuses.fields.push(key.as_str().to_owned());
                continue;
            }
            if let Fields::Known(known) = self.fields
                && !known.contains(&key.as_str())
            {
                self.excuses.any = true;
                self.excuses.fields.push(key.as_str().to_owned());
                context.unknown_field(key, known, self.entries);
                continue;
            }
            return seed.deserialize(KeyNode::new(key)).map(Some).map_err(|mut failure| {
                self.remember_good();
                if failure.place().is_none() {
                    // The key as a node of its own, so that the message describes it and not the value.
                    let shown = Tree::scalar(key.as_str().into(), Style::Plain, key.span());
                    failure = context.settle(failure, &shown, &Excuses::default());
                    failure.set_place(Place { node: id(value), span: key.span() });
                }
                failure
            });
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Outcome<S::Value> {
        let Some(entry) = self.next.checked_sub(1).and_then(|current| self.entries.get(current)) else {
            return Err(de::Error::custom("BUG: a value was asked for before its key"));
        };
        let node = Node::new(&entry.value, self.map.context);
        seed.deserialize(node).map_err(|failure| {
            self.remember_good();
            node.settle(failure)
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len() - self.next)
    }
}
