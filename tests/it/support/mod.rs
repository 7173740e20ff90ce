//! What every integration test uses: a project in a temporary folder, with a cache and a home of its own.

pub mod github;
pub mod moto;
pub mod proxy;
pub mod python;
pub mod words;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A project, and the program run in it under a fixed environment.
pub struct Space {
    dir: tempfile::TempDir,
    env: BTreeMap<String, String>,
    /// Whether the null run may answer from the snapshot alone.
    pub fast: bool,
}

/// What a run of the program gave.
#[must_use = "assert the exit status, or what was printed"]
#[derive(Debug)]
pub struct Ran {
    /// Exit status; -1 for a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Counters of the `finished` event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ran: u64,
    pub fresh: u64,
    pub restored: u64,
    pub failed: u64,
    pub skipped: u64,
}

/// Counters with the first three given, as most tests need them.
pub fn counts(ran: u64, restored: u64, fresh: u64) -> Counts {
    Counts { ran, fresh, restored, ..Counts::default() }
}

impl Space {
    /// An empty project.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for folder in ["project", "home", "cache"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        Self { dir, env: BTreeMap::new(), fast: true }
    }

    /// A project with this pipeline.
    pub fn with(pipeline: &str) -> Self {
        let space = Self::new();
        space.write("pipeline.yaml", pipeline);
        space
    }

    /// The project's root.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// The folder of the user's cache.
    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// Takes what another project's cache holds now, into a cache of its own.
    pub fn copy_cache(&mut self, other: &Self) {
        let to = self.dir.path().join("own-cache");
        let copied = Command::new("cp").arg("-a").args([other.cache(), to.clone()]).status().expect("cp");
        assert!(copied.success(), "cp");
        self.set("XDG_CACHE_HOME", to.to_str().expect("a UTF-8 path"));
    }

    /// Takes another project's cache.
    pub fn share_cache(&mut self, other: &Self) {
        self.set("XDG_CACHE_HOME", other.cache().to_str().expect("a UTF-8 path"));
    }

    /// Sets a variable for every later run.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Unsets a variable again.
    pub fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        let full = self.root().join(path);
        fs::create_dir_all(full.parent().expect("a parent")).expect("a folder");
        fs::write(&full, text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Reads a file of the project.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether something is at a path of the project.
    pub fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.root().join(path)).is_ok()
    }

    /// Removes a file or folder of the project.
    pub fn remove(&self, path: &str) {
        let full = self.root().join(path);
        let removed = if full.is_dir() { fs::remove_dir_all(&full) } else { fs::remove_file(&full) };
        removed.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Replaces content and keeps size, modification time and inode: what time stamps cannot see.
    pub fn write_in_disguise(&self, path: &str, text: &str) {
        let full = self.root().join(path);
        let before = fs::metadata(&full).expect("metadata");
        assert_eq!(before.len(), text.len() as u64, "a disguise keeps the size");
        // The kernel's stamps are a few milliseconds coarse: write until the change time has moved.
        loop {
            fs::write(&full, text).expect("write");
            let file = fs::File::options().write(true).open(&full).expect("open");
            file.set_modified(before.modified().expect("mtime")).expect("set mtime");
            let after = fs::metadata(&full).expect("metadata");
            assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
            if (after.ctime(), after.ctime_nsec()) != (before.ctime(), before.ctime_nsec()) {
                return;
            }
        }
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocelot"));
        let inside = |folder: &str| self.dir.path().join(folder);
        command.args(arguments).current_dir(self.root()).env_clear();
        for name in ["PATH", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", inside("home")).env("XDG_CACHE_HOME", inside("cache")).env("TERM", "dumb");
        command.env("COLUMNS", "100").env("OCELOT_FAST_PATH", if self.fast { "1" } else { "0" });
        // No test looks for credentials beyond this machine.
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(&self.env);
        command
    }

    /// A script for bash that finds the program as `ocelot`, with the environment that the program has; not started yet.
    pub fn bash(&self, script: &str) -> Command {
        let like = self.command(&[]);
        let folder = Path::new(like.get_program()).parent().expect("a folder").display();
        let path = format!("{folder}:{}", std::env::var("PATH").expect("a PATH"));
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", script]).current_dir(self.root()).env_clear();
        bash.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", path);
        bash
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the program starts");
        Ran::from(output)
    }

    /// Runs, asserts status 0, and gives the counters.
    pub fn build(&self, arguments: &[&str]) -> Counts {
        let ran = self.json(arguments);
        assert_eq!(ran.status, 0, "{ran:?}");
        ran.counts()
    }

    /// `run --output json` with further arguments.
    pub fn json(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["run", "--output", "json"], arguments].concat())
    }

    /// The plan: verdict and row by node.
    pub fn plan(&self, arguments: &[&str]) -> BTreeMap<String, (String, String)> {
        let ran = self.run(&[&["plan", "--output", "json"], arguments].concat());
        assert_eq!(ran.status, 0, "{ran:?}");
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        ran.events().iter().map(|e| (text(e, "node"), (text(e, "verdict"), text(e, "row")))).collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Every line of standard output as JSON.
    pub fn events(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The counters of the last event.
    pub fn counts(&self) -> Counts {
        let events = self.events();
        let last = events.last().unwrap_or_else(|| panic!("no events: {self:?}"));
        assert_eq!(last["event"], "finished", "{self:?}");
        let count = |name: &str| last[name].as_u64().expect("a counter");
        Counts {
            ran: count("ran"),
            fresh: count("fresh"),
            restored: count("restored"),
            failed: count("failed"),
            skipped: count("skipped"),
        }
    }

    /// Names of the nodes that ended so, sorted.
    pub fn ended(&self, end: &str) -> Vec<String> {
        let events = self.events();
        let ended = events.iter().filter(|event| event["event"] == "ended" && event["end"] == end);
        let mut names: Vec<String> = ended.map(|event| event["node"].as_str().expect("a node").to_owned()).collect();
        names.sort();
        names
    }

    /// Asserts the exit status.
    pub fn status(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// Every file below a folder with its bytes, for comparing and searching.
pub fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// Runs a scenario with the fast path on, and with it off: both must pass.
pub fn both_paths(scenario: impl Fn(Space)) {
    for fast in [true, false] {
        let mut space = Space::new();
        space.fast = fast;
        scenario(space);
    }
}
