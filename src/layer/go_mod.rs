//! Reads `go.mod`: the module, its requirements and replacements, and the collector's versions in them.

use semver::Version;

use crate::layer::error::LayerError;

/// The module whose version *is* the collector version.
pub const OTELCOL_MODULE: &str = "go.opentelemetry.io/collector/otelcol";
/// Every module of the contrib repository starts with this path.
pub const CONTRIB_PREFIX: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/";
/// Every module of the collector's core repository starts with this path (or is `go.opentelemetry.io/collector`).
pub const CORE_PREFIX: &str = "go.opentelemetry.io/collector/";

/// A parsed `go.mod`. Directives that Ocelot has no use for (`exclude`, `retract`, `tool`, …) are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoMod {
    /// The file as the caller names it, for messages.
    pub file: String,
    /// The module path.
    pub module: String,
    /// The `go` directive, for example `1.24.11`: the least Go version that may build it.
    pub go: Option<String>,
    /// The `toolchain` directive, for example `go1.26.8`.
    pub toolchain: Option<String>,
    /// All requirements in the order of the file.
    pub requires: Vec<Require>,
    /// All replacements in the order of the file.
    pub replaces: Vec<Replace>,
}

/// One required module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Require {
    /// The module path.
    pub path: String,
    /// The version with its leading `v`.
    pub version: String,
    /// Whether the line is marked `// indirect`: no package of the main module imports it.
    pub indirect: bool,
    /// 1-based line in the file.
    pub line: usize,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// The module path that is replaced.
    pub old_path: String,
    /// The version that is replaced; `None`: every version.
    pub old_version: Option<String>,
    /// A module path, or a folder if there is no new version.
    pub new_path: String,
    /// The version used instead; `None`: `new_path` is a folder relative to the file.
    pub new_version: Option<String>,
}

impl GoMod {
    /// Parses the text of a `go.mod`. `file` is only used in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, LayerError> {
        let mut parsed = Self { file: file.to_owned(), ..Self::default() };
        let mut block: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let line = Line::split(line).map_err(|problem| LayerError::syntax(file, number, problem))?;
            let mut words = line.words.iter().map(String::as_str).collect::<Vec<_>>();
            if words.is_empty() {
                continue;
            }
            let verb = match &block {
                Some(_) if words == [")"] => {
                    block = None;
                    continue;
                }
                Some(verb) => verb.clone(),
                None if words.len() == 2 && words[1] == "(" => {
                    block = Some(words[0].to_owned());
                    continue;
                }
                None => words.remove(0).to_owned(),
            };
            parsed
                .directive(&verb, &words, &line, number)
                .map_err(|problem| LayerError::syntax(file, number, problem))?;
        }
        if let Some(verb) = block {
            return Err(LayerError::go_mod(file, format!("the block `{verb} (` has no closing `)`")));
        }
        if parsed.module.is_empty() {
            return Err(LayerError::go_mod(file, "no `module` line; is this the go.mod of a Go module?"));
        }
        Ok(parsed)
    }

    fn directive(&mut self, verb: &str, words: &[&str], line: &Line, number: usize) -> Result<(), String> {
        match (verb, words) {
            ("module", [path]) => self.module = (*path).to_owned(),
            ("go", [version]) => self.go = Some((*version).to_owned()),
            ("toolchain", [name]) => self.toolchain = Some((*name).to_owned()),
            ("require", [path, version]) => self.requires.push(Require {
                path: (*path).to_owned(),
                version: (*version).to_owned(),
                indirect: line.indirect,
                line: number,
            }),
            ("replace", words) => self.replaces.push(replace(words)?),
            ("module" | "go" | "toolchain", _) => return Err(format!("`{verb}` takes one value")),
            ("require", _) => return Err("a requirement is a module path and a version".to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// The collector version (`v0.145.0`): the required version of [`OTELCOL_MODULE`]. Missing is an error, because
    /// a layer without a version label cannot be named.
    pub fn collector_version(&self) -> Result<&str, LayerError> {
        self.require(OTELCOL_MODULE).map(|require| require.version.as_str()).ok_or_else(|| {
            LayerError::go_mod(
                &self.file,
                format!("no requirement of {OTELCOL_MODULE}: this is not a tree of an OpenTelemetry Collector"),
            )
        })
    }

    /// The requirements that packages of this module import themselves.
    pub fn direct_requires(&self) -> impl Iterator<Item = &Require> {
        self.requires.iter().filter(|require| !require.indirect)
    }

    /// The requirement of exactly this module.
    pub fn require(&self, path: &str) -> Option<&Require> {
        self.requires.iter().find(|require| require.path == path)
    }

    /// The required module that would hold the package `import`: the longest path that is a prefix of it.
    pub fn provider_of(&self, import: &str) -> Option<&Require> {
        self.requires
            .iter()
            .filter(|require| is_path_prefix(&require.path, import))
            .max_by_key(|require| require.path.len())
    }
}

/// The contrib version of a tree: the version of the contrib modules that its go.mod files require, the highest if
/// they differ (minimal version selection would build that one). Pseudo-versions, which name no release, do not count.
pub fn contrib_version<'m>(mods: &[&'m GoMod]) -> Option<&'m str> {
    mods.iter()
        .flat_map(|go_mod| &go_mod.requires)
        .filter(|require| require.path.starts_with(CONTRIB_PREFIX))
        .filter_map(|require| Some((release(&require.version)?, require.version.as_str())))
        .max()
        .map(|(_, version)| version)
}

