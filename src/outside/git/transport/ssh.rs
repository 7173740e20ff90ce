//! ssh by the user's own program, as git does it: `ssh [-p PORT] USER@HOST "git-upload-pack 'PATH'"`.
//!
//! `GIT_SSH_COMMAND` (read by a shell) and `GIT_SSH` (a program) replace `ssh`; both must take the options of OpenSSH.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};

use crate::outside::git::transfer::Login;
use crate::outside::git::transport::{Failure, Talk};
use crate::outside::process::command::CommandSpec;
use crate::outside::process::conversation::Conversation;
use crate::outside::process::terminal::{Colours, sanitize_for_terminal};

/// Asks no question that nobody would answer.
const QUIET: &[&str] = &["-o", "BatchMode=yes"];

/// One talk through `ssh`.
pub(super) struct Ssh {
    talk: Talk,
}

impl Ssh {
    pub(super) fn new(talk: Talk) -> Self {
        Self { talk }
    }

    fn connect(&self) -> Result<Stream, Failure> {
        if self.talk.settings.login == Login::Nothing {
            return Err(Failure::denied("ssh is a login, and none is to be used"));
        }
        let spec = command(self.talk.url.as_str(), &self.talk.settings.env).map_err(Failure::denied)?;
        let line = self.talk.line.clone();
        let conversation =
            Conversation::start(&spec, move || !line.is_left()).map_err(|error| Failure::denied(error.to_string()))?;
        Ok(Stream { talk: self.talk.clone(), conversation, silent: true })
    }
}

