//! Sources at one commit: from a remote through a bare mirror, from a local repository, or from a plain folder.
//!
//! The way is [`SourceLocation::parse`] → [`Mirrors::resolve`] and [`Mirrors::ensure`] (or [`local::resolve_local`])
//! → [`SourceRepository::tree`] → [`SourceRepository::each_file`]; a plain folder needs [`walk_plain`] only. Refs are
//! resolved once, to a full commit id, and everything after that names the commit.
//!
//! Everything goes through libgit2, so no `git` program is needed and no argument can become an option of one; how its
//! bytes reach a server is `transport`'s. What a mirror is asked for is read from the mirror's own configuration alone: a
//! user's `insteadOf`, proxy or certificate settings redirect nothing. The user's git configuration is read for its
//! credential helper, if the caller allows it, and for `safe.directory`.

pub mod changes;
mod error;
#[cfg(test)]
mod fixture;
mod listing;
pub mod local;
mod location;
mod mirror;
mod plain;
mod reference;
mod remote;
mod transfer;
mod transport;
mod tree;

pub use error::GitError;
pub use listing::{Entry, EntryKind, Limits, Tree};
pub use location::{LocationContext, RemoteUrl, Scheme, SourceLocation};
pub use mirror::Mirrors;
pub use plain::walk_plain;
pub use reference::{GitId, GitRef, RefKind, Resolved};
pub use transfer::{Hooks, Login, NetworkSettings, Transferred};
pub use tree::SourceRepository;
