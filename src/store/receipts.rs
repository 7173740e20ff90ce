//! Receipts: one small file per effect, which says that it was done, for what, and with which result.
//!
//! They live under `.ocelot/receipts/`, outside the state of single parameter sets, never in the cache. A file is
//! replaced as a whole and synced; one that is damaged, of another format or of another effect counts as missing, which
//! costs a look at the world and never a wrong answer. Before an effect acts, it leaves an *intent* in the same file:
//! one that is still there later means that nobody knows how the act ended.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::action::result::ActionResult;
use crate::base::digest::{BlobDigest, encode_hex};
use crate::store::atomic;
use crate::store::fs::{Fs, RealFs, read_file};

/// Rises when the meaning of the file changes; another format is a missing receipt.
const FORMAT: u32 = 1;

/// What an effect is about: named values, for example registry, region and layer name. Everything that makes it another
/// effect belongs here, and nothing else.
pub type Identity = BTreeMap<String, String>;

/// Names the receipt of one effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReceiptKey(String);

impl ReceiptKey {
    /// The key of an effect.
    pub fn of(identity: &Identity) -> Self {
        let mut hasher = blake3::Hasher::new();
        for text in identity.iter().flat_map(|(name, value)| [name, value]) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Self(encode_hex(&hasher.finalize().as_bytes()[..20]))
    }

    /// The key that these 40 lowercase hexadecimal digits are; `None` for anything else, such as a path.
    pub fn parse(digits: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digits.len() == 40 && digits.bytes().all(is_digit)).then(|| Self(digits.to_owned()))
    }

    /// 40 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of one effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// What it is about.
    pub identity: Identity,
    /// An attempt whose end is not known.
    pub intent: Option<Intent>,
    /// The last time it was done.
    pub done: Option<Done>,
}

/// An attempt that began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Intent {
    /// The action digest it was to satisfy, as hexadecimal digits.
    pub action: String,
    /// The run.
    pub run: String,
    /// Seconds since 1970.
    pub at: u64,
}

/// An effect that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Done {
    /// The action digest that it satisfied, as hexadecimal digits.
    pub action: String,
    /// What it left: outputs, facts, measurements, when and by which run.
    pub result: ActionResult,
}

/// The file: the receipt with the means to tell whether it is whole.
#[derive(Serialize, Deserialize)]
struct File<R> {
    format: u32,
    /// BLAKE3 of the receipt as compact JSON.
    check: String,
    receipt: R,
}

/// The receipts of a workspace.
#[derive(Clone, Debug)]
pub struct Receipts<F = RealFs> {
    dir: PathBuf,
    fs: F,
}

impl Receipts {
    /// Receipts in this folder; it is made when one is written.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::on(RealFs, dir)
    }

    /// The receipts of the project at `root`.
    pub fn of_project(root: &Path) -> Self {
        Self::new(root.join(".ocelot/receipts"))
    }
}