impl SmartSubtransport for Ssh {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match service {
            // For a fetch libgit2 goes on with the stream that it listed the refs with.
            Service::UploadPackLs | Service::UploadPack => {
                self.connect().map(|stream| Box::new(stream) as _).map_err(|failure| self.talk.fail(failure))
            }
            Service::ReceivePackLs | Service::ReceivePack => {
                Err(self.talk.fail(Failure::denied("nothing is ever pushed")))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

struct Stream {
    talk: Talk,
    conversation: Conversation,
    /// Nothing was received yet: what goes wrong now is ssh's, or the server's way to say "no".
    silent: bool,
}

impl Stream {
    fn broken(&mut self, why: &str) -> io::Error {
        let (status, complaint) = self.conversation.end();
        self.talk.fail_stream(failure(status, &complaint, self.silent, why))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.conversation.read(buffer) {
            Ok(0) if !buffer.is_empty() => Err(self.broken("the server hung up")),
            Ok(count) => {
                self.silent = false;
                match self.talk.line.beat() {
                    true => Ok(count),
                    false => Err(io::Error::other("nobody waits for it any more")),
                }
            }
            Err(_) if self.talk.line.is_left() => Err(io::Error::other("nobody waits for it any more")),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.conversation.write(part).map_err(|error| self.broken(&error.to_string()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the end of the talk means, by `ssh`'s status (255 is its own, all others are the remote command's) and words.
fn failure(status: Option<i32>, complaint: &[u8], silent: bool, why: &str) -> Failure {
    let said = sanitize_for_terminal(complaint, Colours::Drop);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = lines[lines.len().saturating_sub(3)..].join("; ");
    let why = match said.is_empty() {
        true => format!("ssh: {why}"),
        false => format!("ssh: {said}"),
    };
    let distrusts = ["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"];
    if distrusts.iter().any(|words| said.contains(words)) {
        return Failure::distrust(why);
    }
    let denied = said.contains("Permission denied") || (silent && status.is_some_and(|status| status != 255));
    match denied {
        true => Failure::denied(why),
        false => Failure::network(why),
    }
}

/// The command for a URL `ssh://[user@]host[:port]/path` or an address `user@host:path`.
fn command(url: &str, env: &BTreeMap<String, String>) -> Result<CommandSpec, String> {
    let (target, port, path) = parts(url)?;
    let set = |name: &str| env.get(name).filter(|value| !value.trim().is_empty());
    // The shell finds the program on PATH, as git's own would. Nothing of the URL is in the script.
    let script = match (set("GIT_SSH_COMMAND"), set("GIT_SSH")) {
        (Some(command), _) => format!("{command} \"$@\""),
        (None, Some(_)) => "exec \"$GIT_SSH\" \"$@\"".to_owned(),
        (None, None) => "exec ssh \"$@\"".to_owned(),
    };
    let mut args = vec!["-c".to_owned(), script, "ssh".to_owned()];
    args.extend(QUIET.iter().map(|&word| word.to_owned()));
    if let Some(port) = port {
        args.extend(["-p".to_owned(), port.to_string()]);
    }
    args.extend([target, format!("git-upload-pack {}", quoted(&path))]);
    Ok(CommandSpec {
        program: "/bin/sh".into(),
        args: args.into_iter().map(OsString::from).collect(),
        env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        dir: "/".into(),
        timeout: None,
        stdout_file: None,
    })
}

/// `user@host`, port and path, none of which can be taken for an option.
fn parts(url: &str) -> Result<(String, Option<u16>, String), String> {
    let unusable = |what: &str| format!("`{}` has no usable {what}", url.escape_debug());
    let (target, port, path) = match url.strip_prefix("ssh://") {
        None => {
            let (target, path) = url.split_once(':').ok_or_else(|| unusable("path"))?;
            (target, None, path.to_owned())
        }
        Some(rest) => {
            let (authority, path) = rest.split_once('/').ok_or_else(|| unusable("path"))?;
            let host_at = authority.rfind('@').map_or(0, |at| at + 1);
            let port_at = authority[host_at..].rfind([':', ']']).map(|at| host_at + at);
            let (target, port) = match port_at {
                Some(at) if authority.as_bytes()[at] == b':' => (&authority[..at], &authority[at + 1..]),
                _ => (authority, ""),
            };
            let number = port.parse().ok().filter(|&port: &u16| port > 0);
            if !port.is_empty() && number.is_none() {
                return Err(unusable("port"));
            }
            let path = decoded(path).ok_or_else(|| unusable("path"))?;
            // `/~user/x` is below the home of that user, as git has it.
            (target, number, if path.starts_with('~') { path } else { format!("/{path}") })
        }
    };
    let (user, host) = target.rsplit_once('@').map_or(("git", target), |(user, host)| (user, host));
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let plain = |text: &str, more: &[char]| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || more.contains(&c))
    };
    if !plain(user, &['+', '$', '\\']) {
        return Err(unusable("user"));
    }
    if !plain(host, &[':']) {
        return Err(unusable("host"));
    }
    if path.is_empty() || path.starts_with('-') || path.contains(char::is_control) {
        return Err(unusable("path"));
    }
    Ok((format!("{user}@{host}"), port, path))
}

/// The path with `%XX` as the bytes they stand for; `None` if that is no text.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits =
                std::str::from_utf8(after.get(..2)?).ok().filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// One word of the shell at the other end. `!` as git quotes it, for shells with a history.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('!', r"'\!'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(url: &str, env: &[(&str, &str)]) -> Vec<String> {
        let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let spec = command(url, &env).unwrap();
        assert_eq!(spec.program.to_str(), Some("/bin/sh"));
        spec.args.into_iter().map(|word| word.into_string().unwrap()).skip(1).collect()
    }

    #[test]
    fn the_command_is_git_s_own() {
        let default = "exec ssh \"$@\"";
        for (url, rest) in [
            ("git@host:a/b.git", &["git@host", "git-upload-pack 'a/b.git'"][..]),
            ("ssh://me@host:2222/a/b.git", &["-p", "2222", "me@host", "git-upload-pack '/a/b.git'"]),
            ("ssh://host/~me/it%27s", &["git@host", r"git-upload-pack '~me/it'\''s'"]),
            ("ssh://me@[::1]:22/a", &["-p", "22", "me@::1", "git-upload-pack '/a'"]),
            ("ssh://me@[::1]/a;b!", &["me@::1", r"git-upload-pack '/a;b'\!''"]),
        ] {
            let expected: Vec<&str> = [default, "ssh", "-o", "BatchMode=yes"].iter().chain(rest).copied().collect();
            assert_eq!(words(url, &[]), expected, "{url}");
        }
        assert_eq!(words("git@h:a", &[("GIT_SSH", "/x y")])[0], "exec \"$GIT_SSH\" \"$@\"");
        let both = [("GIT_SSH", "/x"), ("GIT_SSH_COMMAND", "ssh -i key")];
        assert_eq!(words("git@h:a", &both)[0], "ssh -i key \"$@\"");
    }

    #[test]
    fn row_34_nothing_of_a_url_becomes_an_option_or_another_command() {
        for url in [
            "ssh://-oProxyCommand=x/a",
            "ssh://-l@host/a",
            "ssh://a;b@host/a",
            "ssh://host:0/a",
            "ssh://host:x/a",
            "ssh://ho st/a",
            "ssh://host/a%0ab",
            "ssh://host/%zz",
            "ssh://host/%+1",
            "ssh://host/%ff",
            "git@-oProxyCommand=x:a",
            "git@host:-a",
            "git@host:",
        ] {
            assert!(command(url, &BTreeMap::new()).is_err(), "{url}");
        }
    }

    #[test]
    fn what_ssh_says_tells_a_refusal_from_a_broken_network() {
        let of = |status, words: &str, silent| failure(status, words.as_bytes(), silent, "the server hung up");
        assert!(of(Some(255), "ssh: connect to host h port 22: Connection refused\r\n", true).may_pass);
        assert!(!of(Some(255), "git@h: Permission denied (publickey).", true).may_pass);
        assert!(of(Some(255), "Host key verification failed.", true).distrust);
        assert!(!of(Some(1), "ERROR: Repository not found.", true).may_pass);
        assert!(!of(Some(127), "sh: 1: exec: ssh: not found", true).may_pass);
        let broken = of(None, "", false);
        assert_eq!((broken.may_pass, broken.why.as_str()), (true, "ssh: the server hung up"));
    }
}
