//! Power cuts, on a real file system: an image that is copied while a run writes to it holds what had reached the disk.
//!
//! Project, cache and state are on an ext4 image behind a loop device. Every now and then the run is stopped for as long as
//! it takes to copy the image; the copy is mounted, checked by the file system, and a run in it has to come to the right
//! result. It needs root, `mkfs.ext4` and loop devices, and takes a while: `OCELOT_TEST_POWER_CUTS=N` asks for N cuts.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Ran, Space};

/// Cuts unless more are asked for.
const CUTS: usize = 2;
const NODES: usize = 40;
const FIRST: &str = "first\n";
const SECOND: &str = "second\n";

fn tool(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A mounted image; unmounted when it is dropped.
struct Mounted {
    image: PathBuf,
    at: PathBuf,
}

impl Mounted {
    fn new(image: PathBuf, at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).expect("a folder");
        let mounted = tool("mount", &["-o", "loop", image.to_str()?, at.to_str()?]);
        mounted.then_some(Self { image, at })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        tool("umount", &["-l", self.at.to_str().expect("UTF-8")]);
    }
}

fn empty_image(dir: &Path) -> Option<Mounted> {
    let image = dir.join("disk.img");
    std::fs::File::create(&image).and_then(|file| file.set_len(96 << 20)).expect("an image");
    // Metadata reaches the disk as it would on a laptop.
    tool("mkfs.ext4", &["-q", "-F", image.to_str()?]).then_some(())?;
    Mounted::new(image, dir.join("disk"))
}

/// Nodes that each write a file of some size: every one has a record, a blob and an output.
fn pipeline() -> String {
    let node = |n: usize| {
        format!(
            "  n{n}: {{exec: {{command: [sh, -c, 'cat in; seq {n} {}'], inputs: [in], stdout: o{n}}}}}\n",
            n + 3_000
        )
    };
    "nodes:\n".to_owned() + &(0..NODES).map(node).collect::<String>()
}

fn expected(input: &str, n: usize) -> String {
    input.to_owned() + &(n..=n + 3_000).map(|line| format!("{line}\n")).collect::<String>()
}

/// The program in a project on a disk.
fn command(space: &Space, disk: &Path, arguments: &[&str]) -> Command {
    let mut command = space.command(arguments);
    command.current_dir(disk.join("project")).env("XDG_CACHE_HOME", disk.join("cache"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn row_02_power_cut_on_a_real_disk_shows_no_wrong_byte() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(disk) = empty_image(dir.path()) else {
        writeln!(std::io::stderr(), "NOT RUN: row 2 on a real disk (needs root, mkfs.ext4 and loop devices)").ok();
        return;
    };
    let cuts = std::env::var("OCELOT_TEST_POWER_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(CUTS);
    let space = Space::new();
    for at in 0..cuts {
        let write = |name: &str, text: &str| std::fs::write(disk.at.join("project").join(name), text).expect("a file");
        std::fs::create_dir_all(disk.at.join("project")).expect("a folder");
        write("pipeline.yaml", &pipeline());
        write("in", FIRST);
        // A run that has ended has put its results on the disk by itself.
        assert!(command(&space, &disk.at, &["run"]).status().expect("it starts").success());
        write("in", SECOND);
        let input = std::fs::File::open(disk.at.join("project/in")).and_then(|file| file.sync_all());
        input.expect("synced");
        let mut run = command(&space, &disk.at, &["run"]).spawn().expect("it starts");
        let pid = Pid::from_raw(i32::try_from(run.id()).expect("a pid")).expect("a pid");
        // Another moment each time: once so many outputs are there.
        let wanted = 3 + at * 7 % (NODES - 5);
        let output = disk.at.join(format!("project/o{wanted}"));
        let is_new = || std::fs::read(&output).is_ok_and(|bytes| bytes.starts_with(SECOND.as_bytes()));
        while !is_new() && run.try_wait().expect("a child").is_none() {
            std::thread::yield_now();
        }
        kill_process(pid, Signal::STOP).ok();
        let copy = dir.path().join("copy.img");
        std::fs::copy(&disk.image, &copy).expect("a copy");
        kill_process(pid, Signal::KILL).ok();
        run.wait().expect("it ends");
        // The journal is played back, as after a power cut.
        let after = Mounted::new(copy, dir.path().join("after")).expect("what was on the disk is a file system");
        for input in [SECOND, FIRST] {
            std::fs::write(after.at.join("project/in"), input).expect("a file");
            let mut next = command(&space, &after.at, &["run", "--output", "json"]);
            let next = Ran::from(next.stdout(Stdio::piped()).output().expect("it starts")).status(0);
            for n in 0..NODES {
                let text = std::fs::read_to_string(after.at.join(format!("project/o{n}"))).expect("an output");
                assert!(text == expected(input, n), "cut {at}: o{n} has {} bytes", text.len());
            }
            // What was done before the run that was cut had ended, and is there.
            assert!(input == SECOND || next.counts().ran == 0, "cut {at}: {next:?}");
        }
        let verified = command(&space, &after.at, &["cache", "verify"]).output().expect("it starts");
        assert!(verified.status.success(), "cut {at}: {verified:?}");
        drop(after);
        for name in ["project", "cache"] {
            std::fs::remove_dir_all(disk.at.join(name)).expect("removed");
        }
    }
    writeln!(std::io::stderr(), "{cuts} power cuts, 0 wrong").ok();
}