impl<F: Fs> Receipts<F> {
    /// As [`Receipts::new`], on any file system.
    pub fn on(fs: F, dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), fs }
    }

    /// Where the receipt is, or would be.
    pub fn path(&self, key: &ReceiptKey) -> PathBuf {
        self.dir.join(format!("{}.json", key.0))
    }

    /// The receipt of an effect; `None` if there is none that can be trusted.
    pub fn read(&self, key: &ReceiptKey) -> Option<Receipt> {
        decode(key, &read_file(&self.fs, &self.path(key)).ok()?)
    }

    /// Writes a receipt; it survives a power cut once this returns.
    ///
    /// # Errors
    /// As the file system says; the old receipt is then untouched, or the new one in place and perhaps not synced.
    pub fn write(&self, key: &ReceiptKey, receipt: &Receipt) -> io::Result<()> {
        atomic::write_on(&self.fs, &self.path(key), &encode(receipt), true)?;
        // `.ocelot` was made by whoever came first, the lock for example, and perhaps never synced: a name in a folder is
        // worth no more than the folder's own name.
        let mut above = self.dir.ancestors().skip(1).take(2).filter(|folder| !folder.as_os_str().is_empty());
        above.try_for_each(|folder| self.fs.sync_dir(folder))
    }

    /// Notes that an attempt begins, and keeps what was done before.
    ///
    /// # Errors
    /// As for [`Self::write`]; the attempt must not begin then.
    pub fn begin(&self, identity: &Identity, intent: Intent) -> io::Result<()> {
        let key = ReceiptKey::of(identity);
        let done = self.read(&key).and_then(|receipt| receipt.done);
        self.write(&key, &Receipt { identity: identity.clone(), intent: Some(intent), done })
    }

    /// Notes that the effect is done.
    ///
    /// # Errors
    /// As for [`Self::write`]; the attempt then counts as interrupted.
    pub fn complete(&self, identity: &Identity, done: Done) -> io::Result<()> {
        let receipt = Receipt { identity: identity.clone(), intent: None, done: Some(done) };
        self.write(&ReceiptKey::of(identity), &receipt)
    }

    /// All receipts that can be trusted, by key.
    ///
    /// # Errors
    /// If the folder cannot be listed; none at all is fine.
    pub fn all(&self) -> io::Result<Vec<(ReceiptKey, Receipt)>> {
        let entries = match self.fs.list(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for name in entries {
            let key = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(ReceiptKey::parse);
            found.extend(key.and_then(|key| self.read(&key).map(|receipt| (key, receipt))));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}

/// The bytes of a receipt's file.
pub(in crate::store) fn encode(receipt: &Receipt) -> Vec<u8> {
    let file = File { format: FORMAT, check: check(receipt), receipt };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("BUG: a receipt always encodes");
    bytes.push(b'\n');
    bytes
}

/// The receipt in a file; `None` if it is not whole, of another format, or of another effect than `key` names.
pub(in crate::store) fn decode(key: &ReceiptKey, bytes: &[u8]) -> Option<Receipt> {
    let file: File<Receipt> = serde_json::from_slice(bytes).ok()?;
    let whole = file.format == FORMAT && file.check == check(&file.receipt);
    (whole && ReceiptKey::of(&file.receipt.identity) == *key).then_some(file.receipt)
}

fn check(receipt: &Receipt) -> String {
    let bytes = serde_json::to_vec(receipt).expect("BUG: a receipt always encodes");
    BlobDigest::of(&bytes).to_hex()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::{Content, FileContent, Output};

    fn identity(region: &str) -> Identity {
        [("effect", "publish"), ("region", region)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn done() -> Done {
        let content = FileContent { digest: BlobDigest::of(b"x"), size: 1, executable: true };
        let result = ActionResult {
            outputs: vec![
                Output { name: "a".into(), path: Some("a".into()), content: Content::File(content) },
                Output { name: "l".into(), path: None, content: Content::Symlink("to".into()) },
                Output {
                    name: "t/".into(),
                    path: None,
                    content: Content::Tree { listing: BlobDigest::of(b"t"), size: 7 },
                },
            ],
            facts: [("version".to_owned(), "1".to_owned())].into(),
            measurements: [("bytes".to_owned(), 12)].into(),
            log: Some(BlobDigest::of(b"log")),
            duration_ms: 5,
            ended_at: 1_800_000_000,
            run: "r".into(),
        };
        Done { action: "ab".into(), result }
    }

    fn intent() -> Intent {
        Intent { action: "cd".into(), run: "s".into(), at: 1 }
    }

    #[test]
    fn an_intent_keeps_what_was_done_and_completion_clears_it() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::of_project(dir.path());
        let (identity, key) = (identity("a"), ReceiptKey::of(&identity("a")));
        assert_eq!(receipts.read(&key), None);
        receipts.begin(&identity, intent()).unwrap();
        assert_eq!(
            receipts.read(&key).unwrap(),
            Receipt { identity: identity.clone(), intent: Some(intent()), done: None }
        );
        receipts.complete(&identity, done()).unwrap();
        assert_eq!(
            receipts.read(&key).unwrap(),
            Receipt { identity: identity.clone(), intent: None, done: Some(done()) }
        );
        receipts.begin(&identity, intent()).unwrap();
        let both = receipts.read(&key).unwrap();
        assert!(both.intent.is_some() && both.done == Some(done()));
        assert_eq!(receipts.all().unwrap(), [(key.clone(), both)]);
        assert_eq!(std::fs::read_dir(dir.path().join(".ocelot/receipts")).unwrap().count(), 1);
    }

    #[test]
    fn every_damage_is_a_missing_receipt() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::new(dir.path());
        let key = ReceiptKey::of(&identity("a"));
        receipts.complete(&identity("a"), done()).unwrap();
        let good = std::fs::read(receipts.path(&key)).unwrap();
        let reads = |bytes: &[u8]| {
            std::fs::write(receipts.path(&key), bytes).unwrap();
            receipts.read(&key)
        };
        for length in 0..good.len() - 1 {
            assert_eq!(reads(&good[..length]), None, "cut at {length}");
        }
        let text = String::from_utf8(good.clone()).unwrap();
        for (from, to) in [("1800000000", "1800000001"), ("\"ab\"", "\"ac\""), ("\"format\": 1", "\"format\": 2")] {
            assert!(text.contains(from));
            assert_eq!(reads(text.replace(from, to).as_bytes()), None, "{from}");
        }
        assert_eq!(reads(&good).unwrap().done, Some(done()));
    }

    #[test]
    fn a_receipt_under_the_name_of_another_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::new(dir.path());
        let (one, other) = (ReceiptKey::of(&identity("a")), ReceiptKey::of(&identity("b")));
        receipts.complete(&identity("a"), done()).unwrap();
        std::fs::copy(receipts.path(&one), receipts.path(&other)).unwrap();
        assert_eq!(receipts.read(&other), None);
        assert_eq!(receipts.all().unwrap().len(), 1);
    }

    #[test]
    fn keys_tell_names_from_values() {
        let key = |pairs: &[(&str, &str)]| {
            ReceiptKey::of(&pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
        };
        let all = [key(&[("a", "bc")]), key(&[("ab", "c")]), key(&[("a", "b"), ("c", "")]), key(&[])];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert_eq!(all[0].as_str().len(), 40);
    }
}