/// Whether `prefix` is `path` or one of its parent paths.
pub fn is_path_prefix(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn release(version: &str) -> Option<Version> {
    Version::parse(version.strip_prefix('v')?).ok().filter(|version| version.pre.is_empty())
}

fn replace(words: &[&str]) -> Result<Replace, String> {
    let arrow = words.iter().position(|word| *word == "=>");
    let sides = arrow.map(|at| (&words[..at], &words[at + 1..]));
    let Some(((old, old_version), (new, new_version))) =
        sides.and_then(|(old, new)| Some((path_and_version(old)?, path_and_version(new)?)))
    else {
        return Err("a replacement is `module [version] => module version` or `module [version] => folder`".to_owned());
    };
    Ok(Replace { old_path: old, old_version, new_path: new, new_version })
}

fn path_and_version(words: &[&str]) -> Option<(String, Option<String>)> {
    match words {
        [path] => Some(((*path).to_owned(), None)),
        [path, version] => Some(((*path).to_owned(), Some((*version).to_owned()))),
        _ => None,
    }
}

/// The words of one line, without its comment.
#[derive(Debug, Default)]
struct Line {
    words: Vec<String>,
    indirect: bool,
}

impl Line {
    fn split(line: &str) -> Result<Self, String> {
        let mut split = Self::default();
        let mut rest = line.trim();
        while !rest.is_empty() {
            if let Some(comment) = rest.strip_prefix("//") {
                let comment = comment.trim();
                split.indirect = comment == "indirect" || comment.starts_with("indirect;");
                break;
            }
            let first = rest.chars().next().unwrap_or_default();
            if first == '"' || first == '`' {
                let body = &rest[1..];
                let Some(end) = body.find(first) else {
                    return Err("a quoted string is not closed".to_owned());
                };
                split.words.push(body[..end].to_owned());
                rest = body[end + 1..].trim_start();
                continue;
            }
            // A parenthesis is a word of its own even without a space before it.
            let end = match rest.find(|c: char| c.is_whitespace() || c == '(' || c == ')') {
                Some(0) => first.len_utf8(),
                Some(end) => end,
                None => rest.len(),
            };
            let end = rest[..end].find("//").unwrap_or(end);
            split.words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
        Ok(split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = r#"// a comment
module example.com/lambda/collector // trailing

go 1.24.11

toolchain go1.26.8

replace example.com/lambda/collector/parts => ./parts
replace cloud.example => cloud.example v0.107.0 // forced
replace old.example v1.0.0 => new.example/fork v1.0.1

require (
	github.com/open-telemetry/opentelemetry-collector-contrib/confmap/provider/s3provider v0.145.0
	example.com/lambda/collector/parts v0.98.0
	go.opentelemetry.io/collector/component v1.51.0
	"go.opentelemetry.io/collector/otelcol" v0.145.0
)

require go.uber.org/zap v1.27.1
require(
	github.com/x/y/v2 v2.0.0-20250101000000-0123456789ab // indirect
	github.com/x/y v1.0.0 // indirect; kept for tests
)

exclude go.uber.org/zap v1.0.0
retract [v0.1.0, v0.2.0]
tool example.com/cmd
"#;

    fn tree() -> GoMod {
        GoMod::parse("collector/go.mod", TREE).unwrap()
    }

    #[test]
    fn reads_every_directive_that_matters() {
        let tree = tree();
        assert_eq!(tree.module, "example.com/lambda/collector");
        assert_eq!((tree.go.as_deref(), tree.toolchain.as_deref()), (Some("1.24.11"), Some("go1.26.8")));
        assert_eq!(tree.collector_version().unwrap(), "v0.145.0");
        assert_eq!(tree.requires.len(), 7);
        let direct: Vec<_> = tree.direct_requires().map(|require| require.path.as_str()).collect();
        assert_eq!(direct.len(), 5);
        assert!(!direct.contains(&"github.com/x/y"), "a comment that starts with `indirect;` marks it too");
        assert_eq!(tree.require("go.uber.org/zap").unwrap().line, 19);
        assert_eq!(tree.replaces.len(), 3);
        assert_eq!(tree.replaces[0].new_path, "./parts");
        assert_eq!(tree.replaces[0].new_version, None);
        assert_eq!(tree.replaces[2].old_version.as_deref(), Some("v1.0.0"));
    }

    #[test]
    fn the_longest_module_path_provides_a_package() {
        let tree = tree();
        assert_eq!(tree.provider_of("github.com/x/y/v2/sub").unwrap().path, "github.com/x/y/v2");
        assert_eq!(tree.provider_of("github.com/x/y/v20").unwrap().path, "github.com/x/y");
        assert_eq!(tree.provider_of("github.com/x/yy"), None);
    }

    #[test]
    fn contrib_is_the_highest_release() {
        let parse = |versions: &[&str]| {
            let lines: String =
                versions.iter().enumerate().map(|(i, v)| format!("require {CONTRIB_PREFIX}m{i} {v}\n")).collect();
            GoMod::parse("go.mod", &format!("module m\n{lines}")).unwrap()
        };
        let (one, two) = (parse(&["v0.99.0", "v0.0.0-20250101000000-0123456789ab"]), parse(&["v0.100.0"]));
        assert_eq!(contrib_version(&[&one]), Some("v0.99.0"));
        assert_eq!(contrib_version(&[&two, &one]), Some("v0.100.0"), "compared as numbers");
        assert_eq!(contrib_version(&[]), None);
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = |text: &str| GoMod::parse("x/go.mod", text).unwrap_err().to_string();
        assert_eq!(error("module m\nrequire a\n"), "x/go.mod:2: a requirement is a module path and a version");
        assert_eq!(error("module \"m\n"), "x/go.mod:1: a quoted string is not closed");
        assert_eq!(error("module m\nreplace a b\n").split(':').nth(1), Some("2"));
        assert!(error("module m\nrequire (\n").contains("no closing"));
        assert!(error("go 1.24\n").contains("no `module` line"));
        let plain = GoMod::parse("x/go.mod", "module m\n").unwrap();
        assert!(plain.collector_version().unwrap_err().to_string().starts_with("x/go.mod: no requirement of"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(module|require|replace|=>|\\(|\\)|//|\"|`|a\\.b|v1\\.0\\.0|é| |\n){0,60}") {
            let _ = GoMod::parse("go.mod", &text);
        }
    }
}
