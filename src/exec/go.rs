//! Runs the Go toolchain for a node: which one, in which environment, and what its complaints mean.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::exec::api::{Job, Log, WorkError, World};
use crate::exec::command::{self, Run};
use crate::layer::go_flags::go_env;
use crate::layer::go_version::GoVersion;

/// Variables of the caller that say where Go keeps things.
const PLACES: [&str; 4] = ["GOCACHE", "GOMODCACHE", "GOPATH", "XDG_CACHE_HOME"];
/// Variables of the caller that say how modules are reached; none of them can change what a module is.
const NETWORK: [&str; 12] = [
    "GOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GONOPROXY",
    "GOPRIVATE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
];

/// The toolchain of a node.
pub(in crate::exec) struct Go<'a> {
    world: &'a World,
    program: PathBuf,
    /// The exact version.
    pub(in crate::exec) version: GoVersion,
}

impl<'a> Go<'a> {
    /// The toolchain that the digest names.
    ///
    /// # Errors
    /// If its version cannot be told, or it is older than the sources' `go` directive.
    pub(in crate::exec) fn of(world: &'a World, job: &Job, directive: Option<&str>) -> Result<Self, WorkError> {
        let tool = job
            .tools
            .get("go")
            .ok_or_else(|| WorkError::Internal(format!("`{}` has no Go toolchain", job.node.name)))?;
        let version = GoVersion::parse(&tool.identity).ok_or_else(|| {
            WorkError::Environment(format!(
                "the version of the Go toolchain {} cannot be told; install a release from https://go.dev/dl/",
                tool.program.display()
            ))
        })?;
        if let Some(wanted) = directive.and_then(GoVersion::parse)
            && version.toolchain() < wanted.toolchain()
        {
            return Err(WorkError::Environment(format!(
                "the sources need Go {}, and the toolchain is {}; install a newer Go (https://go.dev/dl/), or move the \
                 toolchain in ocelot.lock with `ocelot update`",
                directive.unwrap_or_default(),
                tool.identity
            )));
        }
        Ok(Self { world, program: tool.program.clone(), version })
    }

    /// The environment of every Go command: what the caller has for places, and what is fixed.
    fn env(&self, network: bool) -> BTreeMap<OsString, OsString> {
        let mut env = command::base_env(self.world);
        let passed = PLACES.iter().chain(if network { NETWORK.iter() } else { [].iter() });
        for name in passed {
            if let Some(value) = self.world.env.get(*name) {
                env.insert((*name).into(), value.into());
            }
        }
        for (name, value) in go_env(self.version) {
            // For downloads the caller's own `go env -w` settings count: they say where modules come from.
            if !(network && name == "GOENV") {
                env.insert(name.into(), value.into());
            }
        }
        if network && self.world.offline {
            env.insert("GOPROXY".into(), "off".into());
        }
        env
    }

    /// Runs `go ARGS`.
    ///
    /// # Errors
    /// If it fails; how it ended then includes what Go complained of.
    pub(in crate::exec) fn run(&self, call: &Call<'_>, log: &mut dyn Log) -> Result<(), WorkError> {
        let mut env = self.env(call.network);
        env.extend(call.env.iter().map(|(name, value)| (OsString::from(*name), OsString::from(value))));
        log.line(&format!("go {}", call.args.join(" ")));
        let run = Run {
            name: format!("go {}", call.args.first().map_or("", String::as_str)),
            program: self.program.clone(),
            args: call.args.iter().map(OsString::from).collect(),
            env,
            dir: call.dir.to_owned(),
            timeout: call.timeout,
            stdout: None,
        };
        let mut heard = Heard { log, kept: Vec::new() };
        command::run(self.world, &run, &mut heard).map(drop).map_err(|error| match error {
            WorkError::Command { program, end } => {
                let cause = cause(&String::from_utf8_lossy(&heard.kept));
                WorkError::Command { program, end: cause.map_or(end.clone(), |cause| format!("{end}: {cause}")) }
            }
            error => error,
        })
    }
}

/// Passes output on, and keeps its beginning: Go's first complaint is the one that counts.
struct Heard<'a> {
    log: &'a mut dyn Log,
    kept: Vec<u8>,
}

impl Heard<'_> {
    const KEPT: usize = 256 << 10;
}

