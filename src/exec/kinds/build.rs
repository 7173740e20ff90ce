//! `build`: one `go build`, with the network off, whose bytes depend on nothing but the sources and the toolchain.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::action::result::Output;
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::go::{Call, Go};
use crate::exec::kinds::collector_tree::{CollectorTree, invalid};
use crate::exec::outputs::{self, LayOutError};
use crate::graph::node::Build;
use crate::layer::arch::Arch;
use crate::layer::build_info::BuildInfo;
use crate::layer::elf;
use crate::layer::go_flags::GoBuild;
use crate::layer::hashes::Sha256Sum;
use crate::layer::tags::TagSet;

/// What Go says when a module is not in the cache and it may not fetch it.
const MISSING_MODULE: &[u8] = b"module lookup disabled by GOPROXY=off";

/// Builds the collector.
pub(in crate::exec) fn run(world: &World, job: &Job, k: &Build, log: &mut dyn Log) -> Result<Produced, WorkError> {
    let (source, result) = job.dep("tree")?;
    let output = result.output("tree").ok_or_else(|| WorkError::Internal("an overlay without a tree".to_owned()))?;
    let tree = CollectorTree::read(world, source.id, &output.content)?;
    let go = Go::of(world, job, tree.go_mod.go.as_deref())?;
    let arch = Arch::parse(&k.arch).ok_or_else(|| WorkError::Invalid(format!("unknown architecture `{}`", k.arch)))?;
    let tags = TagSet::new(job.fact("tree", "tags")?.split(',').filter(|tag| !tag.is_empty()));

    outputs::remove_any(&job.work).map_err(WorkError::io(job.work.display().to_string()))?;
    let base = job.work.join("tree");
    std::fs::create_dir_all(&base).map_err(WorkError::io(base.display().to_string()))?;
    outputs::place(world, &job.work, "tree", &output.content).map_err(|error| match error {
        LayOutError::Lost => WorkError::NeedsProducer(source.id),
        LayOutError::Work(error) => error,
    })?;
    let binary = job.work.join("collector");
    let shown = binary.to_string_lossy();
    let command = GoBuild {
        arch,
        tags: &tags,
        collector_version: job.fact("tree", "collector-version")?,
        commit: job.fact("tree", "commit")?,
        output: &shown,
        toolchain: go.version,
    };
    let command = command.command().map_err(invalid)?;
    compile(&go, job, &command.args, &command.env, &base.join(&tree.folder), log)?;
    let bytes = std::fs::read(&binary).map_err(WorkError::io(shown.as_ref()))?;
    let info = check(&bytes, arch, &tags)?;
    let content = outputs::capture(world, &job.work, "collector")?
        .ok_or_else(|| WorkError::Internal("the binary vanished".to_owned()))?;
    if !world.keep_temp {
        outputs::remove_any(&job.work).map_err(WorkError::io(job.work.display().to_string()))?;
    }
    let mut outputs = vec![Output { name: "binary".to_owned(), path: None, content }];
    if let Some(path) = &k.output {
        outputs::publish_outputs(world, &mut outputs, &[("binary", path)])?;
    }
    let mut facts: BTreeMap<String, String> = BTreeMap::new();
    for name in ["collector-version", "commit", "components", "distribution", "tags"] {
        facts.insert(name.to_owned(), job.fact("tree", name)?.to_owned());
    }
    facts.insert("arch".to_owned(), k.arch.clone());
    facts.insert("sha256".to_owned(), Sha256Sum::of(&bytes).to_hex());
    facts.insert("go-version".to_owned(), info.go_version);
    let measurements = [("binary-size".to_owned(), bytes.len() as u64)].into();
    Ok(Produced { outputs, facts, measurements, ..Produced::default() })
}

/// Holds back what an attempt says until it is known whether it matters.
struct Held(Vec<u8>);

impl Log for Held {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Builds with the network off; if that fails for want of modules, fetches them and builds again. So a warm build costs
/// no Go command but its own.
fn compile(
    go: &Go<'_>,
    job: &Job,
    args: &[String],
    env: &BTreeMap<&'static str, String>,
    dir: &Path,
    log: &mut dyn Log,
) -> Result<(), WorkError> {
    let timeout = job.node.timeout_ms.map(Duration::from_millis);
    let build = Call { args, env, dir, network: false, timeout };
    let mut held = Held(Vec::new());
    let first = go.run(&build, &mut held);
    let lacks_modules = held.0.windows(MISSING_MODULE.len()).any(|window| window == MISSING_MODULE);
    if first.is_ok() || !lacks_modules {
        log.write(&held.0);
        return first;
    }
    log.line("fetching modules");
    let download = ["mod".to_owned(), "download".to_owned()];
    let no_env = BTreeMap::new();
    go.run(&Call { args: &download, env: &no_env, dir, network: true, timeout }, log).map_err(|error| match error {
        WorkError::Command { end, .. } => WorkError::Environment(format!(
            "the Go modules of the sources are not all here, and `go mod download` {end}; connect to a module proxy \
             (GOPROXY), or run once without `--offline`"
        )),
        error => error,
    })?;
    go.run(&build, log)
}

/// The binary is for the architecture that was asked for, and has the tags that were asked for.
fn check(bytes: &[u8], arch: Arch, tags: &TagSet) -> Result<BuildInfo, WorkError> {
    let facts = elf::inspect("collector", bytes).map_err(invalid)?;
    if facts.arch != arch {
        return Err(WorkError::Internal(format!("the binary is for {}, not for {arch}", facts.arch)));
    }
    let info = BuildInfo::of_elf("collector", bytes).map_err(invalid)?;
    if info.tags() != tags.to_string() {
        return Err(WorkError::Internal(format!("the binary was built with the tags `{}`, not `{tags}`", info.tags())));
    }
    Ok(info)
}
