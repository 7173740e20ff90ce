//! Links and names: nothing outside the project is written, and nothing outside it is taken for an input.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::support::{Space, counts, files};

/// A project with a folder beside it that must stay as it is.
fn beside(pipeline: &str) -> (Space, PathBuf) {
    let space = Space::with(pipeline);
    let outside = space.root().parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x"), "precious\n").unwrap();
    (space, outside)
}

#[test]
fn row_36_an_output_below_a_link_that_leads_out_is_refused() {
    let pipeline = |output: &str| {
        format!(
            "nodes: {{n: {{exec: {{command: [sh, -c, 'mkdir -p out/d; echo new > out/x; echo new > out/d/y'], outputs: [{output}]}}}}}}"
        )
    };
    for output in ["out/x", "out/d/"] {
        let (space, outside) = beside(&pipeline(output));
        symlink("../outside", space.root().join("out")).unwrap();
        let before = files(&outside);
        for arguments in [&["run"][..], &["run", "--force", "n"], &["run", "--sandbox"]] {
            let ran = space.run(arguments).status(1);
            assert!(ran.stderr.contains("leads out of the project: `out` is a link to `../outside`"), "{ran:?}");
        }
        assert_eq!(files(&outside), before);
        assert!(!space.exists(".ocelot/replaced"), "nothing was moved either");
        // The same when the result is known, and when outputs are removed.
        fs::remove_file(space.root().join("out")).unwrap();
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        fs::rename(space.root().join("out"), space.root().join("elsewhere")).unwrap();
        symlink("../outside", space.root().join("out")).unwrap();
        let ran = space.run(&["run"]).status(1);
        assert!(ran.stderr.contains("leads out of the project"), "{ran:?}");
        fs::remove_dir_all(&outside).unwrap();
        fs::rename(space.root().join("elsewhere"), &outside).unwrap();
        let same = files(&outside);
        let ran = space.run(&["clean"]).status(0);
        assert!(ran.stdout.contains("removed 0 outputs") && ran.stdout.contains("leads out"), "{ran:?}");
        assert_eq!(files(&outside), same);
    }
}

#[test]
fn row_36_a_link_that_a_command_makes_on_the_way_is_refused() {
    let (space, outside) =
        beside("nodes: {n: {exec: {command: [sh, -c, 'rmdir d; ln -s ../outside d'], outputs: [d/x]}}}");
    for _ in 0..2 {
        let ran = space.run(&["run"]).status(1);
        assert!(ran.stderr.contains("leads out of the project: `d` is a link"), "{ran:?}");
    }
    assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "precious\n");
}

#[test]
fn row_36_links_inside_the_project_may_be_on_the_way() {
    let space = Space::with("nodes: {n: {exec: {command: [sh, -c, 'echo 1 > out/x'], outputs: [out/x]}}}");
    fs::create_dir_all(space.root().join("build/real")).unwrap();
    symlink("build/real", space.root().join("out")).unwrap();
    assert_eq!(space.build(&[]), counts(1, 0, 0));
    fs::remove_file(space.root().join("build/real/x")).unwrap();
    assert_eq!(space.build(&[]), counts(0, 1, 0));
    assert_eq!(space.read("build/real/x"), "1\n");
}

#[test]
fn row_37_links_among_inputs() {
    let input = |name: &str| {
        format!("nodes: {{n: {{exec: {{command: [sh, -c, 'ls -l in > out'], inputs: {name}, outputs: [out]}}}}}}")
    };
    let (space, outside) = beside(&input("[in/]"));
    space.write("in/file", "1\n");
    space.write("other/file", "1\n");
    let link = |target: &str, name: &str| symlink(target, space.root().join(name)).unwrap();
    link("nowhere", "in/dangling");
    link("../other/file", "in/inside");
    link(".", "in/here");
    assert_eq!(space.build(&[]), counts(1, 0, 0), "dangling, inside, and a folder above: hashed as links");
    fs::remove_file(space.root().join("in/dangling")).unwrap();
    link("elsewhere", "in/dangling");
    assert_eq!(space.build(&[]), counts(1, 0, 0), "the target is the content");
    let refused = |target: &str, words: &str| {
        link(target, "in/bad");
        for inputs in ["[in/]", "[in/bad]", "['in/*']", "['**/bad']"] {
            space.write("pipeline.yaml", &input(inputs));
            for command in ["run", "plan", "validate"] {
                let ran = space.run(&[command]).status(2);
                assert!(ran.stderr.contains(words) && ran.stderr.contains("in/bad"), "{target} {inputs}: {ran:?}");
            }
        }
        space.write("pipeline.yaml", &input("[in/, '!in/bad']"));
        let _ = space.run(&["plan"]).status(0);
        fs::remove_file(space.root().join("in/bad")).unwrap();
    };
    refused("../../outside/x", "leads out of the project, to `../../outside/x`");
    refused(outside.to_str().unwrap(), "leads out of the project");
    refused("/dev/null", "leads out of the project");
    refused("bad", "leads back to itself");
}

