//! What the `publish` nodes behind a `release` have in common: the name of the release.

use crate::action::result::ActionResult;
use crate::graph::node::{Kind, Node};
use crate::layer::release::name::ReleaseName;

/// The name of the release of these `publish` nodes, by those that have a layer version; `None` if none has.
///
/// # Errors
/// If they are of several releases, or their parts make no tag; in words.
pub fn release_name<'a>(
    of: impl Iterator<Item = (&'a Node, Option<&'a ActionResult>)>,
) -> Result<Option<ReleaseName>, String> {
    let mut found: Option<ReleaseName> = None;
    for (node, result) in of {
        let Kind::Publish(publish) = &node.kind else { continue };
        // A region that was passed over has no version.
        let Some(result) = result.filter(|result| result.fact("arn").is_some()) else { continue };
        let fact = |name: &str| result.fact(name).unwrap_or_default();
        let version = match publish.version.as_str() {
            "" => fact("collector-version"),
            own => own,
        };
        let name = ReleaseName::new(fact("distribution"), version, &publish.group)?;
        match &found {
            Some(first) if *first != name => {
                return Err(format!(
                    "a release is of one distribution, version and group, and `of:` has `{first}` and `{name}`; give the \
                     node `for: [distribution]`"
                ));
            }
            _ => found = Some(name),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::publication::tests::publish;
    use crate::exec::testing::node;
    use crate::graph::node::{Class, Publish};
    use std::sync::Arc;

    fn published(version: &str) -> (Arc<Node>, ActionResult) {
        let publish = Publish { version: version.into(), ..publish() };
        let facts = [("arn", "a"), ("distribution", "minimal"), ("collector-version", "v0.145.0")];
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let result = ActionResult { facts, ..ActionResult::default() };
        (node("published", Kind::Publish(Box::new(publish)), Class::Effect), result)
    }

    fn tag(of: &[(Arc<Node>, Option<ActionResult>)]) -> Result<Option<String>, String> {
        let of = of.iter().map(|(node, result)| (node.as_ref(), result.as_ref()));
        release_name(of).map(|name| name.map(|name| name.tag()))
    }

    #[test]
    fn the_name_is_that_of_what_was_published() {
        let (node, result) = published("");
        assert_eq!(tag(&[(Arc::clone(&node), None), (node, Some(result))]), Ok(Some("minimal-v0.145.0-local".into())));
        let (own, result) = published("v2.1");
        assert_eq!(tag(&[(Arc::clone(&own), Some(result.clone()))]), Ok(Some("minimal-v2.1-local".into())));
        let passed_over = ActionResult::default();
        assert_eq!(tag(&[(Arc::clone(&own), None), (Arc::clone(&own), Some(passed_over))]), Ok(None));
        let (other, theirs) = published("");
        let error = tag(&[(own, Some(result)), (other, Some(theirs))]).unwrap_err();
        assert!(error.contains("for: [distribution]"), "{error}");
        let (odd, result) = published("a b");
        assert!(tag(&[(odd, Some(result))]).unwrap_err().contains("tag"));
    }
}
