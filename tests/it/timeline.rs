//! Incremental equals clean: random graphs, random timelines of edits, and an oracle that knows nothing of the engine.

use proptest::prelude::*;

use crate::support::{Space, counts};

const SOURCES: usize = 3;

/// A node concatenates its inputs, in upper case if `shout`, and leaves out lines that begin with `#`.
#[derive(Clone, Debug)]
struct Node {
    /// Sources it reads.
    sources: Vec<usize>,
    /// Earlier nodes whose output it reads.
    nodes: Vec<usize>,
    shout: bool,
}

#[derive(Clone, Debug)]
enum Edit {
    Write { source: usize, text: u8 },
    Touch { source: usize },
    Disguise { source: usize },
    DeleteOutput { node: usize },
    SpoilOutput { node: usize },
    Toggle { node: usize },
    DropState,
    DropCache,
    Partial { node: usize },
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    prop::collection::vec(
        (prop::collection::vec(0..SOURCES, 1..3), prop::collection::vec(0..8usize, 0..3), any::<bool>()),
        1..7,
    )
    .prop_map(|raw| {
        let make = |(i, (mut sources, nodes, shout)): (usize, (Vec<usize>, Vec<usize>, bool))| {
            sources.sort_unstable();
            sources.dedup();
            let mut nodes: Vec<usize> = nodes.into_iter().filter(|n| *n < i).collect();
            nodes.sort_unstable();
            nodes.dedup();
            Node { sources, nodes, shout }
        };
        raw.into_iter().enumerate().map(make).collect()
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let (source, node) = (0..SOURCES, 0..7usize);
    prop_oneof![
        6 => (source.clone(), 0..6u8).prop_map(|(source, text)| Edit::Write { source, text }),
        1 => source.clone().prop_map(|source| Edit::Touch { source }),
        2 => source.prop_map(|source| Edit::Disguise { source }),
        2 => node.clone().prop_map(|node| Edit::DeleteOutput { node }),
        2 => node.clone().prop_map(|node| Edit::SpoilOutput { node }),
        2 => node.clone().prop_map(|node| Edit::Toggle { node }),
        1 => Just(Edit::DropState),
        1 => Just(Edit::DropCache),
        2 => node.prop_map(|node| Edit::Partial { node }),
    ]
}

fn text(number: u8) -> String {
    ["a\n", "b\n", "a\n# note\n", "", "long line\n", "# only a note\n"][usize::from(number) % 6].to_owned()
}

/// What each output must hold: computed from the sources alone.
fn oracle(nodes: &[Node], sources: &[String]) -> Vec<String> {
    let mut outputs: Vec<String> = Vec::new();
    for node in nodes {
        let inputs = node.sources.iter().map(|s| &sources[*s]).chain(node.nodes.iter().map(|n| &outputs[*n]));
        let all: String = inputs.map(String::as_str).collect();
        let kept: String = all.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        outputs.push(if node.shout { kept.to_uppercase() } else { kept });
    }
    outputs
}

fn pipeline(nodes: &[Node]) -> String {
    let mut out = "nodes:\n".to_owned();
    for (i, node) in nodes.iter().enumerate() {
        let inputs: Vec<String> = node
            .sources
            .iter()
            .map(|s| format!("s{s}"))
            .chain(node.nodes.iter().map(|n| format!("out/n{n}")))
            .collect();
        let filter = if node.shout { "| tr a-z A-Z" } else { "" };
        out.push_str(&format!(
            "  n{i}: {{exec: {{command: [sh, -c, \"cat {0} | grep -v '^#' {filter} > out/n{i}; true\"], inputs: [{1}], outputs: [out/n{i}]}}}}\n",
            inputs.join(" "),
            inputs.join(", ")
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
    space.write("pipeline.yaml", &pipeline(&nodes));
    for edit in edits {
        let mut partial = None;
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
            Edit::DropState if space.exists(".ocelot/state") => space.remove(".ocelot/state"),
            Edit::DropCache => {
                std::fs::remove_dir_all(space.cache()).ok();
            }
            Edit::Partial { node } if node < nodes.len() => partial = Some(format!("n{node}")),
            _ => {}
        }
        let wanted = oracle(&nodes, &sources);
        if let Some(target) = partial {
            let ran = space.json(&[jobs, &target]);
            prop_assert_eq!(ran.status, 0, "{:?}", ran);
            let node: usize = target[1..].parse().expect("a number");
            prop_assert_eq!(space.read(&format!("out/{target}")), wanted[node].clone());
            continue;
        }
        let ran = space.json(&[jobs]);
        prop_assert_eq!(ran.status, 0, "{:?}", ran);
        for (i, wanted) in wanted.iter().enumerate() {
            prop_assert_eq!(&space.read(&format!("out/n{i}")), wanted, "out/n{}", i);
        }
        let again = space.json(&[jobs]).counts();
        prop_assert_eq!(again, counts(0, 0, nodes.len() as u64));
        prop_assert!(space.plan(&[]).values().all(|(verdict, _)| verdict == "fresh"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn incremental_equals_clean(nodes in nodes(), edits in prop::collection::vec(edit(), 1..8), fast in any::<bool>(), many in any::<bool>()) {
        check(nodes, edits, fast, if many { "-j4" } else { "-j1" })?;
    }
}
