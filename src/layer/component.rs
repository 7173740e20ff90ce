//! Collector components, and which of them a set of Go files and tags compiles in.
//!
//! A component file is known by its `//go:build` line alone, never by its name: the line decides for Go as well.

use std::collections::BTreeSet;
use std::fmt;

use crate::layer::arch::Arch;
use crate::layer::build_constraint::BuildConstraint;
use crate::layer::error::LayerError;
use crate::layer::go_source::imports;
use crate::layer::go_target;
use crate::layer::tags::{TAG_PREFIX, TagSet};

/// The five kinds of collector components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Joins two pipelines.
    Connector,
    /// Sends telemetry out.
    Exporter,
    /// Works beside the pipelines.
    Extension,
    /// Changes telemetry on its way.
    Processor,
    /// Takes telemetry in.
    Receiver,
}

impl Category {
    /// All of them, in alphabetical order.
    pub const ALL: [Self; 5] = [Self::Connector, Self::Exporter, Self::Extension, Self::Processor, Self::Receiver];

    /// Parses the singular name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == name)
    }

    /// The singular name, as in tags and folders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Exporter => "exporter",
            Self::Extension => "extension",
            Self::Processor => "processor",
            Self::Receiver => "receiver",
        }
    }

    /// The top-level key of a collector configuration.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Connector => "connectors",
            Self::Exporter => "exporters",
            Self::Extension => "extensions",
            Self::Processor => "processors",
            Self::Receiver => "receivers",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One component that is compiled in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Its kind.
    pub category: Category,
    /// Its name in tags, for example `memorylimiter`; the name in configurations may differ
    /// (`crate::layer::component_type`).
    pub name: String,
    /// The Go file that adds it.
    pub file: String,
}

impl Component {
    /// The tag that selects it.
    pub fn tag(&self) -> String {
        component_tag(self.category, &self.name)
    }
}

/// The tag of a component.
pub fn component_tag(category: Category, name: &str) -> String {
    format!("{TAG_PREFIX}{category}.{name}")
}

/// The category and name in a tag of one component; `None` for `custom`, `all`, `CATEGORY.all` and foreign tags.
pub fn parse_component_tag(tag: &str) -> Option<(Category, &str)> {
    let (category, name) = tag.strip_prefix(TAG_PREFIX)?.split_once('.')?;
    let category = Category::parse(category)?;
    (!name.is_empty() && name != "all").then_some((category, name))
}

/// The components that the tags compile in, sorted: of each file whose constraint holds, every component whose tag the
/// constraint asks for. `implied` answers for tags that Go sets itself (`crate::layer::go_target::implied`).
pub fn selected_components<'f>(
    files: impl IntoIterator<Item = (&'f str, &'f str)>,
    tags: &TagSet,
    implied: &dyn Fn(&str) -> bool,
) -> Result<Vec<Component>, LayerError> {
    let mut selected = BTreeSet::new();
    for (file, text) in files {
        let Some(constraint) = BuildConstraint::of_file(file, text)? else { continue };
        if constraint.eval(&|tag| tags.contains(tag) || implied(tag)) {
            let asked = constraint.positive_tags().into_iter().filter_map(parse_component_tag);
            selected.extend(asked.map(|(category, name)| Component {
                category,
                name: name.to_owned(),
                file: file.to_owned(),
            }));
        }
    }
    Ok(selected.into_iter().collect())
}

/// The components that a file adds by importing them, sorted: packages whose name is a component name followed by its
/// category, in a folder of that category (`…/processor/batchprocessor`). This is how the fixed default set, which has
/// no tags, is read.
pub fn imported_components(file: &str, text: &str) -> Vec<Component> {
    let components: BTreeSet<_> = imports(text)
        .into_iter()
        .filter_map(|path| {
            let mut parts = path.rsplit('/');
            let (package, folder) = (parts.next()?, parts.next()?);
            let category = Category::parse(folder)?;
            let name = package.strip_suffix(category.name()).filter(|name| !name.is_empty())?;
            Some(Component { category, name: name.to_owned(), file: file.to_owned() })
        })
        .collect();
    components.into_iter().collect()
}

