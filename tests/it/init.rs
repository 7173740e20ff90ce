//! `init`: each template gives a project that is in order and runs, and nothing that was there is touched.

use std::process::{Command, Stdio};

use crate::shipped::{self, SAMPLE};
use crate::snapshot::repository;
use crate::support::{Space, counts, files};

const MAKEFILE: &str = "\
OBJ := $(patsubst src/%.txt,build/%.up,$(wildcard src/*.txt))
all: build/all.txt
build/all.txt: $(OBJ)
\tcat $^ > $@
build/%.up: src/%.txt
\t@mkdir -p $(@D)
\ttr a-z A-Z < $< > $@
\t@echo made $@
.PHONY: all clean
clean:
\trm -rf build
";

#[test]
fn plain_commands_run_at_once() {
    let space = Space::new();
    let ran = space.run(&["init", "--yes", "--template", "commands"]).status(0);
    assert!(ran.stdout.contains("  pipeline.yaml\n") && ran.stdout.ends_with("next: ocelot run\n"), "{ran:?}");
    let _ = space.run(&["validate"]).status(0);
    assert_eq!(space.build(&[]), counts(2, 0, 0));
    assert_eq!(space.read("build/greeting.txt"), "Hello, Ada!\nHello, Grace!\nHello, World!\n");
    assert_eq!(space.build(&[]), counts(0, 0, 2));
    assert_eq!(space.read(".gitignore"), ".ocelot/\n/build/\n");
}

#[test]
fn a_makefile_makes_the_same_as_make() {
    let space = Space::new();
    space.write("Makefile", MAKEFILE);
    space.write("src/a.txt", "one\n");
    space.write("src/b.txt", "two\n");
    let ran = space.run(&["init", "--yes"]).status(0);
    assert!(ran.stdout.contains("Makefile: 4 nodes; 2 things are not as make has them"), "{ran:?}");
    let _ = space.run(&["validate"]).status(0);
    assert_eq!(space.build(&["--sandbox"]), counts(3, 0, 0));
    let ours = space.read("build/all.txt");
    space.remove("build");
    let made = Command::new("make").arg("-s").current_dir(space.root()).stdout(Stdio::null()).status();
    assert!(made.expect("these tests need make").success());
    assert_eq!(ours, space.read("build/all.txt"));
    assert_eq!(ours, "ONE\nTWO\n");
}

#[test]
fn collector_layers_are_built_with_the_workflow_that_publishes_them() {
    let mut space = Space::new();
    for (name, value) in shipped::go_places() {
        space.set(name, value);
    }
    let ran = space.run(&["init", "my layers", "--yes", "--template", "collector-layers"]).status(0);
    assert!(ran.stdout.ends_with("next: cd my layers && ocelot build --skip-publish\n"), "{ran:?}");
    assert!(space.read("my layers/pipelines/layers.yaml").contains("layer-name: {default: my-layers}"));
    let sources = repository(SAMPLE);
    let upstream = format!("upstream-repo={}", sources.to_str().expect("UTF-8"));
    let inside = ["-C", "my layers"];
    let _ = space.run(&[&inside, &["validate", "--set", &upstream][..]].concat()).status(0);
    let _ = space.run(&[&inside, &["ci", "workflow", "layers", "--check"][..]].concat()).status(0);
    let ran = space.run(&[&inside, &["run", "--output", "json", "--set", &upstream][..]].concat()).status(0);
    assert_eq!(ran.counts(), counts(7, 0, 0));
    assert!(space.exists("my layers/build/collector-amd64-minimal.zip"));
    // With a folder as registry, all of it.
    let publish = ["--set", "publish=true", "--set", "registry=directory:build/registry", "--set", "region=eu-west-1"];
    let all = [&inside, &["run", "--output", "json", "--set", &upstream][..], &publish].concat();
    assert_eq!(space.run(&all).status(0).counts(), counts(2, 0, 6));
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let space = Space::new();
    space.write("pipeline.yaml", "nodes: {}\n");
    space.write("config/ocelot.yaml", "{}\n");
    let before = files(&space.root());
    let ran = space.run(&["init", "--yes", "--template", "commands"]).status(2);
    assert!(ran.stderr.contains("already is\n  pipeline.yaml\n  config/ocelot.yaml\n  help: "), "{ran:?}");
    assert_eq!(files(&space.root()), before);
    // What cannot be made takes the rest with it.
    space.remove("config");
    space.write("config", "a file");
    let before = files(&space.root());
    let ran = space.run(&["init", "--yes", "--template", "collector-layers"]).status(3);
    assert!(ran.stderr.contains("nothing was written"), "{ran:?}");
    assert_eq!(files(&space.root()), before);
    assert!(!space.exists("pipelines"));
}

#[test]
fn ignore_lines_are_added_once_to_those_that_are_there() {
    let space = Space::new();
    space.write(".gitignore", "*.tmp\n.ocelot");
    let ran = space.run(&["init", "--yes", "--template", "commands"]).status(0);
    assert!(ran.stdout.contains("  .gitignore, with /build/ added\n"), "{ran:?}");
    assert_eq!(space.read(".gitignore"), "*.tmp\n.ocelot\n/build/\n");
}

#[test]
fn where_nobody_can_be_asked_it_says_what_to_give() {
    let space = Space::new();
    for (arguments, told) in [
        (&["init"][..], "there is no terminal to ask on\n  help: give `--yes`"),
        (&["init", "--template", "commands"], "give `--yes`"),
        (&["init", "--template", "makefile", "--yes"], "there is no Makefile in"),
    ] {
        let output = space.command(arguments).stdin(Stdio::null()).output().expect("the program starts");
        let ran = crate::support::Ran::from(output).status(2);
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    assert!(files(&space.root()).is_empty());
}

#[test]
fn links_and_makefiles_without_end_are_refused() {
    let space = Space::new();
    space.write("elsewhere/ignored", "*.tmp\n");
    std::os::unix::fs::symlink("elsewhere/ignored", space.root().join(".gitignore")).expect("a link");
    std::os::unix::fs::symlink("elsewhere", space.root().join("config")).expect("a link");
    let ran = space.run(&["init", "--yes", "--template", "commands"]).status(2);
    assert!(ran.stderr.contains(".gitignore is a link, which is not followed; nothing was written"), "{ran:?}");
    std::fs::remove_file(space.root().join(".gitignore")).expect("removed");
    let ran = space.run(&["init", "--yes", "--template", "commands"]).status(3);
    assert!(ran.stderr.contains("config is a link, which is not followed"), "{ran:?}");
    assert!(!space.exists("pipeline.yaml") && !space.exists("elsewhere/ocelot.yaml"));
    for (makefile, told) in [
        (format!("#{}", " ".repeat(4 << 20)), "Makefile has more than 4 MiB"),
        (
            (1..60).map(|n| format!("A{n} = $(A{0})$(A{0})\n", n - 1)).collect::<String>() + "x: $(A59)\n",
            "Makefile: it comes to more",
        ),
    ] {
        space.write("Makefile", &makefile);
        let ran = space.run(&["init", "--yes", "--template", "makefile"]).status(2);
        assert!(ran.stderr.contains(told) && ran.stderr.contains("nothing was written"), "{ran:?}");
    }
}
