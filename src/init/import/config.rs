//! `config/distributions.yaml` and `config/component_dependencies.yaml` of the original, mended where what was meant is
//! beyond doubt.

use std::collections::BTreeSet;

use crate::init::import::edits::{Edits, bytes, tree};
use crate::spec::yaml::{Entry, Tree, Value};

/// Keys of a distribution.
const FIELDS: [&str; 5] = ["description", "base", "buildtags", "config-file", "smoke"];

/// What its pages and README write for them, and its scripts ignored in silence.
const MEANT: [(&str, &str); 7] = [
    ("build-tags", "buildtags"),
    ("build_tags", "buildtags"),
    ("buildTags", "buildtags"),
    ("tags", "buildtags"),
    ("config_file", "config-file"),
    ("configFile", "config-file"),
    ("configfile", "config-file"),
];

/// Tags of the collector's own sources that have a name of several words, and none between them.
const SEVERAL_WORDS: [&str; 9] = [
    "connector.spanmetrics",
    "exporter.otlphttp",
    "exporter.prometheusremotewrite",
    "extension.basicauth",
    "extension.sigv4auth",
    "processor.coldstart",
    "processor.memorylimiter",
    "processor.probabilisticsampler",
    "receiver.telemetryapi",
];

/// What begins a tag.
pub(super) const PREFIX: &str = "lambdacomponents.";

/// The text of the distributions, mended. `own` are the tags of the project's components, and `there` the files that the
/// project will have.
pub(super) fn distributions<'a>(text: &'a str, own: &BTreeSet<String>, there: &BTreeSet<String>) -> Edits<'a> {
    let mut edits = Edits::new(text);
    let whole = match tree(text) {
        Ok(whole) => whole,
        Err(problem) => {
            edits.left.push(problem);
            return edits;
        }
    };
    for (at, entry) in whole.entries().iter().enumerate() {
        if entry.key.as_str() == "distributions" && is_wrapper(&entry.value) {
            unwrap(&mut edits, entry, whole.entries().get(at + 1), text);
            entry.value.entries().iter().for_each(|inner| one(&mut edits, text, &inner.value, own, there));
        } else if entry.key.as_str() == "distributions" && !entry.value.items().is_empty() {
            edits.leave(
                bytes(entry.key.span()).start,
                "`distributions:` has a list; write each as a key of the file, with its name before the colon",
            );
        } else {
            one(&mut edits, text, &entry.value, own, there);
        }
    }
    edits
}

/// Whether the key `distributions` has distributions, and is none itself.
fn is_wrapper(value: &Tree<'_>) -> bool {
    let entries = value.entries();
    let is_field = |key: &str| FIELDS.contains(&key) || MEANT.iter().any(|(wrong, _)| *wrong == key);
    let is_map = |entry: &Entry<'_>| matches!(entry.value.value(), Value::Map(_));
    entries.iter().any(is_map)
        && entries.iter().all(|entry| (is_map(entry) || entry.value.is_null()) && !is_field(entry.key.as_str()))
}

/// Takes the key away, and from what stands below it the spaces that it stands to the right by.
fn unwrap(edits: &mut Edits<'_>, wrapper: &Entry<'_>, next: Option<&Entry<'_>>, text: &str) {
    let key = bytes(wrapper.key.span());
    let line = edits.line_start(key.start);
    let end = next.map_or(text.len(), |next| edits.line_start(bytes(next.key.span()).start));
    let mut lines = edits.lines(line..end);
    let Some((_, head)) = lines.next() else { return };
    let rest = head.get(key.end - line..).unwrap_or_default().trim_start_matches([':', '"', '\'']).trim_start();
    let first = wrapper.value.entries().first().map_or(line, |entry| bytes(entry.key.span()).start);
    let indent = first - edits.line_start(first);
    if indent == 0 || !(rest.is_empty() || rest.starts_with('#')) {
        edits.leave(key.start, "take the key `distributions` away, so that each distribution is a key of the file");
        return;
    }
    edits.mend(line..line + head.len(), rest, "the key `distributions` is taken away");
    for (start, line) in lines {
        let spaces = line.bytes().take_while(|byte| *byte == b' ').count().min(indent);
        if spaces > 0 {
            edits.also(start..start + spaces, "");
        }
    }
}

