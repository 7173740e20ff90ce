//! Tables in Markdown, as GitHub shows them.

use std::fmt::Write as _;

/// A table; nothing if there are no rows.
pub fn table(text: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let rule = vec!["---"; header.len()].join(" | ");
    // Writing to a string cannot fail.
    let _ = write!(text, "| {} |\n| {rule} |\n", header.join(" | "));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// Text that stays within its cell, and is text.
pub fn escaped(cell: &str) -> String {
    let lines: Vec<_> = cell.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.join("<br>").replace('|', "\\|")
}

/// In Markdown's code style; a text with a backtick of its own stays as it is.
pub fn code(text: &str) -> String {
    if text.is_empty() || text.contains('`') { text.to_owned() } else { format!("`{text}`") }
}

/// `12.3 MB`, in units of 1,000,000 bytes, as AWS's own limits are shown to people.
pub fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    if tenths == 0 { format!("{bytes} B") } else { format!("{}.{} MB", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        let mut text = String::new();
        table(&mut text, &["A", "B"], [vec!["a | b".into(), "x\n\ny".into()]].into_iter());
        assert_eq!(text, "| A | B |\n| --- | --- |\n| a \\| b | x<br>y |\n");
        text.clear();
        table(&mut text, &["A"], std::iter::empty());
        assert_eq!(text, "");
        assert_eq!((megabytes(12_149_999), megabytes(7)), ("12.1 MB".to_owned(), "7 B".to_owned()));
        assert_eq!((code("a"), code("a`b"), code("")), ("`a`".to_owned(), "a`b".to_owned(), String::new()));
    }
}
