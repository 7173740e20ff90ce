//! GitHub's releases, as far as they are needed here: a narrow trait, and a client of the REST API behind it.

mod client;
mod error;
mod limits;
mod place;
mod transport;

pub use client::{GithubClient, Waits};
pub use error::{ErrorKind, GithubError};
pub use place::{Place, SHA, TOKEN, VARIABLES};

use serde::{Deserialize, Serialize};

/// A release as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Release {
    /// GitHub's number of it.
    pub id: u64,
    /// Its tag; a draft has one that need not exist yet.
    #[serde(rename = "tag_name")]
    pub tag: String,
    /// Its title.
    #[serde(default, rename = "name")]
    pub title: Option<String>,
    /// Its text.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether it is not published yet.
    #[serde(rename = "draft")]
    pub is_draft: bool,
    /// Whether it is marked as not ready for everybody.
    #[serde(rename = "prerelease")]
    pub is_prerelease: bool,
    /// Whether its files can never be changed again.
    #[serde(default, rename = "immutable")]
    pub is_immutable: bool,
    /// Where files are sent to, with a template at its end.
    pub upload_url: String,
    /// Its page.
    #[serde(rename = "html_url")]
    pub page: String,
}

/// A file of a release as GitHub shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Asset {
    /// GitHub's number of it.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `uploaded`, or `starter` for what a broken upload left.
    pub state: String,
    /// Bytes.
    pub size: u64,
    /// `sha256:` and its hexadecimal digits; servers of older versions do not say it.
    #[serde(default)]
    pub digest: Option<String>,
}

/// What a release is to be; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wish {
    /// The tag.
    #[serde(rename = "tag_name", skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The commit at which the tag is made if it does not exist.
    #[serde(rename = "target_commitish", skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The title.
    #[serde(rename = "name", skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whether it is not published yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<bool>,
    /// Whether it is marked as not ready for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prerelease: Option<bool>,
    /// `true`, `false`, or `legacy` (GitHub decides by date and version); absent means `true` to GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make_latest: Option<&'static str>,
}

/// The releases of one repository.
pub trait ReleaseHost {
    /// All releases, drafts too: a draft is not found by its tag.
    ///
    /// # Errors
    /// As GitHub says; so for all of these calls.
    fn releases(&self) -> Result<Vec<Release>, GithubError>;

    /// One release.
    fn release(&self, id: u64) -> Result<Release, GithubError>;

    /// Makes a release.
    fn create(&self, wish: &Wish) -> Result<Release, GithubError>;

    /// Changes a release.
    fn edit(&self, id: u64, wish: &Wish) -> Result<Release, GithubError>;

    /// Deletes a release that is a draft.
    fn delete_draft(&self, id: u64) -> Result<(), GithubError>;

    /// All files of a release.
    fn assets(&self, release: u64) -> Result<Vec<Asset>, GithubError>;

    /// Adds a file.
    fn upload(&self, release: &Release, name: &str, bytes: &[u8]) -> Result<Asset, GithubError>;

    /// Renames a file.
    fn rename(&self, asset: u64, name: &str) -> Result<Asset, GithubError>;

    /// Deletes a file.
    fn delete_asset(&self, asset: u64) -> Result<(), GithubError>;

    /// The bytes of a file.
    fn download(&self, asset: &Asset) -> Result<Vec<u8>, GithubError>;
}
