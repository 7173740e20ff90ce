//! Columns for people.

use std::fmt::Write as _;

/// Columns of equal width; those of `left` begin at the left, all others end at the right.
pub fn table<const N: usize>(rows: &[[String; N]], left: &[usize]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cell = |at: usize| match left.contains(&at) {
            true => format!("{:1$}", row[at], widths[at]),
            false => format!("{:>1$}", row[at], widths[at]),
        };
        let cells: Vec<String> = (0..N).map(cell).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    out
}
