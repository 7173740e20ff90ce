//! What the tests of kinds need: a world in a temporary folder, jobs, and a binary that looks like a collector.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::action::manifest::{Manifest, ManifestBuilder};
use crate::action::result::{ActionResult, Content, FileContent, Output};
use crate::base::clock::Clock;
use crate::base::id::NodeId;
use crate::exec::api::{Dep, Job, Log, World};
use crate::exec::printed::Following;
use crate::exec::registries::Registries;
use crate::exec::smoke::Mode;
use crate::graph::node::{Class, Kind, Node};
pub(in crate::exec) use crate::layer::testing::{CONFIG_TEXT, TAGS, collector};
use crate::outside::process::cancel::Cancel;
use crate::outside::process::command::{CommandRunner, CommandSpec, Outcome, OutputSink};
use crate::outside::process::redact::Redactor;
use crate::store::cache::Cache;
use crate::store::cache_options::CacheOptions;
use crate::store::fs::RealFs;
use crate::store::look::Looker;

/// Collects what a kind prints.
#[derive(Default)]
pub(in crate::exec) struct Printed(pub(in crate::exec) Vec<u8>);

impl Log for Printed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

struct NoCommands;

impl CommandRunner for NoCommands {
    fn run(&self, spec: &CommandSpec, _: &Cancel, _: &mut dyn OutputSink) -> Outcome {
        panic!("{} is run", spec.program.display());
    }
}

/// A world whose project and cache are below `dir`.
pub(in crate::exec) fn world(dir: &Path) -> World {
    let root = dir.join("project");
    std::fs::create_dir_all(&root).unwrap();
    World {
        user_cache: dir.join("user"),
        cache: Arc::new(Cache::open(Arc::new(RealFs), CacheOptions::new(dir.join("cache"), 20_000)).unwrap()),
        runner: Box::new(NoCommands),
        cancel: Cancel::new().unwrap(),
        lock: root.join("ocelot.lock"),
        env: BTreeMap::new(),
        registries: Registries::new(&root, &BTreeMap::new(), true),
        pass_over_disabled: false,
        offline: true,
        following: Following::new(&root),
        live_output: false,
        keep_temp: false,
        run: "run-1".into(),
        clock: Clock::start(),
        looker: Looker::new(&root, 0).unwrap(),
        redactor: Redactor::default(),
        root,
    }
}

/// A node of this kind.
pub(in crate::exec) fn node(name: &str, kind: Kind, class: Class) -> Arc<Node> {
    Arc::new(Node {
        name: name.into(),
        base: name.into(),
        values: Vec::new(),
        kind,
        class,
        edges: Vec::new(),
        pool: None,
        timeout_ms: None,
        retries: 0,
        description: None,
    })
}

/// The work of a node over these dependencies.
pub(in crate::exec) fn job(world: &World, node: Arc<Node>, deps: Vec<Dep>) -> Job {
    Job {
        id: NodeId::from_index(deps.len()),
        pipeline: "layers".into(),
        manifest: Arc::new(manifest(&node)),
        deps,
        files: Vec::new(),
        generated: Vec::new(),
        declared: Arc::default(),
        place: NodeId(0),
        work: world.root.join(".ocelot/work").join(&node.name),
        tools: BTreeMap::new(),
        prepared: None,
        revision: None,
        set_aside: Vec::new(),
        extra_args: Vec::new(),
        sandbox: false,
        smoke: Mode::None,
        node,
    }
}

fn manifest(node: &Node) -> Manifest {
    let mut builder = ManifestBuilder::new(node.kind.name(), 1);
    builder.field("kind", &format!("{:?}", node.kind));
    builder.dependencies();
    builder.finish()
}

/// A dependency that left this; `Err` is why it failed.
pub(in crate::exec) fn dep(field: &str, node: Arc<Node>, result: Result<ActionResult, &str>) -> Dep {
    let (result, failure) = match result {
        Ok(result) => (Some(Arc::new(result)), None),
        Err(failure) => (None, Some(failure.to_owned())),
    };
    Dep {
        id: NodeId::from_index(0),
        field: field.into(),
        name: node.name.clone(),
        base: node.base.clone(),
        kind: node.kind.name(),
        axes: BTreeMap::new(),
        node,
        result,
        failure,
    }
}

/// A stored file as an output.
pub(in crate::exec) fn file(world: &World, name: &str, bytes: &[u8]) -> Output {
    let put = world.cache.put_bytes(bytes);
    let content = Content::File(FileContent { digest: put.digest, size: put.size, executable: false });
    Output { name: name.into(), path: None, content }
}

/// What a build says of [`collector`].
pub(in crate::exec) fn facts() -> BTreeMap<String, String> {
    [
        ("arch", "amd64"),
        ("collector-version", "v0.145.0"),
        ("commit", "0123456789abcdef0123456789abcdef01234567"),
        ("components", "exporter.otlphttp,receiver.otlp"),
        ("distribution", "minimal"),
        ("go-command", r#"{"arguments":["build"],"environment":{}}"#),
        ("go-mod", ""),
        ("go-sum", ""),
        ("go-version", "go1.26.8"),
        ("overlay-files", ""),
        ("source-tree", ""),
        ("tags", TAGS),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
