//! Bad input, and the exact text that a person sees: place, cause and remedy.
//!
//! Every `diagnostics/NAME.yaml` is a pipeline that something is wrong with; `NAME.txt` is what the program says. The
//! first line may name another command than `validate`, and `NAME.distributions.yaml` and its like stand for the files
//! beside the pipeline.

use std::fs;

use crate::snapshot::{self, repository};
use crate::support::{Ran, Space};

const FOLDER: &str = "tests/it/diagnostics";

/// Files beside the pipeline, by the middle part of a case's file name.
const BESIDE: [(&str, &str); 7] = [
    ("distributions", "config/distributions.yaml"),
    ("regions", "config/regions.yaml"),
    ("more", "config/more.yaml"),
    ("dependencies", "config/component_dependencies.yaml"),
    ("lock", "ocelot.lock"),
    ("ocelot", "config/ocelot.yaml"),
    ("collector", "config/examples/own.yaml"),
];

/// Cases in which the machine is to blame rather than the input.
const ENVIRONMENT: [&str; 2] = ["aws-no-credentials", "missing-tool"];

/// A project in which everything else is in order.
pub(crate) fn project() -> Space {
    let space = Space::new();
    for (path, text) in [
        ("main.c", "int main(void) { return 0; }\n"),
        (
            "sources/collector/go.mod",
            "module example.com/collector\n\ngo 1.24\n\nrequire go.opentelemetry.io/collector/otelcol v0.145.0\n",
        ),
        (
            "sources/collector/lambdacomponents/receiver/otlp.go",
            "//go:build lambdacomponents.custom && lambdacomponents.receiver.otlp\n\npackage receiver\n",
        ),
        (
            "sources/collector/lambdacomponents/exporter/otlphttp.go",
            "//go:build lambdacomponents.custom && lambdacomponents.exporter.otlphttp\n\npackage exporter\n",
        ),
        (
            "config/components/collector/lambdacomponents/exporter/awss3.go",
            "//go:build lambdacomponents.exporter.awss3\n\npackage exporter\n",
        ),
        ("config/distributions.yaml", "minimal: {buildtags: [receiver.otlp]}\nfull: {base: minimal}\n"),
        (
            "config/regions.yaml",
            "regions:\n  us-east-1: {name: N. Virginia, geography: North America}\n  \
             eu-west-1: {name: Ireland, geography: Europe}\n",
        ),
    ] {
        space.write(path, text);
    }
    space
}

fn shown(command: &str, ran: &Ran) -> String {
    format!("$ {command}\n{}{}exit {}\n", ran.stdout, ran.stderr, ran.status)
}

pub(crate) fn words(command: &str) -> Vec<&str> {
    command.strip_prefix("ocelot ").expect("a command of ours").split_whitespace().collect()
}

