//! The mirrors: one bare repository per remote in the user cache, each behind a lock of its own.
//!
//! `<cache>/git/NAME-HASH/` holds single commits without history; `NAME-HASH.history/` exists only once a shortened
//! commit id had to be searched for. Apart they stay simple: a repository that is cut off somewhere would have to be
//! made whole before every search. `NAME-HASH.lock` is held while a mirror receives; reading needs no lock, since
//! objects are only ever added. A mirror may be deleted at any time between runs.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::outside::git::error::GitError;
use crate::outside::git::location::{RemoteUrl, Scheme};
use crate::outside::git::reference::{Choice, GitId, GitRef, RefKind, Resolved};
use crate::outside::git::remote::{Peer, Want, keep, make_bare, open_private};
use crate::outside::git::transfer::{Hooks, NetworkSettings, talk, wait};

/// All mirrors of one user cache.
#[derive(Clone, Debug)]
pub struct Mirrors {
    folder: PathBuf,
    settings: NetworkSettings,
}

impl Mirrors {
    /// The mirrors below `cache_dir`; nothing is made or opened yet.
    pub fn new(cache_dir: &Path, settings: NetworkSettings) -> Self {
        Self { folder: cache_dir.join("git"), settings }
    }

    /// Where the mirror of a remote is, or would be.
    pub fn path(&self, url: &RemoteUrl) -> PathBuf {
        self.folder.join(mirror_name(url))
    }

    /// Whether a commit is in the mirror already, so that [`Mirrors::ensure`] would open no connection.
    pub fn has(&self, url: &RemoteUrl, commit: GitId) -> bool {
        self.find(url, commit).is_some()
    }

    /// Finds the commit that a ref names now, without receiving files. A full commit id opens no connection; a
    /// shortened one that is no tag or branch needs the history of the repository, received once and kept up to date.
    ///
    /// # Errors
    /// [`GitError::UnknownRef`] with near names, [`GitError::AmbiguousId`], and those of the network.
    pub fn resolve(&self, url: &RemoteUrl, reference: &GitRef, hooks: &mut Hooks<'_>) -> Result<Resolved, GitError> {
        if let Some(commit) = reference.full_id() {
            return Ok(Resolved { commit, ref_name: None, kind: RefKind::Commit, note: None });
        }
        let peer = self.peer(url, self.path(url));
        let _lock = self.lock(url, hooks)?;
        make_bare(&peer.folder)?;
        let refs = talk(url.as_str(), &self.settings, hooks, move |line| peer.list(line))?;
        let id = match refs.choose(reference, url.as_str())? {
            Choice::Found(found) => return Ok(found),
            Choice::MaybeShortId(id) => id,
        };
        let commit = match self.search(url, &id)? {
            Some(commit) => commit,
            None => {
                self.receive_history(url, hooks)?;
                self.search(url, &id)?.ok_or_else(|| refs.unknown(reference, url.as_str()))?
            }
        };
        Ok(Resolved { commit, ref_name: None, kind: RefKind::Commit, note: None })
    }

    /// Makes sure that a commit with all its files is in the mirror, and returns the folder to open
    /// with [`SourceRepository::open`](crate::outside::git::SourceRepository::open).
    ///
    /// What is missing is received without history: by `ref_name` if that name still leads to the commit, else by id.
    /// A server that gives out names only is asked for everything.
    ///
    /// # Errors
    /// [`GitError::CommitMissing`] if the remote does not give the commit out, and those of the network.
    pub fn ensure(
        &self,
        url: &RemoteUrl,
        commit: GitId,
        ref_name: Option<&str>,
        hooks: &mut Hooks<'_>,
    ) -> Result<PathBuf, GitError> {
        if let Some(folder) = self.find(url, commit) {
            return Ok(folder);
        }
        let _lock = self.lock(url, hooks)?;
        // Another run may have received it while this one waited.
        if let Some(folder) = self.find(url, commit) {
            return Ok(folder);
        }
        let folder = self.path(url);
        make_bare(&folder)?;
        let want = Want::Commit { commit, ref_name: ref_name.map(str::to_owned) };
        match self.receive(url, &folder, want, hooks) {
            Ok(()) | Err(GitError::CommitMissing { .. }) => {}
            Err(error) => return Err(error),
        }
        if has_commit(&folder, commit) {
            let repository = open_private(&folder)?;
            keep(&repository, commit).map_err(GitError::repository(&folder))?;
            return Ok(folder);
        }
        self.receive_history(url, hooks)?;
        self.find(url, commit)
            .ok_or_else(|| GitError::CommitMissing { repository: url.to_string(), commit: commit.to_string() })
    }

