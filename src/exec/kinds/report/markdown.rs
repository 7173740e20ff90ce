//! The report for people: tables in Markdown.

use std::fmt::Write as _;

use crate::exec::kinds::report::{OtherOutput, Shown};

impl Shown<'_> {
    /// Tables for people.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("# Report of `{}`\n", self.pipeline);
        let layers = self.layers.iter().map(|layer| {
            vec![
                layer.distribution.to_owned(),
                layer.architecture.to_owned(),
                layer.collector_version.to_owned(),
                megabytes(layer.size),
                megabytes(layer.unzipped_size),
                layer.components.len().to_string(),
                code(layer.sha256.unwrap_or(layer.code_sha256)),
                layer.build_ms.map_or("–".to_owned(), seconds),
            ]
        });
        let header =
            ["Distribution", "Architecture", "Version", "Size", "Unpacked", "Components", "SHA-256", "Compiled in"];
        table(&mut text, "Layers", &header, layers);
        let publications = self.publications.iter().map(|publication| {
            vec![
                publication.distribution.to_owned(),
                publication.architecture.to_owned(),
                publication.region.to_owned(),
                code(publication.arn),
                publication.version.to_string(),
                if publication.public { "public" } else { "private" }.to_owned(),
            ]
        });
        let header = ["Distribution", "Architecture", "Region", "ARN", "Version", "Access"];
        table(&mut text, "Published", &header, publications);
        let others = self.others.iter().flat_map(|other| {
            let name = |output: &OtherOutput<'_>| vec![code(other.node), code(output.name), megabytes(output.size)];
            other.outputs.iter().map(name)
        });
        table(&mut text, "Other results", &["Node", "Output", "Size"], others);
        let passed_over = self.passed_over.iter().map(|one| {
            vec![one.distribution.to_owned(), one.architecture.to_owned(), one.region.to_owned(), one.reason.to_owned()]
        });
        table(&mut text, "Passed over", &["Distribution", "Architecture", "Region", "Reason"], passed_over);
        let failed = self.failed.iter().map(|failed| vec![code(failed.node), failed.reason.to_owned()]);
        table(&mut text, "Failed", &["Node", "Reason"], failed);
        let findings = self.layers.iter().flat_map(|layer| layer.findings.iter().map(move |line| (layer, line)));
        let findings = findings.map(|(layer, line)| vec![code(layer.node), (*line).to_owned()]);
        table(&mut text, "Worth a look", &["Layer", "Finding"], findings);
        text
    }
}

/// A section with a table; nothing if there are no rows.
fn table(text: &mut String, title: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let rule = vec!["---"; header.len()].join(" | ");
    // Writing to a string cannot fail.
    let _ = write!(text, "\n## {title}\n\n| {} |\n| {rule} |\n", header.join(" | "));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// Text that stays within its cell, and is text.
fn escaped(cell: &str) -> String {
    let lines: Vec<_> = cell.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.join("<br>").replace('|', "\\|")
}

/// In Markdown's code style; a text with a backtick of its own stays as it is.
fn code(text: &str) -> String {
    if text.is_empty() || text.contains('`') { text.to_owned() } else { format!("`{text}`") }
}

/// `12.3 MB`, in units of 1,000,000 bytes, as AWS's own limits are shown to people.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    if tenths == 0 { format!("{bytes} B") } else { format!("{}.{} MB", tenths / 10, tenths % 10) }
}

fn seconds(milliseconds: u64) -> String {
    let tenths = (milliseconds + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