/// One distribution.
fn one(edits: &mut Edits<'_>, text: &str, value: &Tree<'_>, own: &BTreeSet<String>, there: &BTreeSet<String>) {
    for entry in value.entries() {
        let place = bytes(entry.key.span());
        let written = entry.key.as_str();
        let meant = MEANT.iter().find(|(wrong, _)| *wrong == written).map_or(written, |(_, right)| *right);
        if meant != written && value.get(meant).is_some() {
            edits.leave(place.start, format!("`{written}` and `{meant}` are both there: make them one"));
        } else if meant != written {
            edits.mend(place, meant, format!("`{written}` is `{meant}`"));
        } else if !FIELDS.contains(&written) {
            edits.leave(place.start, format!("`{written}` was ignored and is refused now: take it away"));
        }
        match meant {
            "buildtags" if entry.value.items().is_empty() => tags(edits, text, &entry.value, own),
            "buildtags" => entry.value.items().iter().for_each(|item| tags(edits, text, item, own)),
            "config-file" => config_file(edits, &entry.value, there),
            _ => {}
        }
    }
}

/// The tags of a scalar, which may be several.
fn tags(edits: &mut Edits<'_>, text: &str, value: &Tree<'_>, own: &BTreeSet<String>) {
    if value.as_str().is_none() {
        return;
    }
    let place = bytes(value.span());
    let written = text.get(place.clone()).unwrap_or_default();
    let is_of_tag = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let mut at = place.start;
    for part in written.split_inclusive(|c: char| !is_of_tag(c)) {
        let tag = part.trim_end_matches(|c: char| !is_of_tag(c));
        if let Some(meant) = meant_tag(tag, own) {
            edits.mend(at..at + tag.len(), meant.as_str(), format!("`{tag}` is `{meant}`"));
        }
        at += part.len();
    }
}

/// The tag that one with marks between its words means, if one is known without them.
fn meant_tag(tag: &str, own: &BTreeSet<String>) -> Option<String> {
    let (prefix, short) = tag.strip_prefix(PREFIX).map_or(("", tag), |short| (PREFIX, short));
    let bare = short.replace(['_', '-'], "");
    let is_known = |short: &str| SEVERAL_WORDS.contains(&short) || own.contains(&format!("{PREFIX}{short}"));
    (bare != short && !is_known(short) && is_known(&bare)).then(|| format!("{prefix}{bare}"))
}

/// The collector config that a distribution names.
fn config_file(edits: &mut Edits<'_>, value: &Tree<'_>, there: &BTreeSet<String>) {
    let Some(name) = value.as_str().filter(|name| !name.is_empty()) else { return };
    let below = format!("config/examples/{name}");
    let place = bytes(value.span());
    if name.contains('/') && there.contains(&below) {
        edits.mend(place, below.as_str(), format!("`{name}` is `{below}`: what has a `/` is a path of the project"));
    } else if !there.contains(&below) && !there.contains(name) {
        let told = "is not there, and a default was packaged in silence; write it, or take the line away";
        edits.leave(place.start, format!("`{below}` {told}"));
    }
}

