//! What can be learnt about a process group from outside.

use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use rustix::process::test_kill_process_group;

/// Sends `signal` to every process of the group; a group that is gone is no error.
pub(super) fn send(group: Pid, signal: Signal) {
    // Nothing could be done about a refusal (a set-uid member); what stays is seen by `is_alive`.
    let _ = kill_process_group(group, signal);
}

/// Asks the group to end. A stopped process acts on it only once it is continued.
pub(super) fn ask_to_end(group: Pid) {
    send(group, Signal::TERM);
    send(group, Signal::CONT);
}

/// Whether some process of the group can still run. Processes that ended but were not waited for do not count:
/// where process 1 does not wait for orphans (many containers), they would stay for ever.
pub(super) fn is_alive(group: Pid) -> bool {
    match test_kill_process_group(group) {
        Err(Errno::SRCH) => false,
        Err(_) => true,
        Ok(()) => has_living_member(Path::new("/proc"), group).unwrap_or(true),
    }
}

/// The moment a process started, in clock ticks since boot: with its number, its identity. `None` if there is no
/// such process, or no way to know.
pub(super) fn start_time(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    Some(Stat::parse(&stat)?.start_time)
}

/// Looks for a living member in the process table; `None` where that is not readable or is not ours.
fn has_living_member(proc: &Path, group: Pid) -> Option<bool> {
    // Within a PID namespace that kept the outer /proc, the numbers there are not ours.
    let own = fs::read_link(proc.join("self")).ok()?;
    if own.to_str()?.parse() != Ok(std::process::id()) {
        return None;
    }
    for entry in fs::read_dir(proc).ok()?.flatten() {
        if !entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        // A process that ends between the listing and the look is one that does not live.
        let Ok(stat) = fs::read(entry.path().join("stat")) else { continue };
        let Some(stat) = Stat::parse(&String::from_utf8_lossy(&stat)) else { continue };
        if stat.group == group.as_raw_pid() && stat.lives {
            return Some(true);
        }
    }
    Some(false)
}

/// The fields used here of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    group: i32,
    lives: bool,
    start_time: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field, the program's name in parentheses, may hold spaces and parentheses of its own.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let state = *fields.first()?;
        let threads: u32 = fields.get(17)?.parse().ok()?;
        Some(Self {
            group: fields.get(2)?.parse().ok()?,
            // The first thread may have ended (Z) while others still run.
            lives: !matches!(state, "Z" | "X") || threads > 1,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn reads_a_stat_line_whose_name_has_parentheses() {
        let line = |state: &str, threads: u32| {
            format!("7 (a) b (c) {state} 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 9876 1 1")
        };
        let sleeping = Stat { group: 42, lives: true, start_time: 9876 };
        assert_eq!(Stat::parse(&line("S", 1)), Some(sleeping));
        assert!(!Stat::parse(&line("Z", 1)).unwrap().lives);
        assert!(Stat::parse(&line("Z", 2)).unwrap().lives);
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(Stat::parse("7 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_group_of_processes_nobody_waited_for_is_not_alive() {
        let mut child = Command::new("/bin/sleep").arg("1000").process_group(0).spawn().unwrap();
        let group = Pid::from_child(&child);
        assert!(is_alive(group));
        assert!(start_time(group).is_some());
        send(group, Signal::KILL);
        while is_alive(group) {
            std::thread::yield_now();
        }
        assert_eq!(test_kill_process_group(group), Ok(()), "the zombie still holds the group's number");
        child.wait().unwrap();
        assert_eq!(start_time(group), None);
    }
}
