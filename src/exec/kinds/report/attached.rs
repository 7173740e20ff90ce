//! What goes with a layer when it is given away: its bills of materials and its provenance, as files of their own.

use std::collections::BTreeMap;

use crate::action::result::Content;
use crate::exec::api::{Job, WorkError};
use crate::exec::kinds::blob;
use crate::exec::kinds::check::{CYCLONEDX, SPDX};
use crate::layer::provenance::{OUTPUT as PROVENANCE, layer_name};

/// The files of a format: the output that each is, and how its name ends.
fn endings(format: &str) -> &'static [(&'static str, &'static str)] {
    match format {
        "sbom" => &[(CYCLONEDX, "cdx.json"), (SPDX, "spdx.json")],
        "provenance" => &[(PROVENANCE, "intoto.json")],
        _ => &[],
    }
}

/// The files of every layer that was checked, or packed and not checked.
///
/// # Errors
/// If two layers would have one name, or a format asks for what only a check makes and nothing was checked.
pub(super) fn of(job: &Job, formats: &[String]) -> Result<Vec<(String, Content)>, WorkError> {
    let mut found: BTreeMap<String, Content> = BTreeMap::new();
    if formats.iter().any(|format| format == "sbom") && !job.deps.iter().any(|dep| dep.kind == "check") {
        return Err(WorkError::Invalid(
            "format `sbom`: what is linked into a layer is said by its check; name a `check` node in `of:`".to_owned(),
        ));
    }
    for (output, ending) in formats.iter().flat_map(|format| endings(format)) {
        for dep in job.deps.iter().filter(|dep| dep.kind == "check" || (dep.kind, *output) == ("package", PROVENANCE)) {
            let Some(result) = dep.result.as_deref() else { continue };
            let fact = |name: &str| result.fact(name).unwrap_or_default();
            let name = format!("{}.{ending}", layer_name(fact("arch"), fact("distribution")));
            let content = Content::File(blob::file(dep, result, output)?);
            let other = found.insert(name.clone(), content.clone()).filter(|other| *other != content);
            if other.is_some() {
                return Err(WorkError::Invalid(format!(
                    "two layers would write `{name}`; give them reports of their own"
                )));
            }
        }
    }
    Ok(found.into_iter().collect())
}