/// The text of the dependencies, mended, and the tags they are of.
pub(super) fn dependencies(text: &str) -> (Edits<'_>, BTreeSet<String>) {
    let mut edits = Edits::new(text);
    let whole = match tree(text) {
        Ok(whole) => whole,
        Err(problem) => {
            edits.left.push(problem);
            return (edits, BTreeSet::new());
        }
    };
    let entries = whole.entries();
    let is_bare = !entries.is_empty() && entries.iter().all(|entry| entry.key.as_str().starts_with(PREFIX));
    let mut tags = whole.get("dependencies").map_or(&[][..], Tree::entries);
    if let Some(first) = entries.first().filter(|_| is_bare) {
        tags = entries;
        let start = edits.line_start(bytes(first.key.span()).start);
        for (at, line) in edits.lines(start..text.len()) {
            if at == start {
                edits.mend(at..at, "dependencies:\n  ", "the key `dependencies` is put above the tags");
            } else if !line.trim().is_empty() {
                edits.also(at..at, "  ");
            }
        }
    }
    let tags = tags.iter().map(|entry| entry.key.as_str().to_owned()).collect();
    (edits, tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_wrapper_goes_and_the_comments_stay() {
        let text = "# Top\ndistributions: # all\n  # The small one.\n  minimal:\n    description: |\n      Two\n\n      lines\n    \
                    build-tags: # tags\n      - lambdacomponents.processor.memory_limiter # Go ignored it\n      - exporter.debug\n";
        let edits = distributions(text, &set(&[]), &set(&[]));
        let right = "# Top\n# all\n# The small one.\nminimal:\n  description: |\n    Two\n\n    lines\n  \
                     buildtags: # tags\n    - lambdacomponents.processor.memorylimiter # Go ignored it\n    - exporter.debug\n";
        assert_eq!(edits.apply(), right);
        assert_eq!(edits.done.len(), 3, "{:?}", edits.done);
        assert_eq!(edits.done[1], "line 9: `build-tags` is `buildtags`");
        assert!(edits.left.is_empty(), "{:?}", edits.left);
        // Nothing is left to be mended.
        let again = distributions(right, &set(&[]), &set(&[]));
        assert!(again.done.is_empty() && again.apply() == right, "{:?}", again.done);
    }

    #[test]
    fn a_distribution_of_that_name_is_no_wrapper() {
        let text = "distributions:\n  buildtags: [receiver.otlp]\n";
        assert_eq!(distributions(text, &set(&[]), &set(&[])).apply(), text);
    }

    #[test]
    fn tags_are_mended_if_the_other_is_known() {
        let own = set(&["lambdacomponents.exporter.my_one", "lambdacomponents.exporter.yourone"]);
        for (text, mended) in [
            ("a: {buildtags: ['processor.memory_limiter,processor.probabilistic_sampler']}\n", 2),
            ("a: {buildtags: \"processor.memory-limiter\"}\n", 1),
            ("a:\n  buildtags:\n    - exporter.my_one\n    - exporter.your_one\n    - exporter.no_one\n", 1),
        ] {
            assert_eq!(distributions(text, &own, &set(&[])).done.len(), mended, "{text}");
        }
    }

    #[test]
    fn what_nobody_can_know_is_left() {
        let text = "a:\n  buildtags: []\n  build-tags: []\n  colour: red\n  config-file: none.yaml\n";
        let edits = distributions(text, &set(&[]), &set(&[]));
        assert_eq!(edits.left.len(), 3, "{:?}", edits.left);
        assert_eq!(edits.apply(), text);
        let edits = distributions("distributions:\n  - name: a\n", &set(&[]), &set(&[]));
        assert!(edits.left[0].contains("has a list"), "{:?}", edits.left);
        let edits = distributions("distributions: {a: {buildtags: []}}\n", &set(&[]), &set(&[]));
        assert!(edits.left[0].contains("take the key"), "{:?}", edits.left);
        assert!(distributions("a: [\n", &set(&[]), &set(&[])).left[0].starts_with("line "));
    }

    #[test]
    fn a_config_below_the_examples_gets_its_whole_path() {
        let there = set(&["config/examples/deep/a.yaml", "config/examples/b.yaml"]);
        let text = "a:\n  config-file: deep/a.yaml # deep\nb:\n  config-file: b.yaml\n";
        let edits = distributions(text, &set(&[]), &there);
        assert_eq!(edits.apply(), text.replace(": deep/", ": config/examples/deep/"));
        assert!(edits.left.is_empty());
    }

    #[test]
    fn dependencies_get_their_key() {
        let text = "# c\nlambdacomponents.exporter.a:\n  - m\n\nlambdacomponents.exporter.b: n\n";
        let (edits, tags) = dependencies(text);
        let right = "# c\ndependencies:\n  lambdacomponents.exporter.a:\n    - m\n\n  lambdacomponents.exporter.b: n\n";
        assert_eq!(edits.apply(), right);
        assert_eq!(tags.len(), 2);
        let (edits, same) = dependencies(right);
        assert!(edits.done.is_empty() && same == tags);
    }
}
