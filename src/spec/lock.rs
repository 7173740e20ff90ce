//! `ocelot.lock`: which sources and which toolchain a project is built from.

use std::fmt::Write as _;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// The file as written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Ocelot lock")]
pub struct LockFile {
    /// Version of this format.
    pub version: u32,
    /// Recipe of the layer zip: deflate implementation, its version, level and block size.
    pub zip: u32,
    /// The Go toolchain, for example `go1.26.8`.
    pub go: Option<String>,
    /// Pinned sources.
    pub sources: Vec<LockedSource>,
    /// Prepared trees by key: their `go.mod` and `go.sum` are in `ocelot.lock.d/<folder>/`.
    pub prepared: IndexMap<String, LockedTree>,
}

/// A pinned source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    /// As the pipeline writes it.
    pub repo: String,
    /// As the pipeline writes it.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The only paths wanted, sorted.
    #[serde(default)]
    pub paths: Vec<String>,
    /// 40 hexadecimal digits.
    pub commit: String,
    /// Identifies the wanted paths at that commit.
    pub tree: String,
    /// The commit's date.
    pub date: String,
    /// Whether the ref is a branch.
    #[serde(default)]
    pub branch: bool,
}

/// A prepared tree.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedTree {
    /// Folder in `ocelot.lock.d/`.
    pub folder: String,
    /// BLAKE3 of `go.mod`, a NUL byte and `go.sum`.
    pub digest: String,
}

/// Version of the format that this program writes.
pub const VERSION: u32 = 1;

impl LockFile {
    /// The pin of a source.
    pub fn source(&self, repo: &str, reference: &str, paths: &[String]) -> Option<&LockedSource> {
        self.sources.iter().find(|s| s.repo == repo && s.reference == reference && s.paths == paths)
    }

    /// Adds or replaces the pin of a source; the list stays sorted.
    pub fn pin(&mut self, source: LockedSource) {
        let key = |s: &LockedSource| (s.repo.clone(), s.reference.clone(), s.paths.clone());
        self.sources.retain(|known| key(known) != key(&source));
        self.sources.push(source);
        self.sources.sort_by_key(key);
    }

    /// The text of the file: one order, one form, so that a diff shows only what moved.
    pub fn to_text(&self) -> String {
        let mut out = String::from(
            "# Written by `ocelot`; commit it. `ocelot update` moves it.\n\
             # yaml-language-server: $schema=docs/schema/lock.json\n",
        );
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "version: {VERSION}\nzip: {}", self.zip);
        if let Some(go) = &self.go {
            let _ = writeln!(out, "go: {}", quoted(go));
        }
        if !self.sources.is_empty() {
            out.push_str("sources:\n");
        }
        for source in &self.sources {
            let paths: Vec<String> = source.paths.iter().map(|path| quoted(path)).collect();
            let _ = writeln!(
                out,
                "  - repo: {}\n    ref: {}\n    paths: [{}]\n    commit: {}\n    tree: {}\n    date: {}",
                quoted(&source.repo),
                quoted(&source.reference),
                paths.join(", "),
                quoted(&source.commit),
                quoted(&source.tree),
                quoted(&source.date),
            );
            if source.branch {
                out.push_str("    branch: true\n");
            }
        }
        if !self.prepared.is_empty() {
            out.push_str("prepared:\n");
        }
        let mut prepared: Vec<_> = self.prepared.iter().collect();
        prepared.sort_by(|a, b| a.0.cmp(b.0));
        for (key, tree) in prepared {
            let _ = writeln!(out, "  {key}: {{folder: {}, digest: {}}}", quoted(&tree.folder), quoted(&tree.digest));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::diag::SourceMap;
    use crate::spec::yaml::{Limits, read};

    #[test]
    fn what_is_written_is_read_back() {
        let mut lock = LockFile { version: VERSION, zip: 1, go: Some("go1.26.8".into()), ..LockFile::default() };
        for reference in ["b", "a", "b"] {
            lock.pin(LockedSource {
                repo: "o/n".into(),
                reference: reference.into(),
                paths: vec!["collector".into()],
                commit: "3e".repeat(20),
                tree: "0e".repeat(20),
                date: "2026-02-01".into(),
                branch: reference == "b",
            });
        }
        lock.prepared.insert("00ff".into(), LockedTree { folder: "minimal".into(), digest: "1e5".into() });
        let text = lock.to_text();
        let source = SourceMap::default().add("ocelot.lock", text.as_str());
        let mut problems = Vec::new();
        let read: LockFile = read(source, &text, &Limits::default(), &mut problems).unwrap();
        assert_eq!((read.sources.len(), &read.sources[0].reference), (2, &"a".to_owned()));
        assert_eq!((read.sources, read.prepared, read.go), (lock.sources, lock.prepared, lock.go));
    }
}
