//! The language from the command line: axes, targets, depfiles, sandbox, tolerant edges, secrets.

use crate::support::{Space, both_paths, counts, files};

const MATRIX: &str = "params: {d: {default: [x, y]}, a: {default: ['1', '2']}}\nnodes:\n  one: {for: [d], exec: {command: [echo, '${d}'], stdout: 'out/${d}'}}\n  two: {for: [d, a], after: [{node: one, join: [d]}], exec: {command: [echo, '${d}${a}'], stdout: 'out/${d}${a}'}}\n  all: {group: [two]}\n";

#[test]
fn targets_name_instances_in_several_ways() {
    let space = Space::with(MATRIX);
    let nodes = |target: &str| -> Vec<String> { space.plan(&[target]).into_keys().collect() };
    assert_eq!(nodes("two[x,2]"), ["one[x]", "two[x,2]"]);
    assert_eq!(nodes("two[*,2]"), ["one[x]", "one[y]", "two[x,2]", "two[y,2]"]);
    assert_eq!(nodes("two[a=1,d=y]"), ["one[y]", "two[y,1]"]);
    assert_eq!(nodes("two[y]"), ["one[y]", "two[y,1]", "two[y,2]"]);
    assert_eq!(nodes("one"), ["one[x]", "one[y]"]);
    assert_eq!(nodes("all").len(), 6);
    for (target, message) in [
        ("tow", "unknown target `tow`; did you mean `two`?"),
        ("two[z]", "`z` is no value of d, a"),
        ("two[x,9]", "`9` is no value of `a` in this run; it has 1, 2"),
        ("two[b=1]", "no axis `b`; it has d, a"),
        ("two[x,1,1]", "expected 2 values (d, a), found 3"),
        ("two[x", "`[` is not closed"),
    ] {
        let ran = space.run(&["plan", target]).status(2);
        assert!(ran.stderr.contains(message), "{target}: {ran:?}");
    }
}

#[test]
fn the_first_word_is_the_pipeline_or_a_target_of_the_last_one() {
    let space = Space::new();
    space.write(
        "pipelines/one.yaml",
        "nodes: {n: {exec: {command: [echo, '1'], stdout: o1}}, two: {exec: {command: [echo, x], stdout: x}}}",
    );
    space.write("pipelines/two.yaml", "nodes: {m: {exec: {command: [echo, '2'], stdout: o2}}}");
    let ran = space.run(&["run"]).status(2);
    assert!(ran.stderr.contains("which pipeline? One of: one, two"), "{ran:?}");
    assert_eq!(space.build(&["one", "n"]), counts(1, 0, 0));
    assert_eq!(space.build(&["n"]), counts(0, 0, 1), "a target of the pipeline last run here");
    let both = space.run(&["run", "two"]).status(2);
    assert!(both.stderr.contains("`two` is a pipeline, and a node of `pipelines/one.yaml`"), "{both:?}");
    assert_eq!(space.build(&["-p", "two"]), counts(1, 0, 0));
    let near = space.run(&["run", "-p", "tow"]).status(2);
    assert!(near.stderr.contains("no pipeline `tow`; did you mean `two`?"), "{near:?}");
}

#[test]
fn a_partial_run_updates_only_its_own_nodes() {
    both_paths(|space| {
        space.write("pipeline.yaml", MATRIX);
        assert_eq!(space.build(&["one[x]"]), counts(1, 0, 0));
        assert_eq!(space.build(&[]), counts(5, 0, 1));
        assert_eq!(space.build(&["two[y]"]), counts(0, 0, 3));
        assert_eq!(space.build(&[]), counts(0, 0, 6));
    });
}

#[test]
fn a_depfile_makes_discovered_files_inputs() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  n: {exec: {command: [sh, -c, 'h=$(cat main); cat main $h > out; echo \"out: main $h\" > out.d'], inputs: [main], outputs: [out], depfile: out.d}}\n",
        );
        space.write("main", "a.h\n");
        space.write("a.h", "A\n");
        space.write("b.h", "B\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.build(&[]), counts(0, 0, 1));
        space.write("b.h", "B2\n");
        assert_eq!(space.build(&[]), counts(0, 0, 1), "not discovered");
        space.write("a.h", "A2\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        space.write("a.h", "A\n");
        assert_eq!(space.build(&[]), counts(0, 1, 0), "the first alternative");
        assert_eq!(space.read("out"), "a.h\nA\n");
    });
}

