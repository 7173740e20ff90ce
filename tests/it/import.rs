//! `import`: a checkout of the original tool becomes a project that is in order, and nothing that was there is touched.

use crate::support::{Space, files};

const DISTRIBUTIONS: &str = "\
# Ours.
distributions:
  default:
    description: \"Base\"
    build-tags: # Go ignores what it does not know
      - lambdacomponents.receiver.otlp
      - lambdacomponents.processor.memory_limiter # at the front
      - lambdacomponents.exporter.debug
  small:
    base: default
    config-file: small.yaml
    build-tags:
      - lambdacomponents.exporter.mine
";

const MENDED: &str = "\
# Ours.
default:
  description: \"Base\"
  buildtags: # Go ignores what it does not know
    - lambdacomponents.receiver.otlp
    - lambdacomponents.processor.memorylimiter # at the front
    - lambdacomponents.exporter.debug
small:
  base: default
  config-file: small.yaml
  buildtags:
    - lambdacomponents.exporter.mine
";

const DEPENDENCIES: &str = "\
dependencies:
  # Pinned by hand.
  lambdacomponents.exporter.mine: example.org/mineexporter@v1.2.3
";

const CI: &str = "\
name: Publish
on:
  workflow_dispatch:
    inputs:
      aws-region:
        type: choice
        options: # by hand
          - all
          - eu-west-1
          - us-east-1
        default: all
      upstream-ref: {type: string, default: 'main'}
      set-to-public: {type: boolean, default: true}
jobs:
  release-layer:
    uses: ./.github/workflows/r_publish.yml
    strategy:
      matrix: ${{ fromJSON(needs.prepare.outputs.release_jobs) }}
    with:
      layer-name: mylayer
      architecture: ${{ matrix.architecture }}
      runtimes: \"nodejs20.x python3.12\"
      dynamodb-region: \"us-east-1\"
";

const COMPONENT: &str = "\
//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.exporter.all || lambdacomponents.exporter.mine)

package exporter
";

const CONFIG: &str = "receivers: {otlp: {}}\nservice: {pipelines: {}}\n";

/// A space with a checkout in the folder `old`.
fn checkout() -> Space {
    let space = Space::new();
    for (path, text) in [
        ("tools/ocelot.py", "print()\n"),
        ("config/distributions.yaml", DISTRIBUTIONS),
        ("config/component_dependencies.yaml", DEPENDENCIES),
        ("config/collector-configs/small.yaml", CONFIG),
        ("config/notes.txt", "to do\n"),
        ("components/collector/lambdacomponents/exporter/mineexporter.go", COMPONENT),
        ("components/common/help.go", "package common\n"),
        (".github/workflows/ci.yml", CI),
        (".github/workflows/r_publish.yml", "on: {workflow_call: {}}\n"),
    ] {
        space.write(&format!("old/{path}"), text);
    }
    space
}

#[test]
fn a_checkout_becomes_a_project_that_is_in_order() {
    let space = checkout();
    let before = files(&space.root().join("old"));
    let ran = space.run(&["import", "old", "--into", "new"]).status(0);
    for line in [
        "mended config/distributions.yaml: line 2: the key `distributions` is taken away; line 5: `build-tags` is \
         `buildtags`; line 7: `lambdacomponents.processor.memory_limiter` is \
         `lambdacomponents.processor.memorylimiter`; line 12: `build-tags` is `buildtags`",
        "copied config/component_dependencies.yaml",
        "copied config/collector-configs/small.yaml to config/examples/small.yaml",
        "left   config/notes.txt: it is neither a config nor a component; copy it if something needs it",
        "copied components/common/help.go to config/components/collector/common/help.go",
        "made   config/regions.yaml: `publish` has the 2 regions of ci.yml",
        "made   pipelines/layers.yaml: `layer-name` is mylayer, `runtimes` has 2",
        "left   the table in DynamoDB: is kept as it is; name it with `--set metadata-table=ocelot-layers@us-east-1`",
        "next: cd new && ocelot build -d default --skip-publish",
    ] {
        assert!(ran.stdout.lines().any(|there| there == line), "{line}\n{}", ran.stdout);
    }
    assert_eq!(space.read("new/config/distributions.yaml"), MENDED);
    assert_eq!(space.read("new/config/component_dependencies.yaml"), DEPENDENCIES);
    let component = "new/config/components/collector/lambdacomponents/exporter/mineexporter.go";
    assert_eq!(space.read(component), COMPONENT);
    assert!(space.read("new/config/regions.yaml").ends_with("\npublish:\n  - eu-west-1\n  - us-east-1\n"));
    assert!(space.read("new/pipelines/layers.yaml").contains("runtimes: {default: [nodejs20.x, python3.12]}\n"));
    assert_eq!(space.read("new/.gitignore"), ".ocelot/\n/build/\n");
    let _ = space.run(&["-C", "new", "validate", "layers", "--set", "region=us-east-1"]).status(0);
    let _ = space.run(&["-C", "new", "ci", "workflow", "layers", "--check"]).status(0);
    assert_eq!(files(&space.root().join("old")), before, "the checkout was touched");
}

