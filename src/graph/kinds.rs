//! What each kind refers to: the fields of a node that name other nodes, and what the pipeline asks of files beside it.

use std::collections::BTreeMap;

use crate::base::code;
use crate::base::diag::{Diagnostic, Span};
use crate::graph::node::{Resolve, Source};
use crate::spec::pipeline::NodeFile;
use crate::spec::value::{Reference, References};

/// What the pipeline needs to know of files beside it. Implemented where files are read.
pub trait Surroundings {
    /// Where a `clone` takes its sources from.
    ///
    /// # Errors
    /// A repository that cannot be one, with the place that names it.
    fn source(&self, repo: &str, reference: &str, paths: &[String], at: Span) -> Result<Source, Diagnostic>;

    /// A distribution with its bases folded in; `file` is named at `file_at`, and `name` at `at`.
    ///
    /// # Errors
    /// An unknown name, or a problem of the file.
    fn distribution(&self, file: &str, file_at: Span, name: &str, at: Span) -> Result<Resolve, Diagnostic>;

    /// The module map of an overlay.
    ///
    /// # Errors
    /// A missing or unreadable file.
    fn dependencies(&self, file: Option<&str>, at: Span) -> Result<BTreeMap<String, Vec<String>>, Diagnostic>;

    /// Whether this is a region of the facts file; `None` with a near one if not.
    ///
    /// # Errors
    /// An unknown region.
    fn region(&self, name: &str, at: Span) -> Result<(), Diagnostic>;

    /// Whether a layer has to be started to pass its check, where the check does not say: so it is where layers are
    /// published from.
    fn layers_must_start(&self) -> bool;
}

/// Every format that a report can have.
pub const REPORT_FORMATS: [&str; 11] =
    ["markdown", "json", "index", "csv", "terraform", "cdk", "cloudformation", "notes", "html", "sbom", "provenance"];

/// The references of a node, by field, and whether the field takes many and tolerates failure.
pub fn references(file: &NodeFile) -> Vec<Field<'_>> {
    fn one<'a>(name: &'static str, reference: &'a Reference) -> Field<'a> {
        Field { name, many: false, tolerant: false, references: std::slice::from_ref(reference) }
    }
    fn many<'a>(name: &'static str, references: &'a References) -> Field<'a> {
        Field { name, many: true, tolerant: name == "of", references: &references.0 }
    }
    let mut fields = Vec::new();
    if let Some(k) = &file.resolve {
        fields.push(one("source", &k.source));
    }
    if let Some(k) = &file.overlay {
        fields.extend([one("source", &k.source), one("resolution", &k.resolution)]);
    }
    if let Some(k) = &file.build {
        fields.push(one("tree", &k.tree));
    }
    if let Some(k) = &file.package {
        fields.extend([one("binary", &k.binary), one("config", &k.config)]);
    }
    if let Some(k) = &file.check {
        fields.push(one("layer", &k.layer));
    }
    if let Some(k) = &file.publish {
        fields.push(one("layer", &k.layer));
    }
    if let Some(k) = &file.report {
        fields.push(many("of", &k.of));
    }
    if let Some(k) = &file.release {
        fields.extend([many("of", &k.of), many("assets", &k.assets), many("notes", &k.notes)]);
    }
    if let Some(members) = &file.group {
        fields.push(Field { name: "group", many: true, tolerant: false, references: members });
    }
    fields.push(Field { name: "after", many: true, tolerant: false, references: &file.after });
    fields
}

/// A field that names other nodes.
pub struct Field<'a> {
    /// Its key.
    pub name: &'static str,
    /// Whether it takes several instances.
    pub many: bool,
    /// Whether it receives failures as data.
    pub tolerant: bool,
    /// What it names.
    pub references: &'a [Reference],
}

/// What is added to the path of a layer for its checksum file.
pub(in crate::graph) const CHECKSUM_SUFFIX: &str = ".sha256";

/// Which kinds a field may name; empty means any.
pub fn accepted_kinds(kind: &str, field: &str) -> &'static [&'static str] {
    match (kind, field) {
        ("resolve" | "overlay", "source") => &["clone"],
        ("overlay", "resolution") | ("package", "config") => &["resolve"],
        ("build", "tree") => &["overlay", "clone"],
        ("package", "binary") => &["build"],
        ("check", "layer") => &["package"],
        ("publish", "layer") => &["check", "package"],
        ("release", "of") => &["publish"],
        ("release", "assets") => &["check", "package", "report"],
        ("release", "notes") => &["report"],
        _ => &[],
    }
}

/// The kind key of a node, if it has exactly one.
///
/// # Errors
/// No kind or several, at the node's own place.
pub fn kind_key(name: &str, file: &NodeFile, at: Span) -> Result<&'static str, Diagnostic> {
    let keys = [
        ("exec", file.exec.is_some()),
        ("clone", file.clone.is_some()),
        ("resolve", file.resolve.is_some()),
        ("overlay", file.overlay.is_some()),
        ("build", file.build.is_some()),
        ("package", file.package.is_some()),
        ("check", file.check.is_some()),
        ("publish", file.publish.is_some()),
        ("report", file.report.is_some()),
        ("release", file.release.is_some()),
        ("group", file.group.is_some()),
    ];
    let present: Vec<&'static str> = keys.iter().filter(|(_, present)| *present).map(|(key, _)| *key).collect();
    match present[..] {
        [kind] => Ok(kind),
        [] => Err(Diagnostic::error(code::NO_KIND, format!("node `{name}` has no kind"))
            .label(at, "does nothing")
            .help(format!("add one of: {}", keys.map(|(key, _)| key).join(", ")))),
        _ => Err(Diagnostic::error(
            code::SEVERAL_KINDS,
            format!("node `{name}` has several kinds: {}", present.join(", ")),
        )
        .label(at, "a node does one thing")
        .help("split it into one node per kind")),
    }
}