    fn find(&self, url: &RemoteUrl, commit: GitId) -> Option<PathBuf> {
        [self.path(url), self.history(url)].into_iter().find(|folder| has_commit(folder, commit))
    }

    fn receive_history(&self, url: &RemoteUrl, hooks: &mut Hooks<'_>) -> Result<(), GitError> {
        let folder = self.history(url);
        make_bare(&folder)?;
        self.receive(url, &folder, Want::Everything, hooks)
    }

    fn receive(&self, url: &RemoteUrl, folder: &Path, want: Want, hooks: &mut Hooks<'_>) -> Result<(), GitError> {
        let peer = self.peer(url, folder.to_owned());
        talk(url.as_str(), &self.settings, hooks, move |line| peer.fetch(&want, line))
    }

    /// The one commit in the history received so far whose id starts with `id`.
    fn search(&self, url: &RemoteUrl, id: &str) -> Result<Option<GitId>, GitError> {
        let folder = self.history(url);
        if !folder.exists() {
            return Ok(None);
        }
        let found = open_private(&folder)?.find_commit_by_prefix(id).map(|commit| GitId(commit.id()));
        match found {
            Ok(commit) => Ok(Some(commit)),
            Err(error) if error.code() == git2::ErrorCode::Ambiguous => {
                Err(GitError::AmbiguousId { repository: url.to_string(), id: id.to_owned() })
            }
            Err(_) => Ok(None),
        }
    }

    fn history(&self, url: &RemoteUrl) -> PathBuf {
        self.folder.join(format!("{}.history", mirror_name(url)))
    }

    fn peer(&self, url: &RemoteUrl, folder: PathBuf) -> Peer {
        Peer { url: url.clone(), folder, settings: self.settings.clone() }
    }

    /// Takes the mirror's lock; it is released when the file is dropped.
    fn lock(&self, url: &RemoteUrl, hooks: &Hooks<'_>) -> Result<File, GitError> {
        fs::create_dir_all(&self.folder).map_err(GitError::io("cannot make folder", &self.folder))?;
        let path = self.folder.join(format!("{}.lock", mirror_name(url)));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(GitError::io("cannot open", &path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => wait(url.as_str(), Duration::from_millis(50), hooks)?,
                Err(TryLockError::Error(error)) => return Err(GitError::io("cannot lock", &path)(error)),
            }
        }
    }
}

