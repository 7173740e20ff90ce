//! The pages say what is so: their pipelines plan, and their links lead somewhere.
//!
//! A block of YAML that has `nodes:` is a pipeline. A comment before it names the files that it reads:
//! `<!-- files: main.c, src/util.c -->`; `<!-- part -->` marks a piece that is no pipeline by itself.

use std::collections::BTreeSet;
use std::path::Path;

use crate::snapshot::{self, repository};
use crate::support::Space;

/// Pages written by hand.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = snapshot::files("docs", ".md");
    pages.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned));
    pages
}

/// A fenced block: its language, the last line with text before it, the line it starts on, and its text.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) before: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    let mut before = String::new();
    let mut indent = 0;
    for (number, line) in page.lines().enumerate() {
        // A block of a list is as far in as its fence.
        let line = line.get(if open.is_some() { indent } else { 0 }..).unwrap_or_default();
        if open.is_none() {
            indent = line.len() - line.trim_start().len();
        }
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                let language = language.trim().to_owned();
                open = Some(Block { language, before: before.clone(), line: number + 1, text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) if !line.trim().is_empty() => line.trim().clone_into(&mut before),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// A project that has the files that a block's comment names.
fn project(block: &Block) -> Space {
    let space = Space::with(&block.text);
    for (name, path) in [("distributions", "config"), ("regions", "config")] {
        space.write(&format!("{path}/{name}.yaml"), &snapshot::read(&format!("config/{name}.yaml")));
    }
    for example in ["minimal.yaml", "s3export.yaml", "clickhouse.yaml", "forwarder.yaml"] {
        space.write(&format!("config/examples/{example}"), "receivers: {}\n");
    }
    let files = block.before.strip_prefix("<!-- files: ").and_then(|rest| rest.strip_suffix(" -->"));
    for file in files.into_iter().flat_map(|files| files.split(", ")) {
        space.write(file, "");
    }
    space
}

#[test]
fn every_pipeline_in_the_pages_plans() {
    let mut count = 0;
    // The examples of errors are proven where their codes are.
    for page in pages().into_iter().filter(|page| !page.starts_with("docs/errors/")) {
        for block in blocks(&snapshot::read(&page)) {
            let is_pipeline = block.text.lines().any(|line| line.starts_with("nodes:"));
            // Pieces, and what `walked.rs` runs.
            let is_elsewhere = block.before == "<!-- part -->" || block.before.starts_with("<!-- write: ");
            if block.language != "yaml" || !is_pipeline || is_elsewhere {
                continue;
            }
            count += 1;
            let mut space = project(&block);
            if page == "README.md" {
                space.write("hello.c", "");
            }
            space.set("AWS_REGION", "eu-west-1");
            let ran = space.run(&["plan"]);
            assert_eq!(ran.status, 0, "{page}:{}:\n{}{}", block.line, block.text, ran.stderr);
        }
    }
    assert!(count >= 3, "only {count} pipelines were found in the pages");
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(page: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut found = BTreeSet::new();
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        if !is_code && line.starts_with('#') {
            found.insert(anchor(line.trim_start_matches('#')));
        }
    }
    found
}

/// The targets of `[text](target)`, outside code.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        if is_code {
            continue;
        }
        found.extend(line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(to, _)| to.to_owned()));
    }
    found
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in pages() {
        let text = snapshot::read(&page);
        let folder = Path::new(&page).parent().unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (file, wanted) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { Path::new(&page).to_owned() } else { folder.join(file) };
            let path = target.to_str().unwrap();
            assert!(repository(path).exists(), "{page} links to {link}, which does not exist");
            if !wanted.is_empty() {
                let known = anchors(&snapshot::read(path));
                assert!(known.contains(wanted), "{page} links to {link}; {path} has {known:?}");
            }
        }
    }
}

/// The names that code gives between `start` and the next quotation mark.
fn quoted_after(code: &str, start: &str) -> BTreeSet<String> {
    code.split(start).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn the_page_on_digests_has_a_row_for_every_field() {
    let code = snapshot::read("src/action/describe.rs");
    let code = code.split("#[cfg(test)]").next().unwrap();
    let page = snapshot::read("docs/cache-key.md");
    let mut fields = BTreeSet::new();
    for start in ["m.field(\"", "m.list(\"", "m.optional(\"", "m.field(&format!(\"", "m.list(&format!(\""] {
        fields.extend(quoted_after(code, start));
    }
    assert!(fields.len() >= 25, "{fields:?}");
    for field in fields {
        // `env {name}` stands as `env NAME`; fields of dependencies begin with the field's name.
        let fixed = field.split('{').next().unwrap();
        let known = fixed.is_empty() || page.contains(&format!("`{fixed}"));
        assert!(known, "docs/cache-key.md has no row for the field `{field}`");
    }
}

#[test]
fn the_page_on_architecture_has_every_row_of_the_verdict_table() {
    let page = snapshot::read("docs/architecture.md");
    let (_, table) = page.split_once("| row | class | situation |").expect("the verdict table");
    let rows: BTreeSet<&str> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').next().unwrap().trim())
        .collect();
    let code = snapshot::read("src/action/verdict.rs");
    let given: BTreeSet<String> = [
        "Verdict::Run, \"",
        "Verdict::MayRun, \"",
        "Verdict::Fresh, \"",
        "Verdict::Restore, \"",
        "Verdict::Skip, \"",
        "Verdict::Ask, \"",
        "act, \"",
    ]
    .iter()
    .flat_map(|start| quoted_after(&code, start))
    .collect();
    assert!(given.len() >= 12, "{given:?}");
    for row in given {
        assert!(rows.contains(row.as_str()), "docs/architecture.md has no row {row}");
    }
}

#[test]
fn the_page_on_configuration_has_every_exit_code() {
    let page = snapshot::read("docs/configuration.md");
    let code = snapshot::read("src/cli/exit.rs");
    let codes =
        code.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.strip_suffix(',')?.split_once(" => "));
    let codes: Vec<(&str, u8)> = codes.filter_map(|(name, code)| Some((name, code.parse().ok()?))).collect();
    assert_eq!(codes.len(), 7, "{codes:?}");
    for (name, code) in codes {
        assert!(page.contains(&format!("\n| {code} | ")), "docs/configuration.md does not have {name} ({code})");
    }
}

#[test]
fn the_book_has_every_page_once() {
    let summary = snapshot::read("docs/SUMMARY.md");
    let mut listed: Vec<String> = links(&summary).iter().map(|link| format!("docs/{link}")).collect();
    listed.sort();
    let pages: Vec<String> =
        snapshot::files("docs", ".md").into_iter().filter(|page| page != "docs/SUMMARY.md").collect();
    assert_eq!(listed, pages);
    // A book has no files beside its own.
    for page in pages {
        let depth = page.matches('/').count() - 1;
        let outside = "../".repeat(depth + 1);
        let found = links(&snapshot::read(&page)).into_iter().find(|link| link.starts_with(&outside));
        assert_eq!(found, None, "{page}: write the address at GitHub, where the book has nothing");
    }
}
