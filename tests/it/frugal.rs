//! What a run with nothing to do costs, counted instead of timed, so that a step back shows on any machine.

use std::collections::BTreeMap;
use std::io::Write;

use crate::support::{Space, counts};

/// Nodes of a small graph, and of a large one. Both have more paths than one thread looks at, so that they differ in
/// nothing but their size.
const SIZES: [usize; 2] = [50, 100];

/// The sources of each node.
const SOURCES: usize = 40;

/// Nodes that each count a folder of sources, brought to rest.
fn settled(nodes: usize) -> Space {
    let mut text = "nodes:\n".to_owned();
    for i in 0..nodes {
        text.push_str(&format!("  n{i}: {{exec: {{command: [ls, in/{i}], inputs: ['in/{i}/*'], stdout: out/{i}}}}}\n"));
    }
    let space = Space::with(&text);
    for file in 0..nodes * SOURCES {
        space.write(&format!("in/{}/{file}", file % nodes), "text\n");
    }
    for _ in 0..2 {
        assert_eq!(space.build(&[]).failed, 0);
    }
    assert_eq!(space.build(&[]), counts(0, 0, nodes as u64));
    space
}

/// The system calls of a run with nothing to do, one a line with `PID NAME(ARGUMENTS`; `None` without strace.
fn trace(space: &Space) -> Option<Vec<String>> {
    let file = space.root().with_file_name("trace");
    let program = space.command(&["run"]);
    let mut strace = std::process::Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(&file).arg(program.get_program()).args(program.get_args());
    strace.current_dir(space.root()).env_clear();
    strace.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Ok(output) = strace.output() else {
        // Past the harness's capture, so that it shows although the test passes.
        let message = "NOT RUN: the tests of frugality, because strace is not installed\n";
        std::io::stderr().write_all(message.as_bytes()).unwrap();
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    // Not the second halves of calls that another thread's came between.
    Some(text.lines().filter(|line| !line.contains("<... ")).map(str::to_owned).collect())
}

/// The name of a call.
fn name(call: &str) -> &str {
    call.split_whitespace().nth(1).and_then(|call| call.split('(').next()).unwrap_or_default()
}

/// The path of the project that a call names, if it is a source or output.
fn path(call: &str) -> Option<&str> {
    let path = call.split('"').nth(1)?;
    let tail = path.rsplit_once("/project/").map_or(path, |(_, tail)| tail);
    (tail.starts_with("in/") || tail.starts_with("out/")).then_some(tail)
}

/// Bytes of memory that calls got from the kernel for the heap: what the program break grew by, and private mappings
/// that are readable (stacks and reserved arenas are not, at first).
fn heap(calls: &[String]) -> u64 {
    let mut bytes = 0;
    let mut last_break = None;
    for call in calls {
        let arguments = call.split_once('(').map_or("", |(_, rest)| rest);
        match name(call) {
            "brk" => {
                let now = call.rsplit_once("= 0x").and_then(|(_, end)| u64::from_str_radix(end.trim(), 16).ok());
                bytes += now.zip(last_break).map_or(0, |(now, last): (u64, u64)| now.saturating_sub(last));
                last_break = now.or(last_break);
            }
            "mmap" if arguments.contains("MAP_ANONYMOUS") && arguments.contains("PROT_READ") => {
                let length = arguments.split(", ").nth(1).and_then(|length| length.parse::<u64>().ok());
                bytes += length.unwrap_or(0);
            }
            _ => {}
        }
    }
    bytes
}

#[test]
fn a_null_run_stats_each_path_twice_at_most_and_opens_none() {
    let nodes = SIZES[0];
    let Some(calls) = trace(&settled(nodes)) else { return };
    let mut looks: BTreeMap<&str, usize> = BTreeMap::new();
    for call in &calls {
        let Some(path) = path(call) else { continue };
        assert!(
            matches!(name(call), "newfstatat" | "statx" | "fstatat64" | "lstat" | "stat"),
            "only looked at: {call}"
        );
        *looks.entry(path).or_default() += 1;
    }
    assert!(looks.len() >= nodes * (SOURCES + 1), "every source and every output is looked at: {}", looks.len());
    let often: Vec<_> = looks.iter().filter(|(_, times)| **times > 2).collect();
    assert!(often.is_empty(), "looked at more than twice: {often:?}");
}

#[test]
fn what_a_null_run_costs_beside_looking_does_not_grow_with_the_graph() {
    let mut beside = Vec::new();
    for nodes in SIZES {
        let Some(calls) = trace(&settled(nodes)) else { return };
        let of = |what: &str| calls.iter().filter(|call| name(call) == what).count();
        assert_eq!(of("execve"), 1, "only itself");
        let started = of("clone3") + of("clone") + of("fork") + of("vfork");
        let processors = std::thread::available_parallelism().unwrap().get();
        assert!(started < processors.min(8), "{started} threads beside the first, on {processors} processors");
        for what in ["socket", "connect", "epoll_create1", "eventfd2", "pipe2"] {
            assert_eq!(of(what), 0, "no runtime and no socket: {what}");
        }
        let opened = of("openat");
        assert!(opened <= 20, "{opened} files opened, with those of the program's own start");
        beside.push((calls.iter().filter(|call| path(call).is_none()).count(), heap(&calls)));
    }
    let [(few, small), (many, large)] = beside[..] else { panic!("two sizes") };
    // A file that is twice as long is mapped in other pieces, and a further thread maps a stack.
    assert!(many <= few + 60, "{few} system calls beside looking at 2,000 paths, and {many} at 4,000");
    let per_path = large.saturating_sub(small) / (SOURCES * (SIZES[1] - SIZES[0])) as u64;
    assert!(per_path <= 1024, "{per_path} bytes of heap for each further path ({small} and {large} in all)");
    assert!(small <= 8 << 20, "{small} bytes of heap for 2,000 paths");
}
