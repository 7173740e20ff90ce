//! A long run of everything at once over one cache: edits, kills, twins in one workspace, the collector, lost state. After
//! every turn each output is compared with what an oracle says, and nothing may be left over: no process, no temporary
//! file, no more on the disk than the contents that there are.
//!
//! A few turns are part of the suite; `OCELOT_SOAK_MINUTES=30 cargo test --test it soak -- --nocapture` goes on for that long.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::Space;

const TURNS: u64 = 25;
const SPACES: usize = 3;
const INPUTS: usize = 6;
/// Contents that an input may have: few, so that states come again.
const CONTENTS: u64 = 5;

/// More than a node's record takes, in bytes.
const RECORD: u64 = 2048;

/// A stream of numbers that is the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn is_one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.roll(count as u64)).expect("a small number")
    }
}

/// Each input is copied, neighbours are joined, and all of it ends in one file.
fn pipeline() -> String {
    let mut text = "nodes:\n".to_owned();
    for n in 0..INPUTS {
        text.push_str(&format!("  copy{n}: {{exec: {{command: [cat, in{n}], inputs: [in{n}], stdout: copy{n}}}}}\n"));
        let next = (n + 1) % INPUTS;
        text.push_str(&format!(
            "  join{n}: {{exec: {{command: [cat, copy{n}, copy{next}], inputs: [copy{n}, copy{next}], stdout: join{n}}}}}\n"
        ));
    }
    let joins: Vec<String> = (0..INPUTS).map(|n| format!("join{n}")).collect();
    let joins = joins.join(", ");
    text + &format!("  all: {{exec: {{command: [cat, {joins}], inputs: [{joins}], stdout: all}}}}\n")
}

/// What an input holds; some of it is larger than what a segment takes.
fn content(input: usize, value: u64) -> String {
    let size = if input == 0 { 9_000 } else { 30 };
    format!("{input}-{value}\n").repeat(size)
}

struct Work {
    space: Space,
    values: [u64; INPUTS],
}

impl Work {
    fn new(cache: Option<&Space>) -> Self {
        let mut space = Space::with(&pipeline());
        if let Some(cache) = cache {
            space.share_cache(cache);
        }
        (0..INPUTS).for_each(|n| space.write(&format!("in{n}"), &content(n, 0)));
        Self { space, values: [0; INPUTS] }
    }

    fn start(&self) -> Child {
        let mut command = self.space.command(&["run", "--output", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts")
    }

    fn edit(&mut self, dice: &mut Dice) {
        let (input, value) = (dice.pick(INPUTS), dice.roll(CONTENTS));
        self.values[input] = value;
        self.space.write(&format!("in{input}"), &content(input, value));
    }

    /// Removes what a run that was killed may have removed before, and a run beside this may be writing to.
    fn lose(&self, path: &str) {
        let full = self.space.root().join(path);
        loop {
            let removed = if full.is_dir() { std::fs::remove_dir_all(&full) } else { std::fs::remove_file(&full) };
            match removed.map_err(|error| error.kind()) {
                Ok(()) | Err(ErrorKind::NotFound) => return,
                Err(ErrorKind::DirectoryNotEmpty) => {}
                Err(error) => panic!("{path}: {error}"),
            }
        }
    }

    /// Compares all outputs with what they have to be, and notes those that were not `seen` before; their bytes.
    fn check(&self, turn: u64, seen: &mut BTreeSet<u64>) -> u64 {
        let copy = |n: usize| content(n % INPUTS, self.values[n % INPUTS]);
        let (mut all, mut new) = (String::new(), 0);
        let mut note = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            if seen.insert(hasher.finish()) {
                new += text.len() as u64;
            }
        };
        for n in 0..INPUTS {
            assert!(self.space.read(&format!("copy{n}")) == copy(n), "turn {turn}: copy{n}");
            let join = copy(n) + &copy(n + 1);
            assert!(self.space.read(&format!("join{n}")) == join, "turn {turn}: join{n}");
            note(&copy(n));
            note(&join);
            all.push_str(&join);
        }
        assert!(self.space.read("all") == all, "turn {turn}: all");
        note(&all);
        new
    }
}

/// Reads so many lines of what a run says, or all there are, and kills it.
fn kill_after(mut child: Child, lines: u64) {
    let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        if said.read_line(&mut line).unwrap_or(0) == 0 {
            break;
        }
    }
    child.kill().ok();
    child.wait().expect("it ends");
}

