//! For tests: a collector's sources in a few lines, what nodes over them are given, and a stand-in for Go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::action::result::{ActionResult, Content, FileContent, Listing, Output};
use crate::exec::api::{Dep, InputFile, Job, Tool, World};
use crate::exec::outputs;
use crate::exec::testing::{dep, job, node};
use crate::graph::node::{Class, Kind};
use crate::outside::process::cancel::Cancel;
use crate::outside::process::command::{CommandRunner, CommandSpec, End, LeftRunning, Outcome, OutputSink};

/// The commit of every tree here.
pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The collector's `go.mod`.
pub(super) const GO_MOD: &str = "module x.org/collector\n\ngo 1.24.0\n\nrequire (\n\tx.org/collector/lambdacomponents v0.0.0\n\
    \tgithub.com/open-telemetry/opentelemetry-collector-contrib/confmap/provider/s3provider v0.145.1\n\
    \tgo.opentelemetry.io/collector/otelcol v0.145.0\n)\n";
/// A component file of the project, as its path there and its text.
pub(super) const OWN: (&str, &str) = (
    "config/components/collector/lambdacomponents/exporter/awss3.go",
    "//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.exporter.awss3)\n\npackage exporter\n\n\
     import \"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/awss3exporter\"\n\nvar _ = awss3exporter.New\n",
);

/// The files of a small collector.
pub(super) fn sources() -> BTreeMap<&'static str, &'static str> {
    [
        ("collector/go.mod", GO_MOD),
        ("collector/main.go", "package main\n"),
        ("collector/config.yaml", "receivers:\n"),
        (
            "collector/lambdacomponents/go.mod",
            "module x.org/collector/lambdacomponents\nrequire go.opentelemetry.io/collector/otelcol v0.140.0\n",
        ),
        (
            "collector/lambdacomponents/default.go",
            "//go:build !lambdacomponents.custom\n\npackage l\n\nimport \"go.opentelemetry.io/collector/receiver/otlpreceiver\"\n",
        ),
        (
            "collector/lambdacomponents/receiver/otlp.go",
            "//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.receiver.otlp)\n\npackage receiver\n",
        ),
        (
            "collector/lambdacomponents/exporter/otlphttp.go",
            "//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.exporter.otlphttp)\n\n\
             package exporter\n",
        ),
    ]
    .into()
}

/// The listing of these files.
pub(super) fn stored(world: &World, files: &BTreeMap<&str, &str>) -> Content {
    let entry = |(path, text): (&&str, &&str)| {
        let put = world.cache.put_bytes(text.as_bytes());
        let file = FileContent { digest: put.digest, size: put.size, executable: false };
        ((*path).to_owned(), Content::File(file))
    };
    outputs::store_listing(world, Listing::new(files.iter().map(entry).collect())).unwrap()
}

/// A dependency that left these files as its `tree`.
pub(super) fn tree_dep(world: &World, field: &str, files: &BTreeMap<&str, &str>, facts: &[(&str, &str)]) -> Dep {
    let outputs = vec![Output { name: "tree".to_owned(), path: None, content: stored(world, files) }];
    facts_dep(field, outputs, facts)
}

/// A dependency that left these outputs and facts.
pub(super) fn facts_dep(field: &str, outputs: Vec<Output>, facts: &[(&str, &str)]) -> Dep {
    let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    dep(field, node(field, Kind::Group, Class::Pure), Ok(ActionResult { outputs, facts, ..ActionResult::default() }))
}

/// A job with these dependencies and files of the project, and a Go toolchain.
pub(super) fn job_over(world: &World, kind: Kind, deps: Vec<Dep>, files: &[(&str, &str)]) -> Job {
    let mut job = job(world, node("n", kind, Class::Pure), deps);
    for (path, text) in files {
        let full = world.root.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(&full, text).unwrap();
        let content = outputs::capture(world, &world.root, path).unwrap().unwrap();
        job.files.push(InputFile { path: (*path).to_owned(), content, stamp: world.looker.stat(path) });
    }
    job.tools.insert("go".into(), Tool { program: PathBuf::from("/opt/go/bin/go"), identity: "go1.26.8".into() });
    job
}

/// The files and links of a stored tree: path and text.
pub(super) fn texts(world: &World, content: &Content) -> BTreeMap<String, String> {
    let Content::Tree { listing, .. } = content else { panic!("no tree: {content:?}") };
    let listing = outputs::read_listing(world, listing).unwrap();
    let text = |content: &Content| match content {
        Content::File(file) => String::from_utf8(world.cache.read_blob(&file.digest, file.size).unwrap()).unwrap(),
        other => format!("{other:?}"),
    };
    listing.0.iter().map(|(path, content)| (path.clone(), text(content))).collect()
}

/// What the stand-in does with one command: what it prints, and its exit status.
type Act = dyn Fn(&CommandSpec) -> (String, i32) + Send + Sync;

struct StandIn {
    act: Box<Act>,
    calls: Calls,
}

/// The commands that were run.
pub(super) type Calls = Arc<Mutex<Vec<CommandSpec>>>;

impl CommandRunner for StandIn {
    fn run(&self, spec: &CommandSpec, _: &Cancel, sink: &mut dyn OutputSink) -> Outcome {
        self.calls.lock().unwrap().push(spec.clone());
        let (printed, status) = (self.act)(spec);
        sink.write(printed.as_bytes());
        Outcome { end: End::Exited(status), duration: Duration::ZERO, left_running: LeftRunning::default() }
    }
}

/// Lets `act` answer for Go from now on.
pub(super) fn stand_in(
    world: &mut World,
    act: impl Fn(&CommandSpec) -> (String, i32) + Send + Sync + 'static,
) -> Calls {
    let calls = Calls::default();
    world.runner = Box::new(StandIn { act: Box::new(act), calls: Arc::clone(&calls) });
    calls
}

/// The arguments of every command, each as one line.
pub(super) fn lines(calls: &Calls) -> Vec<String> {
    let line = |spec: &CommandSpec| spec.args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
    calls.lock().unwrap().iter().map(line).collect()
}

/// A variable of a command.
pub(super) fn variable(spec: &CommandSpec, name: &str) -> Option<String> {
    spec.env.get(Path::new(name).as_os_str()).map(|value| value.to_string_lossy().into_owned())
}
