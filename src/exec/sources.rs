//! Asks a remote which commit a ref names, and fetches it into this user's mirror.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::base::clock::format_utc;
use crate::graph::node::{CloneKind, Pin};
use crate::outside::git::{
    GitError, GitRef, Hooks, Limits, LocationContext, Mirrors, NetworkSettings, RefKind, RemoteUrl, Scheme,
    SourceLocation, SourceRepository,
};
use crate::outside::process::cancel::Cancel;

/// How soon a request to stop is passed on to a transfer.
const TICK: Duration = Duration::from_millis(50);

/// The commit, tree and date that `clone`'s ref names now at `url`; the commit is then in the mirror.
///
/// # Errors
/// If the remote cannot be reached or does not have the ref.
pub fn ask(user_cache: &Path, env: &BTreeMap<String, String>, url: &str, clone: &CloneKind) -> Result<Pin, GitError> {
    let context = LocationContext { project_root: Path::new("/"), allow_file_url: true };
    let SourceLocation::Remote(remote) = SourceLocation::parse(url, context)? else {
        return Err(GitError::PathMissing { path: url.to_owned(), origin: url.to_owned(), near: Vec::new() });
    };
    let mirrors = Mirrors::new(user_cache, network_settings(env, &remote));
    let cancel = AtomicBool::new(false);
    let mut progress = |_| {};
    ask_with(&mirrors, &remote, clone, &mut Hooks { progress: &mut progress, cancel: &cancel })
}

/// [`ask`] through these mirrors, for as long as `hooks` lets it.
pub(in crate::exec) fn ask_with(
    mirrors: &Mirrors,
    remote: &RemoteUrl,
    clone: &CloneKind,
    hooks: &mut Hooks<'_>,
) -> Result<Pin, GitError> {
    let resolved = mirrors.resolve(remote, &GitRef::parse(&clone.reference)?, hooks)?;
    let folder = mirrors.ensure(remote, resolved.commit, resolved.ref_name.as_deref(), hooks)?;
    let repository = SourceRepository::open(&folder, remote.as_str())?;
    let tree = repository.tree(resolved.commit, &clone.paths, Limits::default())?;
    let seconds = u64::try_from(repository.commit_time(resolved.commit)?).unwrap_or(0);
    let branch = resolved.kind == RefKind::Branch;
    let date = format_utc(seconds)[..10].to_owned();
    Ok(Pin { commit: resolved.commit.to_string(), tree: tree.tree_id.unwrap_or_default(), date, branch })
}

/// How this caller reaches `remote`: through the proxy that the environment names, if it is not excepted.
pub(in crate::exec) fn network_settings(env: &BTreeMap<String, String>, remote: &RemoteUrl) -> NetworkSettings {
    let either = |upper: &str, lower: &str| {
        env.get(lower).or_else(|| env.get(upper)).map(|value| value.trim()).filter(|value| !value.is_empty())
    };
    let proxy = match remote.scheme() {
        Scheme::Https => either("HTTPS_PROXY", "https_proxy"),
        // `HTTP_PROXY` can be a header of a request that started this process; the lower-case name cannot.
        Scheme::Http => either("http_proxy", "http_proxy"),
        Scheme::Ssh | Scheme::File => None,
    };
    let excepted = either("NO_PROXY", "no_proxy").is_some_and(|list| is_excepted(list, remote.host()));
    let proxy = proxy.filter(|_| !excepted).map(str::to_owned);
    let env = if remote.scheme() == Scheme::Ssh { env.clone() } else { BTreeMap::new() };
    NetworkSettings { proxy, env, ..NetworkSettings::default() }
}

/// Whether a `NO_PROXY` list (`*`, `example.org`, `.example.org`, each optionally with a port) names the host.
fn is_excepted(list: &str, host: &str) -> bool {
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).any(|entry| {
        let name = entry.split(':').next().unwrap_or_default();
        let domain = name.trim_start_matches("*.").trim_start_matches('.');
        name == "*" || (!domain.is_empty() && (host == domain || host.ends_with(&format!(".{domain}"))))
    })
}

/// Talks to a remote until it is done, the run is cancelled or `limit` has passed.
///
/// # Errors
/// If no thread can be started that watches for the end; a talk that was given up is the talk's own error.
pub(in crate::exec) fn while_wanted<T>(
    cancel: &Cancel,
    limit: Option<Duration>,
    talk: impl FnOnce(&mut Hooks<'_>) -> T,
) -> std::io::Result<T> {
    let give_up = AtomicBool::new(cancel.is_raised());
    let (done, ended) = mpsc::channel::<()>();
    let flag = &give_up;
    thread::scope(|scope| {
        thread::Builder::new().name("git-watch".to_owned()).spawn_scoped(scope, move || {
            let mut left = limit;
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                left = left.map(|left| left.saturating_sub(TICK));
                if cancel.is_raised() || left == Some(Duration::ZERO) {
                    flag.store(true, Ordering::Relaxed);
                    return;
                }
            }
        })?;
        // Dropped at the end of the talk, also if it panics: then the watching thread ends.
        let _done = done;
        Ok(talk(&mut Hooks { progress: &mut |_| {}, cancel: flag }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::process::cancel::Level;

    fn remote(url: &str) -> RemoteUrl {
        let context = LocationContext { project_root: Path::new("/"), allow_file_url: true };
        match SourceLocation::parse(url, context).unwrap() {
            SourceLocation::Remote(remote) => remote,
            other => panic!("{other}"),
        }
    }

    fn proxy(env: &[(&str, &str)], url: &str) -> Option<String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        network_settings(&env, &remote(url)).proxy
    }

    #[test]
    fn the_caller_s_proxy_counts_unless_the_host_is_excepted() {
        let url = "https://git.example.org/a/b";
        let set = ("HTTPS_PROXY", "http://proxy:3128");
        assert_eq!(proxy(&[set], url).as_deref(), Some("http://proxy:3128"));
        assert_eq!(proxy(&[set, ("https_proxy", "http://other:1")], url).as_deref(), Some("http://other:1"));
        assert_eq!(proxy(&[("HTTPS_PROXY", " ")], url), None);
        assert_eq!(proxy(&[set], "git@git.example.org:a/b.git"), None);
        for list in ["*", "example.org", ".example.org", "*.example.org", "a.net, git.EXAMPLE.org:443"] {
            assert_eq!(proxy(&[set, ("NO_PROXY", list)], url), None, "{list}");
        }
        for list in ["", ",", "ample.org", "b.git.example.org"] {
            assert!(proxy(&[set, ("no_proxy", list)], url).is_some(), "{list}");
        }
    }

    #[test]
    fn a_talk_ends_with_the_run_or_with_its_limit() {
        let wait = |hooks: &mut Hooks<'_>| {
            while !hooks.cancel.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        };
        let cancel = Cancel::new().unwrap();
        while_wanted(&cancel, Some(TICK), wait).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| while_wanted(&cancel, None, wait).unwrap());
            cancel.raise(Level::Graceful);
        });
        assert!(while_wanted(&cancel, None, |hooks| hooks.cancel.load(Ordering::Relaxed)).unwrap());
    }
}
