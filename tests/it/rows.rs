//! What reruns after which change: the correctness rows that build tools disagree on.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Space, both_paths, counts};

/// a.txt -> a.out (without comment lines) -> b.out (twice) -> c.out (counted).
const CHAIN: &str = r##"
name: chain
nodes:
  a: {exec: {command: [sh, -c, "grep -v '^#' a.txt > a.out || true"], inputs: [a.txt], outputs: [a.out]}}
  b: {exec: {command: [sh, -c, "cat a.out a.out > b.out"], inputs: [a.out], outputs: [b.out]}}
  c: {exec: {command: [wc, -c, b.out], inputs: [b.out], stdout: c.out}}
"##;

fn chain(space: &Space) {
    space.write("pipeline.yaml", CHAIN);
    space.write("a.txt", "hello\n");
    assert_eq!(space.build(&[]), counts(3, 0, 0));
    assert_eq!(space.build(&[]), counts(0, 0, 3));
}

#[test]
fn nothing_changed_runs_nothing() {
    both_paths(|space| {
        chain(&space);
        assert_eq!(space.build(&[]), counts(0, 0, 3));
        assert!(space.plan(&[]).values().all(|(verdict, row)| verdict == "fresh" && row == "6"));
    });
}

#[test]
fn a_touch_reruns_nothing() {
    both_paths(|space| {
        chain(&space);
        space.write("a.txt", "hello\n");
        assert_eq!(space.build(&[]), counts(0, 0, 3));
    });
}

#[test]
fn a_comment_is_cut_off_at_the_first_node() {
    both_paths(|space| {
        chain(&space);
        space.write("a.txt", "# a comment\nhello\n");
        assert_eq!(space.build(&[]), counts(1, 0, 2));
        assert_eq!(space.build(&[]), counts(0, 0, 3));
    });
}

#[test]
fn a_real_edit_reruns_everything_below() {
    both_paths(|space| {
        chain(&space);
        space.write("a.txt", "hello world\n");
        assert_eq!(space.build(&[]), counts(3, 0, 0));
        assert_eq!(space.read("c.out"), "24 b.out\n");
    });
}

#[test]
fn a_revert_is_served_from_the_cache() {
    both_paths(|space| {
        chain(&space);
        space.write("a.txt", "something else\n");
        assert_eq!(space.build(&[]), counts(3, 0, 0));
        space.write("a.txt", "hello\n");
        assert_eq!(space.build(&[]), counts(0, 3, 0));
        assert_eq!(space.read("b.out"), "hello\nhello\n");
    });
}

#[test]
fn row_25_a_deleted_output_is_restored() {
    both_paths(|space| {
        chain(&space);
        space.remove("b.out");
        assert_eq!(space.build(&[]), counts(0, 1, 2));
        assert_eq!(space.read("b.out"), "hello\nhello\n");
    });
}

#[test]
fn row_25_an_edited_output_is_set_aside_and_restored() {
    both_paths(|space| {
        chain(&space);
        space.write("c.out", "edited by hand\n");
        let ran = space.run(&["run"]).status(0);
        assert!(ran.stderr.contains("`c.out` was edited by hand; the edit is kept at `.ocelot/replaced/"), "{ran:?}");
        assert_eq!(space.read("c.out"), "12 b.out\n");
        let kept = crate::support::files(&space.root().join(".ocelot/replaced"));
        assert_eq!(kept.values().collect::<Vec<_>>(), [b"edited by hand\n"]);
        assert_eq!(space.build(&[]), counts(0, 0, 3));
    });
}

#[test]
fn row_23_an_edit_that_keeps_size_and_time_is_seen() {
    both_paths(|space| {
        chain(&space);
        space.write_in_disguise("a.txt", "HELLO\n");
        assert_eq!(space.build(&[]), counts(3, 0, 0));
        assert_eq!(space.read("b.out"), "HELLO\nHELLO\n");
    });
}

#[test]
fn row_22_two_edits_within_one_tick_of_the_clock_are_both_seen() {
    both_paths(|space| {
        chain(&space);
        for round in 0..20 {
            let text = format!("{round:05}\n");
            space.write("a.txt", &text);
            assert_eq!(space.build(&[]).failed, 0);
            assert_eq!(space.read("b.out"), format!("{text}{text}"));
        }
    });
}

#[test]
fn a_changed_command_reruns_its_node() {
    both_paths(|space| {
        chain(&space);
        space.write("pipeline.yaml", &CHAIN.replace("[wc, -c, b.out]", "[wc, -l, b.out]"));
        assert_eq!(space.build(&[]), counts(1, 0, 2));
        assert_eq!(space.read("c.out"), "2 b.out\n");
    });
}

