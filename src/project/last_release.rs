//! The layers of the last release, which those over budget are compared with.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::code;
use crate::base::diag::Diagnostic;
use crate::layer::release::index::{Index, Version};
use crate::spec::budget::Released;
use crate::spec::value::Text;

/// Layers by distribution, then by architecture.
pub(super) type LastRelease = BTreeMap<String, BTreeMap<String, Released>>;

/// Reads the `index.json` that `budgets: last-release` names; of each layer the newest version counts.
///
/// # Errors
/// A file that is not there, or is no such index.
pub(super) fn read(root: &Path, named: &Text) -> Result<LastRelease, Diagnostic> {
    let text = std::fs::read_to_string(root.join(&named.value)).map_err(|error| {
        Diagnostic::error(code::LAST_RELEASE, format!("cannot read `{}`: {error}", named.value))
            .label(named.span, "layers over budget are to be compared with it")
            .help("download `index.json` of the last release to there, or take this line out")
    })?;
    let index = Index::parse(&text).map_err(|why| {
        Diagnostic::error(code::LAST_RELEASE, format!("`{}`: {why}", named.value))
            .label(named.span, "layers over budget are to be compared with it")
            .help("it is the file `index.json` that `report` writes and `release` attaches")
    })?;
    let mut layers = LastRelease::new();
    for version in index.newest() {
        let Version { distribution, architecture, collector_version, size, components, .. } = version;
        let released = Released { collector_version, zip: size, components: components.into_iter().collect() };
        layers.entry(distribution).or_default().insert(architecture, released);
    }
    Ok(layers)
}
