//! What the stand-in is strict about: each of these workflows goes wrong on GitHub, and goes wrong here.

use std::collections::BTreeMap;

use serde_json::json;

use crate::runner::{Event, Finished, Runner};

const UPLOAD: &str = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a";
const DOWNLOAD: &str = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c";
const CACHE: &str = "actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9";

fn runner() -> (tempfile::TempDir, Runner) {
    let repository = tempfile::tempdir().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let runner = Runner::new(repository.path(), BTreeMap::from([("PATH".to_owned(), path)]));
    (repository, runner)
}

fn run(text: &str) -> Finished {
    runner().1.run_text(text, &Event::dispatch(json!({})))
}

#[test]
fn what_needs_a_skipped_job_is_skipped_unless_it_says_otherwise() {
    let finished = run("
jobs:
  build: {runs-on: x, if: false, steps: [{run: 'true'}]}
  after: {runs-on: x, needs: build, steps: [{run: 'true'}]}
  far: {runs-on: x, needs: after, if: \"needs.after.result == 'skipped'\", steps: [{run: 'true'}]}
  bold: {runs-on: x, needs: [build], if: \"!cancelled() && needs.build.result != 'failure'\", steps: [{run: 'true'}]}
  last: {runs-on: x, needs: [bold], steps: [{run: 'true'}]}
  always: {runs-on: x, needs: [build, bold], if: always(), steps: [{run: 'false'}]}
");
    let expected = [
        ("after", "skipped"),
        ("always", "failure"),
        ("bold", "success"),
        ("build", "skipped"),
        ("far", "skipped"),
        // Its own need succeeded; the one before that was skipped, which is enough.
        ("last", "skipped"),
    ];
    assert_eq!(finished.results(), expected.into());
    assert!(!finished.is_green());
}

#[test]
fn an_empty_matrix_is_an_error_unless_the_job_is_skipped() {
    let text = |condition: &str| {
        format!("
jobs:
  plan: {{runs-on: x, outputs: {{matrix: '${{{{ steps.p.outputs.matrix }}}}'}}, steps: [{{id: p, run: 'echo matrix={{\\\"include\\\":[]}} >> $GITHUB_OUTPUT'}}]}}
  build:
    needs: plan
    if: {condition}
    strategy: {{matrix: '${{{{ fromJSON(needs.plan.outputs.matrix) }}}}'}}
    steps: [{{run: 'true'}}]
")
    };
    let failed = run(&text("\"true\""));
    assert_eq!(failed.jobs["build"].result, "failure");
    assert!(failed.jobs["build"].log.contains("does not contain any values"));
    let skipped = run(&text("\"fromJSON(needs.plan.outputs.matrix).include[0] != null\""));
    assert_eq!(skipped.jobs["build"].result, "skipped");
}

#[test]
fn of_a_matrix_only_the_last_output_is_left_and_a_masked_one_is_dropped() {
    let finished = run("
jobs:
  build:
    strategy: {fail-fast: false, matrix: {arch: [amd64, arm64]}}
    outputs: {arch: '${{ steps.o.outputs.arch }}', account: '${{ steps.o.outputs.account }}'}
    steps:
      - id: o
        env: {ARCH: '${{ matrix.arch }}'}
        run: |
          echo \"arch=$ARCH\" >> $GITHUB_OUTPUT
          printf 'account<<END\\narn:1234\\nEND\\n' >> $GITHUB_OUTPUT
          echo '::add-mask::1234'
  next:
    needs: build
    steps:
      - env: {SEEN: '${{ needs.build.outputs.account }}|${{ needs.build.outputs.arch }}'}
        run: echo \"seen $SEEN\"
");
    assert_eq!((finished.jobs["build"].machines.len(), finished.machines()), (2, 3));
    assert!(finished.jobs["next"].log.contains("seen |arm64"), "{:?}", finished.jobs["next"]);
}

#[test]
fn artifacts_have_one_name_and_no_modes() {
    let finished = run(&format!(
        "
jobs:
  build:
    steps:
      - run: mkdir out && echo 'echo hi' > out/tool && chmod +x out/tool
      - {{uses: {UPLOAD}, with: {{name: tool, path: out}}}}
      - {{id: again, continue-on-error: true, uses: {UPLOAD}, with: {{name: tool, path: out}}}}
      - {{if: \"steps.again.outcome == 'success'\", run: 'false'}}
  use:
    needs: build
    steps:
      - {{uses: {DOWNLOAD}, with: {{name: tool, path: in}}}}
      - run: test -f in/tool && test ! -x in/tool && bash in/tool
"
    ));
    assert_eq!(finished.results(), [("build", "success"), ("use", "success")].into(), "{finished:?}");
}

#[test]
fn a_cache_is_never_overwritten_and_a_fork_cannot_write_one_for_others() {
    let (repository, mut runner) = runner();
    let text = format!("
on: {{workflow_dispatch: {{}}, pull_request: {{}}}}
permissions: {{contents: read, id-token: write}}
jobs:
  build:
    steps:
      - {{id: c, uses: {CACHE}, with: {{key: state-1, restore-keys: state-, path: kept}}}}
      - run: |
          mkdir -p kept; cat kept/who || true; echo \"hit $HIT id ${{ACTIONS_ID_TOKEN_REQUEST_URL:-none}}\"; echo $GITHUB_REF > kept/who
        env: {{HIT: '${{{{ steps.c.outputs.cache-hit }}}}'}}
");
    let fork = Event { name: "pull_request", inputs: json!({}), fork: Some(7) };
    let of_fork = runner.run_text(&text, &fork);
    assert!(of_fork.jobs["build"].log.contains("hit false id none"), "{of_fork:?}");
    let first = runner.run_text(&text, &Event::dispatch(json!({})));
    assert!(!first.jobs["build"].log.contains("refs/pull"), "what a fork left is not seen: {first:?}");
    assert!(first.jobs["build"].log.contains("id /token"), "{first:?}");
    let second = runner.run_text(&text, &Event::dispatch(json!({})));
    assert!(second.jobs["build"].log.contains("refs/heads/main\nhit true"), "{second:?}");
    assert_eq!(runner.cache_keys(), ["state-1", "state-1"]);
    runner.forget_caches();
    std::fs::write(repository.path().join("w.yml"), &text).expect("a file");
    let third = runner.run("w.yml", &Event::dispatch(json!({})));
    assert!(third.jobs["build"].log.contains("hit false"), "{third:?}");
}

#[test]
fn a_failed_step_ends_a_job_and_a_failed_machine_no_other() {
    let finished = run("
jobs:
  build:
    strategy: {fail-fast: false, matrix: {include: [{arch: a}, {arch: b}]}}
    steps:
      - {env: {ARCH: '${{ matrix.arch }}'}, run: 'test $ARCH = b'}
      - {env: {ARCH: '${{ matrix.arch }}'}, run: 'echo went on with $ARCH'}
      - {if: failure(), run: 'echo told'}
");
    let build = &finished.jobs["build"];
    assert_eq!((build.result.as_str(), build.machines.len()), ("failure", 2));
    assert!(
        build.log.contains("went on with b") && !build.log.contains("went on with a") && build.log.contains("told")
    );
}
