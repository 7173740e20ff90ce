//! From a node as written to the [`Kind`] of one instance: every value expanded and checked.

use std::collections::BTreeMap;

use crate::base::diag::{Diagnostic, Span};
use crate::base::rel_path;
use crate::base::suggest;
use crate::graph::node::{
    Build, Check, Class, CloneKind, Exec, Kind, Overlay, Package, Publish, Release, Report, Resolve, Source,
};
use crate::graph::scope::{Scope, reads_names};
use crate::spec::pipeline::{ExecClass, ExecFile, NodeFile, PublishFile};
use crate::spec::value::{Reference, References, Text, Texts};

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
}

/// Every format that a report can have.
pub const REPORT_FORMATS: [&str; 6] = ["markdown", "json", "html", "terraform", "cdk", "cloudformation"];
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "fish"];

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
        [] => Err(Diagnostic::error(format!("node `{name}` has no kind"))
            .label(at, "does nothing")
            .help(format!("add one of: {}", keys.map(|(key, _)| key).join(", ")))),
        _ => Err(Diagnostic::error(format!("node `{name}` has several kinds: {}", present.join(", ")))
            .label(at, "a node does one thing")
            .help("split it into one node per kind")),
    }
}

/// Expands one instance.
///
/// # Errors
/// The first problem of this instance's values.
pub fn expand_kind(file: &NodeFile, scope: &Scope<'_>, around: &dyn Surroundings) -> Result<(Kind, Class), Diagnostic> {
    if let Some(exec) = &file.exec {
        let class = match exec.class {
            ExecClass::Pure => Class::Pure,
            ExecClass::Volatile => Class::Volatile,
            ExecClass::Effect => Class::Effect,
        };
        return Ok((Kind::Exec(Box::new(expand_exec(exec, scope)?)), class));
    }
    if let Some(k) = &file.clone {
        let repo = scope.text(&k.repo)?;
        let reference = scope.optional(k.reference.as_ref())?.unwrap_or_default();
        let mut paths = project_paths(&k.paths, scope)?;
        paths.sort();
        paths.dedup();
        let source = around.source(&repo, &reference, &paths, k.repo.span)?;
        if reference.is_empty() && !matches!(source, Source::Plain(_)) {
            return Err(Diagnostic::error("a repository needs a `ref:`")
                .label(k.repo.span, "which commit?")
                .help("name a branch, a tag or a commit id"));
        }
        let output = directory(k.output.as_ref(), scope)?;
        return Ok((Kind::Clone(Box::new(CloneKind { repo, reference, paths, source, output })), Class::Volatile));
    }
    if let Some(k) = &file.resolve {
        let file = scope.optional(k.distributions.as_ref())?.unwrap_or_else(|| "config/distributions.yaml".to_owned());
        let file_at = k.distributions.as_ref().unwrap_or(&k.distribution).span;
        let mut resolve = around.distribution(&file, file_at, &scope.text(&k.distribution)?, k.distribution.span)?;
        resolve.output = path(k.output.as_ref(), scope)?;
        resolve.components = path(k.components.as_ref(), scope)?;
        return Ok((Kind::Resolve(Box::new(resolve)), Class::Pure));
    }
    if let Some(k) = &file.overlay {
        let components = path(k.components.as_ref(), scope)?;
        let map = scope.optional(k.dependencies.as_ref())?;
        let at = k.dependencies.as_ref().or(k.components.as_ref()).unwrap_or(&k.source.node).span;
        let dependencies =
            if components.is_some() { around.dependencies(map.as_deref(), at)? } else { BTreeMap::new() };
        let output = directory(k.output.as_ref(), scope)?;
        return Ok((Kind::Overlay(Box::new(Overlay { components, dependencies, output })), Class::Pure));
    }
    if let Some(k) = &file.build {
        let arch = one_of(&k.arch, scope, "architecture", &["amd64", "arm64"])?;
        return Ok((Kind::Build(Box::new(Build { arch, output: path(k.output.as_ref(), scope)? })), Class::Pure));
    }
    if let Some(k) = &file.package {
        let output = path(k.output.as_ref(), scope)?;
        let checksum = output.as_ref().map(|path| format!("{path}.sha256"));
        return Ok((Kind::Package(Box::new(Package { output, checksum })), Class::Pure));
    }
    if let Some(k) = &file.check {
        let smoke = match &k.smoke {
            Some(smoke) => one_of(smoke, scope, "smoke mode", &["required", "optional"])?,
            None => "optional".to_owned(),
        };
        return Ok((Kind::Check(Box::new(Check { smoke })), Class::Pure));
    }
    if let Some(k) = &file.publish {
        return Ok((Kind::Publish(Box::new(expand_publish(k, scope, around)?)), Class::Effect));
    }
    if let Some(k) = &file.report {
        let mut formats = Vec::new();
        for item in &k.formats.items {
            for value in scope.elements(item)? {
                formats.push(check_choice(&value, item.span, "report format", &REPORT_FORMATS)?);
            }
        }
        let output = directory(Some(&k.output), scope)?.unwrap_or_default();
        return Ok((Kind::Report(Box::new(Report { formats, output })), Class::Sink));
    }
    if let Some(k) = &file.release {
        let repo = scope.optional(k.repo.as_ref())?.unwrap_or_default();
        return Ok((Kind::Release(Box::new(Release { repo })), Class::Effect));
    }
    Ok((Kind::Group, Class::Pure))
}

