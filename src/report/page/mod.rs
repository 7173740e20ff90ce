//! A graph as one page: a drawing, a table, a timeline. The file needs no network and no server.
//!
//! Texts of a project reach the page only as data, and its script puts them there as text, never as markup. The policy
//! in its head lets a browser run that one script and nothing else.

pub mod layout;

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use layout::Place;

/// Above this many nodes the drawing folds them: first the instances of one node of the file, then those of one kind
/// in one column.
pub const MOST_DRAWN: usize = 300;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page shows.
#[derive(Debug, Default, Serialize)]
pub struct Page {
    /// Of the pipeline.
    pub name: String,
    /// What a reader should know first, for example why states are missing.
    pub note: Option<String>,
    /// In topological order.
    pub nodes: Vec<PageNode>,
    /// Layers that were made.
    pub layers: Vec<PageLayer>,
}

/// One node of a page.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PageNode {
    /// Instance name.
    pub name: String,
    /// Its key in the file: instances of one key are folded together.
    pub base: String,
    /// What it does.
    pub kind: String,
    /// A verdict in one word, `failed`, or `unknown`.
    pub state: String,
    /// Why, in words.
    pub why: String,
    /// The command, ready to paste; empty if it is none.
    pub command: String,
    /// Input patterns as declared.
    pub inputs: Vec<String>,
    /// Declared outputs.
    pub outputs: Vec<String>,
    /// Free text of the file.
    pub description: String,
    /// Last lines of its last log.
    pub log: String,
    /// Duration of the work whose result stands, in milliseconds.
    pub duration_ms: Option<u64>,
    /// When that work ended (UTC), if known.
    pub ended: String,
    /// Indices of the nodes it waits for, all lower than its own.
    pub deps: Vec<usize>,
}

/// One line of the table of layers.
#[derive(Debug, Default, Serialize)]
pub struct PageLayer {
    /// Index of the node that made it.
    pub node: usize,
    /// Distribution.
    pub distribution: String,
    /// Architecture.
    pub arch: String,
    /// Where it stands in the project; empty if it is not kept.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// Bytes of its zip in the last release, and the collector's version there.
    pub released: Option<(u64, String)>,
    /// Milliseconds to its first event, if it was started.
    pub init_ms: Option<u64>,
    /// Resident bytes after an invocation, if it was started.
    pub memory: Option<u64>,
    /// The Go modules with the most code, with their bytes, the largest first.
    pub code: Vec<(String, u64)>,
}

/// One box of the drawing.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Drawn {
    label: String,
    column: usize,
    row: usize,
    members: Vec<usize>,
    deps: Vec<usize>,
}

/// What the script reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(flatten)]
    page: &'a Page,
    drawn: Vec<Drawn>,
    folded: bool,
    start_ms: Vec<u64>,
    critical: Vec<bool>,
    total_ms: u64,
}

