//! Where sources come from: the text of `repo:` or `-r`, read into one of three kinds. Nothing here opens a socket.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::outside::git::error::GitError;

/// A place that sources can be taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceLocation {
    /// A repository on another machine (or behind an allowed `file://` URL); read through a mirror.
    Remote(RemoteUrl),
    /// A git repository on this machine, bare or with a working tree; absolute path.
    Repository(PathBuf),
    /// A folder that is no git repository of its own; absolute path.
    Directory(PathBuf),
}

/// The URL of a remote repository, checked: an allowed scheme, no secrets, nothing a transport could take for an option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteUrl {
    url: String,
    scheme: Scheme,
    host: String,
}

/// How a remote is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Smart HTTP over TLS.
    Https,
    /// Smart HTTP in the clear; loopback only.
    Http,
    /// SSH, by URL or as `user@host:path`.
    Ssh,
    /// A folder of this machine, by URL.
    File,
}

/// What decides how a source's text is read.
#[derive(Clone, Copy, Debug)]
pub struct LocationContext<'a> {
    /// The folder that relative paths start from; absolute.
    pub project_root: &'a Path,
    /// Whether `file://` is allowed: only for text that the user gave on the command line.
    pub allow_file_url: bool,
}

impl SourceLocation {
    /// Reads the text of a source.
    ///
    /// `owner/name` is always GitHub, whatever is on disk (a folder of that shape is written `./owner/name`), so that
    /// a text means the same in every checkout.
    ///
    /// # Errors
    /// [`GitError::Location`] for text of no allowed form and for a path that does not exist.
    pub fn parse(text: &str, context: LocationContext<'_>) -> Result<Self, GitError> {
        let refuse = |why: &str| GitError::Location { text: text.to_owned(), why: why.to_owned() };
        if text.is_empty() {
            return Err(refuse("it is empty; write `owner/name`, a URL or a folder"));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(refuse("it has a control character, or blanks at an end"));
        }
        if text.starts_with('-') {
            return Err(refuse("it starts with `-` like an option; write `./-name` for such a folder"));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return parse_url(scheme, rest, context).map(Self::Remote).map_err(|why| refuse(&why));
        }
        if text.contains("::") {
            return Err(refuse("remote helpers (`helper::address`) are not supported; use https or ssh"));
        }
        if let Some(remote) = parse_scp(text) {
            return remote.map(Self::Remote).map_err(|why| refuse(&why));
        }
        if let Some(url) = github(text) {
            return parse_url("https", &url, context).map(Self::Remote).map_err(|why| refuse(&why));
        }
        if text.starts_with('~') {
            return Err(refuse("`~` is not expanded here; write the whole path"));
        }
        parse_path(text, context.project_root).map_err(|why| refuse(&why))
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(url) => url.fmt(f),
            Self::Repository(path) | Self::Directory(path) => path.display().fmt(f),
        }
    }
}

impl RemoteUrl {
    /// The URL to give to the transport, and to show.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// How the remote is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case, without user and port; empty for `file`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The form in which two spellings of one repository are equal; names the mirror.
    pub(super) fn identity(&self) -> &str {
        self.url.strip_suffix(".git").unwrap_or(&self.url)
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The host in lower case of an authority `[user@]host[:port]`, without the port.
pub(super) fn host_of(authority: &str) -> String {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inner, _)) => inner,
        None => host.split(':').next().unwrap_or(host),
    };
    host.to_ascii_lowercase()
}

fn parse_url(scheme: &str, rest: &str, context: LocationContext<'_>) -> Result<RemoteUrl, String> {
    let lower = scheme.to_ascii_lowercase();
    if rest.contains(char::is_whitespace) {
        return Err("a URL has no blanks; write %20".to_owned());
    }
    if rest.contains(['?', '#']) {
        return Err("a repository's URL has no `?` and no `#`; the ref is given apart".to_owned());
    }
    let scheme = match lower.as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        "ssh" => Scheme::Ssh,
        "file" => return parse_file_url(rest, context),
        other => return Err(format!("scheme `{other}` is not allowed; use https or ssh")),
    };
    let (authority, path) = rest.split_once('/').ok_or("the URL has no path")?;
    let path = path.trim_end_matches('/');
    let host = host_of(authority);
    check_host(&host)?;
    if path.is_empty() || path.starts_with('-') {
        return Err("the URL has no usable path".to_owned());
    }
    match (scheme, authority.rsplit_once('@')) {
        (Scheme::Ssh, Some((user, _))) if user.contains(':') || user.starts_with('-') => {
            return Err("a password in a URL would end up in logs; use the ssh agent".to_owned());
        }
        (Scheme::Https | Scheme::Http, Some(_)) => {
            return Err("a user or token in a URL would end up in logs; use a git credential helper".to_owned());
        }
        _ => {}
    }
    if scheme == Scheme::Http && !is_loopback(&host) {
        return Err("plain http is allowed to this machine only; use https".to_owned());
    }
    // Host names have no case; a mirror must not exist once per spelling.
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => format!("{user}@{}", host.to_ascii_lowercase()),
        None => authority.to_ascii_lowercase(),
    };
    Ok(RemoteUrl { url: format!("{lower}://{authority}/{path}"), scheme, host })
}

