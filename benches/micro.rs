//! What a run is made of, part by part: `cargo bench`. Figures belong to a machine; compare two commits on one.
#![expect(clippy::disallowed_methods, reason = "the program is run as people run it")]

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use ocelot::action::manifest::ManifestBuilder;
use ocelot::base::diag::SourceMap;
use ocelot::base::digest::BlobDigest;
use ocelot::base::id::PathId;
use ocelot::engine::snapshot::Stored;
use ocelot::engine::state::StateDir;
use ocelot::layer::deflate::Recipe;
use ocelot::layer::zip_write::{collector_layer, write_zip};
use ocelot::project::load::{Request, load};
use ocelot::project::params::Sets;
use ocelot::spec::pipeline::PipelineFile;
use ocelot::spec::yaml::{Limits, read};
use ocelot::store::look::Looker;

/// Commands of the sample project, in layers of a hundred.
const COMMANDS: usize = 10_000;

fn main() {
    divan::main();
}

/// A pipeline in which every command reads a source of its own and one output of the layer before.
fn pipeline() -> String {
    let mut text = "name: micro\nnodes:\n".to_owned();
    for at in 0..COMMANDS {
        let above = if at < 100 { String::new() } else { format!(", out/{}", at - 100) };
        let _ = write!(
            text,
            "  n{at}:\n    exec:\n      command: [\"true\"]\n      inputs: [src/{at}{above}]\n      stdout: out/{at}\n"
        );
    }
    text
}

/// The project, built once, so that its state is there.
fn project() -> &'static Path {
    static PROJECT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = || {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("src")).expect("a folder");
        for at in 0..COMMANDS {
            std::fs::write(dir.path().join(format!("src/{at}")), at.to_string()).expect("a source");
        }
        std::fs::write(dir.path().join("pipeline.yaml"), pipeline()).expect("a pipeline");
        for _ in 0..2 {
            let run = Command::new(env!("CARGO_BIN_EXE_ocelot"))
                .args(["run", "pipeline.yaml"])
                .current_dir(dir.path())
                .env("XDG_CACHE_HOME", dir.path().join("cache"))
                .output()
                .expect("a run");
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }
        dir
    };
    PROJECT.get_or_init(made).path()
}

/// YAML to what it says, with a place for every value.
#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    let text = pipeline();
    let source = SourceMap::default().add("pipeline.yaml", text.as_str());
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let mut problems = Vec::new();
        read::<PipelineFile>(source, black_box(&text), &Limits::default(), &mut problems).expect("a pipeline")
    });
}

/// The same text by serde_yaml, without places, and into no types of ours: the peer of `parse`.
#[divan::bench]
fn parse_serde_yaml(bencher: Bencher<'_, '_>) {
    let text = pipeline();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| serde_yaml::from_str::<serde_yaml::Value>(black_box(&text)).expect("YAML"));
}

/// A project's files to its graph.
#[divan::bench]
fn graph(bencher: Bencher<'_, '_>) {
    let (root, sets) = (project(), Sets::default());
    bencher.counter(ItemsCount::new(COMMANDS)).bench(|| {
        let request =
            Request { root, file: "pipeline.yaml", sets: &sets, lock: None, env: &|_| None, everything: false };
        load(&request).map_err(|error| error.render(false)).expect("a graph")
    });
}

/// An action's manifest and its digest.
#[divan::bench]
fn digest(bencher: Bencher<'_, '_>) {
    let content = BlobDigest::of(b"content");
    bencher.counter(ItemsCount::new(1_u32)).bench(|| {
        let mut manifest = ManifestBuilder::new("exec", 1);
        manifest.list("command", ["sh", "-c", "cksum a b c > d"]);
        for path in ["src/0001/001.txt", "out/0000/001.out", "out/0000/002.out", "out/0000/008.out"] {
            manifest.file(path, false, black_box(&content));
        }
        manifest.finish()
    });
}

/// The stat of every path that a run rests on, against what is remembered.
#[divan::bench]
fn stat(bencher: Bencher<'_, '_>) {
    let table = StateDir::new(project()).read_table().expect("a path table");
    let looker = Looker::new(project(), 0).expect("a folder");
    let ids: Vec<PathId> = (0..u32::try_from(table.len()).expect("few paths")).map(PathId).collect();
    bencher.counter(ItemsCount::new(ids.len())).bench(|| looker.suspects(black_box(&table), &ids).len());
}

/// What a run with nothing to do reads.
#[divan::bench]
fn snapshot(bencher: Bencher<'_, '_>) {
    let folder = StateDir::new(project()).graphs();
    let file = std::fs::read_dir(folder).expect("a folder").next().expect("a snapshot").expect("a name").path();
    let bytes = std::fs::read(&file).expect("a snapshot");
    // Behind the magic.
    let key = BlobDigest::from_bytes(bytes[16..48].try_into().expect("32 bytes"));
    bencher.bench(|| Stored::open(black_box(&file), &key).expect("a snapshot").null.settled.is_some());
}

/// A collector layer: a binary of 8 MiB that deflates as binaries do, on all processors.
#[divan::bench(sample_count = 10)]
fn zip(bencher: Bencher<'_, '_>) {
    let mut binary = std::fs::read(env!("CARGO_BIN_EXE_ocelot")).expect("the program");
    binary.truncate(8 << 20);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    bencher.counter(BytesCount::of_slice(&binary)).bench(|| {
        let entries = collector_layer(black_box(&binary), b"receivers: {}\n");
        write_zip(&entries, Recipe::CURRENT, threads).expect("a zip")
    });
}
