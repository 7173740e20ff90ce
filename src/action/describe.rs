//! The manifest of every kind: the one place that says what enters a digest (`docs/cache-key.md`).

use crate::action::manifest::{Manifest, ManifestBuilder};
use crate::action::result::{ActionResult, Content};
use crate::base::digest::BlobDigest;
use crate::graph::node::{Kind, Node};
use crate::layer::deflate::Recipe;

/// What a node's digest is made of, beside its own configuration.
#[derive(Clone, Debug, Default)]
pub struct Inputs<'a> {
    /// Files in the project that no node makes, sorted by path.
    pub files: Vec<(&'a str, &'a Content)>,
    /// Results of other nodes, in edge order.
    pub deps: Vec<DepInput<'a>>,
    /// Tools by name with their identity.
    pub tools: Vec<(&'a str, &'a str)>,
    /// Allow-listed variables with their values; unset is not empty.
    pub env: Vec<(&'a str, Option<&'a str>)>,
    /// For a `clone`: the commit, or the digest of a plain directory.
    pub revision: Option<&'a str>,
    /// For an `overlay`: the digest of the lock's `go.mod` and `go.sum`.
    pub prepared: Option<&'a str>,
    /// Arguments after `--`.
    pub extra_args: &'a [String],
    /// For a `check`: how the layer is started.
    pub smoke: Option<&'a str>,
}

/// A dependency that enters the digest.
#[derive(Clone, Copy, Debug)]
pub struct DepInput<'a> {
    /// The field that names it, or the input path.
    pub field: &'a str,
    /// Whether `field` is an input path.
    pub is_path: bool,
    /// Its instance name.
    pub name: &'a str,
    /// What it left, if it succeeded.
    pub result: Option<&'a ActionResult>,
    /// What stands at the input path, if `is_path`.
    pub content: Option<&'a Content>,
    /// Why it has no result.
    pub failure: Option<&'a str>,
}

/// Version of the rules of each kind: raised when the same inputs come to mean another result.
fn schema(kind: &Kind) -> u32 {
    match kind {
        Kind::Exec(_) | Kind::Resolve(_) | Kind::Publish(_) | Kind::Report(_) | Kind::Release(_) | Kind::Group => 1,
        // 2: they say what a layer's provenance names.
        Kind::Clone(_) | Kind::Overlay(_) | Kind::Build(_) | Kind::Package(_) => 2,
        // 2: the layer is started. 3: its provenance is passed on. 4: it asks the check, and not AWS. 5: it is started too
        // where an exporter asks a server that is named. 6: it is sent OTLP over gRPC too.
        Kind::Check(_) => 6,
    }
}

/// What a kind takes from the node behind a field: output names, and fact names. `*` is all.
pub fn consumed(kind: &str, field: &str) -> (&'static [&'static str], &'static [&'static str]) {
    const LAYER: &[&str] = &[
        "arch",
        "code-sha256",
        "collector-version",
        "commit",
        "components",
        "distribution",
        "tags",
        "zip-size",
        "unzipped-size",
    ];
    match (kind, field) {
        ("resolve", "source") => (&["tree"], &[]),
        ("overlay", "source") => (&["tree"], &["commit", "source-tree"]),
        ("overlay", "resolution") => {
            (&[], &["collector-version", "components", "contrib-version", "distribution", "tags"])
        }
        ("build", "tree") => (
            &["tree"],
            &[
                "collector-version",
                "commit",
                "components",
                "distribution",
                "go-mod",
                "go-sum",
                "overlay-files",
                "source-tree",
                "tags",
            ],
        ),
        ("package", "binary") => (
            &["binary"],
            &[
                "arch",
                "collector-version",
                "commit",
                "components",
                "distribution",
                "go-command",
                "go-mod",
                "go-sum",
                "go-version",
                "overlay-files",
                "source-tree",
                "tags",
            ],
        ),
        ("package", "config") => (&["config"], &["distribution"]),
        ("check", "layer") => (&["layer", "provenance"], LAYER),
        ("publish", "layer") => (&["layer"], LAYER),
        ("report" | "release", _) => (&["*"], &["*"]),
        _ => (&[], &[]),
    }
}

/// The manifest of a node under these inputs.
pub fn describe(node: &Node, inputs: &Inputs<'_>) -> Manifest {
    let kind = node.kind.name();
    let mut m = ManifestBuilder::new(kind, schema(&node.kind));
    configuration(&mut m, &node.kind, inputs);
    for (name, identity) in &inputs.tools {
        m.field(&format!("tool {name}"), identity);
    }
    for (name, value) in &inputs.env {
        m.field(&format!("env {name}"), value.map_or("(unset)".to_owned(), |value| format!("={value}")).as_str());
    }
    m.optional("revision", inputs.revision);
    // Which component files an overlay reads depends on the tags, that is on another node.
    let late = matches!(node.kind, Kind::Overlay(_));
    if !late {
        files(&mut m, inputs);
    }
    m.dependencies();
    m.optional("lock", inputs.prepared);
    if late {
        files(&mut m, inputs);
    }
    for dep in &inputs.deps {
        dependency(&mut m, kind, dep);
    }
    m.finish()
}

