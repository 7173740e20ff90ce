//! What is asked of a remote: its refs, and objects into a bare repository. Runs on the talking thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::RepositoryOpenFlags;
use git2::{AutotagOption, Config, Direction, FetchOptions, RemoteCallbacks, Repository, RepositoryInitOptions};

use crate::outside::git::error::GitError;
use crate::outside::git::location::{RemoteUrl, Scheme};
use crate::outside::git::reference::{GitId, RefList};
use crate::outside::git::transfer::{Line, NetworkSettings};
use crate::outside::git::transport::{Talk, speaking};

/// One remote and the bare repository that receives from it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) url: RemoteUrl,
    pub(super) folder: PathBuf,
    pub(super) settings: NetworkSettings,
}

/// What to receive.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// One commit without its history, by name if `ref_name` still leads to it, else by id.
    Commit { commit: GitId, ref_name: Option<String> },
    /// Every branch and tag with its history.
    Everything,
}

/// Where received commits are held, so that nothing counts them as garbage.
const KEPT: &str = "refs/ocelot/";

impl Peer {
    /// Asks for the refs.
    pub(super) fn list(&self, line: &Arc<Line>) -> Result<RefList, GitError> {
        let talk = Talk::new(&self.url, &self.settings, line);
        speaking(&talk, || self.list_in(&talk)).unwrap_or_else(|error| Err(self.failure(&talk, &error)))
    }

    /// Receives what is wanted. Whether it then is there is for the caller to check.
    pub(super) fn fetch(&self, want: &Want, line: &Arc<Line>) -> Result<(), GitError> {
        let talk = Talk::new(&self.url, &self.settings, line);
        speaking(&talk, || self.fetch_in(&talk, want)).unwrap_or_else(|error| Err(self.failure(&talk, &error)))
    }

    fn list_in(&self, talk: &Talk) -> Result<RefList, GitError> {
        let failure = |error: git2::Error| self.failure(talk, &error);
        let repository = open_private(&self.folder)?;
        let mut remote = repository.remote_anonymous(self.url.as_str()).map_err(failure)?;
        let connection = remote.connect_auth(Direction::Fetch, Some(callbacks(&talk.line)), None).map_err(failure)?;
        let heads = connection.list().map_err(failure)?;
        Ok(RefList::new(heads.iter().map(|head| (head.name().to_owned(), head.oid()))))
    }

    fn fetch_in(&self, talk: &Talk, want: &Want) -> Result<(), GitError> {
        let failure = |error: git2::Error| self.failure(talk, &error);
        let repository = open_private(&self.folder)?;
        let mut remote = repository.remote_anonymous(self.url.as_str()).map_err(failure)?;
        let mut connection =
            remote.connect_auth(Direction::Fetch, Some(callbacks(&talk.line)), None).map_err(failure)?;
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks(&talk.line)).download_tags(AutotagOption::None).update_fetchhead(false);
        let specs = match want {
            Want::Everything => {
                vec!["+refs/heads/*:refs/heads/*".to_owned(), "+refs/tags/*:refs/tags/*".to_owned()]
            }
            Want::Commit { commit, ref_name } => {
                let heads = connection.list().map_err(failure)?;
                let refs = RefList::new(heads.iter().map(|head| (head.name().to_owned(), head.oid())));
                // libgit2 cannot cut history on its way from a folder.
                if self.url.scheme() != Scheme::File {
                    options.depth(1);
                }
                let named = ref_name.as_deref().filter(|name| refs.commit(name) == Some(*commit));
                vec![format!("+{}:{KEPT}{commit}", named.map_or_else(|| commit.to_string(), str::to_owned))]
            }
        };
        talk.line.connected();
        let remote = connection.remote();
        if let Err(error) = remote.download(&specs, Some(&mut options)) {
            return Err(match want {
                Want::Commit { commit, .. } if refuses_id(&error) => {
                    GitError::CommitMissing { repository: self.url.to_string(), commit: commit.to_string() }
                }
                _ => failure(error),
            });
        }
        if matches!(want, Want::Everything) {
            let flags = git2::RemoteUpdateFlags::empty();
            remote.update_tips(None, flags, AutotagOption::None, None).map_err(failure)?;
        }
        Ok(())
    }

    /// What broke the talk off: what the transport saw, or else what libgit2 did not understand.
    fn failure(&self, talk: &Talk, error: &git2::Error) -> GitError {
        let repository = self.url.to_string();
        let login = match self.url.scheme() {
            Scheme::Ssh => "the ssh agent, or a key without a passphrase",
            _ => "a git credential helper",
        };
        match talk.failure() {
            Some(seen) if seen.may_pass => GitError::Unreachable { repository, why: seen.why },
            Some(seen) => {
                let login = if seen.distrust { "the server's certificate or host key on this machine" } else { login };
                GitError::Denied { repository, why: seen.why, login }
            }
            // Trying again helps with a network only.
            None if self.url.scheme() == Scheme::File => {
                GitError::Denied { repository, why: error.message().to_owned(), login }
            }
            None => GitError::Unreachable { repository, why: error.message().to_owned() },
        }
    }
}

fn callbacks(line: &Line) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|progress| line.received(&progress)).sideband_progress(|_| line.beat());
    callbacks
}

/// Whether the server gives out no bare ids at all, or not this one. A shallow request that is refused comes as an
/// unexpected packet: libgit2 drops the server's words.
fn refuses_id(error: &git2::Error) -> bool {
    ["specific object", "not our ref", "unexpected packet type"].iter().any(|words| error.message().contains(words))
}

/// Makes sure that `folder` is a bare repository; a half-made one is completed.
pub(super) fn make_bare(folder: &Path) -> Result<(), GitError> {
    if open_private(folder).is_ok() {
        return Ok(());
    }
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).mkpath(true);
    Repository::init_opts(folder, &options).map(drop).map_err(GitError::repository(folder))
}

/// Opens a bare repository with its own configuration only: what the user's says about URLs, proxies and certificates
/// does not count here.
pub(super) fn open_private(folder: &Path) -> Result<Repository, GitError> {
    let repository = open(folder)?;
    let config = Config::open(&repository.path().join("config")).map_err(GitError::repository(folder))?;
    repository.set_config(&config).map_err(GitError::repository(folder))?;
    Ok(repository)
}

/// Opens exactly this repository: no search in parent folders, no `GIT_DIR`.
pub(super) fn open(folder: &Path) -> Result<Repository, GitError> {
    Repository::open_ext(folder, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path]).map_err(GitError::repository(folder))
}

/// Names a commit in its mirror, so that it is reachable.
pub(super) fn keep(repository: &Repository, commit: GitId) -> Result<(), git2::Error> {
    repository.reference(&format!("{KEPT}{commit}"), commit.0, true, "").map(drop)
}
