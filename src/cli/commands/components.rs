//! `components`: what is compiled into a layer.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::code;
use crate::base::diag::Span;
use crate::cli::args::ComponentsArgs;
use crate::cli::commands::{list, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::layer::build_info::{BuildInfo, Module};
use crate::layer::code_size::{self, CodeSize};
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
    if args.sizes {
        let one = code_sizes(process, args.layer.as_deref().unwrap_or_default())?;
        let text = match &args.diff {
            None => shown_sizes(&one),
            Some(other) => shown_differences(&one, &code_sizes(process, other)?),
        };
        print(&text);
        return Ok(Exit::Ok);
    }
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
        .map_err(|problem| Stop::usage(problem.code, problem.message).hint(problem.help.join("; ")))?;
    let tags = TagSet::new(folded.tags.iter().map(String::as_str));
    Ok(Contents { components: components_of_tags(&tags), collector_version: String::new(), modules: BTreeMap::new() })
}

fn of_layer(process: &Process, layer: &str) -> Result<Contents, Stop> {
    contents_of(layer, read_layer(process, layer)?)
}

fn read_layer(process: &Process, layer: &str) -> Result<Vec<u8>, Stop> {
    std::fs::read(process.dir.join(layer))
        .map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot read `{layer}`: {error}")))
}

/// The collector binary of a layer zip, or that binary itself; `layer` names it in messages.
fn binary_of(layer: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Stop> {
    if bytes.starts_with(b"\x7fELF") {
        return Ok(bytes);
    }
    let limits = ZipLimits { unzipped: 4 * UNZIPPED_LIMIT, ..ZipLimits::default() };
    let reader =
        ZipReader::open(layer, &bytes, limits).map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, error))?;
    reader.extract(BINARY, UNZIPPED_LIMIT).map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, error))
}

fn code_sizes(process: &Process, layer: &str) -> Result<Vec<CodeSize>, Stop> {
    let binary = binary_of(layer, read_layer(process, layer)?)?;
    let info = BuildInfo::of_elf(BINARY, &binary).map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, error))?;
    code_size::of_elf(BINARY, &binary, &info).map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, error))
}

/// What the numbers are, and what they are not.
const CODE_ALONE: &str = "machine code; what a module has as data is not counted";

fn shown_sizes(sizes: &[CodeSize]) -> String {
    let total: u64 = sizes.iter().map(|size| size.bytes).sum();
    let mut text: String = sizes.iter().map(|size| format!("{:>10} {}\n", size.bytes, size.module)).collect();
    text.push_str(&format!("{total:>10} in all ({CODE_ALONE})\n"));
    text
}

/// How the sizes differ: what grew or shrank most first, nothing of what stayed.
fn shown_differences(one: &[CodeSize], other: &[CodeSize]) -> String {
    let mut differences: BTreeMap<&str, i128> = BTreeMap::new();
    for size in one {
        *differences.entry(&size.module).or_default() -= i128::from(size.bytes);
    }
    for size in other {
        *differences.entry(&size.module).or_default() += i128::from(size.bytes);
    }
    let total: i128 = differences.values().sum();
    let mut lines: Vec<(&str, i128)> = differences.into_iter().filter(|(_, by)| *by != 0).collect();
    lines.sort_by_key(|(_, by)| std::cmp::Reverse(by.abs()));
    let mut text: String = lines.iter().map(|(module, by)| format!("{by:>+10} {module}\n")).collect();
    text.push_str(&format!("{total:>+10} in all ({CODE_ALONE})\n"));
    text
}

/// What is in a layer zip, or a collector binary; `layer` names it in messages.
pub(super) fn contents_of(layer: &str, bytes: Vec<u8>) -> Result<Contents, Stop> {
    let binary = binary_of(layer, bytes)?;
    let info = BuildInfo::of_elf(BINARY, &binary).map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, error))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_their_differences_are_shown_with_what_they_are() {
        let sizes = |pairs: &[(&str, u64)]| -> Vec<CodeSize> {
            pairs.iter().map(|(module, bytes)| CodeSize { module: (*module).to_owned(), bytes: *bytes }).collect()
        };
        let one = sizes(&[("a.org/a", 1000), ("b.org/b", 7), ("c.org/c", 1)]);
        let other = sizes(&[("a.org/a", 900), ("b.org/b", 7), ("d.org/d", 3000)]);
        let note = "machine code; what a module has as data is not counted";
        let shown = format!("      1000 a.org/a\n         7 b.org/b\n         1 c.org/c\n      1008 in all ({note})\n");
        assert_eq!(shown_sizes(&one), shown);
        let shown = format!("     +3000 d.org/d\n      -100 a.org/a\n        -1 c.org/c\n     +2899 in all ({note})\n");
        assert_eq!(shown_differences(&one, &other), shown);
        assert_eq!(shown_differences(&one, &one), format!("        +0 in all ({note})\n"));
    }
}