/// The whole file.
pub fn html(page: &Page) -> String {
    let deps: Vec<Vec<usize>> = page.nodes.iter().map(|node| node.deps.clone()).collect();
    let durations: Vec<u64> = page.nodes.iter().map(|node| node.duration_ms.unwrap_or(0)).collect();
    let schedule = layout::schedule(&deps, &durations);
    let data = Data {
        page,
        drawn: drawn(&page.nodes, &deps),
        folded: page.nodes.len() > MOST_DRAWN,
        start_ms: schedule.start_ms,
        critical: schedule.critical,
        total_ms: schedule.total_ms,
    };
    let json = serde_json::to_string(&data).unwrap_or_default();
    // Nothing in the data can end the element that holds it, or begin a comment in it.
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    // One pass over the template: a text of the project that looks like a mark of ours is not one.
    let mut out = String::with_capacity(TEMPLATE.len() + STYLE.len() + SCRIPT.len() + json.len() + 256);
    for part in TEMPLATE.split("@@") {
        match part {
            "TITLE" => out.push_str(&escaped(&page.name)),
            "HASH" => out.push_str(&hash),
            "STYLE" => out.push_str(STYLE),
            "DATA" => out.push_str(&json),
            "SCRIPT" => out.push_str(SCRIPT),
            text => out.push_str(text),
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The boxes of the drawing: one per node, or per fold.
fn drawn(nodes: &[PageNode], deps: &[Vec<usize>]) -> Vec<Drawn> {
    let columns = layout::columns(deps);
    let by_node = || (0..nodes.len()).map(|node| nodes[node].name.clone()).collect::<Vec<_>>();
    let by_base = || nodes.iter().map(|node| node.base.clone()).collect::<Vec<_>>();
    let by_kind = || nodes.iter().zip(&columns).map(|(node, column)| format!("{} ({column})", node.kind)).collect();
    let count = |labels: &[String]| labels.iter().collect::<std::collections::BTreeSet<_>>().len();
    let mut labels: Vec<String> = by_node();
    if nodes.len() > MOST_DRAWN {
        labels = by_base();
        if count(&labels) > MOST_DRAWN {
            labels = by_kind();
        }
    }
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    let mut boxes: Vec<Drawn> = Vec::new();
    let mut of_node = Vec::with_capacity(nodes.len());
    for (node, label) in labels.iter().enumerate() {
        let at = *index.entry(label).or_insert_with(|| {
            let label = label.clone();
            boxes.push(Drawn { label, column: 0, row: 0, members: Vec::new(), deps: Vec::new() });
            boxes.len() - 1
        });
        boxes[at].members.push(node);
        boxes[at].column = boxes[at].column.max(columns[node]);
        of_node.push(at);
    }
    for (node, deps) in deps.iter().enumerate() {
        let at = of_node[node];
        boxes[at].deps.extend(deps.iter().map(|dep| of_node[*dep]).filter(|dep| *dep != at));
    }
    for each in &mut boxes {
        each.deps.sort_unstable();
        each.deps.dedup();
    }
    let columns: Vec<usize> = boxes.iter().map(|each| each.column).collect();
    let deps: Vec<Vec<usize>> = boxes.iter().map(|each| each.deps.clone()).collect();
    for (each, Place { column, row }) in boxes.iter_mut().zip(layout::rows(&columns, &deps)) {
        (each.column, each.row) = (column, row);
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, base: &str, deps: &[usize]) -> PageNode {
        let (name, base) = (name.to_owned(), base.to_owned());
        PageNode { name, base, kind: "exec".into(), deps: deps.to_vec(), ..PageNode::default() }
    }

    #[test]
    fn nothing_of_a_project_becomes_markup() {
        let hostile = "</script><script>alert(1)</script><!--@@SCRIPT@@";
        let page = Page { name: hostile.into(), nodes: vec![node(hostile, "a", &[])], ..Page::default() };
        let page = html(&page);
        let own = html(&Page::default());
        for mark in ["<script", "</script", "<!--"] {
            assert_eq!(page.matches(mark).count(), own.matches(mark).count(), "{mark}");
        }
        assert_eq!(page.matches("\"use strict\"").count(), 1, "the script is there once");
    }

    #[test]
    fn the_page_asks_nobody() {
        let page = html(&Page::default());
        for text in ["http://", "https://", "src=", "@import", "url(", "innerHTML"] {
            // The name space of SVG is a name and is never fetched.
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(text), "{text}");
        }
    }

    #[test]
    fn many_instances_are_one_box_and_many_nodes_are_boxes_by_kind() {
        let axes: Vec<PageNode> = (0..400).map(|i| node(&format!("a[{i}]"), "a", &[])).collect();
        let deps = vec![Vec::new(); 400];
        assert_eq!(drawn(&axes[..MOST_DRAWN], &deps[..MOST_DRAWN]).len(), MOST_DRAWN);
        let folded = drawn(&axes, &deps);
        assert_eq!((folded.len(), folded[0].members.len()), (1, 400));
        let chain: Vec<PageNode> =
            (0..400).map(|i| node(&format!("n{i}"), &format!("n{i}"), if i < 200 { &[] } else { &[0] })).collect();
        let deps: Vec<Vec<usize>> = chain.iter().map(|node| node.deps.clone()).collect();
        let folded = drawn(&chain, &deps);
        assert_eq!(folded.iter().map(|each| each.members.len()).collect::<Vec<_>>(), [200, 200]);
        assert_eq!(folded[1].deps, [0]);
    }
}
