//! The fault matrix of `docs/reliability.md`, from the command line: what breaks around Ocelot, and what it promises then.
//!
//! Every test is named after its row. One whose means are missing (mounts, strace, …) says on standard error which row
//! did not run.

mod changes;
mod damage;
mod disk;
mod links;
mod page;
mod power;
mod processes;
mod read_only;
mod registry;
mod secrets;
mod sharing;
mod sizes;
mod texts;
mod twice;

use std::io::Write;
use std::process::Command;

use crate::support::{Ran, Space};

/// A pipeline with a chain of two larger files, a folder, and a node in a sandbox that needs the folder from the store.
pub(crate) const CHAIN: &str = "
nodes:
  big: {exec: {command: [sh, -c, 'cat in in in > big'], inputs: [in], outputs: [big]}}
  twice: {exec: {command: [sh, -c, 'cat big big > twice'], inputs: [big], outputs: [twice]}}
  folder: {exec: {command: [sh, -c, 'mkdir -p folder/sub; cp in folder/sub/file; echo s > folder/small'], inputs: [in], outputs: [folder/]}}
  inside: {exec: {command: [sh, -c, 'cat folder/small folder/sub/file > inside'], inputs: [folder/], outputs: [inside], sandbox: true}}
";

/// [`CHAIN`] with an input of 20 kB, so that blobs are files and entries of segments.
pub(crate) fn chain() -> Space {
    let space = Space::with(CHAIN);
    space.write("in", &"x".repeat(20_000));
    space
}

/// Asserts that the outputs of [`CHAIN`] follow from its input.
pub(crate) fn assert_chain(space: &Space) {
    let input = space.read("in");
    assert!(space.read("big") == input.repeat(3));
    assert!(space.read("twice") == input.repeat(6));
    assert!(space.read("inside") == format!("s\n{input}"));
}

/// Lines of standard error that are warnings. That a command left a process is left out: on a machine with much to do, a
/// sibling between `fork` and `exec` can look like one.
pub(crate) fn warnings(ran: &Ran) -> Vec<&str> {
    let warnings = ran.stderr.lines().filter(|line| line.starts_with("warning[OC"));
    warnings.filter(|line| !line.contains("left a process running")).collect()
}

/// The program as an argument of others, in the environment of the space.
pub(crate) fn wrapped(space: &Space, wrapper: &[&str], arguments: &[&str]) -> Command {
    let inner = space.command(arguments);
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(inner.get_program()).args(inner.get_args()).current_dir(space.root()).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Runs the program as [`wrapped`].
pub(crate) fn run_wrapped(space: &Space, wrapper: &[&str], arguments: &[&str]) -> Ran {
    Ran::from(wrapped(space, wrapper, arguments).output().expect("the wrapper starts"))
}

/// How to have mounts of one's own: as root, or as root of a user namespace.
const NAMESPACES: [&str; 2] = ["-m", "-Urm"];

fn can_mount(namespace: &str) -> bool {
    let probe = ["mount", "-t", "tmpfs", "none", "/mnt"];
    let probed = Command::new("unshare").arg(namespace).args(probe).output();
    probed.is_ok_and(|output| output.status.success())
}

/// Runs the program with mounts of its own, which `setup` makes.
pub(crate) fn run_mounted(space: &Space, setup: &str, arguments: &[&str]) -> Ran {
    let namespace = NAMESPACES.into_iter().find(|namespace| can_mount(namespace)).expect("mounts");
    run_wrapped(space, &["unshare", namespace, "sh", "-ec", &format!("{setup}\nexec \"$0\" \"$@\"")], arguments)
}

/// Commands that make a folder read-only for whoever is in the namespace.
pub(crate) fn read_only(folder: &std::path::Path) -> String {
    let folder = folder.display();
    format!("mount --bind '{folder}' '{folder}'; mount -o remount,ro,bind '{folder}'")
}

/// Tools that a test may need, with a command that shows whether they work here.
const MEANS: [(&str, &[&str]); 4] = [
    ("strace", &["strace", "-f", "-o", "/dev/null", "true"]),
    ("prlimit", &["prlimit", "--nofile=64:", "true"]),
    ("faketime", &["faketime", "-f", "+5y", "true"]),
    ("setpriv", &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "true"]),
];

/// Whether the means of a row are here; if not, a line that says so, past the capture of the test harness.
pub(crate) fn has(row: &str, means: &[&str]) -> bool {
    let works = |name: &&str| {
        if *name == "mounts" {
            return NAMESPACES.into_iter().any(can_mount);
        }
        let (_, probe) = MEANS.iter().find(|(known, _)| known == name).expect("known means");
        let probed = Command::new(probe[0]).args(&probe[1..]).output();
        probed.is_ok_and(|output| output.status.success())
    };
    let missing: Vec<&str> = means.iter().copied().filter(|name| !works(name)).collect();
    if missing.is_empty() {
        return true;
    }
    let line = format!("\nNOT RUN: {row} of docs/reliability.md: {} not possible here\n", missing.join(", "));
    std::io::stderr().write_all(line.as_bytes()).expect("standard error");
    false
}
