//! `components`: what is compiled into a layer.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::diag::Span;
use crate::cli::args::ComponentsArgs;
use crate::cli::commands::{list, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::layer::build_info::{BuildInfo, Module};
use crate::layer::component::Component;
use crate::layer::contract::components_of_tags;
use crate::layer::limits::UNZIPPED_LIMIT;
use crate::layer::tags::TagSet;
use crate::layer::zip_read::{ZipLimits, ZipReader};
use crate::project::around::DISTRIBUTIONS;
use crate::spec::config::DistributionsFile;

const BINARY: &str = "extensions/collector";
/// Where upstream's modules live; what is linked from elsewhere is custom.
const UPSTREAM: [&str; 3] = [
    "go.opentelemetry.io/collector/",
    "github.com/open-telemetry/opentelemetry-collector-contrib/",
    "github.com/open-telemetry/opentelemetry-lambda/",
];
/// Components that upstream's default build has and calls deprecated.
const DEPRECATED: [&str; 3] = ["processor.attributes", "processor.resource", "processor.span"];

/// What is known of a layer or a distribution.
pub(super) struct Contents {
    /// Sorted.
    pub(super) components: Vec<Component>,
    /// With its `v`; empty before a build.
    pub(super) collector_version: String,
    /// The module behind each component, by its short name.
    modules: BTreeMap<String, Module>,
}

/// `components`.
///
/// # Errors
/// If a layer or the distributions cannot be read.
pub(in crate::cli) fn components(process: &Process, args: &ComponentsArgs) -> Result<Exit, Stop> {
    let one = contents(process, args.distribution.as_deref(), args.layer.as_deref())?;
    match &args.diff {
        None => print(&one.lines().iter().map(|line| format!("{line}\n")).collect::<String>()),
        Some(other) => {
            let other = contents(process, None, Some(other))?;
            let (one, other): (BTreeSet<String>, BTreeSet<String>) =
                (one.lines().into_iter().collect(), other.lines().into_iter().collect());
            let mut changes: Vec<(&String, char)> = one.difference(&other).map(|line| (line, '-')).collect();
            changes.extend(other.difference(&one).map(|line| (line, '+')));
            // The two versions of one component stand together, the old one first.
            changes.sort_by_key(|(line, sign)| (line.split(' ').next(), *sign == '+'));
            print(&changes.iter().map(|(line, sign)| format!("{sign} {line}\n")).collect::<String>());
        }
    }
    Ok(Exit::Ok)
}

/// What is in a layer (before a distribution, if both are named).
pub(super) fn contents(process: &Process, distribution: Option<&str>, layer: Option<&str>) -> Result<Contents, Stop> {
    if let Some(layer) = layer {
        return of_layer(process, layer);
    }
    let (file, _): (DistributionsFile, _) = list::read_file(process, DISTRIBUTIONS)?;
    let folded = file
        .resolve(distribution.unwrap_or_default(), Span::default())
        .map_err(|problem| Stop::usage(problem.message).hint(problem.help.join("; ")))?;
    let tags = TagSet::new(folded.tags.iter().map(String::as_str));
    Ok(Contents { components: components_of_tags(&tags), collector_version: String::new(), modules: BTreeMap::new() })
}

fn of_layer(process: &Process, layer: &str) -> Result<Contents, Stop> {
    let bytes = std::fs::read(process.dir.join(layer))
        .map_err(|error| Stop::usage(format!("cannot read `{layer}`: {error}")))?;
    contents_of(layer, bytes)
}

/// What is in a layer zip, or a collector binary; `layer` names it in messages.
pub(super) fn contents_of(layer: &str, bytes: Vec<u8>) -> Result<Contents, Stop> {
    let binary = if bytes.starts_with(b"\x7fELF") {
        bytes
    } else {
        let limits = ZipLimits { unzipped: 4 * UNZIPPED_LIMIT, ..ZipLimits::default() };
        let reader = ZipReader::open(layer, &bytes, limits).map_err(Stop::usage)?;
        reader.extract(BINARY, UNZIPPED_LIMIT).map_err(Stop::usage)?
    };
    let info = BuildInfo::of_elf(BINARY, &binary).map_err(Stop::usage)?;
    let tags = TagSet::new(info.tags().split(',').filter(|tag| !tag.is_empty()));
    let components = components_of_tags(&tags);
    let module = |component: &Component| {
        let (category, name) = (component.category.name(), &component.name);
        // Upstream's convention: `…/exporter/otlphttpexporter`; others end the same way, or with the bare name.
        let ends = [format!("/{category}/{name}{category}"), format!("/{name}{category}"), format!("/{name}")];
        let found = ends.iter().find_map(|end| info.deps.iter().find(|module| module.path.ends_with(end)));
        Some((short(component), found?.clone()))
    };
    let modules = components.iter().filter_map(module).collect();
    let collector_version = info.collector_version().to_owned();
    Ok(Contents { components, collector_version, modules })
}

fn short(component: &Component) -> String {
    format!("{}.{}", component.category.name(), component.name)
}

impl Contents {
    /// One line for each component: name, version, module, and what is special.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |component: &Component| {
            let name = short(component);
            let mut line = name.clone();
            if let Some(module) = self.modules.get(&name) {
                let is_upstream = UPSTREAM.iter().any(|prefix| module.path.starts_with(prefix));
                let is_local = module.replace.as_ref().is_some_and(|replace| replace.version.is_empty());
                let version = if is_local { "(local)" } else { &module.version };
                line.push_str(&format!(" {version} {}{}", module.path, if is_upstream { "" } else { " (custom)" }));
            }
            if DEPRECATED.contains(&name.as_str()) {
                line.push_str(" (deprecated)");
            }
            line
        };
        self.components.iter().map(line).collect()
    }
}