#[test]
fn row_40_an_allow_listed_variable_is_an_input_and_no_other_is() {
    both_paths(|mut space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {command: [sh, -c, 'echo \"<$LISTED|$OTHER>\" > out'], pass-env: [LISTED], outputs: [out]}}}",
        );
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.read("out"), "<|>\n");
        space.set("OTHER", "x");
        assert_eq!(space.build(&[]), counts(0, 0, 1));
        space.set("LISTED", "");
        assert_eq!(space.build(&[]), counts(1, 0, 0), "unset is not empty");
        space.set("LISTED", "a");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.read("out"), "<a|>\n");
        space.unset("LISTED");
        assert_eq!(space.build(&[]), counts(0, 1, 0), "the first result comes back");
    });
}

#[test]
fn the_execute_bit_is_an_input() {
    both_paths(|space| {
        space.write("pipeline.yaml", "nodes: {n: {exec: {command: [sh, -c, 'test -x f && echo x > out || echo - > out'], inputs: [f], outputs: [out]}}}");
        space.write("f", "");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        fs::set_permissions(space.root().join("f"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.read("out"), "x\n");
    });
}

#[test]
fn a_glob_sees_files_come_and_go() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes: {n: {exec: {command: [sh, -c, 'cat src/*.txt src/*/*.txt > out 2>/dev/null; true'], inputs: ['src/**/*.txt', '!src/skip.txt'], outputs: [out]}}}",
        );
        space.write("src/a.txt", "a\n");
        space.write("src/sub/b.txt", "b\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        assert_eq!(space.build(&[]), counts(0, 0, 1));
        space.write("src/sub/c.txt", "c\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        space.write("src/other.md", "no match\n");
        assert_eq!(space.build(&[]), counts(0, 0, 1));
        space.write("src/skip.txt", "excluded\n");
        assert_eq!(space.build(&[]), counts(0, 0, 1));
        space.write("src/new/deep/d.txt", "hidden deeper\n");
        assert_eq!(space.build(&[]), counts(1, 0, 0));
        space.remove("src/sub/c.txt");
        space.remove("src/new");
        assert_eq!(space.build(&[]), counts(0, 1, 0), "the set is as it was");
    });
}

#[test]
fn two_sets_of_parameters_in_turn_stay_fresh() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "params: {mode: {default: [a]}}\nnodes: {n: {for: [mode], exec: {command: [sh, -c, 'echo $M > out-$M'], env: {M: '${mode}'}, outputs: ['out-${mode}']}}}",
        );
        assert_eq!(space.build(&["--set", "mode=a"]), counts(1, 0, 0));
        assert_eq!(space.build(&["--set", "mode=b"]), counts(1, 0, 0));
        for _ in 0..2 {
            assert_eq!(space.build(&["--set", "mode=a"]), counts(0, 0, 1));
            assert_eq!(space.build(&["--set", "mode=b"]), counts(0, 0, 1));
        }
    });
}

#[test]
fn a_folder_output_is_verified_file_by_file() {
    both_paths(|space| {
        space.write(
            "pipeline.yaml",
            "nodes:\n  n: {exec: {command: [sh, -c, 'mkdir -p out/sub && echo 1 > out/a && echo 2 > out/sub/b && ln -s a out/link'], outputs: [out/]}}\n  m: {exec: {command: [cat, out/sub/b], inputs: [out/sub/b], stdout: copy}}\n",
        );
        assert_eq!(space.build(&[]), counts(2, 0, 0));
        assert_eq!(space.build(&[]), counts(0, 0, 2));
        space.remove("out/sub/b");
        assert_eq!(space.build(&[]), counts(0, 1, 1));
        assert_eq!(space.read("out/sub/b"), "2\n");
        assert_eq!(fs::read_link(space.root().join("out/link")).unwrap().to_str(), Some("a"));
        space.write("out/extra", "mine\n");
        assert_eq!(space.build(&[]), counts(0, 1, 1), "an extra file is an edit");
        assert!(!space.exists("out/extra"));
        let kept = crate::support::files(&space.root().join(".ocelot/replaced"));
        assert_eq!(kept.values().collect::<Vec<_>>(), [b"mine\n"]);
    });
}

#[test]
fn state_and_cache_may_be_deleted_at_any_time() {
    both_paths(|space| {
        chain(&space);
        space.remove(".ocelot");
        assert_eq!(space.build(&[]), counts(0, 0, 3), "the cache knows the results");
        fs::remove_dir_all(space.cache()).unwrap();
        assert_eq!(space.build(&[]), counts(0, 0, 3), "the workspace knows them too");
        space.remove(".ocelot");
        fs::remove_dir_all(space.cache()).ok();
        assert_eq!(space.build(&[]).failed, 0);
        assert_eq!(space.build(&[]), counts(0, 0, 3));
    });
}
