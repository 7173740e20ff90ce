//! Build tags of a distribution: their normal form, and which of them the sources know.

use std::collections::BTreeSet;
use std::fmt;

use crate::layer::build_constraint::BuildConstraint;
use crate::layer::component::Category;
use crate::layer::error::LayerError;
use crate::layer::go_target::is_toolchain_tag;

/// Every tag that selects components starts with this.
pub const TAG_PREFIX: &str = "lambdacomponents.";
/// The tag that turns selection on; without it the sources build their fixed default set.
pub const CUSTOM_TAG: &str = "lambdacomponents.custom";
/// The tag that selects every component.
pub const ALL_TAG: &str = "lambdacomponents.all";

/// How much alike two names must be for one to be offered for the other (1.0 = equal).
const LIKENESS: f64 = 0.6;

/// The build tags of one distribution in normal form: full names, sorted, no repeats, and [`CUSTOM_TAG`] whenever there
/// is any other tag. The order matters: Go records the tags in the binary as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TagSet {
    tags: BTreeSet<String>,
}

impl TagSet {
    /// Normalises tags as a person lists them: short (`exporter.otlphttp`, `custom`) or full, also several in one
    /// string with commas; empty ones are dropped.
    pub fn new<'t>(tags: impl IntoIterator<Item = &'t str>) -> Self {
        let split = tags.into_iter().flat_map(|entry| entry.split([',', ' ', '\t', '\n']));
        let mut tags: BTreeSet<String> = split.filter(|tag| !tag.is_empty()).map(full_tag).collect();
        if !tags.is_empty() {
            tags.insert(CUSTOM_TAG.to_owned());
        }
        Self { tags }
    }

    /// Whether this tag, in its full form, is active.
    pub fn contains(&self, tag: &str) -> bool {
        self.tags.contains(tag)
    }

    /// Whether there is no tag: the sources then build their default set.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The tags in their full form, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str)
    }

    /// The active tags that are not in `known`, each with the known tag that was probably meant.
    pub fn unknown<'s>(&'s self, known: &'s BTreeSet<String>) -> Vec<UnknownTag<'s>> {
        let strangers = self.iter().filter(|tag| !known.contains(*tag));
        strangers.map(|tag| UnknownTag { tag, suggestion: closest_tag(tag, known) }).collect()
    }
}

/// The value of `go build -tags`: comma separated, sorted.
impl fmt::Display for TagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, tag) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(tag)?;
        }
        Ok(())
    }
}

/// A tag that no constraint of the sources mentions. Go would ignore it, and the component would be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownTag<'s> {
    /// The tag in its full form.
    pub tag: &'s str,
    /// The known tag that is most like it, if any is.
    pub suggestion: Option<&'s str>,
}

/// The full form of a tag: `custom`, `all` and `CATEGORY.…` get the prefix, anything else is taken as written, so
/// that a mistyped category shows up as it was typed.
pub fn full_tag(tag: &str) -> String {
    let category = tag.split_once('.').map(|(category, _)| category);
    if tag == "custom" || tag == "all" || category.is_some_and(|category| Category::parse(category).is_some()) {
        format!("{TAG_PREFIX}{tag}")
    } else {
        tag.to_owned()
    }
}

/// Every tag that the constraints of these Go files (path, text) mention, without those that Go sets itself.
pub fn known_tags<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<BTreeSet<String>, LayerError> {
    let mut known = BTreeSet::new();
    for (path, text) in files {
        let constraint = BuildConstraint::of_file(path, text)?;
        for tag in constraint.iter().flat_map(BuildConstraint::tags).filter(|tag| !is_toolchain_tag(tag)) {
            known.insert(tag.to_owned());
        }
    }
    Ok(known)
}

/// The known tag that `tag` was probably meant to be: the same component name in another category, else the closest
/// spelling.
pub fn closest_tag<'k>(tag: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let short = tag.strip_prefix(TAG_PREFIX).unwrap_or(tag);
    let name = short.rsplit('.').next().unwrap_or(short);
    let mut same_name = known.iter().filter(|candidate| name != "all" && candidate.rsplit('.').next() == Some(name));
    if let (Some(only), None) = (same_name.next(), same_name.next()) {
        return Some(only);
    }
    let likeness = |candidate: &str| {
        // What they share, the prefix and perhaps the category, would make everything look alike.
        let candidate = candidate.strip_prefix(TAG_PREFIX).unwrap_or(candidate);
        match (short.split_once('.'), candidate.split_once('.')) {
            (_, Some((_, "all"))) => 0.0,
            (Some((category, own)), Some((same, other))) if category == same => {
                strsim::normalized_damerau_levenshtein(own, other)
            }
            _ => strsim::normalized_damerau_levenshtein(short, candidate),
        }
    };
    let best = known.iter().map(|candidate| (likeness(candidate), candidate.as_str()));
    let best = best.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(likeness, _)| *likeness >= LIKENESS).map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        let line = |category: &str, name: &str| {
            format!(
                "//go:build {CUSTOM_TAG} && ({ALL_TAG} || {TAG_PREFIX}{category}.all || {TAG_PREFIX}{category}.{name})\n\npackage {category}\n"
            )
        };
        let texts = [
            line("exporter", "otlphttp"),
            line("exporter", "otlp"),
            line("receiver", "otlp"),
            line("processor", "memorylimiter"),
            "//go:build linux && go1.20 && !lambdacomponents.custom\n\npackage x\n".to_owned(),
            "package x\n".to_owned(),
        ];
        known_tags(texts.iter().map(|text| ("x.go", text.as_str()))).unwrap()
    }

    #[test]
    fn short_and_full_forms_are_one() {
        let tags = TagSet::new(["processor.batch", "", "lambdacomponents.exporter.otlphttp", "exporter.otlphttp"]);
        assert_eq!(
            tags.to_string(),
            "lambdacomponents.custom,lambdacomponents.exporter.otlphttp,lambdacomponents.processor.batch"
        );
        assert_eq!(tags, TagSet::new(["custom,exporter.otlphttp, processor.batch"]));
        assert!(TagSet::new(["", " "]).is_empty());
        assert_eq!(TagSet::new([]).to_string(), "");
    }

    #[test]
    fn known_tags_are_those_of_the_sources() {
        let known = known();
        assert!(
            known.contains(CUSTOM_TAG) && known.contains(ALL_TAG) && known.contains("lambdacomponents.exporter.all")
        );
        assert!(!known.contains("linux") && !known.contains("go1.20"));
        assert_eq!(known.len(), 9);
    }

    #[test]
    fn unknown_tags_get_the_nearest_known_one() {
        let known = known();
        let suggestion = |tag: &str| {
            let tags = TagSet::new([tag]);
            tags.unknown(&known).first().map(|unknown| unknown.suggestion.unwrap_or("-").to_owned())
        };
        assert_eq!(suggestion("processor.memory_limiter").as_deref(), Some("lambdacomponents.processor.memorylimiter"));
        assert_eq!(suggestion("exporters.otlphttp").as_deref(), Some("lambdacomponents.exporter.otlphttp"));
        assert_eq!(suggestion("processor.otlphttp").as_deref(), Some("lambdacomponents.exporter.otlphttp"));
        assert_eq!(suggestion("extension.zzzzzzzzzzz").as_deref(), Some("-"));
        // A component of one's own whose file is missing: nobody means all of them.
        assert_eq!(suggestion("exporter.awss3").as_deref(), Some("-"));
        assert_eq!(suggestion("exporter.otlp"), None);
    }
}
