//! From a node as written to the [`Kind`] of one instance: every value expanded and checked.

use std::collections::BTreeMap;

use crate::base::aws_id::{TableName, is_account, is_organization};
use crate::base::code;
use crate::base::diag::{Diagnostic, Span, quoted};
use crate::base::rel_path;
use crate::base::suggest;
use crate::graph::kinds::{CHECKSUM_SUFFIX, REPORT_FORMATS, Surroundings};
use crate::graph::node::{
    Build, Check, Class, CloneKind, Exec, Kind, Overlay, Package, Publish, Release, Report, Source,
};
use crate::graph::scope::{Scope, reads_names};
use crate::spec::pipeline::{CloneFile, ExecClass, ExecFile, NodeFile, PublishFile};
use crate::spec::value::{Text, Texts};

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "fish"];

/// Collects the problems of one instance, so that all of its fields are looked at.
#[derive(Default)]
struct Problems(Vec<Diagnostic>);

impl Problems {
    /// The value; of a wrong one, something to go on with.
    fn keep<T: Default>(&mut self, result: Result<T, Diagnostic>) -> T {
        result.unwrap_or_else(|problem| {
            self.0.push(problem);
            T::default()
        })
    }

    /// The values of a list; of its wrong elements, nothing.
    fn keep_all<T>(&mut self, results: impl IntoIterator<Item = Result<Vec<T>, Diagnostic>>) -> Vec<T> {
        results.into_iter().flat_map(|result| self.keep(result)).collect()
    }
}

/// Expands one instance.
///
/// # Errors
/// All problems of this instance's values.
pub(in crate::graph) fn expand_kind(
    file: &NodeFile,
    scope: &Scope<'_>,
    around: &dyn Surroundings,
) -> Result<(Kind, Class), Vec<Diagnostic>> {
    let mut problems = Problems::default();
    let expanded = expand(file, scope, around, &mut problems);
    if problems.0.is_empty() { Ok(expanded) } else { Err(problems.0) }
}

fn expand(file: &NodeFile, scope: &Scope<'_>, around: &dyn Surroundings, problems: &mut Problems) -> (Kind, Class) {
    if let Some(exec) = &file.exec {
        let class = match exec.class {
            ExecClass::Pure => Class::Pure,
            ExecClass::Volatile => Class::Volatile,
            ExecClass::Effect => Class::Effect,
        };
        return (Kind::Exec(Box::new(expand_exec(exec, scope, problems))), class);
    }
    if let Some(k) = &file.clone {
        return (Kind::Clone(Box::new(expand_clone(k, scope, around, problems))), Class::Volatile);
    }
    if let Some(k) = &file.resolve {
        let file = problems.keep(scope.optional(k.distributions.as_ref()));
        let file = file.unwrap_or_else(|| "config/distributions.yaml".to_owned());
        let file_at = k.distributions.as_ref().unwrap_or(&k.distribution).span;
        let name = scope.text(&k.distribution);
        let mut resolve =
            problems.keep(name.and_then(|name| around.distribution(&file, file_at, &name, k.distribution.span)));
        resolve.output = problems.keep(path(k.output.as_ref(), scope));
        resolve.components = problems.keep(path(k.components.as_ref(), scope));
        return (Kind::Resolve(Box::new(resolve)), Class::Pure);
    }
    if let Some(k) = &file.overlay {
        let components = problems.keep(path(k.components.as_ref(), scope));
        let map = problems.keep(scope.optional(k.dependencies.as_ref()));
        let at = k.dependencies.as_ref().or(k.components.as_ref()).unwrap_or(&k.source.node).span;
        let dependencies =
            if components.is_some() { problems.keep(around.dependencies(map.as_deref(), at)) } else { BTreeMap::new() };
        let output = problems.keep(directory(k.output.as_ref(), scope));
        return (Kind::Overlay(Box::new(Overlay { components, dependencies, output })), Class::Pure);
    }
    if let Some(k) = &file.build {
        let arch = problems.keep(one_of(&k.arch, scope, "architecture", &["amd64", "arm64"]));
        let output = problems.keep(path(k.output.as_ref(), scope));
        return (Kind::Build(Box::new(Build { arch, output })), Class::Pure);
    }
    if let Some(k) = &file.package {
        let output = problems.keep(path(k.output.as_ref(), scope));
        let checksum = output.as_ref().map(|path| format!("{path}{CHECKSUM_SUFFIX}"));
        return (Kind::Package(Box::new(Package { output, checksum, origin: None })), Class::Pure);
    }
    if let Some(k) = &file.check {
        let smoke = match &k.smoke {
            Some(smoke) => problems.keep(one_of(smoke, scope, "smoke mode", &["required", "optional"])),
            None if around.layers_must_start() => "required".to_owned(),
            None => "optional".to_owned(),
        };
        return (Kind::Check(Box::new(Check { smoke, ..Check::default() })), Class::Pure);
    }
    if let Some(k) = &file.publish {
        return (Kind::Publish(Box::new(expand_publish(k, scope, around, problems))), Class::Effect);
    }
    if let Some(k) = &file.report {
        let format = |value: &String, at| check_choice(value, at, "report format", &REPORT_FORMATS);
        let item = |item: &Text| scope.elements(item)?.iter().map(|value| format(value, item.span)).collect();
        let formats = problems.keep_all(k.formats.items.iter().map(item));
        let output = problems.keep(directory(Some(&k.output), scope)).unwrap_or_default();
        return (Kind::Report(Box::new(Report { formats, output })), Class::Sink);
    }
    if let Some(k) = &file.release {
        let repo = problems.keep(scope.optional(k.repo.as_ref())).unwrap_or_default();
        return (Kind::Release(Box::new(Release { repo })), Class::Effect);
    }
    (Kind::Group, Class::Pure)
}