#[test]
fn a_discovered_file_that_another_node_makes_must_be_declared() {
    let space = Space::with(
        "nodes:\n  gen: {exec: {command: [echo, g], stdout: gen.h}}\n  n: {exec: {command: [sh, -c, 'echo x > out; echo \"out: gen.h\" > out.d'], outputs: [out], depfile: out.d}, after: []}\n",
    );
    assert_eq!(space.build(&["gen"]), counts(1, 0, 0));
    let ran = space.run(&["run", "n"]).status(1);
    assert!(ran.stderr.contains("the depfile names `gen.h`, which another node makes"), "{ran:?}");
}

#[test]
fn row_27_a_sandbox_has_the_declared_inputs_only() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  a: {exec: {command: [echo, made], stdout: made}}\n  n: {exec: {command: [sh, -c, 'cat made sub/in > out; ls undeclared 2>/dev/null >> out; echo stray > stray; true'], inputs: [made, sub/in], outputs: [out], sandbox: true}}\n",
        );
        space.write("sub/in", "in\n");
        space.write("undeclared", "");
        let ran = space.run(&["run"]).status(0);
        assert!(ran.stderr.contains("the command wrote `stray`, which is no declared output"), "{ran:?}");
        assert_eq!(space.read("out"), "made\nin\n");
        assert!(!space.exists("stray") && !space.exists(".ocelot/work"));
        assert_eq!(space.build(&[]), counts(0, 0, 2));
    });
}

#[test]
fn arguments_after_two_dashes_go_to_one_exec_and_into_its_digest() {
    let space = Space::with("nodes: {n: {exec: {command: [echo, a], stdout: out}}}");
    assert_eq!(space.build(&["n", "--", "b", "c"]), counts(1, 0, 0));
    assert_eq!(space.read("out"), "a b c\n");
    assert_eq!(space.build(&["n"]), counts(1, 0, 0));
    assert_eq!(space.build(&["n", "--", "b", "c"]), counts(0, 1, 0));
}

#[test]
fn row_39_a_secret_is_nowhere() {
    let mut space = Space::with(
        "nodes:\n  n: {exec: {command: [sh, -c, 'echo \"value $MY_TOKEN\"; printf %s \"$MY_TOKEN\" | base64; echo ok > out'], secret-env: [MY_TOKEN], outputs: [out]}}\n  bad: {exec: {command: [sh, -c, 'echo $MY_TOKEN >&2; exit 1'], secret-env: [MY_TOKEN], outputs: [bad]}}\n",
    );
    let secret = "s3cr3t-sentinel-4711";
    space.set("MY_TOKEN", secret);
    let mut printed = String::new();
    for arguments in
        [&["run", "-v"][..], &["run", "--output", "json", "--force", "n"], &["log", "n"], &["why", "n"], &["plan"]]
    {
        let ran = space.run(arguments);
        printed.push_str(&ran.stdout);
        printed.push_str(&ran.stderr);
    }
    let encoded = "czNjcjN0LXNlbnRpbmVsLTQ3MTE";
    for needle in [secret, encoded] {
        assert!(!printed.contains(needle), "{needle} in {printed}");
        for folder in [space.root(), space.cache()] {
            for (path, bytes) in files(&folder) {
                assert!(!bytes.windows(needle.len()).any(|w| w == needle.as_bytes()), "{needle} in {}", path.display());
            }
        }
    }
    space.set("MY_TOKEN", "another-value");
    assert_eq!(space.plan(&[])["n"].0, "fresh", "only the name is in the digest");
}

#[test]
fn a_tool_is_known_by_its_content() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes: {n: {exec: {command: [./tool.sh], stdout: out}}}");
        space.write("tool.sh", "#!/bin/sh\necho 1\n");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(space.root().join("tool.sh"), executable).unwrap();
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.build(&[]), counts(0, 0, 1));
        space.write("tool.sh", "#!/bin/sh\necho 2\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.read("out"), "2\n");
    });
}

#[test]
fn one_job_and_many_give_the_same() {
    let results: Vec<_> = ["-j1", "-j4"]
        .into_iter()
        .map(|jobs| {
            let space = Space::with(MATRIX);
            let ran = space.json(&[jobs]).status(0);
            let outputs: Vec<_> = files(&space.root().join("out")).into_values().collect();
            (ran.ended("ran"), outputs)
        })
        .collect();
    assert_eq!(results[0], results[1]);
}
