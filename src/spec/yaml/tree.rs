//! A YAML document as a tree in which everything knows its place.

use std::sync::Arc;

use crate::base::diag::{SourceId, Span, quoted};
use crate::spec::yaml::scalar::{Core, core};

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be read as a boolean, a number or nothing.
    Plain,
    /// In single or double quotes, or tagged `!!str`: always a text.
    Quoted,
    /// `|` or `>`: always a text.
    Block,
}

/// A node of the tree. Scalars without escapes are borrowed from the text; what an alias names is shared.
#[derive(Clone, Debug)]
pub struct Tree<'a> {
    span: Span,
    repr: Repr<'a>,
}

#[derive(Clone, Debug)]
enum Repr<'a> {
    Null,
    Borrowed(Style, &'a str),
    Owned(Style, Arc<str>),
    Seq(Box<[Tree<'a>]>),
    Map(Box<[Entry<'a>]>),
    Shared(Arc<Tree<'a>>),
}

/// What a [`Tree`] node is.
#[derive(Clone, Copy, Debug)]
pub enum Value<'t, 'a> {
    /// Nothing was written. A written `null` or `~` is a plain scalar.
    Null,
    /// A text as meant (escapes resolved, lines folded), and how it was written.
    Scalar(&'t str, Style),
    /// A list.
    Seq(&'t [Tree<'a>]),
    /// A map, in the order of the file. No key is there twice.
    Map(&'t [Entry<'a>]),
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The key.
    pub key: Key<'a>,
    /// The value.
    pub value: Tree<'a>,
}

/// The key of an entry: always a scalar, and a text.
#[derive(Clone, Debug)]
pub struct Key<'a> {
    text: KeyText<'a>,
    span: Span,
}

#[derive(Clone, Debug)]
enum KeyText<'a> {
    Borrowed(&'a str),
    Owned(Box<str>),
}

impl<'a> Key<'a> {
    pub(super) fn new(text: std::borrow::Cow<'a, str>, span: Span) -> Self {
        let text = match text {
            std::borrow::Cow::Borrowed(text) => KeyText::Borrowed(text),
            std::borrow::Cow::Owned(text) => KeyText::Owned(text.into()),
        };
        Self { text, span }
    }

    /// The key as meant.
    pub fn as_str(&self) -> &str {
        match &self.text {
            KeyText::Borrowed(text) => text,
            KeyText::Owned(text) => text,
        }
    }

    /// Where it stands.
    pub const fn span(&self) -> Span {
        self.span
    }
}

impl<'a> Tree<'a> {
    pub(super) const fn null(span: Span) -> Self {
        Self { span, repr: Repr::Null }
    }

    pub(super) fn scalar(text: std::borrow::Cow<'a, str>, style: Style, span: Span) -> Self {
        let repr = match text {
            std::borrow::Cow::Borrowed(text) => Repr::Borrowed(style, text),
            std::borrow::Cow::Owned(text) => Repr::Owned(style, text.into()),
        };
        Self { span, repr }
    }

    pub(super) const fn seq(items: Box<[Self]>, span: Span) -> Self {
        Self { span, repr: Repr::Seq(items) }
    }

    pub(super) const fn map(entries: Box<[Entry<'a>]>, span: Span) -> Self {
        Self { span, repr: Repr::Map(entries) }
    }

    /// A node that stands for `target`, with its place: errors show what was written there.
    pub(super) fn shared(target: Arc<Self>) -> Self {
        Self { span: target.span, repr: Repr::Shared(target) }
    }

    /// Where it stands, from its first to its last character. For an alias, where its anchor is; for a value left
    /// empty, its key.
    pub const fn span(&self) -> Span {
        self.span
    }

    /// The file it is in.
    pub const fn source(&self) -> SourceId {
        self.span.source
    }

    /// What it is.
    pub fn value(&self) -> Value<'_, 'a> {
        let mut tree = self;
        loop {
            return match &tree.repr {
                Repr::Null => Value::Null,
                Repr::Borrowed(style, text) => Value::Scalar(text, *style),
                Repr::Owned(style, text) => Value::Scalar(text, *style),
                Repr::Seq(items) => Value::Seq(items),
                Repr::Map(entries) => Value::Map(entries),
                Repr::Shared(target) => {
                    tree = target;
                    continue;
                }
            };
        }
    }

    /// The text of a scalar, plain or not, as it was meant.
    pub fn as_str(&self) -> Option<&str> {
        match self.value() {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Whether it is nothing: left empty, or a plain `null` or `~`.
    pub fn is_null(&self) -> bool {
        match self.value() {
            Value::Null => true,
            Value::Scalar(text, Style::Plain) => core(text) == Core::Null,
            _ => false,
        }
    }

    /// The elements of a list; of anything else, none.
    pub fn items(&self) -> &[Self] {
        match self.value() {
            Value::Seq(items) => items,
            _ => &[],
        }
    }

    /// The entries of a map; of anything else, none.
    pub fn entries(&self) -> &[Entry<'a>] {
        match self.value() {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a map with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        self.entries().iter().find(|entry| entry.key.as_str() == key)
    }

    /// The value of a map's key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Where a map's key stands.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entry(key).map(|entry| entry.key.span)
    }

    /// What it is, in words, to follow "found".
    pub fn describe(&self) -> String {
        match self.value() {
            Value::Null => "nothing".to_owned(),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Scalar(text, Style::Plain) => match core(text) {
                Core::Null => format!("nothing ({})", quoted(text)),
                Core::Bool(_) => quoted(text),
                Core::Unsigned(_) | Core::Signed(_) | Core::Float(_) => format!("the number {}", quoted(text)),
                Core::Text => format!("the text {}", quoted(text)),
            },
            Value::Scalar("", _) => "an empty text".to_owned(),
            Value::Scalar(text, _) => format!("the text {}", quoted(text)),
        }
    }
}
