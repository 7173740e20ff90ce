//! Receipts that travel between machines, as attachments of a bundle: `receipts/KEY` with the bytes of the file.
//!
//! Who takes a bundle in trusts it no further than it can be checked: a name is the key of the receipt under it, 40
//! hexadecimal digits and nothing else, so that no name leads out of the folder of receipts.

use std::collections::BTreeMap;
use std::io;

use crate::store::fs::Fs;
use crate::store::receipts::{Receipt, ReceiptKey, Receipts, decode, encode};

const FOLDER: &str = "receipts/";

/// Receipts as attachments.
pub fn attachments<'a>(receipts: impl IntoIterator<Item = &'a (ReceiptKey, Receipt)>) -> BTreeMap<String, Vec<u8>> {
    receipts.into_iter().map(|(key, receipt)| (format!("{FOLDER}{}", key.as_str()), encode(receipt))).collect()
}

/// Whether an attachment is a whole receipt under its own key.
///
/// # Errors
/// In words, for anything else.
pub fn check(name: &str, bytes: &[u8]) -> Result<(), String> {
    parse(name, bytes).map(|_| ())
}

fn parse(name: &str, bytes: &[u8]) -> Result<(ReceiptKey, Receipt), String> {
    let key = name.strip_prefix(FOLDER).and_then(ReceiptKey::parse);
    let key = key.ok_or_else(|| format!("an attachment has the name {name:?}, which is no receipt's"))?;
    match decode(&key, bytes) {
        Some(receipt) => Ok((key, receipt)),
        None => Err(format!("the receipt {} is damaged, of another version or of another effect", key.as_str())),
    }
}

/// Writes the receipts of a bundle among those of the project, and returns how many were new. Of two receipts of one
/// effect, that of the later act stays: a bundle may be older than what was done here.
///
/// # Errors
/// An attachment that is no receipt, or as the file system says.
pub fn take_over<F: Fs>(receipts: &Receipts<F>, attachments: &BTreeMap<String, Vec<u8>>) -> io::Result<u64> {
    let mut taken = 0;
    for (name, bytes) in attachments {
        let (key, receipt) = parse(name, bytes).map_err(io::Error::other)?;
        let here = receipts.read(&key);
        if here.as_ref().is_none_or(|here| *here != receipt && last_act(here) <= last_act(&receipt)) {
            receipts.write(&key, &receipt)?;
            taken += 1;
        }
    }
    Ok(taken)
}

/// When something was last done or tried, in seconds since 1970.
fn last_act(receipt: &Receipt) -> u64 {
    let done = receipt.done.as_ref().map_or(0, |done| done.result.ended_at);
    receipt.intent.as_ref().map_or(0, |intent| intent.at).max(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::ActionResult;
    use crate::store::receipts::{Done, Identity, Intent};

    fn identity(region: &str) -> Identity {
        [("effect", "publish"), ("region", region)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn done(at: u64) -> Done {
        Done { action: "ab".into(), result: ActionResult { ended_at: at, ..ActionResult::default() } }
    }

    fn receipt(region: &str, intent: Option<u64>, at: Option<u64>) -> (ReceiptKey, Receipt) {
        let intent = intent.map(|at| Intent { action: "cd".into(), run: "r".into(), at });
        let identity = identity(region);
        (ReceiptKey::of(&identity), Receipt { identity, intent, done: at.map(done) })
    }

    #[test]
    fn receipts_arrive_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let sent = [receipt("a", None, Some(5)), receipt("b", Some(9), Some(5))];
        let receipts = Receipts::of_project(dir.path());
        assert_eq!(take_over(&receipts, &attachments(&sent)).unwrap(), 2);
        let mut expected = sent.to_vec();
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(receipts.all().unwrap(), expected);
        assert_eq!(take_over(&receipts, &attachments(&sent)).unwrap(), 0, "nothing is new");
    }

    #[test]
    fn what_was_done_later_stays() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::of_project(dir.path());
        let taken = |intent, at| {
            let sent = receipt("a", intent, at);
            take_over(&receipts, &attachments(std::slice::from_ref(&sent))).unwrap();
            receipts.read(&sent.0) == Some(sent.1)
        };
        assert!(taken(None, Some(5)));
        assert!(!taken(None, Some(4)), "an older act");
        assert!(taken(Some(6), Some(5)), "an attempt after it, of which nobody knows how it ended");
        assert!(!taken(None, Some(5)), "and which is not forgotten");
        assert!(taken(None, Some(7)));
    }

    #[test]
    fn a_name_that_is_no_key_and_bytes_that_are_no_receipt_are_refused() {
        let (key, good) = receipt("a", None, Some(5));
        let bytes = encode(&good);
        let name = format!("receipts/{}", key.as_str());
        assert_eq!(check(&name, &bytes), Ok(()));
        let other = ReceiptKey::of(&identity("b"));
        for name in [
            "receipts/../../../etc/passwd".to_owned(),
            "receipts/accounts/x".to_owned(),
            format!("receipts/{}.json", key.as_str()),
            format!("receipts/{}", key.as_str().to_uppercase()),
            format!("receipts//{}", key.as_str()),
            key.as_str().to_owned(),
            format!("receipts/{}", other.as_str()),
            String::new(),
        ] {
            assert!(check(&name, &bytes).is_err(), "{name}");
        }
        for bytes in [&bytes[..bytes.len() / 2], b"", b"{}"] {
            assert!(check(&name, bytes).unwrap_err().contains("damaged"));
        }
        let dir = tempfile::tempdir().unwrap();
        let forged = BTreeMap::from([("receipts/../x".to_owned(), bytes)]);
        assert!(take_over(&Receipts::of_project(dir.path()), &forged).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
