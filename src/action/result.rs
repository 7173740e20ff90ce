//! What an action left behind, as it is stored under its digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::digest::{ActionDigest, BlobDigest, OwnDigest};

/// One file as content: bytes, length, execute bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileContent {
    /// Names the bytes.
    pub digest: BlobDigest,
    /// Length in bytes.
    pub size: u64,
    /// The owner's execute bit.
    pub executable: bool,
}

/// What stands at an output path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Content {
    /// A regular file.
    File(FileContent),
    /// A symbolic link, hashed as a link.
    Symlink(String),
    /// A directory: the blob is its [`Listing`].
    Tree {
        /// Names the encoded listing.
        listing: BlobDigest,
        /// Sum of the file sizes, for people.
        size: u64,
    },
}

impl Content {
    /// What a dependent's manifest says of it.
    pub fn value(&self) -> String {
        match self {
            Self::File(file) => crate::action::manifest::file_value(file.executable, &file.digest),
            Self::Symlink(target) => format!("link to {target}"),
            Self::Tree { listing, .. } => format!("tree {}", listing.to_hex()),
        }
    }

    /// Bytes in all, for people.
    pub fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.size,
            Self::Symlink(target) => target.len() as u64,
            Self::Tree { size, .. } => *size,
        }
    }
}

/// A directory's files, sorted bytewise by path; empty directories are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing(pub Vec<(String, Content)>);

impl Listing {
    /// Sorts entries into a listing.
    pub fn new(mut entries: Vec<(String, Content)>) -> Self {
        entries.sort();
        Self(entries)
    }

    /// Canonical bytes; their BLAKE3 is the tree's digest.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("BUG: a listing always encodes")
    }

    /// How a folder with nothing in it stands in the listing of a folder around it: there is no file to imply it.
    pub fn empty_folder() -> Content {
        Content::Tree { listing: BlobDigest::of(&Self::default().encode()), size: 0 }
    }

    /// The listing of this digest; `read` gets its bytes, and is not asked for those of an empty one.
    pub fn read(digest: &BlobDigest, read: impl FnOnce() -> Option<Vec<u8>>) -> Option<Self> {
        match Self::empty_folder() {
            Content::Tree { listing, .. } if listing == *digest => Some(Self::default()),
            _ => Self::decode(&read()?),
        }
    }

    /// Reads [`Self::encode`]d bytes; `None` if they are none, or if an entry would be laid out outside the folder.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let listing: Self = postcard::from_bytes(bytes).ok()?;
        listing.stays_inside().then_some(listing)
    }

    /// Whether every path is plain and below folders only: never `..`, never through a link.
    fn stays_inside(&self) -> bool {
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        let mut checked = "";
        self.0.is_sorted_by(|a, b| a.0 < b.0)
            && self.0.iter().all(|(path, _)| {
                let above = path.rsplit_once('/').map_or("", |(above, _)| above);
                let mut folder = above;
                while !folder.is_empty() && folder != checked {
                    if self.get(folder).is_some() {
                        return false;
                    }
                    folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
                }
                checked = above;
                path.split('/').all(is_plain)
            })
    }

    /// The entry at this path.
    pub fn get(&self, path: &str) -> Option<&Content> {
        self.0.binary_search_by(|(p, _)| p.as_str().cmp(path)).ok().map(|i| &self.0[i].1)
    }

    /// Sum of the file sizes.
    pub fn size(&self) -> u64 {
        self.0.iter().map(|(_, content)| content.size()).sum()
    }
}

/// One output: a role (`tree`, `binary`) or, for a declared path, that path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The role, or the path if it has no role of its own.
    pub name: String,
    /// Where it is kept in the project; `None`: intermediate, in the store only.
    pub path: Option<String>,
    /// What it is.
    pub content: Content,
}

/// What an action left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResult {
    /// Declared outputs, in the order of declaration.
    pub outputs: Vec<Output>,
    /// Content facts: they enter dependents' digests.
    pub facts: BTreeMap<String, String>,
    /// Measurements: shown, never hashed. Milliseconds, bytes or counts, as the name says.
    pub measurements: BTreeMap<String, u64>,
    /// What the command printed.
    pub log: Option<BlobDigest>,
    /// How long the work took, in milliseconds.
    pub duration_ms: u64,
    /// When it ended, in seconds since 1970.
    pub ended_at: u64,
    /// Names the run that did it, for people.
    pub run: String,
}

impl ActionResult {
    /// The output of this role or path.
    pub fn output(&self, name: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.name == name)
    }

    /// A content fact.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// Whether dependents see the same thing: outputs and content facts, never measurements.
    pub fn same_for_dependents(&self, other: &Self) -> bool {
        self.outputs == other.outputs && self.facts == other.facts
    }
}

