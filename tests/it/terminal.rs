//! What a run draws on a terminal: a real one, of 80 columns.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::Space;

const WAIT: &str = ": > started; while ! test -e go; do sleep 0.01; done";

/// A program whose standard error is a terminal, and all that it wrote there so far.
struct Screen {
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Screen {
    /// Runs `ocelot` with these arguments and variables.
    fn start(space: &Space, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = File::options().read(true).write(true).open(name).unwrap();
        let mut command = space.command(arguments);
        command.env("TERM", "xterm").env_remove("CI").env_remove("NO_COLOR").envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(theirs);
        let child = command.spawn().unwrap();
        // It holds a copy of the terminal, whose closing is what ends the reading.
        drop(command);
        let written = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&written);
        let reader = std::thread::spawn(move || {
            let (mut terminal, mut part) = (File::from(ours), [0; 4096]);
            // The end of a terminal is an error.
            while let Ok(count @ 1..) = terminal.read(&mut part) {
                all.lock().unwrap().extend_from_slice(&part[..count]);
            }
        });
        Self { child, written, reader }
    }

    /// What was written so far.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Waits until this has been written.
    fn wait_for(&self, text: &str) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !self.text().contains(text) {
            assert!(Instant::now() < patience, "no {text}: {:?}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All that was written, once it has ended with this code.
    fn end(mut self, code: i32) -> String {
        assert_eq!(self.child.wait().unwrap().code(), Some(code));
        let text = Arc::clone(&self.written);
        self.reader.join().unwrap();
        String::from_utf8(text.lock().unwrap().clone()).unwrap()
    }
}

/// What a terminal of 80 columns shows in the end: pictures that were taken away are gone.
fn rest(written: &str) -> String {
    let (mut lines, mut row, mut column) = (vec![String::new()], 0, 0);
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => row += 1,
            '\r' => column = 0,
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                let number: String = std::iter::from_fn(|| chars.next_if(|c| !c.is_ascii_alphabetic())).collect();
                match chars.next() {
                    Some('A') => row -= number.parse().unwrap_or(1),
                    Some('B') => row += number.parse().unwrap_or(1),
                    Some('K') => lines[row].clear(),
                    _ => {}
                }
            }
            // A link, up to its end.
            '\u{1b}' => while chars.next().is_some_and(|c| c != '\\') {},
            c => {
                if column == 80 {
                    (row, column) = (row + 1, 0);
                }
                column += 1;
                lines.resize(lines.len().max(row + 1), String::new());
                lines[row].push(c);
            }
        }
        lines.resize(lines.len().max(row + 1), String::new());
    }
    lines.join("\n")
}

fn space() -> Space {
    let space = Space::with(&format!(
        "pools: {{narrow: 1}}
nodes:
  slow: {{exec: {{command: [sh, -c, 'if test -e held; then echo half way; {WAIT}; fi; cat in > slow'], inputs: [in], outputs: [slow]}}, pool: narrow}}
  other: {{exec: {{command: [sh, -c, 'sleep 0.3; cat in > other'], inputs: [in], outputs: [other]}}, pool: narrow}}
"
    ));
    space.write("in", "1");
    space
}

#[test]
fn what_moves_tells_how_far_it_is_and_is_gone_in_the_end() {
    let space = space();
    space.build(&[]);
    space.write("in", "2");
    space.write("held", "");
    let screen = Screen::start(&space, &["run", "-j2"], &[]);
    screen.wait_for("half way");
    space.write("go", "");
    let written = screen.end(0);
    for part in ["slow (", "half way", "2 left; ", "; 1 held by pool narrow", "s left", "[="] {
        assert!(written.contains(part), "no {part}: {written:?}");
    }
    let rest = rest(&written);
    assert!(rest.contains("ran slow") && rest.contains("done: 2 ran, 0 restored"), "{rest}");
    assert!(!rest.contains("half way") && !rest.contains("held by") && !rest.contains("[="), "{rest}");
}

#[test]
fn nothing_moves_for_who_says_so() {
    let still = |arguments: &[&str], variables: &[(&str, &str)]| {
        let space = space();
        let written = Screen::start(&space, arguments, variables).end(0);
        assert!(written.contains(" 2 ran, 0 restored"), "{written:?}");
        assert!(
            !written.contains("left") && !written.contains("\u{1b}[2K"),
            "{arguments:?} {variables:?}: {written:?}"
        );
    };
    still(&["run", "--color", "never"], &[]);
    still(&["run"], &[("NO_COLOR", "1")]);
    still(&["run"], &[("TERM", "dumb")]);
    still(&["run"], &[("CI", "true")]);
    still(&["run", "--output", "plain"], &[]);
}

#[test]
fn what_failed_is_told_in_full_below_what_moved() {
    let space = Space::with("nodes: {bad: {exec: {command: [sh, -c, 'sleep 0.5; echo oh no; exit 3'], outputs: [x]}}}");
    let written = Screen::start(&space, &["run"], &[]).end(1);
    let rest = rest(&written);
    assert!(rest.contains("error[OC0701]") && rest.contains("| oh no") && rest.contains("failed: 0 ran"), "{rest}");
}
