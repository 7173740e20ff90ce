//! What a command knows of the process it runs in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::code::{self, Code};
use crate::cli::args::{Common, OutputForm};
use crate::cli::exit::Stop;
use crate::report::github::command::{annotate, neutral};
use crate::store::cache::Cache;
use crate::store::cache_options::{Access, CacheOptions};
use crate::store::fs::RealFs;

/// Set to `1`, a cache that others could have filled is used all the same: for machines whose users trust each other.
pub(in crate::cli) const TRUST_CACHE: &str = "OCELOT_TRUST_CACHE";

/// Whether the variables say that GitHub Actions runs this.
pub(in crate::cli) fn is_github(env: &BTreeMap<String, String>) -> bool {
    env.get("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// What every command of a process knows.
pub(in crate::cli) struct Process {
    /// The directory the command works in.
    pub(in crate::cli) dir: PathBuf,
    /// The environment; values that are not UTF-8 are left out.
    pub(in crate::cli) env: BTreeMap<String, String>,
    /// The clock.
    pub(in crate::cli) clock: Clock,
    /// Common options.
    pub(in crate::cli) common: Common,
}

impl Process {
    /// The folder of things shared by all workspaces of this user.
    pub(in crate::cli) fn user_cache(&self) -> PathBuf {
        let set = |name: &str| self.env.get(name).filter(|value| value.starts_with('/'));
        let base = set("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| Path::new(home).join(".cache")))
            .unwrap_or_else(|| self.dir.join(".ocelot/cache"));
        base.join("ocelot/v1")
    }

    /// Opens the content store; `scratch` is for unfinished restores.
    ///
    /// # Errors
    /// If its folder cannot be trusted.
    pub(in crate::cli) fn open_cache(&self, access: Access, scratch: Option<PathBuf>) -> Result<Cache, Stop> {
        let today = u32::try_from(self.clock.unix_seconds() / 86_400).unwrap_or(0);
        let trust_any_owner = self.env.get(TRUST_CACHE).is_some_and(|value| value == "1");
        let new = CacheOptions::new(self.user_cache().join("store"), today);
        let options = CacheOptions { access, scratch, trust_any_owner, ..new };
        Cache::open(Arc::new(RealFs), options).map_err(|error| Stop::environment(code::CACHE_UNUSABLE, error))
    }
}

impl Process {
    /// Text from files, commands or people, as it may be printed: under GitHub Actions no line of it is a command.
    pub(in crate::cli) fn safe(&self, text: &str) -> String {
        if self.common.output == OutputForm::Github { neutral(text) } else { text.to_owned() }
    }

    /// Shows why a command could not do its work.
    pub(in crate::cli) fn show(&self, stop: &Stop) {
        use std::io::Write;
        let mut text = self.safe(&stop.text);
        if self.common.output == OutputForm::Github {
            text.push_str(&annotate(&stop.annotations));
        }
        text.push_str(&self.where_more_is(&stop.codes));
        // A reader that went away wants no more of it.
        std::io::stderr().lock().write_all(text.as_bytes()).ok();
    }

    /// How to read more of these problems: for a person at a terminal alone, elsewhere it would only be one more line.
    fn where_more_is(&self, codes: &[Code]) -> String {
        use std::io::IsTerminal;
        const MOST: usize = 4;
        if self.common.output != OutputForm::Human || !std::io::stderr().is_terminal() {
            return String::new();
        }
        let mut shown: Vec<String> = Vec::new();
        for code in codes.iter().map(Code::to_string) {
            if shown.len() < MOST && !shown.contains(&code) {
                shown.push(code);
            }
        }
        if shown.is_empty() { String::new() } else { format!("for more: ocelot explain {}\n", shown.join(" ")) }
    }

    /// Where a project stands in the repository that GitHub Actions works in: empty, or ending in `/`.
    pub(in crate::cli) fn folder_in_repository(&self, root: &Path) -> String {
        let top = self.env.get("GITHUB_WORKSPACE").and_then(|top| std::fs::canonicalize(top).ok());
        let inside = top.as_ref().and_then(|top| root.strip_prefix(top).ok()).filter(|path| *path != Path::new(""));
        inside.map_or_else(String::new, |path| format!("{}/", path.display()))
    }

    /// Whether messages on standard error have colours.
    pub(in crate::cli) fn colors(&self) -> bool {
        match self.common.color {
            crate::cli::args::Color::Always => true,
            crate::cli::args::Color::Never => false,
            crate::cli::args::Color::Auto => self.has_terminal(),
        }
    }

    /// Whether standard error is a terminal that takes more than text, and whose owner wants more.
    pub(in crate::cli) fn has_terminal(&self) -> bool {
        use std::io::IsTerminal;
        let set = |name: &str| self.env.get(name).is_some_and(|value| !value.is_empty());
        std::io::stderr().is_terminal() && !set("NO_COLOR") && self.env.get("TERM").is_none_or(|term| term != "dumb")
    }
}