/// A path that a depfile named, with what it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovered {
    /// Relative to the project root if inside it, else absolute.
    pub path: String,
    /// What the path held, a link as a link. `None`: it must be absent.
    pub content: Option<Content>,
}

/// One result of an action, with the discovered inputs under which it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Sorted by path; empty for an action without a depfile.
    pub discovered: Vec<Discovered>,
    /// What it left.
    pub result: ActionResult,
}

/// What the action cache holds under an action digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Repeats the key, so that a record copied under another name is a miss.
    pub action: ActionDigest,
    /// The digest of the action's own part, so that an imported record can be marked.
    pub own: OwnDigest,
    /// Newest first; at most [`Record::MAX_ALTERNATIVES`].
    pub alternatives: Vec<Alternative>,
}

impl Record {
    /// How many sets of discovered inputs are remembered per action.
    pub const MAX_ALTERNATIVES: usize = 16;
    /// Version byte of the encoding; another version is a miss.
    const VERSION: u8 = 2;

    /// Bytes for the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        bytes.extend(postcard::to_stdvec(self).expect("BUG: a record always encodes"));
        bytes
    }

    /// Reads stored bytes; `None` for another version, another key or damage.
    pub fn decode(bytes: &[u8], key: &ActionDigest) -> Option<Self> {
        let record: Self = postcard::from_bytes(bytes.strip_prefix(&[Self::VERSION])?).ok()?;
        (record.action == *key).then_some(record)
    }

    /// Reads stored bytes under whatever key they name; for those who recompute the key.
    pub fn decode_any(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes.strip_prefix(&[Self::VERSION])?).ok()
    }

    /// Every blob that the record names directly; listings name more.
    pub fn blobs(&self) -> Vec<(BlobDigest, u64)> {
        let mut blobs = Vec::new();
        for result in self.alternatives.iter().map(|alternative| &alternative.result) {
            blobs.extend(result.log.map(|digest| (digest, 0)));
            for output in &result.outputs {
                match &output.content {
                    Content::File(file) => blobs.push((file.digest, file.size)),
                    Content::Tree { listing, .. } => blobs.push((*listing, 0)),
                    Content::Symlink(_) => {}
                }
            }
        }
        blobs
    }

    /// Adds a result in front, replacing one with the same discovered inputs.
    pub fn push(&mut self, alternative: Alternative) {
        self.alternatives.retain(|known| known.discovered != alternative.discovered);
        self.alternatives.insert(0, alternative);
        self.alternatives.truncate(Self::MAX_ALTERNATIVES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_66_a_record_under_another_key_or_version_is_a_miss() {
        let key = ActionDigest::of(b"a");
        let record = Record { action: key, own: OwnDigest::of(b"o"), alternatives: vec![] };
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes, &key), Some(record));
        assert_eq!(Record::decode(&bytes, &ActionDigest::of(b"b")), None);
        let mut other = bytes.clone();
        other[0] = 1;
        assert_eq!(Record::decode(&other, &key), None);
        for len in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..len], &key), None);
        }
    }

    #[test]
    fn alternatives_are_bounded_and_newest_first() {
        let mut record = Record { action: ActionDigest::of(b"a"), own: OwnDigest::of(b"o"), alternatives: vec![] };
        for i in 0..20u8 {
            let discovered = vec![Discovered { path: format!("{i}.h"), content: None }];
            record.push(Alternative { discovered, result: ActionResult::default() });
        }
        assert_eq!(record.alternatives.len(), Record::MAX_ALTERNATIVES);
        assert_eq!(record.alternatives[0].discovered[0].path, "19.h");
    }

    #[test]
    fn row_36_a_listing_that_leads_out_of_its_folder_is_none() {
        let file = || Content::File(FileContent { digest: BlobDigest::of(b""), size: 0, executable: false });
        let link = || Content::Symlink("/etc".into());
        let read = |entries: Vec<(&str, Content)>| {
            let entries = entries.into_iter().map(|(path, content)| (path.to_owned(), content)).collect();
            Listing::decode(&Listing(entries).encode())
        };
        assert!(
            read(vec![("a", file()), ("a-b", file()), ("b/c", link()), ("b/d/e", file()), ("b/d/f", file())]).is_some()
        );
        for path in ["", "/etc/x", "../x", "a/../../x", "a//x", "./x", "a/", "a\0b", ".."] {
            assert_eq!(read(vec![(path, file())]), None, "{path:?}");
        }
        assert_eq!(read(vec![("d", link()), ("d/x", file())]), None, "through a link");
        assert_eq!(read(vec![("d", link()), ("d-e", file()), ("d/x/y", file())]), None, "through a link further up");
        assert_eq!(read(vec![("d", file()), ("d/x", file())]), None, "inside a file");
        assert_eq!(read(vec![("b", file()), ("a", file())]), None, "not in order");
        assert_eq!(read(vec![("a", link()), ("a", file())]), None, "twice");
    }
}