#[test]
fn row_37_configuration_and_components_that_are_links_are_refused() {
    for path in ["config/examples/minimal.yaml", "config/components/collector/lambdacomponents/exporter/awss3.go"] {
        let space = crate::shipped::project();
        let file = space.root().join(path);
        fs::rename(&file, space.root().join("elsewhere")).unwrap();
        symlink(space.root().join("elsewhere"), &file).unwrap();
        let ran = space.run(&["plan", "quickstart", "tree[minimal]"]).status(2);
        assert!(ran.stderr.contains(&format!("`{path}` is a link")), "{ran:?}");
    }
}

#[test]
fn row_38_names_of_every_kind_are_built_right() {
    let space = Space::with(
        "nodes:
  copy: {exec: {command: [cp, -R, in/., out], inputs: [in/], outputs: [out/]}}
  inside: {exec: {command: [sh, -c, 'cat out/* | wc -c > n'], inputs: ['out/*'], outputs: [n], sandbox: true}}
  glob: {exec: {command: [sh, -c, 'ls in | wc -l > l'], inputs: ['in/*'], outputs: [l]}}
",
    );
    let long = "x".repeat(255);
    let names = [
        "with space",
        "new\nline",
        "tab\t",
        "quote\"'`",
        "-rf",
        "é",
        "e\u{301}",
        "CASE",
        "case",
        "star*",
        "[set]",
        "{a,b}",
        "back\\slash",
        "!bang",
        "#hash",
        "$HOME",
        "${x}",
        "a:b",
        "%41",
        "~",
        "...",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{202e}txt",
        &long,
    ];
    for name in names {
        space.write(&format!("in/{name}"), name);
    }
    assert_eq!(space.build(&[]), counts(3, 0, 0));
    assert_eq!(space.build(&[]), counts(0, 0, 3));
    for name in names {
        assert_eq!(space.read(&format!("out/{name}")), name);
        space.write(&format!("in/{name}"), &format!("{name}+"));
    }
    assert_eq!(space.build(&[]).failed, 0);
    for name in names {
        assert_eq!(space.read(&format!("out/{name}")), format!("{name}+"));
        space.write(&format!("in/{name}"), name);
    }
    space.remove("out");
    let _ = space.json(&[]).status(0);
    for name in names {
        assert_eq!(space.read(&format!("out/{name}")), name);
    }
    let ran = space.run(&["run"]).status(0);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn row_38_names_that_are_not_utf8_are_refused_with_the_name() {
    use std::os::unix::ffi::OsStrExt;
    let bad = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for inputs in ["[in/]", "['in/*']"] {
        let space = Space::with(&format!(
            "nodes: {{n: {{exec: {{command: [sh, -c, 'ls in > out'], inputs: {inputs}, outputs: [out]}}}}}}"
        ));
        space.write("in/good", "");
        fs::write(space.root().join("in").join(bad), "").unwrap();
        let ran = space.run(&["run"]).status(2);
        assert!(ran.stderr.contains("\\xFF\\xFE") && ran.stderr.contains("is not UTF-8"), "{inputs}: {ran:?}");
    }
    let space =
        Space::with("nodes: {n: {exec: {command: [sh, -c, 'ln -s \"$(printf \"\\\\377\")\" out'], outputs: [out]}}}");
    let ran = space.run(&["run"]).status(1);
    assert!(ran.stderr.contains("the target of the link `out` is not UTF-8"), "{ran:?}");
    let space = Space::with(
        "nodes: {n: {exec: {command: [sh, -c, 'mkdir out; echo > out/$(printf \"\\\\377\")'], outputs: [out/]}}}",
    );
    let ran = space.run(&["run"]).status(1);
    assert!(ran.stderr.contains("\\xFF") && ran.stderr.contains("is not UTF-8"), "{ran:?}");
}