fn expand_clone(k: &CloneFile, scope: &Scope<'_>, around: &dyn Surroundings, problems: &mut Problems) -> CloneKind {
    let reference = scope.optional(k.reference.as_ref());
    let is_named = reference.as_ref().map_or(true, |name| name.as_ref().is_some_and(|name| !name.is_empty()));
    let reference = problems.keep(reference).unwrap_or_default();
    let mut paths = project_paths(&k.paths, scope, problems);
    paths.sort();
    paths.dedup();
    let output = problems.keep(directory(k.output.as_ref(), scope));
    let found = scope.text(&k.repo).and_then(|repo| {
        let source = around.source(&repo, &reference, &paths, k.repo.span)?;
        if !is_named && !matches!(source, Source::Plain(_)) {
            return Err(Diagnostic::error(code::MISSING_REF, "a repository needs a `ref:`")
                .label(k.repo.span, "which commit?")
                .help("name a branch, a tag or a commit id"));
        }
        Ok((repo, source))
    });
    let (repo, source) = found.unwrap_or_else(|problem| {
        problems.0.push(problem);
        (String::new(), Source::Plain(String::new()))
    });
    CloneKind { repo, reference, paths, source, output }
}

fn expand_exec(file: &ExecFile, scope: &Scope<'_>, problems: &mut Problems) -> Exec {
    let mut command = Vec::with_capacity(file.command.len());
    for (i, word) in file.command.iter().enumerate() {
        if i > 0 && reads_names(&word.value) && is_script(&command) {
            problems.0.push(
                Diagnostic::error(code::SCRIPT_SUBSTITUTION, "`${}` inside the script of a shell")
                    .label(word.span, "a value would be read as code")
                    .help("pass the value by `env`, and read it in the script as `\"$NAME\"`"),
            );
            continue;
        }
        command.extend(problems.keep(scope.elements(word)));
    }
    if let Some(program) = file.command.first().filter(|_| command.first().is_some_and(String::is_empty)) {
        problems.0.push(
            Diagnostic::error(code::EMPTY_COMMAND, "the program has no name").label(program.span, "nothing to run"),
        );
    }
    for (name, value) in file.env.iter().filter(|(name, _)| !is_variable(name)) {
        let error =
            Diagnostic::error(code::VARIABLE_NAME, format!("{} cannot be the name of a variable", quoted(name)));
        problems.0.push(error.label(value.span, "in `env`, with this value"));
    }
    for output in file.outputs.items.iter().chain(&file.stdout).filter(|output| output.value.contains('*')) {
        problems.0.push(
            Diagnostic::error(code::OUTPUT_PLACE, format!("the output {} is a glob", quoted(&output.value)))
                .label(output.span, "outputs are declared by name")
                .help("name every file, or a folder of their own with a `/` at its end: then all that is in it counts"),
        );
    }
    if let Some(stdout) = file.stdout.as_ref().filter(|stdout| stdout.value.ends_with('/')) {
        problems.0.push(
            Diagnostic::error(code::OUTPUT_PLACE, "standard output cannot go to a folder")
                .label(stdout.span, "a `/` at the end means a folder")
                .help("name a file"),
        );
    }
    let env = file.env.iter().map(|(name, value)| (name.clone(), problems.keep(scope.text(value)))).collect();
    for (names, field) in [(&file.pass_env, "pass-env"), (&file.secret_env, "secret-env")] {
        for name in &names.items {
            problems.keep(check_variable(name, field));
        }
    }
    let mut list = |texts: &Texts| sorted(problems.keep_all(texts.items.iter().map(|item| scope.elements(item))));
    let (pass_env, secret_env, tools) = (list(&file.pass_env), list(&file.secret_env), list(&file.tools));
    Exec {
        command,
        inputs: input_patterns(&file.inputs, scope, problems),
        outputs: project_paths(&file.outputs, scope, problems),
        stdout: problems.keep(path(file.stdout.as_ref(), scope)),
        env,
        pass_env,
        secret_env,
        tools,
        dir: problems.keep(path(file.dir.as_ref(), scope)),
        depfile: problems.keep(path(file.depfile.as_ref(), scope)),
        sandbox: file.sandbox,
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn check_variable(name: &Text, field: &str) -> Result<(), Diagnostic> {
    let upper = name.value.to_uppercase();
    let secret = ["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"].iter().find(|word| upper.contains(**word));
    if let (Some(word), "pass-env") = (secret, field) {
        return Err(Diagnostic::error(code::SECRET_PASSED, format!("`{}` looks like a secret", name.value))
            .label(name.span, format!("its value would enter keys and records, and the name has `{word}`"))
            .help("name it under `secret-env:`, which keeps the value out of every key, log and record"));
    }
    if !is_variable(&name.value) {
        return Err(Diagnostic::error(
            code::VARIABLE_NAME,
            format!("`{}` cannot be the name of a variable", name.value),
        )
        .label(name.span, format!("in `{field}`")));
    }
    Ok(())
}

fn expand_publish(k: &PublishFile, scope: &Scope<'_>, around: &dyn Surroundings, problems: &mut Problems) -> Publish {
    let region = problems.keep(scope.text(&k.region).and_then(|region| {
        around.region(&region, k.region.span)?;
        Ok(region)
    }));
    let mut optional =
        |text: Option<&Text>, default: &str| problems.keep(scope.optional(text)).unwrap_or_else(|| default.to_owned());
    let registry = optional(k.registry.as_ref(), "aws");
    let group = optional(k.group.as_ref(), "local");
    let version = optional(k.version.as_ref(), "");
    let license = optional(k.license.as_ref(), "Apache-2.0");
    let table = optional(k.table.as_ref(), "");
    if !table.is_empty() && TableName::parse(&table).is_none() {
        let at = k.table.as_ref().unwrap_or(&k.region).span;
        let label = "expected NAME@REGION, such as ocelot-layers@us-east-1";
        problems.0.push(Diagnostic::error(code::PUBLISH_PLACE, format!("`{table}` names no table")).label(at, label));
    }
    if registry != "aws" && registry.strip_prefix("directory:").is_none_or(str::is_empty) {
        let at = k.registry.as_ref().unwrap_or(&k.region).span;
        problems.0.push(
            Diagnostic::error(code::PUBLISH_PLACE, format!("unknown registry `{registry}`"))
                .label(at, "expected `aws` or `directory:PATH`"),
        );
    }
    let accounts = ids(&k.accounts, is_account, "an AWS account: 12 digits, in quotes", scope, problems);
    let organizations =
        ids(&k.organizations, is_organization, "an organisation, such as o-a1b2c3d4e5", scope, problems);
    Publish {
        region,
        name: problems.keep(scope.text(&k.name)),
        group,
        version,
        runtimes: sorted(problems.keep_all(k.runtimes.items.iter().map(|item| scope.elements(item)))),
        public: problems.keep(scope.bool(k.public.as_ref(), false)),
        accounts,
        organizations,
        registry,
        license,
        table,
    }
}

/// Ids of one form, sorted.
fn ids(
    texts: &Texts,
    has_form: fn(&str) -> bool,
    form: &str,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> Vec<String> {
    let mut all = Vec::new();
    for text in &texts.items {
        for id in problems.keep(scope.elements(text)) {
            if !has_form(&id) {
                let problem = Diagnostic::error(code::SHARE_ID, format!("`{id}` cannot be shared with"));
                problems.0.push(problem.label(text.span, format!("expected {form}")));
            }
            all.push(id);
        }
    }
    sorted(all)
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
    let error = Diagnostic::error(code::UNKNOWN_VALUE, format!("unknown {what} `{value}`"))
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
        Diagnostic::error(code::OUTSIDE_PROJECT, format!("`{value}` is not a path inside the project"))
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

fn project_paths(texts: &Texts, scope: &Scope<'_>, problems: &mut Problems) -> Vec<String> {
    let item = |item: &Text| scope.elements(item)?.iter().map(|value| normal(value, item.span)).collect();
    problems.keep_all(texts.items.iter().map(item))
}

fn input_patterns(texts: &Texts, scope: &Scope<'_>, problems: &mut Problems) -> Vec<String> {
    let one = |value: &String, at| match value.strip_prefix('!') {
        Some(excluded) => Ok(format!("!{}", normal(excluded, at)?)),
        None => normal(value, at),
    };
    let item = |item: &Text| scope.elements(item)?.iter().map(|value| one(value, item.span)).collect();
    problems.keep_all(texts.items.iter().map(item))
}
