//! What the engine asks of the world beyond the project, answered by the real clients.

use std::path::{Path, PathBuf};

use crate::engine::session::Outside;
use crate::exec::receipt::{self, Effect};
use crate::exec::registries::Env;
use crate::exec::standing::standing;
use crate::outside::git::{GitRef, local};

/// The real world.
pub(in crate::cli) struct RealOutside {
    root: PathBuf,
    env: Env,
}

impl RealOutside {
    /// For the project at `root`, under these variables.
    pub(in crate::cli) fn new(root: &Path, env: &Env) -> Self {
        Self { root: root.to_owned(), env: env.clone() }
    }
}

impl Outside for RealOutside {
    fn local_revision(&self, repo: &str, reference: &str) -> Result<(String, Vec<PathBuf>), String> {
        let path = self.root.join(repo);
        let reference = GitRef::parse(reference).map_err(|error| error.to_string())?;
        let resolved = local::resolve_local(&path, &reference).map_err(|error| error.to_string())?;
        let watch = local::ref_watch(&path, &reference).map_err(|error| error.to_string())?;
        Ok((resolved.commit.to_string(), watch))
    }

    fn receipt(&self, effect: &Effect<'_>) -> receipt::Answer {
        receipt::look_up(&self.root, &self.env, effect)
    }

    fn standing_receipt(&self, effect: &Effect<'_>) -> receipt::Answer {
        standing(&self.root, &self.env, effect)
    }
}
