//! Which Go modules the selected custom components need, at which versions.

use std::collections::BTreeMap;

use crate::layer::component::parse_component_tag;
use crate::layer::error::LayerError;
use crate::layer::go_mod::{CONTRIB_PREFIX, CORE_PREFIX, GoMod, contrib_version, is_path_prefix};
use crate::layer::tags::{ALL_TAG, TAG_PREFIX, TagSet, full_tag};

/// A module to require, at a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleVersion {
    /// The module path.
    pub path: String,
    /// The version with its leading `v`.
    pub version: String,
    /// Whether the list of dependencies fixes the version itself (`module@vX.Y.Z`).
    pub pinned: bool,
}

/// The modules that the active tags need, sorted by path, one version each.
///
/// `dependencies` maps a tag, short or full, to module paths, each optionally with `@vX.Y.Z`. `mods` are the go.mod
/// files of the sources, the main one first; they give the versions of modules that are not pinned: what is already
/// required keeps its version, contrib modules take the contrib version. Core modules are released under two numbers
/// (0.x and 1.x), and nothing but a requirement tells which, so a core module that is not required must be pinned.
pub fn required_modules(
    dependencies: &BTreeMap<String, Vec<String>>,
    tags: &TagSet,
    mods: &[&GoMod],
) -> Result<Vec<ModuleVersion>, LayerError> {
    let mut modules: BTreeMap<&str, ModuleVersion> = BTreeMap::new();
    for (key, listed) in dependencies.iter().filter(|(key, _)| is_selected(&full_tag(key), tags)) {
        for module in listed {
            let error = |problem: String| LayerError::Module { key: key.clone(), module: module.clone(), problem };
            let (path, pin) = split_pin(module).map_err(error)?;
            let version = match pin {
                Some(pin) => pin.to_owned(),
                None => version_of(path, mods).map_err(error)?,
            };
            let next = ModuleVersion { path: path.to_owned(), version, pinned: pin.is_some() };
            match modules.get(path) {
                Some(held) if held.pinned && next.pinned && held.version != next.version => {
                    let problem =
                        format!("it is also pinned to {}; one build has one version of a module", held.version);
                    return Err(error(problem));
                }
                Some(held) if held.pinned => {}
                _ => drop(modules.insert(path, next)),
            }
        }
    }
    Ok(modules.into_values().collect())
}

/// The packages of the overlay that `go mod tidy` had to find a module for by itself, as (import path, module): after
/// tidy it is provided by a module that the go.mod did not require before and no dependency list names. Such a module
/// would float to its latest version.
pub fn unlisted_modules<'a>(
    imports: impl IntoIterator<Item = &'a str>,
    before: &GoMod,
    after: &'a GoMod,
    listed: &[ModuleVersion],
) -> Vec<(&'a str, &'a str)> {
    let unlisted = imports.into_iter().filter_map(|import| {
        let provider = after.provider_of(import)?;
        let known =
            before.require(&provider.path).is_some() || listed.iter().any(|module| module.path == provider.path);
        (!known).then_some((import, provider.path.as_str()))
    });
    unlisted.collect()
}

/// The imports of a component file that no module provides: none of Go's own packages, none of `own`, the module that it is
/// laid into, and of no module that is required or listed.
pub fn unprovided<'a>(
    imports: impl IntoIterator<Item = &'a str>,
    own: &GoMod,
    listed: &[ModuleVersion],
) -> Vec<&'a str> {
    let below = |module: &str, import: &str| {
        import.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_provided = |import: &&str| {
        let is_go_s = !import.split('/').next().unwrap_or_default().contains('.');
        is_go_s
            || below(&own.module, import)
            || own.provider_of(import).is_some()
            || listed.iter().any(|module| below(&module.path, import))
    };
    imports.into_iter().filter(|import| !is_provided(import)).collect()
}

/// Whether a key of the dependency list counts: its own tag is active, or every component, or every one of its
/// category.
pub fn is_selected(key: &str, tags: &TagSet) -> bool {
    tags.contains(key)
        || tags.contains(ALL_TAG)
        || parse_component_tag(key).is_some_and(|(category, _)| tags.contains(&format!("{TAG_PREFIX}{category}.all")))
}

fn split_pin(module: &str) -> Result<(&str, Option<&str>), String> {
    match module.split_once('@') {
        None if module.is_empty() || module.contains(char::is_whitespace) => Err("write a Go module path".to_owned()),
        None => Ok((module, None)),
        Some((path, version)) if !path.is_empty() && is_version(version) => Ok((path, Some(version))),
        Some(_) => Err("write it as module@vX.Y.Z".to_owned()),
    }
}

fn is_version(version: &str) -> bool {
    version.strip_prefix('v').is_some_and(|version| semver::Version::parse(version).is_ok())
}

