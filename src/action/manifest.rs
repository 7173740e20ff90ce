//! The canonical manifest of an action: what is hashed and what `why` prints are the same bytes.
//!
//! A manifest is a header and a list of (field, value) pairs, both length-prefixed, so that no two different lists have
//! the same bytes. The action digest is the BLAKE3 of all of it; the own digest is the BLAKE3 of the prefix that does
//! not depend on other nodes. `docs/cache-key.md` has a row for every field.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::digest::{ActionDigest, BlobDigest, OwnDigest};

/// Raised when the meaning of any field changes; history in `docs/cache-key.md`.
const HEADER: &[u8] = b"ocelot-action 1\n";

/// The field between the own part and what comes from other nodes.
const BORDER: &str = "(dependencies)";

/// Collects the fields of one action, own fields first.
#[derive(Debug)]
pub struct ManifestBuilder {
    bytes: Vec<u8>,
    own_end: Option<usize>,
}

impl ManifestBuilder {
    /// Starts the manifest of a node of this kind; `schema` is the version of the kind's own rules.
    pub fn new(kind: &str, schema: u32) -> Self {
        let mut builder = Self { bytes: HEADER.to_vec(), own_end: None };
        builder.field("kind", kind);
        builder.field("schema", &schema.to_string());
        builder
    }

    /// Adds one field.
    pub fn field(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            // u32 would do, but a width that can never overflow needs no argument.
            self.bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.bytes.extend_from_slice(part.as_bytes());
        }
    }

    /// Adds a field only if there is a value: absent is not the same as empty.
    pub fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// Adds a list, one field per element; an empty list is a field too.
    pub fn list<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut count = 0;
        for value in values {
            self.field(&format!("{name}[{count}]"), value);
            count += 1;
        }
        if count == 0 {
            self.field(name, "(none)");
        }
    }

    /// Adds a file by path, execute bit and content.
    pub fn file(&mut self, path: &str, executable: bool, content: &BlobDigest) {
        self.field(&format!("input {path}"), &file_value(executable, content));
    }

    /// From here on, fields come from other nodes' results.
    pub fn dependencies(&mut self) {
        debug_assert!(self.own_end.is_none(), "BUG: a manifest has one dependency part");
        self.own_end = Some(self.bytes.len());
        self.field(BORDER, "");
    }

    /// The finished manifest.
    pub fn finish(self) -> Manifest {
        let own = OwnDigest::of(&self.bytes[..self.own_end.unwrap_or(self.bytes.len())]);
        Manifest { action: ActionDigest::of(&self.bytes), own, bytes: self.bytes }
    }
}

/// How a file stands in a manifest.
pub fn file_value(executable: bool, content: &BlobDigest) -> String {
    format!("{}{}", if executable { "x " } else { "" }, content.to_hex())
}

/// A finished manifest and its digests.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The canonical bytes.
    pub bytes: Vec<u8>,
    /// Names the action.
    pub action: ActionDigest,
    /// Names the part that other nodes do not enter.
    pub own: OwnDigest,
}

/// Reads the fields back from stored bytes; `None` if they are not a manifest of this version.
pub fn read_fields(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = bytes.strip_prefix(HEADER)?;
    let mut take = || -> Option<String> {
        let (len, tail) = rest.split_first_chunk::<8>()?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let text = tail.get(..len)?;
        rest = &tail[len..];
        String::from_utf8(text.to_vec()).ok()
    };
    let mut fields = Vec::new();
    while let Some(name) = take() {
        fields.push((name, take()?));
    }
    rest.is_empty().then_some(fields)
}

/// The fields before those that come from other nodes.
pub fn own_part(fields: &[(String, String)]) -> &[(String, String)] {
    let end = fields.iter().position(|(name, _)| name == BORDER).unwrap_or(fields.len());
    &fields[..end]
}