impl Log for Heard<'_> {
    fn write(&mut self, bytes: &[u8]) {
        let room = Self::KEPT - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.log.write(bytes);
    }
}

/// The first complaint in what a Go command printed, on one line; `None` if there is none.
///
/// Progress (`go: downloading …`) and the heads of packages (`# PACKAGE`) are no complaints. A chain of imports
/// (`go: A imports`, tab, `B: why`) says why in its last line.
fn cause(output: &str) -> Option<String> {
    const PROGRESS: [&str; 6] = ["downloading ", "finding ", "found ", "added ", "upgraded ", "downgraded "];
    let is_progress = |line: &str| {
        line.is_empty()
            || line.starts_with("# ")
            || line.strip_prefix("go: ").is_some_and(|rest| PROGRESS.iter().any(|verb| rest.starts_with(verb)))
    };
    let mut lines = output.lines().map(str::trim_end).filter(|line| !is_progress(line));
    let mut line = lines.next()?;
    while line.ends_with(" imports") || line.ends_with(" tested by") {
        let Some(next) = lines.next() else { break };
        line = next;
    }
    let first = line.trim_start().trim_start_matches("go: ").to_owned();
    // `to add it:` is followed by the command.
    let Some(advice) = lines.next().filter(|next| line.ends_with(':') && next.starts_with('\t')) else {
        return Some(first);
    };
    Some(format!("{first} {}", advice.trim_start()))
}

/// Whether a Go command failed for want of a network that may be back later.
pub(in crate::exec) fn is_network_trouble(cause: &str) -> bool {
    const TROUBLE: [&str; 9] = [
        "dial tcp",
        "i/o timeout",
        "no such host",
        "connection refused",
        "connection reset",
        "TLS handshake timeout",
        "unexpected EOF",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ];
    TROUBLE.iter().any(|words| cause.contains(words))
}

/// One Go command.
pub(in crate::exec) struct Call<'a> {
    /// Arguments.
    pub(in crate::exec) args: &'a [String],
    /// Variables set last.
    pub(in crate::exec) env: &'a BTreeMap<&'static str, String>,
    /// Working directory.
    pub(in crate::exec) dir: &'a Path,
    /// Whether it may fetch modules.
    pub(in crate::exec) network: bool,
    /// Limit.
    pub(in crate::exec) timeout: Option<std::time::Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complaint_is_the_cause() {
        for (output, expected) in [
            ("", None),
            ("go: downloading x.org/a v1.0.0\ngo: finding module for package x.org/a\n", None),
            ("# x.org/m\n./m.go:2:15: undefined: a\n./m.go:2:20: undefined: b\n", Some("./m.go:2:15: undefined: a")),
            (
                "go: finding module for package x.org/b\ngo: x.org/m imports\n\tx.org/a imports\n\
                 \tx.org/b: cannot find module providing package x.org/b\n",
                Some("x.org/b: cannot find module providing package x.org/b"),
            ),
            (
                "m.go:2:8: x.org/b@v1.9.0: missing go.sum entry for go.mod file; to add it:\n\tgo mod download x.org/b\n",
                Some(
                    "m.go:2:8: x.org/b@v1.9.0: missing go.sum entry for go.mod file; to add it: go mod download x.org/b",
                ),
            ),
            ("go: x.org/a imports\n", Some("x.org/a imports")),
        ] {
            assert_eq!(cause(output).as_deref(), expected, "{output}");
        }
    }

    #[test]
    fn only_what_may_be_back_later_is_network_trouble() {
        assert!(is_network_trouble(
            "x.org/a@v1.0.0: Get \"https://proxy\": dial tcp 127.0.0.1:1: connect: connection refused"
        ));
        assert!(!is_network_trouble("x.org/a@v9.9.9: invalid version: unknown revision v9.9.9"));
        assert!(!is_network_trouble("x.org/a@v1.0.0: module lookup disabled by GOPROXY=off"));
    }

    #[test]
    fn what_is_kept_is_bounded_and_everything_is_passed_on() {
        let mut log = crate::exec::testing::Printed::default();
        let mut heard = Heard { log: &mut log, kept: Vec::new() };
        for _ in 0..3 {
            heard.write(&vec![b'x'; Heard::KEPT / 2 + 1]);
        }
        assert_eq!(heard.kept.len(), Heard::KEPT);
        assert_eq!(log.0.len(), 3 * (Heard::KEPT / 2 + 1));
    }
}