fn cases() -> Vec<String> {
    let names = snapshot::files(FOLDER, ".yaml").into_iter().filter_map(|path| {
        let name = path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".yaml")?;
        (!name.contains('.')).then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn row_32_every_mistake_is_shown_at_its_place_with_a_remedy() {
    let names = cases();
    assert!(names.len() >= 60, "only {} cases were found", names.len());
    let mut problems = Vec::new();
    for name in &names {
        let text = snapshot::read(&format!("{FOLDER}/{name}.yaml"));
        let command = text.lines().next().and_then(|line| line.strip_prefix("# $ ")).unwrap_or("ocelot validate");
        let space = project();
        space.write("pipeline.yaml", &text);
        for (part, path) in BESIDE {
            if let Ok(text) = fs::read_to_string(repository(&format!("{FOLDER}/{name}.{part}.yaml"))) {
                space.write(path, &text);
            }
        }
        let ran = space.run(&words(command));
        let wanted = if ENVIRONMENT.contains(&name.as_str()) { 3 } else { 2 };
        if ran.status != wanted {
            problems.push(format!("{name}: exit {} instead of {wanted}\n{ran:?}", ran.status));
        }
        problems.extend(snapshot::differs(&format!("{FOLDER}/{name}.txt"), &shown(command, &ran)));
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn every_text_has_its_case() {
    let names = cases();
    for path in snapshot::files(FOLDER, ".txt") {
        let name = path.strip_prefix(FOLDER).unwrap().trim_start_matches('/').trim_end_matches(".txt");
        assert!(names.iter().any(|case| case == name), "{path} has no case");
    }
}

#[test]
fn an_unknown_tag_of_a_repository_is_shown_before_the_run_or_when_it_is_met() {
    let space = project();
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-C", "sources"]).args(arguments);
        let output = git.current_dir(space.root()).output().expect("git starts");
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "all"]);
    space.write("config/distributions.yaml", "minimal:\n  buildtags:\n    - receiver.otlp\n    - exporter.otlphtp\n");
    space.write(
        "pipeline.yaml",
        "params:\n  upstream-repo: {default: ./sources}\nnodes:\n  \
         sources: {clone: {repo: \"${upstream-repo}\", ref: main}}\n  \
         tags: {resolve: {source: sources, distribution: minimal}}\n",
    );
    let local = space.run(&["run"]);
    // A remote that was never asked: only the run can tell.
    let remote = format!("upstream-repo=file://{}", space.root().join("sources").display());
    let first = space.run(&["run", "--set", &remote]);
    let again = space.run(&["run", "--set", &remote]);
    assert_eq!((local.status, first.status, again.status), (2, 1, 2), "{local:?} {first:?} {again:?}");
    let picture = "--> config/distributions.yaml:4:7\n  |\n4 |     - exporter.otlphtp\n  |       ^^^^^^^^^^^^^^^^ no";
    for ran in [local, first, again] {
        assert!(ran.stderr.contains(picture) && ran.stderr.contains("did you mean `exporter.otlphttp`?"), "{ran:?}");
    }
}

#[test]
fn a_tag_of_sources_that_a_node_makes_is_judged_when_they_are_there() {
    let space = project();
    space.write("config/distributions.yaml", "minimal: {buildtags: [receiver.made]}\n");
    let made = "sources/collector/lambdacomponents/receiver/made.go";
    let pipeline = |tag: &str| {
        format!(
            "nodes:\n  make: {{exec: {{command: [sh, -c, \"echo '//go:build lambdacomponents.custom && {tag}' > {made}; echo \
             package r >> {made}\"], class: volatile}}}}\n  \
             sources: {{after: [make], clone: {{repo: ./sources}}}}\n  \
             tags: {{resolve: {{source: sources, distribution: minimal, output: out.yaml}}}}\n"
        )
    };
    space.write("sources/collector/config.yaml", "receivers:\n");
    space.write("pipeline.yaml", &pipeline("lambdacomponents.receiver.other"));
    let ran = space.run(&["run"]).status(1);
    assert!(ran.stderr.contains("--> config/distributions.yaml:1:23\n"), "{ran:?}");
    space.write("pipeline.yaml", &pipeline("lambdacomponents.receiver.made"));
    let _ = space.run(&["run"]).status(0);
}

/// Runs `validate` in an address space of 200 MiB, program included, so that a bomb that goes off ends in an abort.
fn validate_bounded(pipeline: &[u8]) -> Ran {
    let space = project();
    fs::write(space.root().join("pipeline.yaml"), pipeline).unwrap();
    let ocelot = space.command(&[]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 204800 && exec \"$0\" validate"]).arg(ocelot.get_program());
    command.current_dir(space.root()).env_clear();
    for (name, value) in ocelot.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn row_33_bombs_are_refused_and_not_set_off() {
    let laughs = (1..40).map(|i| format!("  l{i}: &l{i} [{}]\n", vec![format!("*l{}", i - 1); 9].join(", ")));
    let laughs = format!("params:\n  l0: &l0 [lol]\n{}", laughs.collect::<String>());
    let deep_blocks: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let bombs: [(&str, Vec<u8>); 6] = [
        ("alias-bomb", laughs.into_bytes()),
        ("deep-lists", [b"nodes: ".to_vec(), b"[".repeat(200_000)].concat()),
        ("deep-maps", [b"nodes: ".to_vec(), b"{a: ".repeat(100_000)].concat()),
        ("deep-blocks", deep_blocks.into_bytes()),
        ("not-utf-8", b"name: demo\nnodes:\n  a: {exec: {command: [echo, caf\xe9]}}\n".to_vec()),
        ("control-character", b"name: demo\nnodes:\n  a: {exec: {command: [echo, \x01]}}\n".to_vec()),
    ];
    let mut problems = Vec::new();
    for (name, bytes) in &bombs {
        let ran = validate_bounded(bytes);
        if ran.status != 2 {
            problems.push(format!("{name}: exit {}\n{}", ran.status, ran.stderr));
        }
        problems.extend(snapshot::differs(&format!("{FOLDER}/other/{name}.out"), &shown("ocelot validate", &ran)));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_word_that_is_a_pipeline_and_a_target_is_refused() {
    let space = project();
    let pipeline = "nodes:\n  quick: {exec: {command: [sh, -c, \"true\"]}}\n";
    space.write("pipelines/slow.yaml", pipeline);
    space.write("pipelines/quick.yaml", pipeline);
    let unclear = space.run(&["plan"]);
    space.build(&["slow"]);
    let both = space.run(&["plan", "quick"]);
    assert_eq!((unclear.status, both.status), (2, 2));
    snapshot::assert_snapshot(
        &format!("{FOLDER}/other/which-pipeline.out"),
        &format!("{}{}", shown("ocelot plan", &unclear), shown("ocelot plan quick", &both)),
    );
}

#[test]
fn problems_come_in_the_order_of_the_file() {
    let lines: String = (0..9).map(|i| format!("  n{i}:\n    exec: {{command: [cc], inptus: [x{i}]}}\n")).collect();
    let space = Space::with(&format!("nodes:\n{lines}"));
    let ran = space.run(&["validate"]).status(2);
    let places: Vec<&str> =
        ran.stderr.lines().filter_map(|line| line.trim().strip_prefix("--> pipeline.yaml:")).collect();
    let expected: Vec<String> = (0..9).map(|i| format!("{}:27", 2 * i + 3)).collect();
    assert_eq!(places, expected);
}
