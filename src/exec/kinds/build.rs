//! `build`: one `go build`, with the network off, whose bytes depend on nothing but the sources and the toolchain.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::action::describe::consumed;
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
use crate::layer::provenance::GoCommand;
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
    let build = GoBuild {
        arch,
        tags: &tags,
        collector_version: job.fact("tree", "collector-version")?,
        commit: job.fact("tree", "commit")?,
        output: &shown,
        toolchain: go.version,
    };
    let command = build.command().map_err(invalid)?;
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
    // All that went into the digest: it is what made the binary.
    for name in consumed("build", "tree").1 {
        facts.insert((*name).to_owned(), job.fact("tree", name)?.to_owned());
    }
    facts.insert("arch".to_owned(), k.arch.clone());
    facts.insert("sha256".to_owned(), Sha256Sum::of(&bytes).to_hex());
    facts.insert("go-version".to_owned(), info.go_version);
    // Where this machine has put the binary is nothing of what it is.
    let told = GoBuild { output: "collector", ..build }.command().map_err(invalid)?;
    let told = GoCommand {
        arguments: told.args,
        environment: told.env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    facts.insert("go-command".to_owned(), told.to_fact());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::kinds::small_tree::{COMMIT, Calls, job_over, lines, sources, stand_in, tree_dep, variable};
    use crate::exec::testing::{Printed, TAGS, collector, world};
    use crate::graph::node::Kind;
    use crate::outside::process::command::CommandSpec;

    fn job_of(world: &World, arch: &str) -> (Job, Build) {
        let facts = [
            ("collector-version", "v0.145.0"),
            ("commit", COMMIT),
            ("components", "exporter.otlphttp,receiver.otlp"),
            ("distribution", "mine"),
            ("go-mod", ""),
            ("go-sum", ""),
            ("overlay-files", ""),
            ("source-tree", ""),
            ("tags", TAGS),
        ];
        let k = Build { arch: arch.into(), output: None };
        let deps = vec![tree_dep(world, "tree", &sources(), &facts)];
        (job_over(world, Kind::Build(Box::new(k.clone())), deps, &[]), k)
    }

    /// Puts a binary for `arch` where the command wants it.
    fn compiler(arch: Arch) -> impl Fn(&CommandSpec) -> (String, i32) + Send + Sync {
        move |spec| {
            let output = spec.args.iter().skip_while(|arg| *arg != "-o").nth(1).unwrap();
            assert!(spec.dir.join("main.go").exists(), "the tree is laid out");
            std::fs::write(output, collector(arch)).unwrap();
            (String::new(), 0)
        }
    }

    fn built(world: &World, arch: &str, log: &mut Printed) -> Result<Produced, WorkError> {
        let (job, k) = job_of(world, arch);
        run(world, &job, &k, log)
    }

    #[test]
    fn one_command_without_network_makes_the_binary_and_its_facts() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        world.env =
            [("GOPROXY", "https://proxy.example.org"), ("GOMODCACHE", "/mods"), ("GOAMD64", "v3"), ("PATH", "/bin")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let calls = stand_in(&mut world, compiler(Arch::Arm64));
        let produced = built(&world, "arm64", &mut Printed::default()).unwrap();
        let calls: Vec<CommandSpec> = calls.lock().unwrap().clone();
        let [call] = calls.as_slice() else { panic!("{calls:?}") };
        for (name, value) in [
            ("GOPROXY", Some("off")),
            ("GOENV", Some("off")),
            ("GOFLAGS", Some("-mod=readonly")),
            ("GOTOOLCHAIN", Some("go1.26.8")),
            ("GOARCH", Some("arm64")),
            ("GOAMD64", Some("v1")),
            ("CGO_ENABLED", Some("0")),
            ("GOMODCACHE", Some("/mods")),
            ("PATH", Some("/bin")),
            ("GOSUMDB", None),
        ] {
            assert_eq!(variable(call, name).as_deref(), value, "{name}");
        }
        let bytes = collector(Arch::Arm64);
        let facts = ["arch", "commit", "distribution", "go-version", "sha256"].map(|name| produced.facts[name].clone());
        let sha256 = Sha256Sum::of(&bytes).to_hex();
        assert_eq!(facts, ["arm64", COMMIT, "mine", "go1.26.8", &sha256]);
        let told = GoCommand::of_fact(&produced.facts["go-command"]).unwrap();
        assert!(told.arguments.ends_with(&["-o".to_owned(), "collector".to_owned(), ".".to_owned()]), "{told:?}");
        assert_eq!(told.environment["GOTOOLCHAIN"], "go1.26.8");
        assert_eq!(
            (produced.outputs[0].name.as_str(), produced.outputs[0].content.size()),
            ("binary", bytes.len() as u64)
        );
        assert!(!world.root.join(".ocelot/work/n").exists(), "the private folder is gone");
    }

    /// A compiler that finds no modules until they are fetched; `fetch` is what fetching prints and how it ends.
    fn without_modules(world: &mut World, fetch: (&'static str, i32)) -> Calls {
        let missing = "main.go:3:2: x.org/a@v1.0.0: module lookup disabled by GOPROXY=off\n";
        let fetched = std::sync::atomic::AtomicBool::new(false);
        let compile = compiler(Arch::Amd64);
        stand_in(world, move |spec| {
            use std::sync::atomic::Ordering::Relaxed;
            match spec.args[0].to_str() {
                Some("mod") => {
                    fetched.store(true, Relaxed);
                    (fetch.0.to_owned(), fetch.1)
                }
                _ if fetched.load(Relaxed) => compile(spec),
                _ => (missing.to_owned(), 1),
            }
        })
    }

    #[test]
    fn modules_that_are_not_here_are_fetched_once_and_the_build_stays_without_network() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        world.offline = false;
        world.env = [("GOPROXY".to_owned(), "https://proxy.example.org".to_owned())].into();
        let calls = without_modules(&mut world, ("", 0));
        let mut log = Printed::default();
        built(&world, "amd64", &mut log).unwrap();
        assert_eq!(lines(&calls).iter().map(|line| &line[..5]).collect::<Vec<_>>(), ["build", "mod d", "build"]);
        let proxies: Vec<_> = calls.lock().unwrap().iter().map(|call| variable(call, "GOPROXY").unwrap()).collect();
        assert_eq!(proxies, ["off", "https://proxy.example.org", "off"]);
        let log = String::from_utf8(log.0).unwrap();
        assert!(!log.contains("lookup disabled"), "a miss that was mended is no complaint: {log}");
    }

    #[test]
    fn modules_that_cannot_be_fetched_are_trouble_outside() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let calls = without_modules(&mut world, ("go: x.org/a@v1.0.0: module lookup disabled by GOPROXY=off\n", 1));
        let error = built(&world, "amd64", &mut Printed::default()).unwrap_err();
        assert!(matches!(&error, WorkError::Environment(text) if text.contains("--offline")), "{error}");
        assert_eq!(variable(&calls.lock().unwrap()[1], "GOPROXY").as_deref(), Some("off"), "offline is offline");
    }

    #[test]
    fn a_compile_error_is_the_cause_and_stays_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let calls = stand_in(&mut world, |_| ("# x.org/m\n./main.go:2:15: undefined: a\n".to_owned(), 1));
        let mut log = Printed::default();
        let error = built(&world, "amd64", &mut log).unwrap_err();
        assert!(matches!(error, WorkError::Command { .. }));
        assert!(error.to_string().ends_with("./main.go:2:15: undefined: a"), "{error}");
        assert!(String::from_utf8(log.0).unwrap().contains("# x.org/m\n./main.go:2:15"));
        assert_eq!(calls.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_binary_for_another_machine_or_with_other_tags_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        stand_in(&mut world, compiler(Arch::Amd64));
        assert!(built(&world, "arm64", &mut Printed::default()).is_err());
        let other = TagSet::new(["lambdacomponents.exporter.debug"]);
        assert!(check(&collector(Arch::Amd64), Arch::Amd64, &other).is_err());
    }

    #[test]
    fn a_toolchain_older_than_the_sources_is_told_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let (mut job, k) = job_of(&world, "amd64");
        job.tools.get_mut("go").unwrap().identity = "go1.23.9".into();
        assert!(matches!(run(&world, &job, &k, &mut Printed::default()), Err(WorkError::Environment(_))));
    }
}
