//! The files by which a step of GitHub Actions hands on results: outputs, and the page that a job shows.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// GitHub refuses a summary above 1 MiB; what is written stays below it with what the step wrote before.
const LARGEST_SUMMARY: usize = 1_000_000;

/// Appends outputs to the file that `GITHUB_OUTPUT` names. Each value stands between delimiters that nobody can guess,
/// so that no value can end early and set another output.
///
/// # Errors
/// If there is no randomness, or the file cannot be written.
pub fn write_outputs(file: &Path, outputs: &[(&str, String)]) -> io::Result<()> {
    let mut text = String::new();
    for (name, value) in outputs {
        text.push_str(&entry(name, value, &delimiter()?));
    }
    append(file, &text)
}

/// Appends to the file that `GITHUB_STEP_SUMMARY` names, as much as fits: whole lines, and a last one that says so.
///
/// # Errors
/// If the file cannot be written.
pub fn write_summary(file: &Path, text: &str) -> io::Result<()> {
    let taken = std::fs::metadata(file).map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(usize::MAX));
    append(file, &fitting(text, LARGEST_SUMMARY.saturating_sub(taken)))
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(file)?.write_all(text.as_bytes())
}

fn entry(name: &str, value: &str, delimiter: &str) -> String {
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

fn delimiter() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold("ocelot-".to_owned(), |text, byte| text + &format!("{byte:02x}")))
}

/// `text` if it has at most `room` bytes, else its first lines.
fn fitting(text: &str, room: usize) -> String {
    const REST: &str = "\nThe rest is in the log of this step: a job summary holds 1 MiB.\n";
    if text.len() <= room {
        return text.to_owned();
    }
    let Some(room) = room.checked_sub(REST.len()) else { return String::new() };
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        if kept.len() + line.len() > room {
            break;
        }
        kept.push_str(line);
    }
    kept + REST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_stand_between_delimiters_that_differ_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("output");
        write_outputs(&file, &[("a", "1\na<<x".to_owned()), ("b", String::new())]).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (name, first) = lines[0].split_once("<<").unwrap();
        assert_eq!((name, lines[1], lines[2], lines[3]), ("a", "1", "a<<x", first));
        let (name, second) = lines[4].split_once("<<").unwrap();
        assert_eq!((name, lines[5], lines[6]), ("b", "", second));
        assert_eq!(first.len(), "ocelot-".len() + 32);
        assert_ne!(first, second);
    }

    #[test]
    fn a_summary_fits_with_what_the_step_wrote_before() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("summary");
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..3 {
            write_summary(&file, &line.repeat(700)).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.len() <= LARGEST_SUMMARY, "{}", text.len());
        assert!(text.len() > 990_000 && text.contains("The rest is in the log"), "{}", text.len());
    }
}
