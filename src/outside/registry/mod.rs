//! Where layers are published: one narrow trait over stores that behave like AWS Lambda's.
//!
//! A store keeps numbered versions of named layers per region. Publishing is not idempotent: every success is a new
//! number, and numbers are never given twice, also not after a deletion. Finding out whether the wanted version is
//! there already is the caller's work.

pub mod aws;
pub mod directory;
mod rules;

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
pub(crate) mod sample;

use std::fmt;

use serde::{Deserialize, Serialize};

/// A layer in a region, without a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerId {
    /// The region, for example `eu-west-1`.
    pub region: String,
    /// The whole layer name. To read a version on AWS it may be the layer's ARN, by which those of others are found.
    pub name: String,
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {} in {}", self.name, self.region)
    }
}

/// What tells one layer store from another: with it, and the layer's own identity, a receipt is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The kind of store: `aws`, `directory`.
    pub kind: &'static str,
    /// Where it is reached: a URL, or the path as the user wrote it.
    pub endpoint: String,
    /// The partition, where there are any.
    pub partition: Option<String>,
    /// The account, where there are any.
    pub account: Option<String>,
}

/// A version as a listing shows it. As on AWS, a listing has no hash and no size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its number, from 1.
    pub number: u64,
    /// Its description; may be empty.
    pub description: String,
    /// Compatible architectures in Lambda's spelling, sorted.
    pub architectures: Vec<String>,
    /// Compatible runtimes, sorted.
    pub runtimes: Vec<String>,
    /// Licence text or SPDX expression; may be empty.
    pub license: String,
    /// When it was published, in seconds since 1970, if the store says so.
    pub created: Option<u64>,
}

/// A version with everything known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerVersion {
    /// Names the version: an ARN on AWS, `layer:REGION:NAME:NUMBER` in a directory.
    pub arn: String,
    /// What a listing shows.
    pub listed: ListedVersion,
    /// Base64 of the SHA-256 of the zip as stored.
    pub code_sha256: String,
    /// Length of the zip in bytes.
    pub code_size: u64,
}

/// What is to be published.
#[derive(Clone, Copy, Debug)]
pub struct NewVersion<'a> {
    /// The zip.
    pub zip: &'a [u8],
    /// At most 256 characters.
    pub description: &'a str,
    /// In Lambda's spelling.
    pub architectures: &'a [String],
    /// At most 15.
    pub runtimes: &'a [String],
    /// At most 512 characters.
    pub license: &'a str,
}

/// Who may use a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grantee {
    /// Everybody, without a condition.
    Everyone,
    /// One account: 12 digits.
    Account(String),
    /// Every account of an organisation, `o-…`.
    Organisation(String),
    /// A statement of a form that is none of these, as the store shows it; it can be read but not added.
    Other(String),
}

/// One statement of a version's sharing policy: it allows the grantee to get the version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its id, unique within the policy.
    pub id: String,
    /// Who is allowed.
    pub grantee: Grantee,
}

/// A store of layers. All methods may block.
pub trait LayerRegistry: Send + Sync {
    /// All versions of a layer, newest first; none for a name that nobody published.
    ///
    /// # Errors
    /// As the store says; never an empty list in place of an error.
    fn list_versions(&self, layer: &LayerId) -> Result<Vec<ListedVersion>, RegistryError>;

    /// One version with its hash.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none of this number; else as the store says.
    fn get_version(&self, layer: &LayerId, number: u64) -> Result<LayerVersion, RegistryError>;

    /// Publishes a new version, whatever is there already.
    ///
    /// # Errors
    /// [`ErrorKind::Ambiguous`] if it may have been published all the same; else nothing was.
    fn publish(&self, layer: &LayerId, version: &NewVersion<'_>) -> Result<LayerVersion, RegistryError>;

    /// The sharing policy of a version; without statements if it has none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such version; else as the store says.
    fn read_policy(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError>;

    /// As [`Self::read_policy`], of a version that the caller has just seen there: a store whose answer tells no policy
    /// from no version need not look for the version once more.
    ///
    /// # Errors
    /// As the store says.
    fn read_policy_of_seen(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError> {
        self.read_policy(layer, number)
    }

    /// Adds a statement to the sharing policy of a version.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if the policy has a statement of this id; [`ErrorKind::Ambiguous`] if it may have been
    /// added all the same; else as the store says.
    fn add_permission(&self, layer: &LayerId, number: u64, statement: &Statement) -> Result<(), RegistryError>;

    /// Deletes a version; its number is not given again. One that is gone already is fine.
    ///
    /// # Errors
    /// As the store says.
    fn delete_version(&self, layer: &LayerId, number: u64) -> Result<(), RegistryError>;

    /// The names of all layers of this account in a region, sorted.
    ///
    /// # Errors
    /// As the store says; never an empty list in place of an error.
    fn list_layers(&self, region: &str) -> Result<Vec<String>, RegistryError>;

    /// The zip of a version. Its bytes are not checked here: the caller knows which hash it wants.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such version; else as the store says.
    fn read_zip(&self, layer: &LayerId, number: u64) -> Result<Vec<u8>, RegistryError>;

    /// Removes a statement from the sharing policy of a version. One that is gone already is fine.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such version; else as the store says.
    fn remove_permission(&self, layer: &LayerId, number: u64, id: &str) -> Result<(), RegistryError>;

    /// How much of a region's storage is used; `None` for a store without such a limit.
    ///
    /// # Errors
    /// As the store says.
    fn storage(&self, region: &str) -> Result<Option<Storage>, RegistryError>;
}

/// The code storage of an account in a region, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// What functions and layers take.
    pub used: u64,
    /// What they may take.
    pub limit: u64,
}

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too many requests: nothing was done, the same later may succeed.
    Throttled,
    /// The connection was refused: nothing was done.
    Refused,
    /// No answer, or none that says whether it was done: look before doing it again.
    Ambiguous,
    /// There is no such version.
    NotFound,
    /// There is something else of this id already.
    Conflict,
    /// Not allowed, or not with these credentials.
    Denied,
    /// The store does not take this, whoever asks.
    Invalid,
    /// The account has not enabled the region.
    NotEnabled,
    /// Files of the store could not be read or written.
    Io,
}

impl ErrorKind {
    /// Whether nothing was done and the same call may succeed later.
    pub fn may_pass_later(self) -> bool {
        matches!(self, Self::Throttled | Self::Refused)
    }
}

/// What went wrong in a layer store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct RegistryError {
    /// What it means.
    pub kind: ErrorKind,
    /// What was asked, of what.
    pub what: String,
    /// What the store says, and what to do about it.
    pub problem: String,
}

impl RegistryError {
    /// An error about `what`.
    pub fn new(kind: ErrorKind, what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind, what: what.into(), problem: problem.into() }
    }
}
