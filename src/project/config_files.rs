//! Every file of `config/`, whether a pipeline needs it or not: what `validate` looks at beyond a pipeline.

use std::path::Path;

use crate::base::diag::{Diagnostic, SourceMap, Span};
use crate::base::suggest;
use crate::project::around::{DEPENDENCIES, DISTRIBUTIONS, REGIONS, SETTINGS};
use crate::spec::config::{DependenciesFile, DistributionsFile, RegionsFile, SettingsFile};
use crate::spec::yaml::{Limits, parse, read};

/// Problems of the files of `config/`. Of those in `seen`, which have been read and told about, only what nothing has
/// asked for yet is looked at.
pub fn check(root: &Path, sources: &mut SourceMap, seen: &[String]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut files = Files { root, sources, seen };
    if let Some(file) = files.read::<DistributionsFile>(DISTRIBUTIONS, &mut problems) {
        for (name, distribution) in &file.0 {
            // The place is that of the name's use; a name that is a key is not unknown, so none is ever shown.
            match file.resolve(name, Span::default()) {
                Ok(folded) => {
                    let own = distribution.config_file.as_ref().zip(folded.config_file);
                    if let Some((text, path)) = own {
                        files.collector_config(name, &path, text.span, &mut problems);
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
    }
    files.read::<DependenciesFile>(DEPENDENCIES, &mut problems);
    if let Some(file) = files.read::<RegionsFile>(REGIONS, &mut problems) {
        for region in file.publish.iter().filter(|region| !file.regions.contains_key(&region.value)) {
            problems.push(
                Diagnostic::error(format!("unknown region `{}`", region.value))
                    .label(region.span, "not under `regions:`")
                    .did_you_mean(suggest::closest(&region.value, file.regions.keys().map(String::as_str))),
            );
        }
    }
    if let Some(file) = files.read::<SettingsFile>(SETTINGS, &mut problems)
        && let Err(more) = file.limits()
    {
        problems.extend(more);
    }
    problems
}

struct Files<'a> {
    root: &'a Path,
    sources: &'a mut SourceMap,
    seen: &'a [String],
}

impl Files<'_> {
    /// A file as its type; problems are told unless they have been.
    fn read<T: serde::de::DeserializeOwned>(&mut self, name: &str, problems: &mut Vec<Diagnostic>) -> Option<T> {
        let bytes = std::fs::read(self.root.join(name)).ok()?;
        let mut found = Vec::new();
        let file = match self.sources.add_bytes(name, bytes) {
            Ok(source) => {
                let text = self.sources.get(source)?.text.clone();
                read(source, &text, &Limits::default(), &mut found)
            }
            Err(problem) => {
                found.push(problem);
                None
            }
        };
        if !self.seen.iter().any(|seen| seen == name) {
            problems.append(&mut found);
        }
        file
    }

    /// A collector config has to be there, and to be YAML; what it says is for the collector.
    fn collector_config(&mut self, distribution: &str, path: &str, at: Span, problems: &mut Vec<Diagnostic>) {
        let Ok(bytes) = std::fs::read(self.root.join(path)) else {
            problems.push(
                Diagnostic::error(format!("the collector config `{path}` does not exist"))
                    .label(at, format!("`config-file` of distribution `{distribution}`"))
                    .help("a bare name is a file of config/examples"),
            );
            return;
        };
        match self.sources.add_bytes(path, bytes) {
            Ok(source) => {
                if let Some(text) = self.sources.get(source).map(|source| source.text.clone()) {
                    parse(source, &text, &Limits::default(), problems);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
}