fn parse_file_url(rest: &str, context: LocationContext<'_>) -> Result<RemoteUrl, String> {
    if !context.allow_file_url {
        return Err("`file://` is allowed on the command line only; write the folder's path".to_owned());
    }
    let path = rest.trim_end_matches('/');
    if !path.starts_with('/') {
        return Err("a file URL has three slashes: `file:///folder`".to_owned());
    }
    Ok(RemoteUrl { url: format!("file://{path}"), scheme: Scheme::File, host: String::new() })
}

/// `user@host:path`; `None` if the text has not that shape.
fn parse_scp(text: &str) -> Option<Result<RemoteUrl, String>> {
    let (authority, path) = text.split_once(':')?;
    if authority.is_empty() || authority.contains('/') || authority.starts_with('.') {
        return None;
    }
    Some((|| {
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        check_host(host)?;
        let path = path.trim_end_matches('/');
        if user.starts_with('-') || path.is_empty() || path.starts_with('-') || path.contains(char::is_whitespace) {
            return Err("that is no usable `user@host:path`".to_owned());
        }
        let host = host.to_ascii_lowercase();
        let user = if user.is_empty() { "git" } else { user };
        Ok(RemoteUrl { url: format!("{user}@{host}:{path}"), scheme: Scheme::Ssh, host })
    })())
}

fn check_host(host: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.starts_with(['-', '.']) || !host.chars().all(plain) {
        return Err(format!("`{host}` is no host name"));
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The rest of the https URL of a GitHub `owner/name`; `None` if the text has not that shape.
fn github(text: &str) -> Option<String> {
    let (owner, name) = text.split_once('/')?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let name = name.strip_suffix(".git").unwrap_or(name);
    (plain(owner) && plain(name)).then(|| format!("github.com/{owner}/{name}.git"))
}

fn parse_path(text: &str, project_root: &Path) -> Result<SourceLocation, String> {
    let path = project_root.join(text);
    let shown = path.display();
    let path = path.canonicalize().map_err(|error| format!("folder {shown} cannot be opened ({error})"))?;
    if !path.is_dir() {
        return Err(format!("{shown} is not a folder"));
    }
    if path.join(".git").exists() || is_bare(&path) {
        return Ok(SourceLocation::Repository(path));
    }
    Ok(SourceLocation::Directory(path))
}

fn is_bare(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn parse(text: &str) -> Result<SourceLocation, GitError> {
        SourceLocation::parse(text, LocationContext { project_root: Path::new("/"), allow_file_url: false })
    }

    #[test]
    fn remotes_are_read_into_one_url_per_repository() {
        for (text, url, scheme) in [
            (
                "open-telemetry/opentelemetry-lambda",
                "https://github.com/open-telemetry/opentelemetry-lambda.git",
                Scheme::Https,
            ),
            ("HTTPS://GitHub.com/a/b/", "https://github.com/a/b", Scheme::Https),
            ("ssh://git@Host:22/a/b.git", "ssh://git@host:22/a/b.git", Scheme::Ssh),
            ("git@github.com:a/b.git", "git@github.com:a/b.git", Scheme::Ssh),
            ("http://127.0.0.1:8080/a.git", "http://127.0.0.1:8080/a.git", Scheme::Http),
            ("http://[::1]:8080/a.git", "http://[::1]:8080/a.git", Scheme::Http),
        ] {
            let SourceLocation::Remote(remote) = parse(text).unwrap() else { panic!("{text}") };
            assert_eq!((remote.as_str(), remote.scheme()), (url, scheme), "{text}");
        }
    }

    #[test]
    fn row_34_dangerous_and_mistaken_texts_are_refused() {
        for text in [
            "",
            " a/b",
            "-oProxyCommand=x",
            "--upload-pack=touch x",
            "ext::sh -c touch% x",
            "a/b\nc",
            "https://user:secret@github.com/a/b",
            "https://token@github.com/a/b",
            "https://github.com",
            "https://-evil/a/b",
            "https://github.com/a b",
            "http://github.com/a/b",
            "http://127.0.0.1.evil.example/a/b",
            "git://github.com/a/b",
            "ftp://github.com/a/b",
            "ssh://-oProxyCommand=x/a",
            "git@-oProxyCommand=x:a/b",
            "host:-x",
            "file:///etc",
            "~/code",
            "./does-not-exist",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn file_urls_need_the_command_line() {
        let context = LocationContext { project_root: Path::new("/"), allow_file_url: true };
        let SourceLocation::Remote(remote) = SourceLocation::parse("file:///tmp/x/", context).unwrap() else {
            panic!()
        };
        assert_eq!((remote.as_str(), remote.scheme()), ("file:///tmp/x", Scheme::File));
    }

    #[test]
    fn folders_are_told_from_repositories() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("plain/deep")).unwrap();
        git2::Repository::init(root.join("work")).unwrap();
        git2::Repository::init_bare(root.join("bare")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        let read =
            |text: &str| SourceLocation::parse(text, LocationContext { project_root: &root, allow_file_url: false });
        assert_eq!(read("./plain").unwrap(), SourceLocation::Directory(root.join("plain")));
        assert_eq!(read("./plain/deep").unwrap(), SourceLocation::Directory(root.join("plain/deep")));
        assert_eq!(read("work").unwrap(), SourceLocation::Repository(root.join("work")));
        assert_eq!(read(root.join("bare").to_str().unwrap()).unwrap(), SourceLocation::Repository(root.join("bare")));
        assert!(matches!(read("plain/deep").unwrap(), SourceLocation::Remote(_)), "two plain words are GitHub");
        assert!(read("file").is_err());
    }
}