/// Which files of a project's component folder go into a build with these tags, as positions in `files`: the files of
/// selected components, by their real `//go:build` lines, and with them the files that have no such line (helpers).
/// Nothing if no component is selected.
///
/// # Errors
/// A `//go:build` line that cannot be read.
pub fn overlay_files(files: &[(&str, &str)], tags: &TagSet) -> Result<Vec<usize>, LayerError> {
    let implied = |tag: &str| go_target::implied(tag, Arch::Amd64, 0);
    let go = files.iter().copied().filter(|(path, _)| path.ends_with(".go"));
    let components = selected_components(go, tags, &implied)?;
    if components.is_empty() {
        return Ok(Vec::new());
    }
    let mut selected = Vec::new();
    for (position, (path, text)) in files.iter().enumerate() {
        let is_component = components.iter().any(|component| component.file == *path);
        if is_component || (!path.ends_with(".md") && BuildConstraint::of_file(path, text)?.is_none()) {
            selected.push(position);
        }
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(category: &str, names: &str) -> String {
        let p = TAG_PREFIX;
        format!("//go:build {p}custom && ({p}all || {p}{category}.all || {names})\n\npackage {category}\n")
    }

    fn selected(files: &[(&str, String)], tags: &[&str]) -> Vec<String> {
        let files = files.iter().map(|(path, text)| (*path, text.as_str()));
        let found = selected_components(files, &TagSet::new(tags.iter().copied()), &|tag| tag == "linux").unwrap();
        found.iter().map(|component| format!("{}={}", component.file, component.tag())).collect()
    }

    #[test]
    fn the_constraint_decides_and_not_the_file_name() {
        let files = [
            ("exporter/misnamed.go", constraint("exporter", "lambdacomponents.exporter.otlp")),
            ("exporter/otlphttp.go", constraint("exporter", "lambdacomponents.exporter.otlphttp")),
            ("exporter/pkg.go", "package exporter\n".to_owned()),
            ("default.go", "//go:build !lambdacomponents.custom\n\npackage lambdacomponents\n".to_owned()),
        ];
        assert_eq!(selected(&files, &["exporter.otlp"]), ["exporter/misnamed.go=lambdacomponents.exporter.otlp"]);
        assert_eq!(selected(&files, &["exporter.all"]).len(), 2);
        assert_eq!(selected(&files, &["all"]).len(), 2);
        assert!(selected(&files, &["custom"]).is_empty() && selected(&files, &[]).is_empty());
    }

    #[test]
    fn several_tags_negation_and_implied_tags() {
        let files = [
            ("a.go", constraint("extension", "lambdacomponents.extension.x || lambdacomponents.extension.y")),
            ("b.go", "//go:build lambdacomponents.extension.z && !lambdacomponents.extension.x && linux\n".to_owned()),
        ];
        let x = ["a.go=lambdacomponents.extension.x", "a.go=lambdacomponents.extension.y"];
        assert_eq!(selected(&files, &["extension.x"]), x);
        assert_eq!(selected(&files, &["extension.z"]), ["b.go=lambdacomponents.extension.z"]);
    }

    #[test]
    fn the_default_set_is_read_from_imports() {
        let text = "package p\nimport (\n\t\"go.opentelemetry.io/collector/processor\"\n\t\"go.opentelemetry.io/collector/processor/batchprocessor\"\n\
            \t\"example.com/contrib/extension/basicauthextension\"\n\t\"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry\"\n\
            \t\"example.com/processor/tools\"\n)\n";
        let found: Vec<_> = imported_components("default.go", text).iter().map(Component::tag).collect();
        assert_eq!(found, ["lambdacomponents.extension.basicauth", "lambdacomponents.processor.batch"]);
    }

    #[test]
    fn only_tags_of_one_component_parse() {
        assert_eq!(parse_component_tag("lambdacomponents.exporter.otlp"), Some((Category::Exporter, "otlp")));
        for tag in ["lambdacomponents.custom", "lambdacomponents.exporter.all", "exporter.otlp", "lambdacomponents.x.y"]
        {
            assert_eq!(parse_component_tag(tag), None, "{tag}");
        }
    }
}