fn version_of(path: &str, mods: &[&GoMod]) -> Result<String, String> {
    if let Some(required) = mods.iter().find_map(|go_mod| go_mod.require(path)) {
        return Ok(required.version.clone());
    }
    if path.starts_with(CONTRIB_PREFIX) {
        let version = contrib_version(mods).map(str::to_owned);
        return version.ok_or_else(|| "the sources require no contrib module; pin it as module@vX.Y.Z".to_owned());
    }
    if is_path_prefix(CORE_PREFIX.trim_end_matches('/'), path) {
        return Err("core modules are at 0.x or 1.x and the sources do not say which; pin it: module@vX.Y.Z".to_owned());
    }
    Err("neither the collector's nor contrib's, so the sources give no version; pin it: module@vX.Y.Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRIB: &str = "github.com/open-telemetry/opentelemetry-collector-contrib";

    fn tree() -> GoMod {
        let text = format!(
            "module m\nrequire {CONTRIB}/confmap/provider/s3provider v0.145.0\n\
             require go.opentelemetry.io/collector/otelcol v0.145.1\nrequire go.opentelemetry.io/collector/component v1.51.0\n"
        );
        GoMod::parse("go.mod", &text).unwrap()
    }

    fn modules(list: &[(&str, &[&str])], tags: &[&str]) -> Result<Vec<String>, String> {
        let owned = |modules: &[&str]| modules.iter().map(|module| (*module).to_owned()).collect();
        let map = list.iter().map(|(key, modules)| ((*key).to_owned(), owned(modules))).collect();
        let tags = TagSet::new(tags.iter().copied());
        let found = required_modules(&map, &tags, &[&tree()]).map_err(|error| error.to_string())?;
        Ok(found
            .iter()
            .map(|module| format!("{}@{}", module.path.rsplit('/').next().unwrap(), module.version))
            .collect())
    }

    #[test]
    fn keys_count_by_tag_category_and_all() {
        let list: &[(&str, &[&str])] = &[
            ("lambdacomponents.exporter.a", &["x.org/a@v1.0.0"]),
            ("exporter.b", &["x.org/b@v1.0.0"]),
            ("lambdacomponents.connector.c", &["x.org/c@v1.0.0"]),
            ("lambdacomponents.exporter.all", &["x.org/whole@v1.0.0"]),
        ];
        assert_eq!(modules(list, &["exporter.b"]).unwrap(), ["b@v1.0.0"]);
        assert_eq!(modules(list, &["exporter.all"]).unwrap(), ["a@v1.0.0", "b@v1.0.0", "whole@v1.0.0"]);
        assert_eq!(modules(list, &["all"]).unwrap().len(), 4);
        assert!(modules(list, &["custom"]).unwrap().is_empty());
        // One `all` of a category does not select the key of another.
        assert_eq!(modules(list, &["connector.all"]).unwrap(), ["c@v1.0.0"]);
    }

    #[test]
    fn unpinned_modules_take_the_version_of_their_repository() {
        let contrib = format!("{CONTRIB}/exporter/awss3exporter");
        let one = |module: &str| modules(&[("exporter.a", &[module])], &["exporter.a"]);
        assert_eq!(one(&contrib).unwrap(), ["awss3exporter@v0.145.0"], "contrib, not the core's v0.145.1");
        assert_eq!(one("go.opentelemetry.io/collector/component").unwrap(), ["component@v1.51.0"]);
        assert!(one("go.opentelemetry.io/collector/exporter/nopexporter").unwrap_err().contains("0.x or 1.x"));
        assert!(one("example.com/mine").unwrap_err().contains("module example.com/mine: neither the collector's"));
        assert!(one("example.com/mine@latest").unwrap_err().contains("module@vX.Y.Z"));
        assert!(one("").is_err() && one("a b").is_err());
    }

    #[test]
    fn one_module_has_one_version() {
        let contrib = format!("{CONTRIB}/exporter/awss3exporter");
        let pinned = format!("{contrib}@v0.140.0");
        let both = |a: &str, b: &str| modules(&[("exporter.a", &[a]), ("exporter.b", &[b])], &["all"]);
        assert_eq!(both(&contrib, &pinned).unwrap(), ["awss3exporter@v0.140.0"]);
        assert_eq!(both(&pinned, &contrib).unwrap(), ["awss3exporter@v0.140.0"]);
        assert!(both(&pinned, &format!("{contrib}@v0.141.0")).unwrap_err().contains("also pinned to v0.140.0"));
    }

    #[test]
    fn modules_that_tidy_found_itself_are_named() {
        let after = GoMod::parse(
            "go.mod",
            "module m\nrequire x.org/a v1.0.0\nrequire x.org/a/nested v1.2.0\nrequire x.org/b v1.0.0\n",
        )
        .unwrap();
        let listed = [ModuleVersion { path: "x.org/a".to_owned(), version: "v1.0.0".to_owned(), pinned: true }];
        let imports = ["x.org/a/pkg", "x.org/a/nested/pkg", "x.org/b", "fmt"];
        let found = unlisted_modules(imports, &tree(), &after, &listed);
        assert_eq!(found, [("x.org/a/nested/pkg", "x.org/a/nested"), ("x.org/b", "x.org/b")]);
    }

    #[test]
    fn imports_without_a_module_are_found() {
        let tree = tree();
        let own = format!("{}/internal/x", tree.module);
        let listed = [ModuleVersion { path: "x.org/a".into(), version: "v1.0.0".into(), pinned: true }];
        let imports = ["fmt", "net/http", &own, "x.org/a/pkg", "x.org/ab", "y.org/c"];
        assert_eq!(unprovided(imports, &tree, &listed), ["x.org/ab", "y.org/c"]);
    }
}