/// Processes whose folder is below this one.
fn processes_in(root: &Path) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(root))).count()
}

fn files_below(folder: &Path) -> (usize, u64) {
    if !folder.exists() {
        return (0, 0);
    }
    let files = crate::support::files(folder);
    (files.len(), files.values().map(|bytes| bytes.len() as u64).sum())
}

#[test]
fn soak() {
    let minutes = std::env::var("OCELOT_SOAK_MINUTES").ok().and_then(|text| text.parse::<u64>().ok());
    let end = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut works = vec![Work::new(None)];
    for _ in 1..SPACES {
        let work = Work::new(Some(&works[0].space));
        works.push(work);
    }
    let mut dice = Dice(minutes.unwrap_or(1));
    let (mut turn, mut kills, mut twins, mut collections) = (0, 0, 0, 0);
    let (mut largest, mut seen, mut contents) = (0, BTreeSet::new(), 0);
    while end.map_or(turn < TURNS, |end| Instant::now() < end) {
        turn += 1;
        let at = dice.pick(SPACES);
        works[at].edit(&mut dice);
        let work = &works[at];
        let mut beside = Vec::new();
        if dice.is_one_in(3) {
            collections += 1;
            let mut gc = work.space.command(&["cache", "gc"]);
            beside.push(gc.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
        }
        if dice.is_one_in(4) {
            twins += 1;
            let mut twin = work.space.command(&["run"]);
            beside.push(twin.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
        }
        if dice.is_one_in(2) {
            kills += 1;
            kill_after(work.start(), dice.roll(30));
        }
        match dice.roll(12) {
            0 => work.lose(".ocelot/state"),
            1 => work.lose(&format!("join{}", dice.pick(INPUTS))),
            2 => work.space.write("all", "an edit\n"),
            _ => {}
        }
        for mut child in beside {
            child.wait().expect("it ends");
        }
        let _ = work.space.run(&["run"]).status(0);
        contents += work.check(turn, &mut seen);
        assert_eq!(work.space.build(&[]).ran, 0, "turn {turn}: a repeat does nothing");
        assert_eq!(processes_in(&work.space.root()), 0, "turn {turn}: a process is left");
        for folder in ["tmp", "work"] {
            let (files, _) = files_below(&work.space.root().join(".ocelot").join(folder));
            assert_eq!(files, 0, "turn {turn}: files are left in .ocelot/{folder}");
        }
        let (_, state) = files_below(&work.space.root().join(".ocelot/state"));
        largest = largest.max(state);
        assert!(state < 1 << 20, "turn {turn}: the state has {state} bytes");
    }
    let _ = works[0].space.run(&["cache", "verify"]).status(0);
    let _ = works[0].space.run(&["cache", "gc"]).status(0);
    let (files, bytes) = files_below(&works[0].space.cache().join("ocelot/v1/store"));
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("/proc").count();
    let line = format!(
        "soak: {turn} turns, {kills} kills, {twins} twins, {collections} collections; 0 wrong; state at most {largest} \
         bytes; {contents} bytes of different outputs, cache {bytes} bytes in {files} files; {descriptors} descriptors here\n"
    );
    std::io::stderr().write_all(line.as_bytes()).ok();
    // Every output once, and for each turn at most a record of each node, and what it printed.
    let records = turn * (2 * INPUTS as u64 + 1) * RECORD;
    assert!(bytes < contents + records + (1 << 20), "the cache has {bytes} bytes for {contents} of outputs");
}
