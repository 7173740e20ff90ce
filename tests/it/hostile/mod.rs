//! Bytes that nobody meant: noise, and what is good with a few bytes changed, for every reader.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use crate::snapshot::repository;
use crate::support::Space;

#[allow(unreachable_pub, reason = "shared with the package in `fuzz/`")]
mod bodies;

/// Good inputs for a body: what it would read in earnest.
fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let space = Space::with("nodes: {a: {exec: {command: [cp, one, a], inputs: [one], outputs: [a]}}}");
    space.write("one", "1");
    space.build(&[]);
    space.write("one", "2");
    space.build(&[]);
    let own = |folder: &Path| -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(folder).expect("state").map(|entry| entry.expect("an entry").path());
        files.filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("readable")).collect()
    };
    let state = space.root().join(".ocelot/state");
    let shipped = |path: &str| std::fs::read(repository(path)).expect("a shipped file");
    let sample = "tests/fixtures/collector-src/collector";
    BTreeMap::from([
        ("pipeline", vec![shipped("pipelines/quickstart.yaml"), shipped("pipelines/layers.yaml")]),
        ("distributions", vec![shipped("config/distributions.yaml")]),
        ("dependencies", vec![shipped("config/component_dependencies.yaml")]),
        ("regions", vec![shipped("config/regions.yaml")]),
        ("settings", vec![shipped("config/ocelot.yaml")]),
        ("lock", vec![shipped("ocelot.lock")]),
        ("collector-config", vec![shipped("config/examples/minimal.yaml")]),
        ("path-table", own(&state)),
        ("snapshot", own(&state.join("graphs"))),
        ("go-mod", vec![shipped(&format!("{sample}/go.mod"))]),
        ("go-sum", vec![shipped("ocelot.lock.d/minimal-s3export/go.sum")]),
        ("build-constraint", vec![b"//go:build lambdacomponents.custom && (a || !b)\n\npackage p\n".to_vec()]),
        ("makefile", vec![MAKEFILE.into()]),
        ("go-functions", vec![go_functions()]),
        // An executable of this machine, and an archive with one stored file.
        ("elf", vec![std::fs::read(std::env::current_exe().expect("a path")).expect("readable")[..100_000].to_vec()]),
    ])
}

const MAKEFILE: &str = "\
OBJ := $(patsubst src/%.c,build/%.o,$(wildcard src/*.c))
ifdef DEBUG
CFLAGS += -g
else
CFLAGS += -O2
endif
.PHONY: all
all: build/x
build/x: $(OBJ) a.o | build
\t$(CC) -o $@ $^
build/%.o: src/%.c
\t-$(CC) $(CFLAGS) -c -o $@ $< # each
build:
\tmkdir -p $@
";

/// Go's table of two functions, `a.F` and `b.G`, with 16 bytes of code each.
fn go_functions() -> Vec<u8> {
    let mut table = b"\xf1\xff\xff\xff\0\0\x01\x08".to_vec();
    for word in [2u64, 0, 0, 72, 0, 0, 0, 80] {
        table.extend(word.to_le_bytes());
    }
    table.extend(b"a.F\0b.G\0");
    for half in [0u32, 20, 16, 28, 32, 0, 0, 16, 4] {
        table.extend(half.to_le_bytes());
    }
    table
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip { at: usize, bit: u8 },
    Insert { at: usize, bytes: Vec<u8> },
    Remove { at: usize, count: usize },
    Cut { at: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    prop_oneof![
        3 => (at.clone(), 0..8u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        2 => (at.clone(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Change::Insert { at, bytes }),
        2 => (at.clone(), 1..40usize).prop_map(|(at, count)| Change::Remove { at, count }),
        1 => at.prop_map(|at| Change::Cut { at }),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let len = bytes.len().max(1);
    match change {
        Change::Flip { at, bit } => {
            if let Some(byte) = bytes.get_mut(at % len) {
                *byte ^= 1 << bit;
            }
        }
        Change::Insert { at, bytes: new } => {
            let at = (at % len).min(bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Change::Remove { at, count } => {
            let at = (at % len).min(bytes.len());
            bytes.drain(at..bytes.len().min(at + count));
        }
        Change::Cut { at } => bytes.truncate(at % len),
    }
}

#[test]
fn good_files_are_read_and_changed_ones_do_no_harm() {
    let seeds = seeds();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    for (name, body) in bodies::BODIES {
        for seed in seeds.get(name).into_iter().flatten() {
            body(seed);
            let mut runner = proptest::test_runner::TestRunner::new(config.clone());
            let changes = prop::collection::vec(change(), 1..6);
            let outcome = runner.run(&changes, |changes| {
                let mut bytes = seed.clone();
                changes.iter().for_each(|change| apply(&mut bytes, change));
                body(&bytes);
                Ok(())
            });
            outcome.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        }
    }
}

#[test]
fn noise_does_no_harm() {
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    for (name, body) in bodies::BODIES {
        let mut runner = proptest::test_runner::TestRunner::new(config.clone());
        let noise = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "[ -~\n]{0,200}".prop_map(String::into_bytes),
            "([a-c]: |[\\[\\]{}&*!|>'\"#-]|\n|  ){0,60}".prop_map(String::into_bytes),
        ];
        let outcome = runner.run(&noise, |bytes| {
            body(&bytes);
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }
}

#[test]
fn what_noise_has_found() {
    let body = |name: &str| bodies::BODIES.iter().find(|(other, _)| *other == name).expect("a body").1;
    // A control character behind ASCII in a picture: some terminals take it for the start of an escape sequence.
    body("pipeline")("a: \u{9b}2J\u{85}\n\u{80}: [".as_bytes());
}
