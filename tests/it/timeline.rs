//! Incremental equals clean: random graphs, random timelines of edits, and an oracle that knows nothing of the engine.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use proptest::prelude::*;

use crate::support::{Counts, Space, counts, files};

const SOURCES: usize = 5;
/// Files that may be in the folder which some nodes read by a glob.
const LOOSE: usize = 3;

/// A node concatenates its inputs, in upper case if `shout`, and leaves out lines that begin with `#`. A line `FAIL` makes
/// it fail.
#[derive(Clone, Debug)]
struct Node {
    /// Sources it reads.
    sources: Vec<usize>,
    /// Earlier nodes whose output it reads.
    nodes: Vec<usize>,
    /// Reads every file of the folder `g` too.
    globs: bool,
    shout: bool,
}

#[derive(Clone, Debug)]
enum Edit {
    Write {
        source: usize,
        text: u8,
    },
    Touch {
        source: usize,
    },
    Disguise {
        source: usize,
    },
    DeleteOutput {
        node: usize,
    },
    SpoilOutput {
        node: usize,
    },
    Toggle {
        node: usize,
    },
    Loose {
        file: usize,
        text: u8,
    },
    DropLoose {
        file: usize,
    },
    CutState {
        file: usize,
        bytes: u64,
    },
    /// Flips a bit of a file of the cache.
    Damage {
        file: usize,
        at: u64,
    },
    /// Starts a run and kills it after so many lines of its output.
    Kill {
        after: usize,
    },
    /// Two runs at once.
    Twins,
    Collect,
    DropState,
    DropCache,
    Partial {
        node: usize,
    },
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    prop::collection::vec(
        (
            prop::collection::vec(0..SOURCES, 1..3),
            prop::collection::vec(0..12usize, 0..3),
            prop::bool::weighted(0.2),
            any::<bool>(),
        ),
        1..12,
    )
    .prop_map(|raw| {
        let make = |(i, (mut sources, nodes, globs, shout)): (usize, (Vec<usize>, Vec<usize>, bool, bool))| {
            sources.sort_unstable();
            sources.dedup();
            let mut nodes: Vec<usize> = nodes.into_iter().filter(|n| *n < i).collect();
            nodes.sort_unstable();
            nodes.dedup();
            Node { sources, nodes, globs, shout }
        };
        raw.into_iter().enumerate().map(make).collect()
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let (source, node, file) = (0..SOURCES, 0..12usize, 0..LOOSE);
    prop_oneof![
        6 => (source.clone(), 0..7u8).prop_map(|(source, text)| Edit::Write { source, text }),
        1 => source.clone().prop_map(|source| Edit::Touch { source }),
        2 => source.prop_map(|source| Edit::Disguise { source }),
        2 => node.clone().prop_map(|node| Edit::DeleteOutput { node }),
        2 => node.clone().prop_map(|node| Edit::SpoilOutput { node }),
        2 => node.clone().prop_map(|node| Edit::Toggle { node }),
        2 => (file.clone(), 0..6u8).prop_map(|(file, text)| Edit::Loose { file, text }),
        1 => file.prop_map(|file| Edit::DropLoose { file }),
        1 => (0..2usize, 1..400u64).prop_map(|(file, bytes)| Edit::CutState { file, bytes }),
        2 => (0..64usize, 0..100_000u64).prop_map(|(file, at)| Edit::Damage { file, at }),
        2 => (0..30usize).prop_map(|after| Edit::Kill { after }),
        1 => Just(Edit::Twins),
        1 => Just(Edit::Collect),
        1 => Just(Edit::DropState),
        1 => Just(Edit::DropCache),
        2 => node.prop_map(|node| Edit::Partial { node }),
    ]
}

fn text(number: u8) -> String {
    ["a\n", "b\n", "a\n# note\n", "", "long line\n", "# only a note\n", "FAIL\n"][usize::from(number)].to_owned()
}

/// How a node must end.
#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Output(String),
    Failure,
    Skip,
}

/// How each node must end, and what it must have made: computed from the sources alone.
fn oracle(nodes: &[Node], sources: &[String], loose: &[Option<String>]) -> Vec<Wanted> {
    let mut ends: Vec<Wanted> = Vec::new();
    for node in nodes {
        let mut all: String = node.sources.iter().map(|s| sources[*s].as_str()).collect();
        let mut skipped = false;
        for other in &node.nodes {
            match &ends[*other] {
                Wanted::Output(text) => all.push_str(text),
                Wanted::Failure | Wanted::Skip => skipped = true,
            }
        }
        if node.globs {
            all.extend(loose.iter().flatten().map(String::as_str));
        }
        let kept: String = all.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        ends.push(match () {
            () if skipped => Wanted::Skip,
            () if all.lines().any(|line| line == "FAIL") => Wanted::Failure,
            () => Wanted::Output(if node.shout { kept.to_uppercase() } else { kept }),
        });
    }
    ends
}

fn pipeline(nodes: &[Node]) -> String {
    let mut out = "nodes:\n".to_owned();
    for (i, node) in nodes.iter().enumerate() {
        let mut inputs: Vec<String> = node
            .sources
            .iter()
            .map(|s| format!("s{s}"))
            .chain(node.nodes.iter().map(|n| format!("out/n{n}")))
            .collect();
        if node.globs {
            inputs.push("g/*".to_owned());
        }
        let filter = if node.shout { "| tr a-z A-Z" } else { "" };
        out.push_str(&format!(
            "  n{i}: {{exec: {{command: [sh, -c, \"! cat {0} 2>&- | grep -q '^FAIL' || exit 1; cat {0} 2>&- | grep -v '^#' {filter} > out/n{i}; true\"], inputs: [{1}], outputs: [out/n{i}]}}}}\n",
            inputs.join(" "),
            inputs.iter().map(|input| format!("'{input}'")).collect::<Vec<_>>().join(", ")
        ));
    }
    out
}

fn check(mut nodes: Vec<Node>, edits: Vec<Edit>, fast: bool, jobs: &str) -> Result<(), TestCaseError> {
    let mut space = Space::new();
    space.fast = fast;
    let mut sources = vec![text(0); SOURCES];
    for (i, source) in sources.iter().enumerate() {
        space.write(&format!("s{i}"), source);
    }
    let mut loose: Vec<Option<String>> = vec![None; LOOSE];
    std::fs::create_dir(space.root().join("g")).expect("a folder");
    space.write("pipeline.yaml", &pipeline(&nodes));
    for edit in edits {
        let (mut partial, mut twins) = (None, false);
        match edit {
            Edit::Write { source, text: number } => {
                sources[source] = text(number);
                space.write(&format!("s{source}"), &sources[source]);
            }
            Edit::Touch { source } => space.write(&format!("s{source}"), &sources[source]),
            Edit::Disguise { source } => {
                let swapped: String = sources[source].chars().map(|c| if c == 'a' { 'b' } else { c }).collect();
                if swapped != sources[source] {
                    space.write_in_disguise(&format!("s{source}"), &swapped);
                    sources[source] = swapped;
                }
            }
            Edit::DeleteOutput { node } if space.exists(&format!("out/n{node}")) => {
                space.remove(&format!("out/n{node}"))
            }
            Edit::SpoilOutput { node } if space.exists(&format!("out/n{node}")) => {
                space.write(&format!("out/n{node}"), "edited by hand\n");
            }
            Edit::Toggle { node } if node < nodes.len() => {
                nodes[node].shout = !nodes[node].shout;
                space.write("pipeline.yaml", &pipeline(&nodes));
            }
            Edit::Loose { file, text: number } => {
                space.write(&format!("g/{file}"), &text(number));
                loose[file] = Some(text(number));
            }
            Edit::DropLoose { file } if loose[file].is_some() => {
                space.remove(&format!("g/{file}"));
                loose[file] = None;
            }
            Edit::CutState { file, bytes } => cut_state(&space, file, bytes),
            Edit::Damage { file, at } => damage(&space, file, at),
            Edit::Kill { after } => kill(&space, jobs, after),
            Edit::Twins => twins = true,
            Edit::Collect => {
                let ran = space.run(&["cache", "gc"]);
                prop_assert_eq!(ran.status, 0, "{:?}", ran);
            }
            Edit::DropState if space.exists(".ocelot/state") => space.remove(".ocelot/state"),
            Edit::DropCache => {
                std::fs::remove_dir_all(space.cache()).ok();
            }
            Edit::Partial { node } if node < nodes.len() => partial = Some(format!("n{node}")),
            _ => {}
        }
        let wanted = oracle(&nodes, &sources, &loose);
        if let Some(target) = partial {
            let ran = space.json(&[jobs, &target]);
            let node: usize = target[1..].parse().expect("a number");
            match &wanted[node] {
                Wanted::Output(text) => {
                    prop_assert_eq!(ran.status, 0, "{:?}", ran);
                    prop_assert_eq!(&space.read(&format!("out/{target}")), text);
                }
                Wanted::Failure | Wanted::Skip => prop_assert_eq!(ran.status, 1, "{:?}", ran),
            }
            continue;
        }
        let count =
            |wanted: &dyn Fn(&Wanted) -> bool, of: &[Wanted]| of.iter().filter(|end| wanted(end)).count() as u64;
        let failed = count(&|end| *end == Wanted::Failure, &wanted);
        let skipped = count(&|end| *end == Wanted::Skip, &wanted);
        let status = i32::from(failed > 0);
        if twins {
            let both = [start(&space, jobs), start(&space, jobs)];
            for child in both {
                let ended = child.wait_with_output().expect("it ends");
                prop_assert_eq!(ended.status.code(), Some(status), "{}", String::from_utf8_lossy(&ended.stderr));
            }
        }
        let ran = space.json(&[jobs]);
        prop_assert_eq!(
            (ran.status, ran.counts().failed, ran.counts().skipped),
            (status, failed, skipped),
            "{:?}",
            ran
        );
        for (i, wanted) in wanted.iter().enumerate() {
            if let Wanted::Output(text) = wanted {
                prop_assert_eq!(&space.read(&format!("out/n{i}")), text, "out/n{}", i);
            }
        }
        let again = space.json(&[jobs]).status(status).counts();
        let expected = Counts { failed, skipped, ..counts(0, 0, nodes.len() as u64 - failed - skipped) };
        prop_assert_eq!(again, expected);
        if failed == 0 {
            prop_assert!(space.plan(&[]).values().all(|(verdict, _)| verdict == "fresh"));
        }
    }
    Ok(())
}

fn start(space: &Space, jobs: &str) -> Child {
    let mut command = space.command(&["run", "--output", "json", jobs]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Kills a run in the middle, or lets it end if it says less.
fn kill(space: &Space, jobs: &str, after: usize) {
    let mut child = start(space, jobs);
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.take(after).for_each(drop);
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// Flips a bit of one file of the cache, if there is one.
fn damage(space: &Space, file: usize, at: u64) {
    let files: Vec<_> = files(&space.cache()).into_keys().collect();
    let Some(path) = files.get(file % files.len().max(1)) else { return };
    let mut bytes = std::fs::read(path).expect("a file of the cache");
    let at = usize::try_from(at).expect("small") % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (at % 8);
    }
    // Blobs are read-only.
    std::fs::remove_file(path).expect("removed");
    std::fs::write(path, bytes).expect("damaged");
}

/// Cuts the path table or a snapshot, as a crash may.
fn cut_state(space: &Space, file: usize, bytes: u64) {
    let state = space.root().join(".ocelot/state");
    let graphs = std::fs::read_dir(state.join("graphs")).into_iter().flatten().flatten().map(|entry| entry.path());
    let files: Vec<_> = graphs.chain([state.join("paths")]).filter(|path| path.exists()).collect();
    if let Some(path) = files.get(file) {
        let file = std::fs::File::options().write(true).open(path).expect("a state file");
        let len = file.metadata().expect("metadata").len();
        file.set_len(len.saturating_sub(bytes)).expect("cut");
    }
}

/// Few cases, unless `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig::default();
    ProptestConfig { cases: if asked { config.cases } else { 12 }, failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn incremental_equals_clean(nodes in nodes(), edits in prop::collection::vec(edit(), 1..10), fast in any::<bool>(), many in any::<bool>()) {
        check(nodes, edits, fast, if many { "-j4" } else { "-j1" })?;
    }
}
