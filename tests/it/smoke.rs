//! What a `check` does beyond looking at bytes, through the pipeline of the quickstart: it starts the layer, says why one
//! died, and takes the record of a start. The ten broken layers, with all that is printed, are in `broken.rs`.

use std::io::Write;

use crate::shipped::{self, SAMPLE};
use crate::support::{Counts, Space};

pub(crate) const CONFIG: &str = "config/examples/minimal.yaml";
pub(crate) const LIFECYCLE: &str = "tests/fixtures/collector-src/collector/internal/lifecycle/lifecycle.go";
pub(crate) const RUN: [&str; 3] = ["run", "quickstart", "checked[minimal,amd64]"];

/// Whether this machine runs what is built for amd64; said aloud if not.
pub(crate) fn can_start() -> bool {
    let can = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    if !can {
        let said = "NOT RUN: layers for amd64 are started on Linux on x86_64 only";
        writeln!(std::io::stderr().lock(), "{said}").ok();
    }
    can
}

/// Replaces one text in a file of the project.
pub(crate) fn edit(space: &Space, file: &str, from: &str, to: &str) {
    let text = space.read(file);
    assert!(text.contains(from), "{file} has no `{from}`");
    space.write(file, &text.replacen(from, to, 1));
}

/// Breaks a layer and returns what is said of it.
fn refused(file: &str, from: &str, to: &str) -> String {
    let space = shipped::project();
    assert!(LIFECYCLE.starts_with(SAMPLE));
    edit(&space, file, from, to);
    space.run(&RUN).status(1).stderr
}

#[track_caller]
fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
}

#[test]
fn a_configuration_that_cannot_start_is_refused_at_its_line() {
    let said = refused(CONFIG, "exporters:\n", "exporters:\n  debug:\n");
    says(
        &said,
        &[
            "exporter `debug` is not in this layer",
            "add lambdacomponents.exporter.debug to the distribution's buildtags",
        ],
    );
    let said = refused(CONFIG, "exporters: [otlphttp]", "exporters: [otlphttp/two]");
    says(&said, &["pipeline `traces` uses exporter `otlphttp/two`, which is not defined", "define it under exporters"]);
    let said = refused(CONFIG, "receivers: [otlp]", "receivers: [otlp");
    says(&said, &[&format!("{CONFIG}:")]);
}

#[test]
fn an_extension_that_dies_says_why_and_when() {
    if !can_start() {
        return;
    }
    let init = "log.Info(\"running\")";
    let said = refused(LIFECYCLE, init, "panic(\"no such table\")");
    says(
        &said,
        &["exited with status 2 while it started, before it asked for its first event", "panic: no such table"],
    );
    let said = refused(LIFECYCLE, "case \"INVOKE\":", "case \"INVOKE\":\n\t\t\tos.Exit(7)");
    says(&said, &["exited with status 7 during an invocation"]);
    // The collector refuses what a reader of names cannot know.
    let said = refused(CONFIG, "endpoint: ${env:COLLECTOR_OTLP_ENDPOINT:-http://localhost:4319}", "# no endpoint");
    says(&said, &["exporter \"otlphttp\" needs an endpoint", &format!("{CONFIG}:")]);
    // What is taken in and never comes out.
    let said = refused(LIFECYCLE, "collector.Flush()", "os.Exit(0)");
    says(&said, &["extensions/collector: it ended of itself with status 0 during an invocation"]);
}

#[test]
fn what_it_takes_over_one_transport_and_refuses_or_loses_over_the_other_is_told() {
    const RECEIVER: &str = "tests/fixtures/collector-src/collector/standin/collector/receiver/receiver.go";
    if !can_start() {
        return;
    }
    let said = refused(RECEIVER, "w.Header().Set(\"Grpc-Status\", \"0\")", "w.Header().Set(\"Grpc-Status\", \"13\")");
    says(&said, &["sending traces to port 4317 (grpc) answered gRPC status 13"]);
    let said = refused(
        RECEIVER,
        "body, err := io.ReadAll(r.Body)\n\tif err == nil {",
        "body, err := []byte(nil), errors.New(\"no\")\n\tif err == nil {",
    );
    says(&said, &["sending traces to port 4318 (http) answered 503"]);
    // It says "yes", and nothing comes out.
    let said = refused(RECEIVER, "if err := o.s.Next(batch); err != nil {", "if batch.Signal == \"\" {");
    says(&said, &["traces (grpc) sent to it never came out at the exporter's endpoint (COLLECTOR_OTLP_ENDPOINT)"]);
}

#[test]
fn an_extension_that_hangs_is_ended() {
    if !can_start() {
        return;
    }
    let space = shipped::project();
    edit(&space, LIFECYCLE, "log.Info(\"running\")", "select {}");
    edit(&space, "pipelines/quickstart.yaml", "    check: {layer: layer", "    timeout: 2s\n    check: {layer: layer");
    let said = space.run(&RUN).status(1).stderr;
    says(&said, &["it was still running after 2 s and was ended while it started"]);
}

