//! Reads `go.sum`: which modules a build needs, with the hashes that prove them, and where Go keeps them.

use crate::layer::error::LayerError;

/// One line of `go.sum`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoSumEntry {
    /// The module path.
    pub module: String,
    /// The version with its leading `v`, without the `/go.mod` mark.
    pub version: String,
    /// Whether the hash is of the module's `go.mod` alone: then its archive need not be there.
    pub go_mod_only: bool,
    /// The hash with its algorithm, for example `h1:…=`.
    pub hash: String,
}

impl GoSumEntry {
    /// The file of the module cache that proves the module present, relative to `GOMODCACHE`: the archive, or for a
    /// [`GoSumEntry::go_mod_only`] entry the `.mod` file. The layout is Go's module-cache contract.
    pub fn cache_path(&self) -> String {
        let extension = if self.go_mod_only { "mod" } else { "zip" };
        format!("cache/download/{}/@v/{}.{extension}", escape(&self.module), escape(&self.version))
    }
}

/// Parses a `go.sum`. `file` is only used in messages. Paths and versions that could leave the module cache are errors,
/// so [`GoSumEntry::cache_path`] is always inside it.
pub fn parse_go_sum(file: &str, text: &str) -> Result<Vec<GoSumEntry>, LayerError> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let problem = match fields[..] {
            [] => continue,
            [module, version, hash] => match entry(module, version, hash) {
                Ok(entry) => {
                    entries.push(entry);
                    continue;
                }
                Err(problem) => problem,
            },
            _ => "a line is a module path, a version and a hash".to_owned(),
        };
        return Err(LayerError::syntax(file, index + 1, problem));
    }
    Ok(entries)
}

/// The entries whose archives a build needs, that is all but the go.mod-only ones.
pub fn archives(entries: &[GoSumEntry]) -> impl Iterator<Item = &GoSumEntry> {
    entries.iter().filter(|entry| !entry.go_mod_only)
}

fn entry(module: &str, version: &str, hash: &str) -> Result<GoSumEntry, String> {
    let (version, go_mod_only) = match version.strip_suffix("/go.mod") {
        Some(version) => (version, true),
        None => (version, false),
    };
    if !module.split('/').all(is_plain_element) {
        return Err(format!("`{module}` is not a module path"));
    }
    if !version.starts_with('v') || !is_plain_element(version) {
        return Err(format!("`{version}` is not a module version"));
    }
    if !hash.starts_with("h1:") {
        return Err(format!("`{hash}` is not an `h1:` hash"));
    }
    Ok(GoSumEntry { module: module.to_owned(), version: version.to_owned(), go_mod_only, hash: hash.to_owned() })
}

fn is_plain_element(element: &str) -> bool {
    !element.is_empty()
        && !element.starts_with('.')
        && element.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte))
}

/// The module cache writes an upper-case letter as `!` and the lower-case one, for file systems that fold case.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(c.to_ascii_lowercase());
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "github.com/Azure/sdk v1.20.0 h1:aaaa=\n\
        github.com/Azure/sdk v1.20.0/go.mod h1:bbbb=\n\
        \n\
        only.example/mod v2.0.0+incompatible/go.mod h1:cccc=\n";

    #[test]
    fn archives_leave_out_what_is_only_a_go_mod() {
        let entries = parse_go_sum("go.sum", SUM).unwrap();
        assert_eq!(entries.len(), 3);
        let needed: Vec<_> = archives(&entries).map(GoSumEntry::cache_path).collect();
        assert_eq!(needed, ["cache/download/github.com/!azure/sdk/@v/v1.20.0.zip"]);
        assert_eq!(entries[2].cache_path(), "cache/download/only.example/mod/@v/v2.0.0+incompatible.mod");
    }

    #[test]
    fn lines_that_could_escape_the_cache_are_refused() {
        for (line, problem) in [
            ("a/../../b v1.0.0 h1:x", "go.sum:1: `a/../../b` is not a module path"),
            ("/abs v1.0.0 h1:x", "go.sum:1: `/abs` is not a module path"),
            ("a v1/../.. h1:x", "go.sum:1: `v1/../..` is not a module version"),
            ("a v1.0.0 sha1:x", "go.sum:1: `sha1:x` is not an `h1:` hash"),
            ("a v1.0.0", "go.sum:1: a line is a module path, a version and a hash"),
        ] {
            assert_eq!(parse_go_sum("go.sum", line).unwrap_err().to_string(), problem);
        }
    }
}