/// A readable name that no two remotes share.
fn mirror_name(url: &RemoteUrl) -> String {
    let identity = url.identity();
    let mut parts = identity.rsplit(['/', ':']).filter(|part| !part.is_empty());
    let name = parts.next().unwrap_or("repository");
    let owner = parts.next().filter(|_| url.scheme() != Scheme::File).unwrap_or(url.host());
    let readable: String = format!("{owner}-{name}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
        .take(80)
        .collect();
    let hash = blake3::hash(identity.as_bytes()).to_hex();
    format!("{}-{}", readable.trim_start_matches(['-', '.']), &hash[..16])
}

/// Whether the commit and its root tree are there; a pack becomes visible as a whole, so then all of it is.
fn has_commit(folder: &Path, commit: GitId) -> bool {
    folder.exists()
        && open_private(folder)
            .is_ok_and(|repository| repository.find_commit(commit.0).is_ok_and(|commit| commit.tree().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::git::fixture::{FILE, Fixture};
    use crate::outside::git::location::{LocationContext, SourceLocation};
    use crate::outside::git::transfer::{Login, Transferred};
    use std::net::TcpListener;
    use std::sync::atomic::AtomicBool;

    fn url(text: &str) -> RemoteUrl {
        let context = LocationContext { project_root: Path::new("/"), allow_file_url: true };
        match SourceLocation::parse(text, context).unwrap() {
            SourceLocation::Remote(url) => url,
            other => panic!("{other}"),
        }
    }

    fn url_of(fixture: &Fixture) -> RemoteUrl {
        url(&format!("file://{}", fixture.path().display()))
    }

    fn mirrors(cache: &Path) -> Mirrors {
        let settings = NetworkSettings {
            attempts: 1,
            connect_timeout: Duration::from_millis(200),
            login: Login::Nothing,
            ..NetworkSettings::default()
        };
        Mirrors::new(cache, settings)
    }

    fn with_hooks<T>(body: impl FnOnce(&mut Hooks<'_>) -> T) -> T {
        body(&mut Hooks { progress: &mut |_: Transferred| {}, cancel: &AtomicBool::new(false) })
    }

    fn resolve(mirrors: &Mirrors, url: &RemoteUrl, text: &str) -> Result<Resolved, GitError> {
        with_hooks(|hooks| mirrors.resolve(url, &GitRef::parse(text).unwrap(), hooks))
    }

    fn ensure(mirrors: &Mirrors, url: &RemoteUrl, found: &Resolved) -> Result<PathBuf, GitError> {
        with_hooks(|hooks| mirrors.ensure(url, found.commit, found.ref_name.as_deref(), hooks))
    }

    #[test]
    fn refs_of_a_remote_are_resolved_and_their_commits_received() {
        let fixture = Fixture::new();
        let first = fixture.commit("main", &[("a", FILE, "1")]);
        fixture.annotated_tag("layer/0.20.0", first);
        let second = fixture.commit("main", &[("a", FILE, "2")]);
        let (mirrors, url) = (mirrors(&fixture.folder.path().join("cache")), url_of(&fixture));
        for (text, commit, kind) in [
            ("main", second, RefKind::Branch),
            ("HEAD", second, RefKind::Head),
            ("layer/0.20.0", first, RefKind::Tag),
            (&second.short(), second, RefKind::Commit),
            (&first.to_string(), first, RefKind::Commit),
        ] {
            let found = resolve(&mirrors, &url, text).unwrap();
            assert_eq!((found.commit, found.kind), (commit, kind), "{text}");
            let folder = ensure(&mirrors, &url, &found).unwrap();
            assert!(has_commit(&folder, commit), "{text}");
        }
        fs::remove_dir_all(fixture.path()).unwrap();
        let pinned = Resolved { commit: first, ref_name: None, kind: RefKind::Commit, note: None };
        assert!(mirrors.has(&url, first) && ensure(&mirrors, &url, &pinned).is_ok(), "a mirror needs no remote");
        assert!(matches!(resolve(&mirrors, &url, "main"), Err(GitError::Denied { .. })));
    }

    #[test]
    fn row_35_a_commit_that_is_no_tip_is_received_and_a_foreign_one_is_named() {
        let fixture = Fixture::new();
        let old = fixture.commit("main", &[("a", FILE, "1")]);
        fixture.commit("main", &[("a", FILE, "2")]);
        let (mirrors, url) = (mirrors(&fixture.folder.path().join("cache")), url_of(&fixture));
        // The branch was the commit once: the hint must not be trusted.
        let moved =
            Resolved { commit: old, ref_name: Some("refs/heads/main".to_owned()), kind: RefKind::Branch, note: None };
        assert!(has_commit(&ensure(&mirrors, &url, &moved).unwrap(), old));
        let foreign = Resolved { commit: "a".repeat(40).parse().unwrap(), ..moved };
        assert!(matches!(ensure(&mirrors, &url, &foreign), Err(GitError::CommitMissing { .. })));
    }

    #[test]
    fn an_unknown_ref_brings_near_names() {
        let fixture = Fixture::new();
        let commit = fixture.commit("main", &[("a", FILE, "1")]);
        fixture.tag("layer-collector/0.20.0", commit);
        let (mirrors, url) = (mirrors(&fixture.folder.path().join("cache")), url_of(&fixture));
        let error = resolve(&mirrors, &url, "layer-collector/0.20").unwrap_err().to_string();
        assert!(error.contains("did you mean `layer-collector/0.20.0`?"), "{error}");
        assert!(matches!(resolve(&mirrors, &url, "abcdef0"), Err(GitError::UnknownRef { .. })));
    }

    #[test]
    fn many_runs_may_want_one_commit_at_once() {
        let fixture = Fixture::new();
        let commit = fixture.commit("main", &[("a", FILE, "1")]);
        let (mirrors, url) = (mirrors(&fixture.folder.path().join("cache")), url_of(&fixture));
        let found = Resolved { commit, ref_name: None, kind: RefKind::Commit, note: None };
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| ensure(&mirrors, &url, &found))).collect();
            for run in runs {
                assert!(has_commit(&run.join().unwrap().unwrap(), commit));
            }
        });
    }

    #[test]
    fn row_35_a_server_that_says_nothing_is_given_up() {
        let temp = tempfile::tempdir().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = url(&format!("http://{}/a/b.git", server.local_addr().unwrap()));
        let outcome = resolve(&mirrors(temp.path()), &url, "main");
        assert!(matches!(outcome, Err(GitError::TimedOut { phase: "connecting", .. })), "{outcome:?}");
    }

    #[test]
    fn mirrors_are_named_for_people_and_apart() {
        let name = |text: &str| mirror_name(&url(text));
        assert!(name("a/b").starts_with("a-b-"));
        assert_eq!(name("a/b"), name("https://GitHub.com/a/b/"));
        assert_ne!(name("a/b"), name("git@github.com:a/b.git"));
        assert!(name("git@github.com:a/b.git").starts_with("a-b-"));
        assert!(!name("https://example.org/%2e%2e/%2e%2e").contains(['/', '%']));
    }
}
