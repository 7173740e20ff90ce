//! `log --follow`: what nodes print while a run in this workspace is at work.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::cli::commands::print;
use crate::cli::process::Process;
use crate::exec::printed::{PRINTED, Printed};
use crate::store::lock;

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// After this many looks at a file that did not grow, whether the run still lives.
const PATIENCE: u32 = 10;

/// Prints lines of these nodes until they have all ended, or the run has. False if no run is at work.
pub(super) fn follow(process: &Process, root: &Path, nodes: &[String]) -> bool {
    let lock = root.join(".ocelot/lock");
    let is_at_work = || lock::held(&lock).is_some();
    let file = root.join(PRINTED);
    let mut open = None;
    while open.is_none() {
        if !is_at_work() {
            return false;
        }
        open = File::open(&file).ok();
        if open.is_none() {
            std::thread::sleep(PAUSE);
        }
    }
    let Some(mut open) = open else { return false };
    let mut left: BTreeSet<&str> = nodes.iter().map(String::as_str).collect();
    let several = nodes.len() > 1;
    let mut rest = Vec::new();
    let mut quiet = 0;
    while !left.is_empty() {
        // Whether the run has ended is asked before what it wrote is read: nothing of it is missed.
        let is_over = quiet >= PATIENCE && !is_at_work() || open.metadata().is_ok_and(|meta| meta.nlink() == 0);
        let before = rest.len();
        if open.read_to_end(&mut rest).is_err() {
            break;
        }
        quiet = if rest.len() > before { 0 } else { quiet + 1 };
        for printed in whole_lines(&mut rest) {
            if !left.contains(printed.node.as_str()) {
                continue;
            }
            match &printed.line {
                Some(line) if several => print(&process.safe(&format!("{} | {line}\n", printed.node))),
                Some(line) => print(&process.safe(&format!("{line}\n"))),
                None => drop(left.remove(printed.node.as_str())),
            }
        }
        if is_over {
            break;
        }
        if !left.is_empty() {
            std::thread::sleep(PAUSE);
        }
    }
    true
}

/// Takes the whole lines off the front.
fn whole_lines(bytes: &mut Vec<u8>) -> Vec<Printed> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let whole: Vec<u8> = bytes.drain(..end).collect();
    whole.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_whole_waits_for_its_end() {
        let mut bytes = b"{\"node\":\"a\",\"line\":\"one\"}\n{\"node\":\"a\",\"li".to_vec();
        assert_eq!(whole_lines(&mut bytes), [Printed { node: "a".into(), line: Some("one".into()) }]);
        assert!(whole_lines(&mut bytes).is_empty());
        bytes.extend(b"ne\":null}\n");
        assert_eq!(whole_lines(&mut bytes), [Printed { node: "a".into(), line: None }]);
        assert!(bytes.is_empty());
    }
}
