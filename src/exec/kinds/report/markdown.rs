//! The report for people: tables in Markdown.

use std::fmt::Write as _;

use crate::base::clock::format_utc;
use crate::exec::kinds::report::{OtherOutput, Shown};
use crate::layer::release::table::{code, megabytes, table};

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
        section(&mut text, "Layers", &header, layers);
        let publications = self.publications.iter().map(|publication| {
            let layer = self.layers.iter().find(|layer| layer.code_sha256 == publication.code_sha256);
            vec![
                publication.distribution.to_owned(),
                publication.architecture.to_owned(),
                publication.region.to_owned(),
                code(publication.arn),
                publication.version.to_string(),
                publication.created.map_or("–".to_owned(), |at| format!("{} UTC", format_utc(at))),
                if publication.public { "public" } else { "private" }.to_owned(),
                layer.map_or("–".to_owned(), |layer| megabytes(layer.size)),
                code(layer.and_then(|layer| layer.sha256).unwrap_or(publication.code_sha256)),
            ]
        });
        let header =
            ["Distribution", "Architecture", "Region", "ARN", "Version", "Published", "Access", "Size", "SHA-256"];
        section(&mut text, "Published", &header, publications);
        let others = self.others.iter().flat_map(|other| {
            let name = |output: &OtherOutput<'_>| vec![code(other.node), code(output.name), megabytes(output.size)];
            other.outputs.iter().map(name)
        });
        section(&mut text, "Other results", &["Node", "Output", "Size"], others);
        let passed_over = self.passed_over.iter().map(|one| {
            vec![one.distribution.to_owned(), one.architecture.to_owned(), one.region.to_owned(), one.reason.to_owned()]
        });
        section(&mut text, "Passed over", &["Distribution", "Architecture", "Region", "Reason"], passed_over);
        let failed = self.failed.iter().map(|failed| vec![code(failed.node), failed.reason.to_owned()]);
        section(&mut text, "Failed", &["Node", "Reason"], failed);
        let findings = self.layers.iter().flat_map(|layer| layer.findings.iter().map(move |line| (layer, line)));
        let findings = findings.map(|(layer, line)| vec![code(layer.node), (*line).to_owned()]);
        section(&mut text, "Worth a look", &["Layer", "Finding"], findings);
        text
    }
}

/// A section with a table; nothing if there are no rows.
fn section(text: &mut String, title: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {title}\n\n");
        table(text, header, rows);
    }
}

fn seconds(milliseconds: u64) -> String {
    let tenths = (milliseconds + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
