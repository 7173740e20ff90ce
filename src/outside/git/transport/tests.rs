//! Talks with servers of our own on loopback, and with a script in the place of `ssh`. What the servers say is said by
//! the real `git upload-pack`.

#![allow(clippy::disallowed_methods, reason = "the servers of these tests run git")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::outside::git::fixture::{FILE, Fixture};
use crate::outside::git::transfer::{Hooks, Login, NetworkSettings, Transferred};
use crate::outside::git::{GitError, GitRef, LocationContext, Mirrors, RemoteUrl, Resolved, SourceLocation};

/// A request: its first line, its headers in lower case, its body.
struct Request {
    line: String,
    headers: String,
    body: Vec<u8>,
}

/// A whole answer as it goes over the wire.
type Reply = Vec<u8>;

/// A server until the test's process ends; knows what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(reply: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                log.lock().unwrap().push(format!("{}\n{}", request.line, request.headers));
                // A client that has seen enough hangs up.
                let _ = stream.write_all(&reply(&request));
            }
        });
        Self { address, asked }
    }

    /// One that serves the repository at `/a/b.git`.
    fn of(fixture: &Fixture) -> Self {
        let folder = fixture.path().to_owned();
        Self::new(move |request| serve(&folder, "/a/b.git", request))
    }

    fn url(&self) -> RemoteUrl {
        url(&format!("http://{}/a/b.git", self.address))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), String::new());
    reader.read_line(&mut line).ok()?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|&count| count > 0)?;
        if header.trim().is_empty() {
            break;
        }
        headers.push_str(&header.to_ascii_lowercase());
    }
    let length = headers.lines().find_map(|header| header.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: line.trim().to_owned(), headers, body })
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn redirect(status: &str, location: &str) -> Reply {
    answer(status, &format!("location: {location}\r\n"), b"")
}

fn serve(repository: &Path, at: &str, request: &Request) -> Reply {
    if request.line == format!("GET {at}/info/refs?service=git-upload-pack HTTP/1.1") {
        let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
        body.extend(upload_pack(repository, &["--advertise-refs"], b""));
        answer("200 OK", "content-type: application/x-git-upload-pack-advertisement\r\n", &body)
    } else if request.line == format!("POST {at}/git-upload-pack HTTP/1.1") {
        let body = upload_pack(repository, &[], &request.body);
        answer("200 OK", "content-type: application/x-git-upload-pack-result\r\n", &body)
    } else {
        answer("404 Not Found", "", b"")
    }
}

