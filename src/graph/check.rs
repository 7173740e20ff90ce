//! `check`, and how it comes to know what its layer is given when it is started, and what it may take: that goes by its
//! distribution, and nothing between the two depends on it.

use serde::{Deserialize, Serialize};

use crate::graph::build::Draft;
use crate::graph::node::Kind;
use crate::graph::origin::behind;
pub use crate::spec::budget::{Budgets, Released};
pub use crate::spec::smoke::SmokeValues;

/// `check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `required` or `optional`.
    pub smoke: String,
    /// `smoke:` of the layer's distribution.
    pub given: SmokeValues,
    /// `budgets:` of the settings for the layer's distribution.
    pub budgets: Budgets,
    /// The file of the project that is packaged as the layer's configuration, if it is not the sources' own: where a finding
    /// in it is to be mended.
    pub config_file: Option<String>,
}

/// Follows the edges from each check to its `resolve`.
pub(in crate::graph) fn fill(drafts: &mut [Draft<'_>]) {
    for at in 0..drafts.len() {
        if matches!(drafts[at].node.kind, Kind::Check(_)) {
            let resolve = ["layer", "config"].into_iter().try_fold(at, |at, field| behind(drafts, at, field));
            let given = resolve.and_then(|at| match &drafts[at].node.kind {
                Kind::Resolve(resolve) => {
                    Some((resolve.smoke.clone(), resolve.budgets.clone(), resolve.config_file.clone()))
                }
                _ => None,
            });
            if let Kind::Check(check) = &mut drafts[at].node.kind {
                (check.given, check.budgets, check.config_file) = given.unwrap_or_default();
            }
        }
    }
}
