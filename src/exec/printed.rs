//! What nodes print while they are at work, in one file that another process may follow: `.ocelot/printed`.
//!
//! A line of JSON for each line printed, and one for each node that has ended; made when there is something to write, and
//! removed with the end of the run. It has what a terminal may be shown: secrets are hidden, and nothing in it is obeyed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The file, relative to the project root.
pub const PRINTED: &str = ".ocelot/printed";

/// Bytes after which no more lines are written: whoever prints so much is not read line by line.
const MOST_BYTES: u64 = 8 << 20;

/// One line of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// The node's instance name.
    pub node: String,
    /// What it printed; none when it has ended.
    pub line: Option<String>,
}

enum State {
    Unopened,
    Open {
        file: File,
        written: u64,
    },
    /// Nobody can follow: the disk does not take it, or it was too much.
    Closed,
}

/// The file that a run writes.
pub struct Following {
    path: PathBuf,
    state: Mutex<State>,
}

impl Following {
    /// For the project at `root`; nothing is made yet.
    pub fn new(root: &Path) -> Self {
        Self { path: root.join(PRINTED), state: Mutex::new(State::Unopened) }
    }

    /// Whether lines are still wanted.
    pub fn is_open(&self) -> bool {
        !matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Closed)
    }

    /// A node printed a line.
    pub fn line(&self, node: &str, line: &str) {
        self.write(node, Some(line));
    }

    /// A node has ended. One that printed nothing needs no file.
    pub fn ended(&self, node: &str) {
        if matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Open { .. }) {
            self.write(node, None);
        }
    }

    fn write(&self, node: &str, line: Option<&str>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Unopened) {
            let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
            *state = opened.map_or(State::Closed, |file| State::Open { file, written: 0 });
        }
        let State::Open { file, written } = &mut *state else { return };
        let shown = |line: Option<&str>| Printed { node: node.to_owned(), line: line.map(str::to_owned) };
        let is_last = *written >= MOST_BYTES && line.is_some();
        let line = if is_last { Some("… the rest is in the log, once the node has ended") } else { line };
        let mut text = serde_json::to_vec(&shown(line)).unwrap_or_default();
        text.push(b'\n');
        *written += text.len() as u64;
        // One call for one line: a reader sees whole lines.
        if file.write_all(&text).is_err() || is_last {
            *state = State::Closed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Path) -> Vec<Printed> {
        let text = std::fs::read_to_string(dir.join(PRINTED)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn lines_and_ends_are_written_and_a_silent_run_makes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".ocelot")).unwrap();
        let following = Following::new(dir.path());
        following.ended("silent");
        assert!(!dir.path().join(PRINTED).exists());
        following.line("a", "one");
        following.ended("a");
        let told = read(dir.path());
        assert_eq!(told[0], Printed { node: "a".into(), line: Some("one".into()) });
        assert_eq!(told[1], Printed { node: "a".into(), line: None });
    }

    #[test]
    fn a_flood_ends_the_file_and_not_the_run() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".ocelot")).unwrap();
        let following = Following::new(dir.path());
        let long = "x".repeat(1 << 20);
        for _ in 0..40 {
            following.line("a", &long);
        }
        assert!(!following.is_open());
        let told = read(dir.path());
        assert!(told.len() <= 10, "{}", told.len());
        assert!(told.last().unwrap().line.as_ref().unwrap().starts_with("… the rest"));
        let nowhere = Following::new(&dir.path().join("none"));
        nowhere.line("a", "one");
        assert!(!nowhere.is_open(), "where it cannot be written, nobody follows");
    }
}