fn expand_exec(file: &ExecFile, scope: &Scope<'_>) -> Result<Exec, Diagnostic> {
    let mut command = Vec::with_capacity(file.command.len());
    for (i, word) in file.command.iter().enumerate() {
        if i > 0 && reads_names(&word.value) && is_script(&command) {
            return Err(Diagnostic::error("`${}` inside the script of a shell")
                .label(word.span, "a value would be read as code")
                .help("pass the value by `env`, and read it in the script as `\"$NAME\"`"));
        }
        command.extend(scope.elements(word)?);
    }
    let mut env = BTreeMap::new();
    for (name, value) in &file.env {
        env.insert(name.clone(), scope.text(value)?);
    }
    for (names, field) in [(&file.pass_env, "pass-env"), (&file.secret_env, "secret-env")] {
        for name in &names.items {
            let upper = name.value.to_uppercase();
            let secret = ["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"].iter().find(|word| upper.contains(**word));
            if let (Some(word), "pass-env") = (secret, field) {
                return Err(Diagnostic::error(format!("`{}` looks like a secret", name.value))
                    .label(name.span, format!("its value would enter keys and records, and the name has `{word}`"))
                    .help("name it under `secret-env:`, which keeps the value out of every key, log and record"));
            }
            if name.value.is_empty() || name.value.contains(['=', '\0']) {
                return Err(Diagnostic::error(format!("`{}` cannot be the name of a variable", name.value))
                    .label(name.span, format!("in `{field}`")));
            }
        }
    }
    let outputs = project_paths(&file.outputs, scope)?;
    let stdout = path(file.stdout.as_ref(), scope)?;
    Ok(Exec {
        command,
        inputs: input_patterns(&file.inputs, scope)?,
        outputs,
        stdout,
        env,
        pass_env: sorted(scope.texts(&file.pass_env)?),
        secret_env: sorted(scope.texts(&file.secret_env)?),
        tools: sorted(scope.texts(&file.tools)?),
        dir: path(file.dir.as_ref(), scope)?,
        depfile: path(file.depfile.as_ref(), scope)?,
        sandbox: file.sandbox,
    })
}

fn expand_publish(k: &PublishFile, scope: &Scope<'_>, around: &dyn Surroundings) -> Result<Publish, Diagnostic> {
    let region = scope.text(&k.region)?;
    around.region(&region, k.region.span)?;
    let registry = scope.optional(k.registry.as_ref())?.unwrap_or_else(|| "aws".to_owned());
    if registry != "aws" && registry.strip_prefix("directory:").is_none_or(str::is_empty) {
        let at = k.registry.as_ref().unwrap_or(&k.region).span;
        return Err(
            Diagnostic::error(format!("unknown registry `{registry}`")).label(at, "expected `aws` or `directory:PATH`")
        );
    }
    Ok(Publish {
        region,
        name: scope.text(&k.name)?,
        group: scope.optional(k.group.as_ref())?.unwrap_or_else(|| "local".to_owned()),
        version: scope.optional(k.version.as_ref())?.unwrap_or_default(),
        runtimes: sorted(scope.texts(&k.runtimes)?),
        public: scope.bool(k.public.as_ref(), false)?,
        registry,
        license: scope.optional(k.license.as_ref())?.unwrap_or_else(|| "Apache-2.0".to_owned()),
    })
}

/// Whether the next word is the script of a shell: `sh -c`, `bash -euc`, `env bash -c`.
fn is_script(words: &[String]) -> bool {
    let is_shell = |word: &String| SHELLS.contains(&word.rsplit('/').next().unwrap_or(word));
    let has_shell = words.iter().any(is_shell);
    let flag = words.last().is_some_and(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'));
    has_shell && flag
}

fn one_of(text: &Text, scope: &Scope<'_>, what: &str, choices: &[&str]) -> Result<String, Diagnostic> {
    check_choice(&scope.text(text)?, text.span, what, choices)
}

fn check_choice(value: &str, at: Span, what: &str, choices: &[&str]) -> Result<String, Diagnostic> {
    if choices.contains(&value) {
        return Ok(value.to_owned());
    }
    let error = Diagnostic::error(format!("unknown {what} `{value}`"))
        .label(at, format!("expected one of: {}", choices.join(", ")));
    Err(match suggest::closest(value, choices.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    })
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list.dedup();
    list
}

/// A path inside the project, normalised.
fn normal(value: &str, at: Span) -> Result<String, Diagnostic> {
    rel_path::normalise(value).map_err(|problem| {
        Diagnostic::error(format!("`{value}` is not a path inside the project"))
            .label(at, problem)
            .help("paths are relative to the project root and stay inside it")
    })
}

fn path(text: Option<&Text>, scope: &Scope<'_>) -> Result<Option<String>, Diagnostic> {
    text.map(|text| normal(&scope.text(text)?, text.span)).transpose()
}

/// A directory output: always ends in `/`.
fn directory(text: Option<&Text>, scope: &Scope<'_>) -> Result<Option<String>, Diagnostic> {
    Ok(path(text, scope)?.map(|path| if path.ends_with('/') { path } else { format!("{path}/") }))
}

fn project_paths(texts: &Texts, scope: &Scope<'_>) -> Result<Vec<String>, Diagnostic> {
    let mut out = Vec::with_capacity(texts.items.len());
    for item in &texts.items {
        for value in scope.elements(item)? {
            out.push(normal(&value, item.span)?);
        }
    }
    Ok(out)
}

fn input_patterns(texts: &Texts, scope: &Scope<'_>) -> Result<Vec<String>, Diagnostic> {
    let mut out = Vec::with_capacity(texts.items.len());
    for item in &texts.items {
        for value in scope.elements(item)? {
            out.push(match value.strip_prefix('!') {
                Some(excluded) => format!("!{}", normal(excluded, item.span)?),
                None => normal(&value, item.span)?,
            });
        }
    }
    Ok(out)
}
