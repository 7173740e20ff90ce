//! The one `go build` command of a collector: arguments and environment that give the same bytes everywhere.
//!
//! The bytes of the binary depend on the tag order (tags are recorded as given), on VCS stamps (a dirty tree flips
//! them), on the architecture level and on the exact toolchain. All of them are fixed here. The linker flags are
//! upstream's own, character by character: they do not appear in the binary's build info, but Go's build id is a hash
//! over them.

use std::collections::BTreeMap;

use crate::layer::arch::Arch;
use crate::layer::error::LayerError;
use crate::layer::go_version::GoVersion;
use crate::layer::tags::TagSet;

/// What a collector build is made from.
#[derive(Debug, Clone)]
pub struct GoBuild<'b> {
    /// The target.
    pub arch: Arch,
    /// The tags; none builds the default set.
    pub tags: &'b TagSet,
    /// The collector version with its `v`, printed by `collector -v`.
    pub collector_version: &'b str,
    /// The full commit id of the sources (`main.GitHash`).
    pub commit: &'b str,
    /// The output path as `go build -o` shall see it.
    pub output: &'b str,
    /// The toolchain to use, exactly.
    pub toolchain: GoVersion,
}

/// Arguments after `go`, and the variables that must hold whatever else the environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoCommand {
    /// The arguments after the program name, to run in the folder of the collector's go.mod.
    pub args: Vec<String>,
    /// Variables to set. `PATH`, `HOME`, `GOCACHE` and `GOMODCACHE` are the caller's.
    pub env: BTreeMap<&'static str, String>,
}

impl GoBuild<'_> {
    /// The command. It runs with the network off: every module has to be in the module cache.
    pub fn command(&self) -> Result<GoCommand, LayerError> {
        plain("collector version", self.collector_version)?;
        plain("commit", self.commit)?;
        let mut args = vec!["build".to_owned(), "-trimpath".to_owned(), "-buildvcs=false".to_owned()];
        if !self.tags.is_empty() {
            for tag in self.tags.iter() {
                plain("tag", tag)?;
            }
            args.extend(["-tags".to_owned(), self.tags.to_string()]);
        }
        args.extend(["-ldflags".to_owned(), self.ldflags(), "-o".to_owned(), self.output.to_owned(), ".".to_owned()]);
        let mut env = go_env(self.toolchain);
        env.extend([
            ("CGO_ENABLED", "0".to_owned()),
            ("GOOS", "linux".to_owned()),
            ("GOARCH", self.arch.goarch().to_owned()),
            ("GOAMD64", "v1".to_owned()),
            ("GOARM64", "v8.0".to_owned()),
            ("GOFLAGS", "-mod=readonly".to_owned()),
            ("GOPROXY", "off".to_owned()),
        ]);
        Ok(GoCommand { args, env })
    }

    fn ldflags(&self) -> String {
        format!(
            "-s -w -X main.GitHash={} -X main.Version={} -X github.com/open-telemetry/opentelemetry-collector-contrib/\
             exporter/awsxrayexporter.collectorDistribution=opentelemetry-collector-lambda",
            self.commit, self.collector_version
        )
    }
}

/// The variables that every `go` command of Ocelot gets (`mod edit`, `mod tidy`, `mod download`, `build`): this
/// toolchain and no other, and none of the settings that a person or a parent folder may have made. `GOFLAGS` is
/// cleared; a build sets its own.
pub fn go_env(toolchain: GoVersion) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("GO111MODULE", "on".to_owned()),
        ("GODEBUG", String::new()),
        ("GOENV", "off".to_owned()),
        ("GOEXPERIMENT", String::new()),
        ("GOFIPS140", "off".to_owned()),
        ("GOFLAGS", String::new()),
        ("GOTOOLCHAIN", toolchain.toolchain_name()),
        ("GOWORK", "off".to_owned()),
    ])
}

/// `go` splits linker flags at spaces and tags at commas, so a value with either would say something else.
fn plain(field: &'static str, value: &str) -> Result<(), LayerError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    if !value.is_empty() && !value.starts_with('-') && value.chars().all(is_plain) {
        return Ok(());
    }
    let problem = "only letters, digits and . - _ + may stand here, and it may not start with -";
    Err(LayerError::GoFlag { field, value: value.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build<'b>(tags: &'b TagSet, version: &'b str) -> GoBuild<'b> {
        let toolchain = GoVersion::parse("1.26.8").unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        GoBuild { arch: Arch::Arm64, tags, collector_version: version, commit, output: "out/collector", toolchain }
    }

    #[test]
    fn the_command_in_full() {
        let tags = TagSet::new(["receiver.otlp", "exporter.otlphttp"]);
        let command = build(&tags, "v0.145.0").command().unwrap();
        assert_eq!(
            command.args,
            [
                "build",
                "-trimpath",
                "-buildvcs=false",
                "-tags",
                "lambdacomponents.custom,lambdacomponents.exporter.otlphttp,lambdacomponents.receiver.otlp",
                "-ldflags",
                "-s -w -X main.GitHash=0123456789abcdef0123456789abcdef01234567 -X main.Version=v0.145.0 -X github.com/open-telemetry/opentelemetry-collector-contrib/exporter/awsxrayexporter.collectorDistribution=opentelemetry-collector-lambda",
                "-o",
                "out/collector",
                ".",
            ]
        );
        let env: Vec<_> = command.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            env.join(" "),
            "CGO_ENABLED=0 GO111MODULE=on GOAMD64=v1 GOARCH=arm64 GOARM64=v8.0 GODEBUG= GOENV=off GOEXPERIMENT= \
             GOFIPS140=off GOFLAGS=-mod=readonly GOOS=linux GOPROXY=off GOTOOLCHAIN=go1.26.8 GOWORK=off"
        );
    }

    #[test]
    fn no_tags_no_flag() {
        let tags = TagSet::default();
        assert!(!build(&tags, "v0.145.0").command().unwrap().args.iter().any(|arg| arg == "-tags"));
    }

    #[test]
    fn row_34_values_cannot_smuggle_flags() {
        let tags = TagSet::default();
        for version in ["", "v1 -X main.x=y", "v1\"", "-extld=sh", "v1\n"] {
            let error = build(&tags, version).command().unwrap_err().to_string();
            assert!(error.starts_with("go build: collector version "), "{error}");
        }
        let tags = TagSet::new(["a;b"]);
        assert!(build(&tags, "v1").command().unwrap_err().to_string().starts_with("go build: tag "));
    }
}
