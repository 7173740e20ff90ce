//! How a command ended, in words.

use rustix::process::Signal;

use crate::outside::process::command::End;
use crate::outside::process::command::LeftRunning;
use crate::outside::process::command::Outcome;

/// The end as a predicate, to follow the command's name: "exited with status 3".
pub fn describe_end(outcome: &Outcome) -> String {
    let seconds = outcome.duration.as_secs_f64();
    match &outcome.end {
        End::Exited(0) => "succeeded".to_owned(),
        End::Exited(status) => format!("exited with status {status}{}", shell_meaning(*status)),
        End::Signalled(number) => format!("was killed by {}", describe_signal(*number)),
        End::TimedOut => format!("reached its timeout and was ended after {seconds:.1} s"),
        End::Cancelled => "was ended because the run was cancelled".to_owned(),
        End::NotStarted(error) => format!("did not start: {error}"),
    }
}

/// What a command left behind, as a predicate; `None` if nothing.
pub fn describe_left_running(left: LeftRunning) -> Option<&'static str> {
    match (left.in_group, left.holds_output) {
        (true, _) => Some("left processes running in the background; they are ended at the end of the run"),
        (false, true) => Some(
            "left a process running that holds its output open; it is not waited for, what it prints is lost, and it \
             must be ended by hand",
        ),
        (false, false) => None,
    }
}

/// The name of a signal, `None` for one without a fixed name.
pub fn signal_name(number: i32) -> Option<&'static str> {
    SIGNALS.iter().find(|(signal, ..)| signal.as_raw() == number).map(|(_, name, _)| *name)
}

fn describe_signal(number: i32) -> String {
    match SIGNALS.iter().find(|(signal, ..)| signal.as_raw() == number) {
        Some((_, name, "")) => format!("signal {number} ({name})"),
        Some((_, name, hint)) => format!("signal {number} ({name}); {hint}"),
        None => format!("signal {number}"),
    }
}

/// Statuses by which POSIX shells speak of the command they ran.
fn shell_meaning(status: i32) -> String {
    match status {
        126 => " (from a shell: a command was found but is not executable)".to_owned(),
        127 => " (from a shell: a command was not found)".to_owned(),
        129..=159 if signal_name(status - 128).is_some() => {
            format!(" (from a shell: a command was killed by {})", describe_signal(status - 128))
        }
        _ => String::new(),
    }
}

const SIGNALS: [(Signal, &str, &str); 16] = [
    (Signal::HUP, "SIGHUP", "its terminal was closed"),
    (Signal::INT, "SIGINT", ""),
    (Signal::QUIT, "SIGQUIT", ""),
    (Signal::ILL, "SIGILL", "the program may be built for another processor"),
    (Signal::TRAP, "SIGTRAP", ""),
    (Signal::ABORT, "SIGABRT", "the program gave up by itself; its last output may say why"),
    (Signal::BUS, "SIGBUS", "a mapped file may have been cut, or its disk may be full"),
    (Signal::FPE, "SIGFPE", "an arithmetic error in the program"),
    (Signal::KILL, "SIGKILL", "the kernel may have run out of memory"),
    (Signal::USR1, "SIGUSR1", ""),
    (Signal::SEGV, "SIGSEGV", "the program used memory that is not its own"),
    (Signal::USR2, "SIGUSR2", ""),
    (Signal::PIPE, "SIGPIPE", "it wrote to a pipe that nobody reads any more"),
    (Signal::TERM, "SIGTERM", "something outside the run ended it"),
    (Signal::XCPU, "SIGXCPU", "its CPU time limit (ulimit -t) was reached"),
    (Signal::XFSZ, "SIGXFSZ", "its file size limit (ulimit -f) was reached"),
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn words(end: End) -> String {
        describe_end(&Outcome { end, duration: Duration::from_millis(1520), left_running: LeftRunning::default() })
    }

    #[test]
    fn ends_in_words() {
        assert_eq!(words(End::Exited(3)), "exited with status 3");
        assert_eq!(words(End::Signalled(9)), "was killed by signal 9 (SIGKILL); the kernel may have run out of memory");
        assert_eq!(words(End::Signalled(2)), "was killed by signal 2 (SIGINT)");
        assert_eq!(words(End::Signalled(40)), "was killed by signal 40");
        assert_eq!(words(End::TimedOut), "reached its timeout and was ended after 1.5 s");
        assert_eq!(words(End::Exited(127)), "exited with status 127 (from a shell: a command was not found)");
    }

    #[test]
    fn row_30_a_shells_report_of_an_out_of_memory_kill_has_the_hint_too() {
        assert!(words(End::Exited(137)).ends_with(
            "(from a shell: a command was killed by signal 9 (SIGKILL); the kernel may have run out of memory)"
        ));
        assert_eq!(words(End::Exited(128)), "exited with status 128");
        assert_eq!(words(End::Exited(255)), "exited with status 255");
    }
}
