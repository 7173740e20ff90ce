//! What is asked of a remote: its refs, and objects into a bare repository. Runs on the talking thread.

use std::path::{Path, PathBuf};

use git2::{AutotagOption, Config, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, ProxyOptions};
use git2::{RemoteCallbacks, RemoteRedirect, Repository, RepositoryInitOptions, RepositoryOpenFlags};

use crate::outside::git::error::GitError;
use crate::outside::git::location::{RemoteUrl, Scheme, host_of};
use crate::outside::git::reference::{GitId, RefList};
use crate::outside::git::transfer::{Line, Login, NetworkSettings};

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
    pub(super) fn list(&self, line: &Line) -> Result<RefList, GitError> {
        let repository = open_private(&self.folder)?;
        let mut remote = repository.remote_anonymous(self.url.as_str()).map_err(|error| self.failure(&error))?;
        let connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks(line)), Some(self.proxy()))
            .map_err(|error| self.failure(&error))?;
        let heads = connection.list().map_err(|error| self.failure(&error))?;
        Ok(RefList::new(heads.iter().map(|head| (head.name().to_owned(), head.oid()))))
    }

    /// Receives what is wanted. Whether it then is there is for the caller to check.
    pub(super) fn fetch(&self, want: &Want, line: &Line) -> Result<(), GitError> {
        let repository = open_private(&self.folder)?;
        let mut remote = repository.remote_anonymous(self.url.as_str()).map_err(|error| self.failure(&error))?;
        let mut connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks(line)), Some(self.proxy()))
            .map_err(|error| self.failure(&error))?;
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks(line))
            .proxy_options(self.proxy())
            .download_tags(AutotagOption::None)
            .update_fetchhead(false)
            .follow_redirects(RemoteRedirect::Initial);
        let specs = match want {
            Want::Everything => {
                vec!["+refs/heads/*:refs/heads/*".to_owned(), "+refs/tags/*:refs/tags/*".to_owned()]
            }
            Want::Commit { commit, ref_name } => {
                let heads = connection.list().map_err(|error| self.failure(&error))?;
                let refs = RefList::new(heads.iter().map(|head| (head.name().to_owned(), head.oid())));
                // libgit2 cannot cut history on its way from a folder.
                if self.url.scheme() != Scheme::File {
                    options.depth(1);
                }
                let named = ref_name.as_deref().filter(|name| refs.commit(name) == Some(*commit));
                vec![format!("+{}:{KEPT}{commit}", named.map_or_else(|| commit.to_string(), str::to_owned))]
            }
        };
        line.connected();
        let remote = connection.remote();
        if let Err(error) = remote.download(&specs, Some(&mut options)) {
            return Err(match want {
                Want::Commit { commit, .. } if refuses_id(&error) => {
                    GitError::CommitMissing { repository: self.url.to_string(), commit: commit.to_string() }
                }
                _ => self.failure(&error),
            });
        }
        if matches!(want, Want::Everything) {
            let flags = git2::RemoteUpdateFlags::empty();
            remote.update_tips(None, flags, AutotagOption::None, None).map_err(|error| self.failure(&error))?;
        }
        Ok(())
    }

    fn proxy(&self) -> ProxyOptions<'static> {
        let mut options = ProxyOptions::new();
        if let Some(url) = &self.settings.proxy {
            options.url(url);
        }
        options
    }

    fn callbacks<'a>(&'a self, line: &'a Line) -> RemoteCallbacks<'a> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|progress| line.received(&progress)).sideband_progress(|_| line.beat());
        let mut asked = CredentialType::empty();
        callbacks.credentials(move |url, user, allowed| {
            // A login that was refused is offered once only; the server would ask for ever.
            let fresh = allowed & !asked;
            asked |= allowed;
            if self.settings.login == Login::Nothing || !line.beat() || !self.same_host(url) {
                return Err(git2::Error::from_str("the server asks for a login"));
            }
            let user = user.unwrap_or("git");
            if fresh.contains(CredentialType::USERNAME) {
                return Cred::username(user);
            }
            if fresh.contains(CredentialType::SSH_KEY) {
                return Cred::ssh_key_from_agent(user);
            }
            if fresh.contains(CredentialType::USER_PASS_PLAINTEXT) && self.url.scheme() == Scheme::Https {
                return Cred::credential_helper(&Config::open_default()?, self.url.as_str(), None);
            }
            Err(git2::Error::from_str("the server accepts no login that is at hand"))
        });
        callbacks
    }

    /// Whether a login asked for on behalf of `url` goes to the host that the user named.
    fn same_host(&self, url: &str) -> bool {
        let Some((_, rest)) = url.split_once("://") else { return self.url.scheme() == Scheme::Ssh };
        host_of(rest.split('/').next().unwrap_or(rest)) == self.url.host()
    }

    fn failure(&self, error: &git2::Error) -> GitError {
        let repository = self.url.to_string();
        let why = error.message().to_owned();
        let login = match self.url.scheme() {
            _ if error.code() == ErrorCode::Certificate => "the server's certificate or host key on this machine",
            Scheme::Ssh => "the ssh agent",
            _ => "a git credential helper",
        };
        let answered = ["401", "403", "404", "login"].iter().any(|word| why.contains(word));
        match (error.code(), error.class()) {
            (ErrorCode::Auth | ErrorCode::Certificate, _) | (_, ErrorClass::Callback) => {
                GitError::Denied { repository, why, login }
            }
            // Trying again helps with a network only.
            _ if answered || self.url.scheme() == Scheme::File => GitError::Denied { repository, why, login },
            _ => GitError::Unreachable { repository, why },
        }
    }
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