#[test]
fn the_same_again_writes_nothing_and_says_so() {
    let space = checkout();
    let _ = space.run(&["import", "old", "--into", "new"]).status(0);
    let before = files(&space.root().join("new"));
    assert!(!before.is_empty());
    let ran = space.run(&["import", "old", "--into", "new"]).status(0);
    let [first, _, last] = ran.stdout.lines().collect::<Vec<_>>()[..] else { panic!("not three lines: {ran:?}") };
    assert!(first.starts_with("nothing to write: all ") && last.starts_with("next: "), "{ran:?}");
    assert_eq!(files(&space.root().join("new")), before);
    // What is gone comes back.
    space.remove("new/config/examples/small.yaml");
    let _ = space.run(&["import", "old", "--into", "new"]).status(0);
    assert_eq!(files(&space.root().join("new")), before);
}

#[test]
fn a_file_with_another_text_is_named_and_nothing_is_written() {
    let space = checkout();
    space.write("new/config/regions.yaml", "publish: []\n");
    space.write("new/config/examples/small.yaml", CONFIG);
    let before = files(&space.root());
    let ran = space.run(&["import", "old", "--into", "new"]).status(2);
    let told = "with another text\n  config/regions.yaml\n  help: ";
    assert!(ran.stderr.starts_with("error[OC0508]: nothing was written") && ran.stderr.contains(told), "{ran:?}");
    assert_eq!(files(&space.root()), before);
    // Over the checkout itself: what has to be mended is there.
    let ran = space.run(&["-C", "old", "import", "."]).status(2);
    assert!(ran.stderr.contains("\n  config/distributions.yaml\n"), "{ran:?}");
    assert_eq!(files(&space.root()), before);
}

#[test]
fn a_folder_that_is_no_checkout_is_refused() {
    let space = Space::new();
    space.write("other/config/distributions.yaml", DISTRIBUTIONS);
    space.write("empty/tools/ocelot.py", "");
    space.write("file", "");
    for (from, told) in [
        ("other", "error[OC0515]: "),
        ("empty", "it has no config/distributions.yaml; nothing was written\n  help: "),
        ("absent", "error[OC0505]: "),
        ("file", "is no folder"),
    ] {
        let ran = space.run(&["import", from, "--into", "new"]).status(2);
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    assert!(!space.exists("new"));
}

#[test]
fn what_a_person_has_to_mend_is_written_and_shown_at_its_place() {
    let space = checkout();
    space.remove("old/config/collector-configs");
    let ran = space.run(&["import", "old", "--into", "new"]).status(2);
    let told = "left   config/distributions.yaml: line 11: `config/examples/small.yaml` is not there";
    assert!(ran.stdout.contains(told), "{ran:?}");
    assert!(
        ran.stderr.contains("config/distributions.yaml:10:")
            && ran.stderr.contains("then `cd new && ocelot validate layers --set region=eu-west-1`"),
        "{ran:?}"
    );
    space.write("new/config/examples/small.yaml", CONFIG);
    let _ = space.run(&["-C", "new", "validate", "layers", "--set", "region=us-east-1"]).status(0);
}

#[cfg(unix)]
#[test]
fn links_are_left_and_none_is_written_through() {
    let space = checkout();
    std::os::unix::fs::symlink("/etc", space.root().join("old/components/extension")).expect("a link");
    let ran = space.run(&["import", "old", "--into", "new"]).status(0);
    assert!(ran.stdout.contains("left   components/extension: it is a link"), "{ran:?}");
    space.remove("new/config/examples");
    std::os::unix::fs::symlink("/tmp", space.root().join("new/config/examples")).expect("a link");
    let ran = space.run(&["import", "old", "--into", "new"]).status(3);
    assert!(ran.stderr.contains("is a link, which is not followed"), "{ran:?}");
}

#[test]
fn a_checkout_with_nothing_to_mend_becomes_a_project_where_it_is() {
    let space = checkout();
    space.write("old/config/distributions.yaml", MENDED);
    space.write("old/.gitignore", "build\n");
    let ran = space.run(&["-C", "old", "import", "."]).status(0);
    assert!(ran.stdout.contains("copied config/distributions.yaml\n"), "{ran:?}");
    assert!(ran.stdout.contains("left   .gitignore: add .ocelot/ to it\n"), "{ran:?}");
    let before = files(&space.root().join("old"));
    let ran = space.run(&["-C", "old", "import", "."]).status(0);
    assert!(ran.stdout.starts_with("nothing to write: all "), "{ran:?}");
    assert_eq!(files(&space.root().join("old")), before);
}

#[test]
fn names_of_files_and_keys_do_nothing_to_a_terminal() {
    let space = checkout();
    space.write("old/config/a\u{1b}[31m.txt", "");
    space.write("old/config/distributions.yaml", "small:\n  \"a\\e[31m\": 1\n  buildtags: []\n");
    let ran = space.run(&["import", "old", "--into", "new"]).status(2);
    assert!(ran.stdout.contains("left   config/a\u{fffd}[31m.txt") && !ran.stdout.contains('\u{1b}'), "{ran:?}");
}