fn files(m: &mut ManifestBuilder, inputs: &Inputs<'_>) {
    for (path, content) in &inputs.files {
        m.field(&format!("input {path}"), &content.value());
    }
}

fn dependency(m: &mut ManifestBuilder, kind: &str, dep: &DepInput<'_>) {
    if dep.is_path {
        m.field(&format!("input {}", dep.field), &dep.content.map_or("(missing)".to_owned(), Content::value));
        return;
    }
    let Some(result) = dep.result else {
        m.field(&format!("{} {}", dep.field, dep.name), &format!("failed: {}", dep.failure.unwrap_or("not run")));
        return;
    };
    let (outputs, facts) = consumed(kind, dep.field);
    let label =
        if matches!(kind, "report" | "release") { format!("{} {}", dep.field, dep.name) } else { dep.field.to_owned() };
    for output in &result.outputs {
        if outputs.contains(&"*") || outputs.contains(&output.name.as_str()) {
            let value = output.content.value();
            // `tree` of `tree` says it once.
            if output.name == label {
                m.field(&label, &value)
            } else {
                m.field(&format!("{label}.{}", output.name), &value)
            }
        }
    }
    for (name, value) in &result.facts {
        if facts.contains(&"*") || facts.contains(&name.as_str()) {
            m.field(&format!("{label}.{name}"), value);
        }
    }
}

fn configuration(m: &mut ManifestBuilder, kind: &Kind, inputs: &Inputs<'_>) {
    match kind {
        Kind::Exec(exec) => {
            m.list("command", exec.command.iter().chain(inputs.extra_args).map(String::as_str));
            m.list("output", exec.all_outputs());
            m.optional("stdout", exec.stdout.as_deref());
            for (name, value) in &exec.env {
                m.field(&format!("env {name}"), &format!("={value}"));
            }
            m.list("secret-env", exec.secret_env.iter().map(String::as_str));
            m.optional("dir", exec.dir.as_deref());
            m.optional("depfile", exec.depfile.as_deref());
        }
        // The repository is not in the digest: a commit is the same wherever it was fetched from.
        Kind::Clone(k) => {
            m.list("path", k.paths.iter().map(String::as_str));
            m.optional("output", k.output.as_deref());
        }
        Kind::Resolve(k) => {
            m.field("distribution", &k.distribution);
            m.field("description", &k.description);
            m.list("tag", k.tags.iter().map(String::as_str));
            m.optional("config-file", k.config_file.as_deref());
            m.optional("output", k.output.as_deref());
        }
        Kind::Overlay(k) => {
            m.optional("components", k.components.as_deref());
            for (tag, modules) in &k.dependencies {
                m.list(&format!("modules of {tag}"), modules.iter().map(String::as_str));
            }
            m.optional("output", k.output.as_deref());
        }
        Kind::Build(k) => {
            m.field("target", &format!("linux/{}", k.arch));
            m.optional("output", k.output.as_deref());
        }
        Kind::Package(k) => {
            m.field("recipe", &Recipe::CURRENT.number.to_string());
            if let Some(origin) = &k.origin {
                m.field("origin", &format!("{} {}", origin.repository, origin.reference));
            }
            // The provenance names it.
            m.field("ocelot", env!("CARGO_PKG_VERSION"));
            m.optional("output", k.output.as_deref());
        }
        // How it can be started is in the digest; whether it must is judged on reading, and is not.
        Kind::Check(k) => {
            m.optional("started", inputs.smoke);
            for (name, value) in &k.given.env {
                m.field(&format!("smoke-env {name}"), &format!("={value}"));
            }
            // A manifest is shown and kept: it says that a value is another one, and not which.
            for (name, value) in &k.given.secrets {
                m.field(&format!("smoke-secret {name}"), &BlobDigest::of(value.as_bytes()).to_hex());
            }
        }
        Kind::Group => {}
        Kind::Publish(k) => {
            m.field("region", &k.region);
            m.field("name", &k.name);
            m.field("group", &k.group);
            m.field("version", &k.version);
            m.list("runtime", k.runtimes.iter().map(String::as_str));
            m.field("public", if k.public { "true" } else { "false" });
            m.list("account", k.accounts.iter().map(String::as_str));
            m.list("organization", k.organizations.iter().map(String::as_str));
            m.field("registry", &k.registry);
            m.field("license", &k.license);
            m.optional("table", (!k.table.is_empty()).then_some(k.table.as_str()));
        }
        Kind::Report(k) => {
            m.list("format", k.formats.iter().map(String::as_str));
            m.field("output", &k.output);
        }
        Kind::Release(k) => m.field("repo", &k.repo),
    }
}
