//! Names of versions: what a user may write for a ref, and the choice among the refs that a repository lists.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::outside::git::error::{GitError, near};

/// The full id of a commit, tree or file in git (SHA-1, shown as 40 hexadecimal digits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitId(pub(super) git2::Oid);

impl GitId {
    /// The first seven digits, for display only.
    pub fn short(self) -> String {
        self.to_string()[..7].to_owned()
    }
}

impl fmt::Display for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for GitId {
    type Err = GitError;

    fn from_str(text: &str) -> Result<Self, GitError> {
        let refuse = || GitError::Reference {
            text: text.to_owned(),
            why: "a full commit id has 40 hexadecimal digits".to_owned(),
        };
        if !is_hex(text) || text.len() != FULL {
            return Err(refuse());
        }
        git2::Oid::from_str(text).map(Self).map_err(|_| refuse())
    }
}

/// What a user may write for a version: a tag, a branch, a commit id of 7 to 40 digits, or `HEAD`.
///
/// The text is checked once, here: it is a valid git ref name with no leading `-`, no `..`, no blanks, no control
/// characters and none of git's revision operators.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitRef(String);

const FULL: usize = 40;
const SHORTEST: usize = 7;

impl GitRef {
    /// Checks the text of a ref; nothing is looked up.
    ///
    /// # Errors
    /// [`GitError::Reference`] if it is malformed.
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let refuse = |why: &str| Err(GitError::Reference { text: text.to_owned(), why: why.to_owned() });
        if text.starts_with('-') {
            return refuse("it starts with `-` like an option");
        }
        if !git2::Reference::is_valid_name(&format!("refs/heads/{text}")) {
            return refuse(
                "write a tag, a branch or a commit id; git allows no blanks, `..`, `~^:?*[\\` or control characters there",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// The default branch of the repository.
    pub fn head() -> Self {
        Self("HEAD".to_owned())
    }

    /// The text as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The commit, if this is a full commit id: such a ref needs no look-up.
    pub fn full_id(&self) -> Option<GitId> {
        self.0.parse().ok()
    }

    /// The digits in lower case, if this may be a shortened commit id.
    pub(super) fn short_id(&self) -> Option<String> {
        let fits = (SHORTEST..FULL).contains(&self.0.len()) && is_hex(&self.0);
        fits.then(|| self.0.to_ascii_lowercase())
    }

    /// The full names that the text may stand for, in the order in which they are tried.
    pub(super) fn candidates(&self) -> Vec<(String, RefKind)> {
        let text = &self.0;
        if text == "HEAD" {
            return vec![(text.clone(), RefKind::Head)];
        }
        if text.starts_with("refs/") {
            let kind = if text.starts_with("refs/tags/") { RefKind::Tag } else { RefKind::Branch };
            return vec![(text.clone(), kind)];
        }
        vec![(format!("refs/tags/{text}"), RefKind::Tag), (format!("refs/heads/{text}"), RefKind::Branch)]
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a ref turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefKind {
    /// A tag; expected not to move.
    Tag,
    /// A branch (also a remote-tracking one of a local repository); moves.
    Branch,
    /// The default branch of a remote, or what a local repository has checked out; moves.
    Head,
    /// A commit id; cannot move.
    Commit,
}

/// The answer to "which commit is this ref now".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The commit, tags taken apart.
    pub commit: GitId,
    /// The full name (`refs/tags/v1`); `None` for a commit id. Pass it on to `Mirrors::ensure`: servers that give out
    /// no bare ids still give out names.
    pub ref_name: Option<String>,
    /// What the ref is.
    pub kind: RefKind,
    /// A sentence for the user where the choice was not the only possible one.
    pub note: Option<String>,
}

/// The refs of a repository: full name → commit, tags taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct RefList {
    refs: BTreeMap<String, git2::Oid>,
}

/// Whether a list of refs settles what a ref means.
pub(super) enum Choice {
    /// It does.
    Found(Resolved),
    /// Nothing has that name, and it may be a shortened commit id: history must be searched.
    MaybeShortId(String),
}

impl RefList {
    /// Takes a server's listing, in which `name^{}` is the object that the tag `name` leads to.
    pub(super) fn new(listing: impl IntoIterator<Item = (String, git2::Oid)>) -> Self {
        let mut refs = BTreeMap::new();
        for (name, id) in listing {
            match name.strip_suffix("^{}") {
                Some(tag) => refs.insert(tag.to_owned(), id),
                // Peeled names may come first or last; they win either way.
                None => Some(*refs.entry(name).or_insert(id)),
            };
        }
        Self { refs }
    }

    /// The commit that a full name leads to.
    pub(super) fn commit(&self, name: &str) -> Option<GitId> {
        self.refs.get(name).copied().map(GitId)
    }

    /// Chooses: exact tag, then branch, then commit id.
    pub(super) fn choose(&self, reference: &GitRef, repository: &str) -> Result<Choice, GitError> {
        if let Some(commit) = reference.full_id() {
            return Ok(Choice::Found(Resolved { commit, ref_name: None, kind: RefKind::Commit, note: None }));
        }
        let mut found = reference
            .candidates()
            .into_iter()
            .filter_map(|(name, kind)| self.commit(&name).map(|commit| (commit, name, kind)));
        if let Some((commit, name, kind)) = found.next() {
            let note = found.next().filter(|other| other.0 != commit).map(|_| both_note(reference));
            return Ok(Choice::Found(Resolved { commit, ref_name: Some(name), kind, note }));
        }
        match reference.short_id() {
            Some(id) => Ok(Choice::MaybeShortId(id)),
            None => Err(self.unknown(reference, repository)),
        }
    }

    /// The error for a ref that nothing answers to.
    pub(super) fn unknown(&self, reference: &GitRef, repository: &str) -> GitError {
        let short = |name: &'_ str| -> String {
            name.strip_prefix("refs/tags/").or_else(|| name.strip_prefix("refs/heads/")).unwrap_or("").to_owned()
        };
        let names: Vec<String> = self.refs.keys().map(|name| short(name)).filter(|name| !name.is_empty()).collect();
        GitError::UnknownRef {
            repository: repository.to_owned(),
            reference: reference.to_string(),
            near: near(reference.as_str(), names.iter().map(String::as_str)),
        }
    }
}

/// The note for a text that is a tag and a branch at once.
pub(super) fn both_note(reference: &GitRef) -> String {
    format!("`{reference}` is a tag and a branch; the tag is taken, write `refs/heads/{reference}` for the branch")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> git2::Oid {
        git2::Oid::from_str(&digit.to_string().repeat(40)).unwrap()
    }

    fn list() -> RefList {
        RefList::new([
            ("HEAD".to_owned(), id('a')),
            ("refs/heads/main".to_owned(), id('a')),
            ("refs/heads/both".to_owned(), id('b')),
            ("refs/tags/both".to_owned(), id('c')),
            ("refs/tags/signed^{}".to_owned(), id('d')),
            ("refs/tags/signed".to_owned(), id('e')),
            ("refs/heads/abcdef1".to_owned(), id('f')),
        ])
    }

    fn choose(text: &str) -> Result<Choice, GitError> {
        list().choose(&GitRef::parse(text).unwrap(), "r")
    }

    #[test]
    fn row_34_texts_are_checked_before_any_use() {
        for text in ["main", "v1.2.3", "layer-collector/0.20.0", "refs/tags/x", "HEAD", "a-b", "ünï"] {
            assert!(GitRef::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "-x",
            "--upload-pack=touch x",
            "a..b",
            "a b",
            "a\nb",
            "a~1",
            "a^",
            "a:b",
            "x.lock",
            "@{u}",
            "/a",
            "a/",
            "a//b",
        ] {
            assert!(GitRef::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tag_goes_before_branch_before_commit_id() {
        for (text, digit, kind, noted) in [
            ("main", 'a', RefKind::Branch, false),
            ("both", 'c', RefKind::Tag, true),
            ("refs/heads/both", 'b', RefKind::Branch, false),
            ("signed", 'd', RefKind::Tag, false),
            ("abcdef1", 'f', RefKind::Branch, false),
            ("HEAD", 'a', RefKind::Head, false),
            ("9999999999999999999999999999999999999999", '9', RefKind::Commit, false),
        ] {
            let Ok(Choice::Found(found)) = choose(text) else { panic!("{text}") };
            assert_eq!((found.commit.0, found.kind, found.note.is_some()), (id(digit), kind, noted), "{text}");
        }
    }

    #[test]
    fn hex_that_is_no_name_may_be_a_short_id_and_the_rest_is_unknown() {
        assert!(matches!(choose("ABCDEF12"), Ok(Choice::MaybeShortId(id)) if id == "abcdef12"));
        assert!(matches!(choose("abcdef"), Err(GitError::UnknownRef { .. })), "six digits are too few");
        let Err(GitError::UnknownRef { near, .. }) = choose("mian") else { panic!() };
        assert_eq!(near, ["main"]);
    }
}