#[test]
fn a_layer_is_started_once_and_its_record_stands() {
    if !can_start() {
        return;
    }
    let space = shipped::project();
    let started = space.json(&["quickstart", "checked[minimal,amd64]"]).status(0);
    assert_eq!(started.ended("ran").last().map(String::as_str), Some("upstream"), "{started:?}");
    let log = space.run(&["log", "-p", "quickstart", "checked[minimal,amd64]"]).status(0);
    says(&log.stdout, &["\"msg\":\"running\"", "\"msg\":\"stopping\""]);
    let again = space.json(&["quickstart", "checked[minimal,amd64]"]).status(0);
    assert_eq!(again.counts(), Counts { fresh: 6, ..Counts::default() }, "{again:?}");
    // To ask for the start changes no digest: it happened.
    edit(&space, "pipelines/quickstart.yaml", "smoke: optional", "smoke: required");
    let required = space.json(&["quickstart", "checked[minimal,amd64]"]).status(0);
    assert!(required.ended("ran").is_empty(), "{required:?}");
}

#[test]
fn where_layers_are_published_from_they_have_to_be_started() {
    let mut space = shipped::project();
    edit(&space, "pipelines/quickstart.yaml", "check: {layer: layer, smoke: optional}", "check: {layer: layer}");
    edit(&space, CONFIG, "exporters:\n", "exporters:\n  otlphttp/secret:\n    endpoint: ${secretsmanager:x}\n");
    let _ = space.run(&RUN).status(0);
    space.set("GITHUB_ACTIONS", "true");
    let said = space.run(&RUN).status(3);
    let text = format!("{}{}", said.stdout, said.stderr);
    says(&text, &["that it starts is not proven, and `smoke: required` asks for it"]);
    space.unset("GITHUB_ACTIONS");
    let _ = space.run(&RUN).status(0);
}

#[test]
fn a_secret_is_answered_if_the_distribution_gives_it_and_is_shown_nowhere() {
    if !can_start() {
        return;
    }
    const VALUE: &str = "made-up-value-of-the-test";
    let distributions = "config/distributions.yaml";
    let space = shipped::project();
    edit(
        &space,
        CONFIG,
        "exporters:\n",
        "exporters:\n  otlphttp/own:\n    endpoint: ${secretsmanager:${env:WHICH:-other}#at}\n",
    );
    edit(&space, "pipelines/quickstart.yaml", "smoke: optional", "smoke: required");
    let open = space.run(&RUN).status(3);
    says(
        &format!("{}{}", open.stdout, open.stderr),
        &[
            "it asks `secretsmanager:` for `other` when it starts",
            "add to `minimal` in config/distributions.yaml: `smoke: {secrets: {'other': VALUE}}`",
            "that it starts is not proven",
        ],
    );
    let smoke =
        format!("smoke: {{env: {{WHICH: mine}}, secrets: {{mine: '{{\"at\": \"http://localhost:9/{VALUE}\"}}'}}}}");
    edit(&space, distributions, "  config-file: minimal.yaml\n", &format!("  config-file: minimal.yaml\n  {smoke}\n"));
    let started = space.run(&RUN).status(0);
    let log = space.run(&["log", "-p", "quickstart", "checked[minimal,amd64]"]).status(0);
    says(&log.stdout, &["started: first event/next after"]);
    for said in [&started, &log] {
        assert!(!said.stdout.contains(VALUE) && !said.stderr.contains(VALUE), "{said:?}");
    }
    // The value is a part of the key, and the layer's own bytes are not made again for it.
    edit(&space, distributions, VALUE, "another-value");
    let again = space.json(&["quickstart", "checked[minimal,amd64]"]).status(0);
    assert_eq!(again.ended("ran"), shipped::names(&["checked[minimal,amd64]"]), "{again:?}");
    let why = space.run(&["why", "-p", "quickstart", "checked[minimal,amd64]"]).status(0);
    assert!(!why.stdout.contains(VALUE) && !why.stdout.contains("another-value"), "{why:?}");
}

#[test]
fn a_secret_that_a_layer_tells_when_it_dies_is_taken_out() {
    if !can_start() {
        return;
    }
    let space = shipped::project();
    edit(&space, CONFIG, "exporters:\n", "exporters:\n  otlphttp/own:\n    endpoint: ${secretsmanager:mine#at}\n");
    let given = "  config-file: minimal.yaml\n  smoke: {secrets: {mine: '{\"at\": \"made-up-value\"}'}}\n";
    edit(&space, "config/distributions.yaml", "  config-file: minimal.yaml\n", given);
    let from = "factories, err := lambdacomponents";
    let tells = format!("panic(\"told \" + config.Get(\"exporters\", \"otlphttp/own\", \"endpoint\").Value)\n\t{from}");
    edit(&space, LIFECYCLE, from, &tells);
    let said = space.run(&RUN).status(1);
    let log = space.run(&["log", "-p", "quickstart", "checked[minimal,amd64]"]);
    says(&said.stderr, &["panic: told [redacted]"]);
    for said in [&said, &log] {
        assert!(!said.stdout.contains("made-up-value") && !said.stderr.contains("made-up-value"), "{said:?}");
    }
}

