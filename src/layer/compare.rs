//! In what two layers differ, in the terms of what they were made from.

use std::collections::{BTreeMap, BTreeSet};

use crate::layer::build_info::{BuildInfo, Module};
use crate::layer::error::LayerError;
use crate::layer::limits::UNZIPPED_LIMIT;
use crate::layer::zip_read::{ZipFact, ZipLimits, ZipReader};

/// Differences that are listed of one kind; the rest are counted.
const LISTED: usize = 10;

/// What differs between the zips of two layers, one line for each: files, and within Go binaries the toolchain, build
/// settings and modules. Empty for the same bytes; never empty for others.
///
/// # Errors
/// A zip that cannot be read.
pub fn differences(one: (&str, &[u8]), other: (&str, &[u8])) -> Result<Vec<String>, LayerError> {
    if one.1 == other.1 {
        return Ok(Vec::new());
    }
    let limits = ZipLimits { unzipped: 4 * UNZIPPED_LIMIT, ..ZipLimits::default() };
    let (ours, theirs) = (ZipReader::open(one.0, one.1, limits)?, ZipReader::open(other.0, other.1, limits)?);
    let facts = |reader: &ZipReader<'_>| -> BTreeMap<String, ZipFact> {
        reader.entries().iter().map(|entry| (entry.name.clone(), entry.clone())).collect()
    };
    let (our_facts, their_facts) = (facts(&ours), facts(&theirs));
    let mut lines = Vec::new();
    for name in our_facts.keys().chain(their_facts.keys()).collect::<BTreeSet<_>>() {
        match (our_facts.get(name), their_facts.get(name)) {
            (Some(_), None) => lines.push(format!("{name}: only in {}", one.0)),
            (None, Some(_)) => lines.push(format!("{name}: only in {}", other.0)),
            (Some(ours_fact), Some(theirs_fact)) => {
                if ours_fact.unix_mode != theirs_fact.unix_mode {
                    lines.push(format!("{name}: another mode"));
                }
                let (a, b) = (ours.extract(name, UNZIPPED_LIMIT)?, theirs.extract(name, UNZIPPED_LIMIT)?);
                if a != b {
                    lines.extend(of_files(name, &a, &b));
                }
            }
            (None, None) => {}
        }
    }
    if lines.is_empty() {
        lines.push("the same files, packed in another way: made by another version of the packing recipe".to_owned());
    }
    Ok(lines)
}

/// What differs between two contents of a file.
fn of_files(name: &str, one: &[u8], other: &[u8]) -> Vec<String> {
    let info = |bytes: &[u8]| BuildInfo::of_elf(name, bytes).ok();
    let found = match (info(one), info(other)) {
        (Some(one), Some(other)) => of_builds(&one, &other),
        _ => Vec::new(),
    };
    match found.is_empty() {
        false => found.into_iter().map(|line| format!("{name}: {line}")).collect(),
        true => vec![format!("{name}: {} bytes against {}, with other content", one.len(), other.len())],
    }
}

fn of_builds(one: &BuildInfo, other: &BuildInfo) -> Vec<String> {
    let mut lines = Vec::new();
    if one.go_version != other.go_version {
        lines.push(format!("toolchain {} against {}", one.go_version, other.go_version));
    }
    let settings = |info: &BuildInfo| info.settings.iter().cloned().collect::<BTreeMap<_, _>>();
    lines.extend(of_maps("setting", &settings(one), &settings(other)));
    let modules = |info: &BuildInfo| info.deps.iter().map(|module| (module.path.clone(), shown(module))).collect();
    let (ours, theirs): (BTreeMap<_, _>, BTreeMap<_, _>) = (modules(one), modules(other));
    lines.extend(of_maps("module", &ours, &theirs));
    lines
}

fn shown(module: &Module) -> String {
    match &module.replace {
        Some(replace) => format!("{} => {} {}", module.version, replace.path, replace.version),
        None => module.version.clone(),
    }
}

fn of_maps(kind: &str, one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let absent = "none".to_owned();
    let keys = one.keys().chain(other.keys()).collect::<BTreeSet<_>>();
    let mut lines: Vec<String> = keys
        .into_iter()
        .map(|key| (key, one.get(key).unwrap_or(&absent), other.get(key).unwrap_or(&absent)))
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(key, ours, theirs)| format!("{kind} {key}: {} against {}", without(ours, theirs), without(theirs, ours)))
        .collect();
    if lines.len() > LISTED {
        let more = lines.len() - LISTED;
        lines.truncate(LISTED);
        lines.push(format!("{more} more {kind}s differ"));
    }
    lines
}

/// A list without what another has too: of fifty build tags nobody finds the one that differs.
fn without(list: &str, other: &str) -> String {
    if !list.contains(',') && !other.contains(',') {
        return list.to_owned();
    }
    let others: BTreeSet<&str> = other.split(',').collect();
    let own: Vec<&str> = list.split(',').filter(|element| !others.contains(element)).collect();
    if own.is_empty() { "none".to_owned() } else { own.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::deflate::Recipe;
    use crate::layer::zip_write::{collector_layer, write_zip};
    use std::num::NonZeroUsize;

    fn zip(binary: &[u8], config: &[u8]) -> Vec<u8> {
        write_zip(&collector_layer(binary, config), Recipe::CURRENT, NonZeroUsize::MIN).unwrap()
    }

    #[test]
    fn files_that_differ_are_named_and_no_others() {
        let (one, other) = (zip(b"binary", b"receivers:\n"), zip(b"binary", b"receivers: {}\n"));
        assert!(differences(("a", &one), ("b", &one)).unwrap().is_empty());
        let lines = differences(("a", &one), ("b", &other)).unwrap();
        assert_eq!(lines, ["collector-config/config.yaml: 11 bytes against 14, with other content"]);
        assert!(differences(("a", &one), ("b", b"no zip")).is_err());
    }

    #[test]
    fn builds_differ_by_toolchain_settings_and_modules() {
        let module =
            |path: &str, version: &str| Module { path: path.into(), version: version.into(), ..Module::default() };
        let one = BuildInfo {
            go_version: "go1.26.8".into(),
            settings: vec![("-tags".into(), "a".into()), ("GOARCH".into(), "amd64".into())],
            deps: vec![module("x", "v1.0.0"), module("y", "v1.0.0")],
            ..BuildInfo::default()
        };
        let other = BuildInfo {
            go_version: "go1.26.9".into(),
            settings: vec![("-tags".into(), "a,b".into()), ("GOARCH".into(), "amd64".into())],
            deps: vec![module("x", "v1.1.0")],
            ..one.clone()
        };
        let expected = [
            "toolchain go1.26.8 against go1.26.9",
            "setting -tags: none against b",
            "module x: v1.0.0 against v1.1.0",
            "module y: v1.0.0 against none",
        ];
        assert_eq!(of_builds(&one, &other), expected);
        let many = BuildInfo { deps: (0..25).map(|n| module(&format!("m{n}"), "v1.0.0")).collect(), ..one.clone() };
        assert_eq!(of_builds(&one, &many).last().unwrap(), "17 more modules differ");
    }
}
