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

    /// Runs `go ARGS` in `dir`; `network` lets it fetch modules. `more` is set last.
    ///
    /// # Errors
    /// If it fails.
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
        command::run(self.world, &run, log).map(|_| ())
    }
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
