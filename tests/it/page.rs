//! `graph --format html`: the page as a browser makes it, with names that try to become markup.

use std::process::{Command, Stdio};

use crate::support::Space;
use crate::{shipped, smoke};

const HOSTILE: &str = r#"
nodes:
  first:
    description: "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    exec: {command: [sh, -c, "echo '<b>bold</b></script>' && echo done > first.txt"], outputs: [first.txt]}
  second:
    exec: {command: [sh, -c, "echo '<!-- <script>' && cp first.txt second.txt"], inputs: [first.txt], outputs: [second.txt]}
  broken:
    exec: {command: [sh, -c, "echo no such thing; exit 3"], inputs: [second.txt]}
"#;

/// What a browser makes of a page, with an item in its address; `None` if there is no browser.
fn browser(space: &Space, page: &str, fragment: &str) -> Option<String> {
    space.write("page.html", page);
    let profile = space.root().join("profile");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}#{fragment}", space.root().join("page.html").display()))
        .env("HOME", space.root())
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            use std::io::Write as _;
            // Past the capture of the test harness: nobody should take this for a pass.
            writeln!(std::io::stderr(), "NOT RUN: the page in a browser: `chromium` is not installed").ok();
            None
        }
        Err(error) => panic!("chromium: {error}"),
    }
}

fn page_of(space: &Space, arguments: &[&str]) -> String {
    space.run(&[&["graph", "--format", "html"], arguments].concat()).status(0).stdout
}

#[test]
fn a_browser_shows_states_reasons_and_logs_and_runs_nothing_of_the_project() {
    let space = Space::with(HOSTILE);
    let _ = space.run(&["run"]).status(1);
    let Some(dom) = browser(&space, &page_of(&space, &[]), "broken") else { return };
    assert!(dom.contains("data-ready=\"true\""), "the script came to its end: {dom}");
    assert!(!dom.contains("<title>taken") && !dom.contains("<img"), "{dom}");
    assert_eq!(dom.matches("role=\"option\"").count(), 3);
    // The node that the address names is shown in full.
    let (_, detail) = dom.split_once("<aside").expect("the node in full");
    let (detail, _) = detail.split_once("</aside>").expect("its end");
    for text in ["✗ failed", "no such thing", "sh -c ", "second.txt", "Waits for"] {
        assert!(detail.contains(text), "{text}: {detail}");
    }
    assert!(dom.contains("✓ fresh"), "{dom}");
    let dom = browser(&space, &page_of(&space, &[]), "first").expect("it was there before");
    assert!(dom.contains("&lt;b&gt;bold&lt;/b&gt;") && dom.contains("&lt;img src=x"), "shown as text: {dom}");
}

#[test]
fn a_graph_whose_inputs_are_missing_is_drawn_and_says_why_nothing_is_known() {
    let space = Space::with("nodes:\n  a: {exec: {command: [cat, gone.txt], inputs: [gone.txt]}}\n");
    let page = page_of(&space, &[]);
    assert!(page.contains("\"state\":\"unknown\"") && page.contains("What a run would do is not known"), "{page}");
    assert!(page.contains("gone.txt"), "{page}");
}

#[test]
fn a_layer_is_shown_with_what_it_takes_and_what_became_of_it() {
    const INDEX: &str = "config/last-release.json";
    let space = shipped::project();
    smoke::edit(&space, "pipelines/quickstart.yaml", "formats: [markdown, json,", "formats: [markdown, json, index,");
    let _ = space.run(&["run", "quickstart", "report[minimal]"]).status(0);
    let index = space.read("build/quickstart/report/minimal/index.json");
    space.write(INDEX, &index.replace("v0.145.0", "v0.144.0"));
    space.write("config/ocelot.yaml", &format!("budgets: {{last-release: {INDEX}}}\n"));
    let page = page_of(&space, &["quickstart", "report[minimal]"]);
    let Some(dom) = browser(&space, &page, "") else { return };
    let (_, layers) = dom.split_once("id=\"layer-rows\"").expect("the layers");
    let (layers, _) = layers.split_once("</section>").expect("their end");
    assert_eq!(layers.matches("go std").count(), 2, "one bar for each layer: {layers}");
    assert_eq!(layers.matches("+0.0 KiB (v0.144.0)").count(), 2, "{layers}");
    // The other architecture is started where qemu is.
    assert!(!smoke::can_start() || layers.contains(" ms</span>"), "{layers}");
}

#[test]
fn ten_thousand_nodes_are_all_in_the_table_and_folded_in_the_drawing() {
    let values: Vec<String> = (0..10_000).map(|i| format!("v{i}")).collect();
    let space = Space::with(&format!(
        "params:\n  v: {{default: [{}]}}\nnodes:\n  many: {{for: [v], exec: {{command: [echo, '${{v}}']}}}}\n",
        values.join(", ")
    ));
    let Some(dom) = browser(&space, &page_of(&space, &[]), "") else { return };
    assert_eq!(dom.matches("role=\"option\"").count(), 10_000);
    assert!(dom.contains("many ×10000") && dom.contains("1 boxes for 10000 nodes"), "folded");
}