/// One difference between two manifests.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FieldChange {
    /// The field's name, for example `input src/main.c` or `command[2]`.
    pub field: String,
    /// Its value before, if it was there.
    pub old: Option<String>,
    /// Its value now, if it is there.
    pub new: Option<String>,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &str| match value.rsplit_once(' ').map_or(("", value), |(head, tail)| (head, tail)) {
            (head, digest) if BlobDigest::from_hex(digest).is_some() => {
                format!("{head}{}{}", if head.is_empty() { "" } else { " " }, &digest[..12])
            }
            _ => format!("`{value}`"),
        };
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{}: {} → {}", self.field, show(old), show(new)),
            (None, Some(new)) => write!(f, "{}: added, {}", self.field, show(new)),
            (Some(old), None) => write!(f, "{}: removed, was {}", self.field, show(old)),
            (None, None) => write!(f, "{}", self.field),
        }
    }
}

/// What differs between two manifests, in the order of the fields now, then what is gone.
pub fn compare(old: &[(String, String)], new: &[(String, String)]) -> Vec<FieldChange> {
    let was: BTreeMap<&str, &str> = old.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let is: BTreeMap<&str, &str> = new.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut changes = Vec::new();
    for (field, value) in new.iter().filter(|(field, _)| field != BORDER) {
        let before = was.get(field.as_str()).copied();
        if before != Some(value.as_str()) {
            changes.push(FieldChange {
                field: field.clone(),
                old: before.map(str::to_owned),
                new: Some(value.clone()),
            });
        }
    }
    for (field, value) in old.iter().filter(|(field, _)| field != BORDER) {
        if !is.contains_key(field.as_str()) {
            changes.push(FieldChange { field: field.clone(), old: Some(value.clone()), new: None });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ManifestBuilder {
        let mut builder = ManifestBuilder::new("exec", 1);
        builder.list("command", ["cc", "-c", "a.c"]);
        builder.file("a.c", false, &BlobDigest::of(b"int a;"));
        builder.dependencies();
        builder.field("input gen.h", "x");
        builder
    }

    #[test]
    fn the_digest_of_a_known_manifest_is_pinned() {
        let manifest = sample().finish();
        assert_eq!(manifest.action.to_hex(), "3edd9c48a1fb16e2af23b36305cb6ade68db0ab367d21399b6f1ad3131bf7dad");
    }

    #[test]
    fn field_borders_enter_the_digest() {
        let digest = |a: &str, b: &str| {
            let mut builder = ManifestBuilder::new("exec", 1);
            builder.field(a, b);
            builder.finish().action
        };
        assert_ne!(digest("ab", "c"), digest("a", "bc"));
    }

    #[test]
    fn own_digest_ignores_dependencies_only() {
        let one = sample().finish();
        let mut other = sample();
        other.field("input more.h", "y");
        let other = other.finish();
        assert_eq!(one.own, other.own);
        assert_ne!(one.action, other.action);
    }

    #[test]
    fn fields_are_read_back_and_compared() {
        let old = read_fields(&sample().finish().bytes).unwrap();
        let mut builder = ManifestBuilder::new("exec", 1);
        builder.list("command", ["cc", "-O2", "a.c"]);
        builder.file("b.c", true, &BlobDigest::of(b"int a;"));
        let new = read_fields(&builder.finish().bytes).unwrap();
        let lines: Vec<String> = compare(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "command[1]: `-c` → `-O2`",
                "input b.c: added, x 80569e73bbf8",
                "input a.c: removed, was 80569e73bbf8",
                "input gen.h: removed, was `x`",
            ]
        );
    }

    #[test]
    fn cut_manifests_are_refused_at_every_length() {
        let bytes = sample().finish().bytes;
        let whole = read_fields(&bytes).unwrap();
        for len in 0..bytes.len() {
            let cut = read_fields(&bytes[..len]);
            assert!(cut.is_none_or(|fields| fields.len() < whole.len()), "cut at {len}");
        }
    }
}