#[test]
fn a_layer_has_to_start_with_each_example_of_its_distribution() {
    if !can_start() {
        return;
    }
    const SECOND: &str = "config/examples/second.yaml";
    let distributions = "config/distributions.yaml";
    let space = shipped::project();
    let good = space.read(CONFIG);
    space.write(SECOND, &good);
    let own = "  config-file: minimal.yaml\n";
    edit(&space, distributions, own, &format!("{own}  smoke: {{examples: [second.yaml]}}\n"));
    let _ = space.run(&RUN).status(0);
    let log = space.run(&["log", "-p", "quickstart", "checked[minimal,amd64]"]).status(0);
    says(&log.stdout, &["started: first event/next after", &format!("started with {SECOND} too")]);
    // It is read by the check, and by nothing before it.
    edit(&space, SECOND, "endpoint: ${env:COLLECTOR_OTLP_ENDPOINT:-http://localhost:4319}", "# no endpoint");
    let said = space.json(&["quickstart", "checked[minimal,amd64]"]).status(1);
    assert_eq!(said.ended("failed"), shipped::names(&["checked[minimal,amd64]"]), "{said:?}");
    assert!(said.ended("ran").is_empty(), "{said:?}");
    let said = space.run(&RUN).status(1).stderr;
    says(
        &said,
        &["the layer must not ship: a finding", &format!("(with {SECOND}); it said"), "needs an endpoint", SECOND],
    );
    space.write(SECOND, &good.replace("exporters:\n", "exporters:\n  debug:\n"));
    let said = space.run(&RUN).status(1).stderr;
    says(&said, &[&format!("{SECOND}:"), "exporter `debug` is not in this layer"]);
    space.write(
        SECOND,
        &good.replace("exporters:\n", "exporters:\n  otlphttp/own:\n    endpoint: ${secretsmanager:x}\n"),
    );
    let _ = space.run(&RUN).status(0);
    edit(&space, "pipelines/quickstart.yaml", "smoke: optional", "smoke: required");
    let said = space.run(&RUN).status(3);
    says(&format!("{}{}", said.stdout, said.stderr), &[&format!("{SECOND}:"), "that it starts is not proven"]);
    std::fs::remove_file(space.root().join(SECOND)).expect("the example is there");
    let said = space.run(&RUN).status(2).stderr;
    says(&said, &[&format!("`{SECOND}` does not exist")]);
}

#[test]
fn a_port_that_somebody_holds_is_no_fault_of_the_layer() {
    if !can_start() {
        return;
    }
    // A port of this test alone: the usual ones are those of the other tests.
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = held.local_addr().expect("an address").port();
    let space = shipped::project();
    edit(&space, CONFIG, "localhost:4318", &format!("localhost:{port}"));
    let said = space.run(&RUN).status(3).stderr;
    says(&said, &[&format!("port {port}, on which its configuration listens, cannot be had"), "end the program"]);
    drop(held);
    let _ = space.run(&RUN).status(0);
}

#[test]
fn a_configuration_is_checked_and_components_are_listed_without_a_build() {
    let space = shipped::project();
    let checked = space.run(&["check-config", CONFIG, "-d", "minimal"]).status(0);
    says(&checked.stdout, &["it fits the"]);
    edit(&space, CONFIG, "exporters:\n", "exporters:\n  debug:\n");
    let refused = space.run(&["check-config", CONFIG, "-d", "minimal"]).status(1);
    says(
        &refused.stderr,
        &["exporter `debug` is not in this layer", &format!("{CONFIG}:"), "add lambdacomponents.exporter.debug"],
    );
    let _ = space.run(&["check-config", CONFIG, "-d", "default"]).status(0);
    let _ = space.run(&["check-config", CONFIG]).status(2);
    let listed = space.run(&["components", "-d", "minimal"]).status(0);
    says(&listed.stdout, &["exporter.otlphttp\n", "processor.decouple\n"]);
    assert!(!listed.stdout.contains("exporter.debug"), "{listed:?}");
}

#[test]
fn components_and_configurations_are_held_against_a_layer() {
    let space = shipped::project();
    let _ = space.run(&["run", "quickstart", "layer[*,arm64]"]).status(0);
    let zip = |distribution: &str| format!("build/quickstart/collector-arm64-{distribution}.zip");
    let (minimal, s3) = (zip("minimal"), zip("minimal-s3export"));
    let listed = space.run(&["components", &s3]).status(0);
    says(&listed.stdout, &["exporter.awss3 ", "awss3exporter", "receiver.otlp"]);
    let changes = space.run(&["components", &minimal, "--diff", &s3]).status(0);
    assert!(changes.stdout.starts_with("+ exporter.awss3") && changes.stdout.lines().count() == 1, "{changes:?}");
    let refused = space.run(&["check-config", "config/examples/s3export.yaml", "--layer", &minimal]).status(1);
    says(&refused.stderr, &["exporter `awss3` is not in this layer"]);
    let _ = space.run(&["check-config", "config/examples/s3export.yaml", "--layer", &s3]).status(0);
}
