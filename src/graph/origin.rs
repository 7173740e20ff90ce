//! Tells every `package` where its sources come from: what a layer's provenance names, and what nothing between the two
//! depends on, since a commit is the same wherever it was fetched.

use crate::graph::build::Draft;
use crate::graph::node::{Kind, Origin, Role, Source};

/// Follows the edges from each package to its `clone`.
pub(in crate::graph) fn fill(drafts: &mut [Draft<'_>]) {
    for at in 0..drafts.len() {
        if matches!(drafts[at].node.kind, Kind::Package(_)) {
            let origin = ["binary", "tree", "source"].into_iter().try_fold(at, |at, field| behind(drafts, at, field));
            let origin = origin.and_then(|at| of_clone(&drafts[at].node.kind));
            if let Kind::Package(package) = &mut drafts[at].node.kind {
                package.origin = origin;
            }
        }
    }
}

/// The node behind a field of this one.
pub(in crate::graph) fn behind(drafts: &[Draft<'_>], at: usize, field: &str) -> Option<usize> {
    let named = |role: &Role| matches!(role, Role::Strict(name) if name == field);
    drafts[at].edges.iter().find(|(_, role)| named(role)).map(|(to, _)| *to)
}

/// Sources of this machine have no name that would say anything elsewhere.
fn of_clone(kind: &Kind) -> Option<Origin> {
    let Kind::Clone(clone) = kind else { return None };
    let Source::Remote { url, .. } = &clone.source else { return None };
    if url.starts_with("file:") {
        return None;
    }
    Some(Origin { repository: url.clone(), reference: clone.reference.clone() })
}
