//! Receipts that stand unasked (`--as-is`): for jobs that show or hand on what others have published, without
//! credentials, a socket or the place where it was done.

use std::path::Path;

use crate::action::verdict::ReceiptState;
use crate::exec::publication::Publication;
use crate::exec::receipt::{Answer, Effect, look_up};
use crate::exec::registries::{AWS, Env, place};
use crate::graph::node::Kind;
use crate::outside::registry::Place;
use crate::store::receipts::{Identity, ReceiptKey, Receipts};

/// What of an identity says where something was done, rather than what.
const WHERE: [&str; 3] = ["endpoint", "partition", "account"];

/// The receipt of an effect in the project at `root`, wherever it was done. A layer whose receipts are of several places
/// has one only if these variables say which of them is meant.
pub fn standing(root: &Path, env: &Env, effect: &Effect<'_>) -> Answer {
    let Kind::Publish(publish) = &effect.node.kind else { return look_up(root, env, effect) };
    let receipts = Receipts::of_project(root);
    let missing = || Answer { state: ReceiptState::Missing, result: None, watch: Vec::new() };
    let Some(publication) = effect.layer.and_then(|layer| Publication::new(publish, layer).ok()) else {
        return missing();
    };
    let here = place(root, env, &publish.registry);
    let kind = publish.registry.split(':').next().unwrap_or_default();
    // Where it was is left out of what is compared, so any place of the kind will do.
    let nowhere = Place { kind: "", endpoint: String::new(), partition: None, account: None };
    let mut wanted = publication.identity(here.as_ref().unwrap_or(&nowhere));
    wanted.insert("registry".to_owned(), kind.to_owned());
    let found = if here.is_some() {
        let key = ReceiptKey::of(&wanted);
        receipts.read(&key).map(|receipt| (key, receipt))
    } else {
        let all = receipts.all().unwrap_or_default();
        let mut fitting = all.into_iter().filter(|(_, receipt)| is_same(&receipt.identity, &wanted));
        // Of two, nothing says which is meant.
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let Some((key, receipt)) = found else { return missing() };
    Answer::of(receipt, effect.action, vec![receipts.path(&key)])
}

/// Whether a receipt counts under these variables: one of AWS is of the account that they are known to be of, if that is
/// known.
pub fn is_in_force(root: &Path, env: &Env, identity: &Identity) -> bool {
    let of_aws = identity.get("registry").is_some_and(|kind| kind == AWS);
    let Some(here) = place(root, env, AWS).filter(|_| of_aws) else { return true };
    let is = |name: &str, value: Option<&str>| identity.get(name).map(String::as_str) == value;
    is("endpoint", Some(&here.endpoint))
        && is("partition", here.partition.as_deref())
        && is("account", here.account.as_deref())
}

/// Whether two identities name the same thing, wherever it is.
fn is_same(one: &Identity, other: &Identity) -> bool {
    let what = |identity: &Identity| -> Identity {
        let named = identity.iter().filter(|(name, _)| !WHERE.contains(&name.as_str()));
        named.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    what(one) == what(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::publication::tests::{layer, publish};
    use crate::exec::testing::node;
    use crate::graph::node::{Class, Publish};
    use crate::store::receipts::{Done, Intent};

    /// The identity that `publish` has in an account.
    fn identity(publish: &Publish, account: &str) -> Identity {
        let (partition, account) = (Some("aws".to_owned()), Some(account.to_owned()));
        let place = Place { kind: AWS, endpoint: String::new(), partition, account };
        Publication::new(publish, &layer()).unwrap().identity(&place)
    }

    #[test]
    fn a_receipt_stands_wherever_it_was_made_unless_there_are_two() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::of_project(dir.path());
        let publish = Publish { registry: AWS.into(), ..publish() };
        let published = node("published", Kind::Publish(Box::new(publish.clone())), Class::Effect);
        let state = |action: &str| {
            let layer = layer();
            let effect = Effect { pipeline: "p", node: &published, action, layer: Some(&layer), release: None };
            standing(dir.path(), &Env::new(), &effect).state
        };
        let done = || Done { action: "ab".into(), result: layer() };
        assert_eq!(state("ab"), ReceiptState::Missing);
        receipts.complete(&identity(&publish, "1"), done()).unwrap();
        assert!(matches!(state("ab"), ReceiptState::Valid(_)));
        assert_eq!(state("cd"), ReceiptState::Other, "of other sharing, for example");
        let elsewhere = Publish { region: "eu-west-2".into(), ..publish.clone() };
        receipts.complete(&identity(&elsewhere, "2"), done()).unwrap();
        assert!(matches!(state("ab"), ReceiptState::Valid(_)), "another region is another layer");
        receipts.complete(&identity(&publish, "2"), done()).unwrap();
        assert_eq!(state("ab"), ReceiptState::Missing, "of which account is not said");
        std::fs::remove_file(receipts.path(&crate::store::receipts::ReceiptKey::of(&identity(&publish, "2")))).unwrap();
        let intent = Intent { action: "ab".into(), run: "r".into(), at: 1 };
        receipts.begin(&identity(&publish, "1"), intent).unwrap();
        assert_eq!(state("ab"), ReceiptState::OpenIntent);
    }

    #[test]
    fn every_receipt_is_in_force_where_no_account_is_known() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_in_force(dir.path(), &Env::new(), &identity(&publish(), "1")));
        assert!(is_in_force(dir.path(), &Env::new(), &Identity::new()));
    }
}
