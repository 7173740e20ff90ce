//! A project made of the files that this repository ships: its `config/`, `pipelines/` and the sample collector.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Ran, Space, files};

/// The sources of the sample collector, as the quickstart names them.
pub(crate) const SAMPLE: &str = "tests/fixtures/collector-src";

/// A copy of what is shipped. Go's caches are the user's own: they are keyed by content, and filling new ones takes
/// minutes.
pub(crate) fn project() -> Space {
    let mut space = Space::new();
    for folder in ["config", "pipelines", SAMPLE] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for (path, bytes) in files(&from) {
            let to = space.root().join(folder).join(path.strip_prefix(&from).expect("a file below"));
            fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
            fs::write(&to, bytes).expect("a copy");
        }
    }
    for (name, value) in go_places() {
        space.set(name, value);
    }
    space
}

/// Where this user's Go keeps what it compiled and fetched. They would follow `HOME` and `XDG_CACHE_HOME`, which are
/// new for every test.
pub(crate) fn go_places() -> impl Iterator<Item = (&'static str, &'static str)> {
    const NAMES: [&str; 2] = ["GOCACHE", "GOMODCACHE"];
    static VALUES: OnceLock<Vec<String>> = OnceLock::new();
    let ask = || {
        let said =
            Command::new("go").arg("env").args(NAMES).output().expect("these tests need Go (https://go.dev/dl/)");
        String::from_utf8(said.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
    };
    NAMES.into_iter().zip(VALUES.get_or_init(ask).iter().map(String::as_str))
}

/// Runs the program from the root of the file system, in other surroundings than a test has: umask, zone and language.
pub(crate) fn run_elsewhere(space: &Space, arguments: &[&str]) -> Ran {
    let root = space.root();
    let inside = space.command(&[&["-C", root.to_str().expect("UTF-8")], arguments].concat());
    let mut outside = Command::new("sh");
    outside.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(inside.get_program()).args(inside.get_args());
    outside.current_dir("/").env_clear();
    outside.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outside.envs([("TZ", "Asia/Kathmandu"), ("LANG", "tr_TR.UTF-8"), ("LC_ALL", "tr_TR.UTF-8")]);
    let output: Output = outside.output().expect("the program starts");
    Ran::from(output)
}

/// Names of nodes, sorted as [`Ran::ended`] gives them.
pub(crate) fn names(nodes: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = nodes.iter().map(|&name| name.to_owned()).collect();
    names.sort();
    names
}

/// The bytes of a file of the project.
pub(crate) fn bytes(space: &Space, path: &str) -> Vec<u8> {
    fs::read(space.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A JSON file of the project.
pub(crate) fn json(space: &Space, path: &str) -> Value {
    serde_json::from_slice(&bytes(space, path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
