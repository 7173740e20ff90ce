//! What a command knows of the process it runs in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::clock::Clock;
use crate::cli::args::Common;
use crate::cli::exit::Stop;
use crate::store::cache::Cache;
use crate::store::cache_options::{Access, CacheOptions};
use crate::store::fs::RealFs;

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
        let options = CacheOptions { access, scratch, ..CacheOptions::new(self.user_cache().join("store"), today) };
        Cache::open(Arc::new(RealFs), options).map_err(Stop::environment)
    }
}

impl Process {
    /// Whether messages on standard error have colours.
    pub(in crate::cli) fn colors(&self) -> bool {
        use std::io::IsTerminal;
        match self.common.color {
            crate::cli::args::Color::Always => true,
            crate::cli::args::Color::Never => false,
            crate::cli::args::Color::Auto => {
                let set = |name: &str| self.env.get(name).is_some_and(|value| !value.is_empty());
                std::io::stderr().is_terminal()
                    && !set("NO_COLOR")
                    && self.env.get("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}
