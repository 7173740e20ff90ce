//! Where files of the original stand here.

use std::collections::BTreeSet;

use crate::init::import::config::PREFIX;
use crate::init::import::edits::tree;

/// Kinds of components.
const CATEGORIES: [&str; 5] = ["connector", "exporter", "extension", "processor", "receiver"];

const OURS: &str = "config/components/collector";
const BUILD_LINE: &str = "//go:build ";

/// Where a file goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// As it is.
    At(String),
    /// With this text, changed in this way.
    Changed(String, String, String),
    /// Nowhere: why, and what a person has to do.
    None(String),
}

/// Where a file of `config/` or `components/` goes; `tags` are those that have modules.
pub(super) fn place(path: &str, text: &str, tags: &BTreeSet<String>) -> Place {
    if let Some(inside) = path.strip_prefix("components/") {
        return component(inside, text, tags);
    }
    let inside = path.strip_prefix("config/").unwrap_or(path);
    let is_yaml = inside.ends_with(".yaml") || inside.ends_with(".yml");
    if !is_yaml {
        return Place::None("it is neither a config nor a component; copy it if something needs it".to_owned());
    }
    if inside.starts_with("examples/") {
        return Place::At(path.to_owned());
    }
    match tree(text) {
        Ok(tree) if tree.get("service").is_some() => {
            // One folder has them all, and what lies deeper keeps its way.
            let inside = inside.strip_prefix("collector-configs/").unwrap_or(inside);
            Place::At(format!("config/examples/{inside}"))
        }
        Ok(_) => Place::None(
            "it has no `service`, so that it is no collector config; copy it if something needs it".to_owned(),
        ),
        Err(problem) => Place::None(format!("{problem}; mend it, then copy it to config/examples/")),
    }
}

fn component(inside: &str, text: &str, tags: &BTreeSet<String>) -> Place {
    let parts: Vec<&str> = inside.split('/').collect();
    let (to, category) = match parts.as_slice() {
        ["collector", "lambdacomponents", category, rest @ ..] if !rest.is_empty() => {
            (format!("{OURS}/{}", parts[1..].join("/")), Some(*category))
        }
        ["collector", rest @ ..] if !rest.is_empty() => (format!("{OURS}/{}", rest.join("/")), None),
        ["common", rest @ ..] if !rest.is_empty() => (format!("{OURS}/{inside}"), None),
        [category, rest @ ..] if CATEGORIES.contains(category) && !rest.is_empty() => {
            (format!("{OURS}/lambdacomponents/{inside}"), Some(*category))
        }
        _ => return Place::None("it is no file of a component; copy it if something needs it".to_owned()),
    };
    let name = parts.last().copied().unwrap_or_default();
    let stem = name.strip_suffix(".go").filter(|stem| !stem.ends_with("_test"));
    match (category.filter(|category| CATEGORIES.contains(category)), stem) {
        (Some(category), Some(stem)) if !text.lines().any(|line| line.starts_with(BUILD_LINE)) => {
            by_its_name(to, category, stem, text, tags)
        }
        _ => Place::At(to),
    }
}

/// A component without a line that selects it: its name did.
fn by_its_name(to: String, category: &str, stem: &str, text: &str, tags: &BTreeSet<String>) -> Place {
    let head = format!("{PREFIX}{category}.");
    let names = tags.iter().filter_map(|tag| tag.strip_prefix(&head)).filter(|name| stem.contains(name));
    let names: Vec<&str> = names.collect();
    if let [name] = names.as_slice() {
        let line = format!(
            "{BUILD_LINE}{PREFIX}custom && ({PREFIX}all || {PREFIX}{category}.all || {PREFIX}{category}.{name})"
        );
        return Place::Changed(
            to,
            format!("{line}\n\n{text}"),
            format!("line 1: `//go:build` selects it by `{head}{name}`"),
        );
    }
    Place::None(format!("it has no `//go:build` line, by which it would be selected; add one, then copy it to {to}"))
}

/// The tags that select a file of Go.
pub(super) fn tags(text: &str) -> BTreeSet<String> {
    let line = text.lines().find(|line| line.starts_with(BUILD_LINE)).unwrap_or_default();
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    words.filter(|word| word.starts_with(PREFIX)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO: &str = "//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.exporter.mine)\n\npackage exporter\n";

    fn none() -> BTreeSet<String> {
        BTreeSet::new()
    }

    #[test]
    fn components_go_where_the_collector_has_them() {
        for (from, to) in [
            ("components/collector/lambdacomponents/exporter/mine.go", "lambdacomponents/exporter/mine.go"),
            ("components/exporter/mine.go", "lambdacomponents/exporter/mine.go"),
            ("components/exporter/deep/mine.go", "lambdacomponents/exporter/deep/mine.go"),
            ("components/common/help.go", "common/help.go"),
            ("components/collector/common/help.go", "common/help.go"),
        ] {
            assert_eq!(place(from, GO, &none()), Place::At(format!("{OURS}/{to}")), "{from}");
        }
        assert!(matches!(place("components/README.md", "", &none()), Place::None(_)));
    }

    #[test]
    fn a_component_that_its_name_selected_gets_a_line() {
        let tags = BTreeSet::from(["lambdacomponents.exporter.mine".to_owned()]);
        let Place::Changed(_, text, what) = place("components/exporter/minexporter.go", "package exporter\n", &tags)
        else {
            panic!("it was not changed");
        };
        let line = "//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.exporter.all || lambdacomponents.exporter.mine)";
        assert_eq!(text, format!("{line}\n\npackage exporter\n"));
        assert!(what.contains("lambdacomponents.exporter.mine"));
        assert!(matches!(place("components/exporter/other.go", "package exporter\n", &tags), Place::None(_)));
        assert!(matches!(place("components/exporter/other_test.go", "package exporter\n", &tags), Place::At(_)));
    }

    #[test]
    fn collector_configs_are_examples() {
        let config = "receivers: {}\nservice: {}\n";
        for (from, to) in [
            ("config/examples/a.yaml", "a.yaml"),
            ("config/collector-configs/a.yaml", "a.yaml"),
            ("config/a.yaml", "a.yaml"),
            ("config/deep/a.yaml", "deep/a.yaml"),
        ] {
            assert_eq!(place(from, config, &none()), Place::At(format!("config/examples/{to}")), "{from}");
        }
        for (from, text) in [("config/a.yaml", "a: 1\n"), ("config/a.yaml", "a: [\n"), ("config/a.txt", config)] {
            assert!(matches!(place(from, text, &none()), Place::None(_)), "{from}: {text}");
        }
    }

    #[test]
    fn tags_are_those_of_the_line() {
        assert_eq!(tags(GO).len(), 3);
        assert!(tags("package exporter\n").is_empty());
    }
}