fn upload_pack(repository: &Path, options: &[&str], question: &[u8]) -> Vec<u8> {
    let mut git = Command::new("git")
        .args(["-c", "safe.directory=*", "upload-pack", "--stateless-rpc"])
        .args(options)
        .arg(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(question).unwrap();
    git.wait_with_output().unwrap().stdout
}

fn url(text: &str) -> RemoteUrl {
    let context = LocationContext { project_root: Path::new("/"), allow_file_url: true };
    match SourceLocation::parse(text, context).unwrap() {
        SourceLocation::Remote(url) => url,
        other => panic!("{other}"),
    }
}

fn settings() -> NetworkSettings {
    NetworkSettings {
        attempts: 2,
        retry_pause: Duration::ZERO,
        connect_timeout: Duration::from_secs(20),
        login: Login::Nothing,
        ..NetworkSettings::default()
    }
}

/// Resolves `main` and receives it.
fn receive(cache: &Path, settings: NetworkSettings, url: &RemoteUrl) -> Result<(Resolved, PathBuf), GitError> {
    let mirrors = Mirrors::new(cache, settings);
    let cancel = AtomicBool::new(false);
    let hooks = &mut Hooks { progress: &mut |_: Transferred| {}, cancel: &cancel };
    let found = mirrors.resolve(url, &GitRef::parse("main").unwrap(), hooks)?;
    let folder = mirrors.ensure(url, found.commit, found.ref_name.as_deref(), hooks)?;
    Ok((found, folder))
}

fn fail(url: &RemoteUrl, settings: NetworkSettings) -> GitError {
    receive(tempfile::tempdir().unwrap().path(), settings, url).unwrap_err()
}

#[test]
fn a_repository_is_received_over_http_without_its_history() {
    let fixture = Fixture::new();
    let old = fixture.commit("main", &[("a", FILE, "1")]);
    let tip = fixture.commit("main", &[("a", FILE, "2"), ("deep/b", FILE, "3")]);
    let server = Server::of(&fixture);
    let (found, folder) = receive(&fixture.folder.path().join("cache"), settings(), &server.url()).unwrap();
    assert_eq!(found.commit, tip);
    let mirror = git2::Repository::open(folder).unwrap();
    assert!(mirror.find_commit(tip.0).unwrap().tree().unwrap().get_path(Path::new("deep/b")).is_ok());
    assert!(mirror.find_commit(old.0).is_err(), "one commit was asked for");
    for asked in server.asked() {
        assert!(asked.contains("user-agent: git/2.0 (ocelot") && !asked.contains("authorization"), "{asked}");
    }
}

#[test]
fn a_redirect_of_the_first_question_counts_for_all_of_the_talk() {
    let fixture = Fixture::new();
    let tip = fixture.commit("main", &[("a", FILE, "1")]);
    let folder = fixture.path().to_owned();
    let server = Server::new(move |request| match request.line.contains("/a/b.git/") {
        true => redirect("301 Moved Permanently", "/new/place/info/refs?service=git-upload-pack"),
        false => serve(&folder, "/new/place", request),
    });
    let (found, _) = receive(&fixture.folder.path().join("cache"), settings(), &server.url()).unwrap();
    assert_eq!(found.commit, tip);
    assert!(server.asked().iter().any(|asked| asked.starts_with("POST /new/place/git-upload-pack ")));
}

#[test]
fn a_redirect_into_the_clear_or_round_in_a_circle_is_refused_at_once() {
    let other = Server::new(|_| answer("200 OK", "", b""));
    let location = format!("http://{}/a/info/refs?service=git-upload-pack", other.address);
    let server = Server::new(move |_| redirect("302 Found", &location));
    let error = fail(&server.url(), settings());
    assert!(matches!(&error, GitError::Denied { why, .. } if why.contains("not protected by TLS")), "{error}");
    assert_eq!((other.asked().len(), server.asked().len()), (0, 1), "the other is not asked, and nothing tried again");

    let server = Server::new(|_| redirect("307 Temporary Redirect", "/a/b.git/info/refs?service=git-upload-pack"));
    let error = fail(&server.url(), settings());
    assert!(error.to_string().contains("redirects more than 5 times"), "{error}");
}

#[test]
fn a_refusal_is_final_and_a_server_s_trouble_is_tried_again() {
    for (status, why, times) in [
        ("404 Not Found", "the server answered 404 Not Found", 1),
        ("403 Forbidden", "the server answered 403 Forbidden", 1),
        ("401 Unauthorized", "the server asks for a login", 1),
        ("503 Service Unavailable", "the server answered 503 Service Unavailable", 2),
        ("200 OK", "no git repository's but of type `text/html`", 1),
    ] {
        let server = Server::new(move |_| answer(status, "content-type: text/html\r\n", b"<html>"));
        let error = fail(&server.url(), settings());
        assert_eq!(matches!(error, GitError::Unreachable { .. }), times > 1, "{status}: {error}");
        assert!(error.to_string().contains(why), "{status}: {error}");
        assert_eq!(server.asked().len(), times, "{status}");
    }
}

#[test]
fn half_an_answer_is_a_failure_of_the_network_and_leaves_no_commit() {
    let fixture = Fixture::new();
    fixture.commit("main", &[("a", FILE, &"text ".repeat(1000))]);
    for half_of in ["GET ", "POST "] {
        let folder = fixture.path().to_owned();
        let server = Server::new(move |request| {
            let mut whole = serve(&folder, "/a/b.git", request);
            if request.line.starts_with(half_of) {
                whole.truncate(whole.len() - 20);
            }
            whole
        });
        let error = fail(&server.url(), settings());
        assert!(matches!(&error, GitError::Unreachable { why, .. } if why.contains("broke off")), "{half_of}: {error}");
    }
}

#[test]
fn a_server_that_falls_silent_in_the_midst_is_given_up() {
    let fixture = Fixture::new();
    fixture.commit("main", &[("a", FILE, "1")]);
    let folder = fixture.path().to_owned();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let server = Server::new(move |request| {
        if request.line.starts_with("POST") {
            let _ = held.recv();
        }
        serve(&folder, "/a/b.git", request)
    });
    let patience = NetworkSettings { stall_timeout: Duration::from_millis(300), attempts: 1, ..settings() };
    let error = fail(&server.url(), patience);
    // Either side of the talk may be the first to notice.
    assert!(
        matches!(error, GitError::TimedOut { phase: "sending files", .. } | GitError::Unreachable { .. }),
        "{error}"
    );
    drop(hold);
}

#[test]
fn what_is_not_tls_is_named() {
    let server = Server::new(|_| Vec::new());
    // Answers a greeting of TLS in the clear.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let error = fail(&url(&format!("https://{address}/a/b.git")), NetworkSettings { attempts: 1, ..settings() });
    assert!(error.to_string().contains("received corrupt message"), "{error}");
    assert_eq!(server.asked().len(), 0);
}

/// A script in the place of ssh, which leaves its number in `pid`.
fn ssh(folder: &Path, script: &str) -> NetworkSettings {
    let program = folder.join("fake-ssh");
    let whole = format!("#!/bin/sh\necho $$ > '{}'\nfor last; do :; done\n{script}\n", folder.join("pid").display());
    fs::write(&program, whole).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let env = [("GIT_SSH", program.to_str().unwrap()), ("PATH", "/usr/local/bin:/usr/bin:/bin")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    NetworkSettings { login: Login::AgentAndHelper, env, ..settings() }
}

#[test]
fn a_repository_is_received_through_the_users_ssh() {
    let fixture = Fixture::new();
    let tip = fixture.commit("main", &[("a", FILE, "1")]);
    let settings = ssh(fixture.folder.path(), "[ \"$1 $2\" = '-o BatchMode=yes' ] && exec sh -c \"$last\"");
    for (number, address) in ["ssh://me@host:2222", "me@host:"].iter().enumerate() {
        let url = url(&format!("{address}{}/.git", fixture.path().display()));
        let cache = fixture.folder.path().join(number.to_string());
        let (found, folder) = receive(&cache, settings.clone(), &url).unwrap();
        assert_eq!(found.commit, tip);
        assert!(git2::Repository::open(folder).unwrap().find_commit(tip.0).is_ok(), "{url}");
    }
}

#[test]
fn what_ssh_complains_about_is_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let url = url("git@host:a/b.git");
    let denied = fail(&url, ssh(folder.path(), "echo 'git@host: Permission denied (publickey).' >&2; exit 255"));
    assert!(
        matches!(&denied, GitError::Denied { why, .. } if why == "ssh: git@host: Permission denied (publickey)."),
        "{denied}"
    );
    let unreachable = fail(&url, ssh(folder.path(), "echo 'ssh: connect to host: timed out' >&2; exit 255"));
    assert!(matches!(unreachable, GitError::Unreachable { .. }), "{unreachable}");
    let absent = NetworkSettings {
        env: [("PATH".to_owned(), folder.path().display().to_string())].into(),
        ..ssh(folder.path(), "")
    };
    let absent = fail(&url, absent);
    assert!(matches!(&absent, GitError::Denied { why, .. } if why.contains("not found")), "{absent}");
    let none = fail(&url, settings());
    assert!(matches!(none, GitError::Denied { .. }), "no login, no ssh: {none}");
}

#[test]
fn an_ssh_that_hangs_is_given_up_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let settings = NetworkSettings {
        connect_timeout: Duration::from_millis(500),
        attempts: 1,
        ..ssh(folder.path(), "exec sleep 1000")
    };
    let error = fail(&url("git@host:a/b.git"), settings);
    assert!(matches!(error, GitError::TimedOut { phase: "connecting", .. }), "{error}");
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    while Path::new(&format!("/proc/{}/exe", pid.trim())).exists() {
        thread::yield_now();
    }
}
