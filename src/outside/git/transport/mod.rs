//! How bytes get to a server and back. libgit2 knows git's protocol and is built without HTTP, TLS and SSH of its own:
//! `https` and `http` go over the same TLS as all else here, `ssh` through the user's own `ssh`, with its keys, agent,
//! configuration and known hosts.
//!
//! libgit2 asks a transport by the URL's scheme alone. Who talks, how patiently and with which rights is therefore left
//! for it on the talking thread, by [`speaking`].

mod http;
mod login;
mod redirect;
mod ssh;

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use git2::transport::{Transport, register};

use crate::outside::git::location::RemoteUrl;
use crate::outside::git::transfer::{Line, NetworkSettings};

/// What a transport knows of the talk it carries.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) url: RemoteUrl,
    pub(super) settings: NetworkSettings,
    pub(super) line: Arc<Line>,
    failure: Arc<Mutex<Option<Failure>>>,
}

/// Why a talk broke off. libgit2 keeps no more of an error than a line of text, so the transport notes it here too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Whether the same question may be answered another time: the network or the server failed, neither said "no".
    pub(super) may_pass: bool,
    /// Whether it is this machine that does not trust the server.
    pub(super) distrust: bool,
    /// What happened, in a clause.
    pub(super) why: String,
}

impl Failure {
    fn denied(why: impl Into<String>) -> Self {
        Self { may_pass: false, distrust: false, why: why.into() }
    }

    fn distrust(why: impl Into<String>) -> Self {
        Self { may_pass: false, distrust: true, why: why.into() }
    }

    fn network(why: impl Into<String>) -> Self {
        Self { may_pass: true, distrust: false, why: why.into() }
    }
}

impl Talk {
    /// A talk about to begin.
    pub(super) fn new(url: &RemoteUrl, settings: &NetworkSettings, line: &Arc<Line>) -> Self {
        Self { url: url.clone(), settings: settings.clone(), line: Arc::clone(line), failure: Arc::default() }
    }

    /// Why it broke off, if it was the transport that saw it.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why the talk breaks off, and gives it as libgit2 wants it. The first reason stands: later ones follow from it.
    fn fail(&self, failure: Failure) -> git2::Error {
        // A NUL would end the text, and git2 does not expect one.
        let error = git2::Error::from_str(&failure.why.replace('\0', " "));
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        error
    }

    /// [`Talk::fail`] in the midst of a stream.
    fn fail_stream(&self, failure: Failure) -> std::io::Error {
        std::io::Error::other(self.fail(failure).message().to_owned())
    }
}

thread_local! {
    static SPEAKING: RefCell<Option<Talk>> = const { RefCell::new(None) };
}

/// Does `work`, with which libgit2 may open connections for `talk` on this thread.
///
/// # Errors
/// If libgit2 takes no transports.
pub(super) fn speaking<T>(talk: &Talk, work: impl FnOnce() -> T) -> Result<T, git2::Error> {
    struct Silence;
    impl Drop for Silence {
        fn drop(&mut self) {
            SPEAKING.set(None);
        }
    }
    install()?;
    SPEAKING.set(Some(talk.clone()));
    let _silence = Silence;
    Ok(work())
}

fn spoken() -> Result<Talk, git2::Error> {
    SPEAKING.with_borrow(Clone::clone).ok_or_else(|| git2::Error::from_str("no talk was begun on this thread"))
}

/// Tells libgit2, once per process, who speaks which scheme.
#[allow(unsafe_code, reason = "git2 registers transports by an unsafe function only")]
fn install() -> Result<(), git2::Error> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let all = || {
            for scheme in ["https", "http"] {
                // SAFETY: registration must not overlap with the making of transports. It happens once, and every
                // talk waits here for its end; nothing else in this program makes remotes of these schemes.
                unsafe { register(scheme, |remote| Transport::smart(remote, true, http::Http::new(spoken()?)))? };
            }
            // SAFETY: as above. `user@host:path` is asked for as ssh, too.
            unsafe { register("ssh", |remote| Transport::smart(remote, false, ssh::Ssh::new(spoken()?))) }
        };
        all().map_err(|error: git2::Error| error.message().to_owned())
    });
    done.clone().map_err(|why| git2::Error::from_str(&why))
}

#[cfg(test)]
mod tests;
