//! A strict stand-in for the parts of GitHub's REST API that releases need: the API, the host for uploads and the one
//! that files are read from, each on a port of its own. What GitHub would refuse it refuses; what it must never be asked
//! is noted as a violation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The only token that is accepted.
pub const TOKEN: &str = "ghs_0123456789abcdefSECRET";
/// The only repository.
pub const REPOSITORY: &str = "owner/layers";
/// The longest body of a release, in characters.
const BODY: usize = 125_000;

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// For example `POST`.
    pub method: String,
    /// `list`, `create`, `edit`, `delete`, `read`, `assets`, `upload`, `rename`, `remove`, `download`, `storage`.
    pub call: &'static str,
    /// What it is about: a number, or the name of an upload.
    pub about: String,
}

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done, and the connection ends.
    CutBefore,
    /// It is done, and the connection ends without an answer.
    CutAfter,
    /// It is done, and the program is killed before it hears of it.
    KillAfter,
    /// An upload breaks off: a `starter` stays.
    Broken,
    /// Nothing is done, and this status, header and body come.
    Answer(u16, String, String),
}

type Rule = Box<dyn Fn(&Seen, usize) -> Option<Fault> + Send + Sync>;
type Meanwhile = Box<dyn FnMut(&Seen, &mut State) + Send>;

/// A release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub id: u64,
    pub tag: String,
    pub target: String,
    pub title: String,
    pub body: String,
    pub draft: bool,
    pub prerelease: bool,
    pub immutable: bool,
    /// What was asked for last.
    pub make_latest: String,
    pub assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    pub id: u64,
    pub name: String,
    pub whole: bool,
    pub bytes: Vec<u8>,
}

impl Release {
    /// The file of this name.
    pub fn asset(&self, name: &str) -> &Asset {
        self.assets.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("no `{name}`: {:?}", self.names()))
    }

    /// The text of the file of this name.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.asset(name).bytes.clone()).expect("UTF-8")
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.assets.iter().map(|asset| asset.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// Everything that it holds.
#[derive(Default)]
pub struct State {
    pub releases: Vec<Release>,
    /// Whether what is published from now on can never be changed.
    pub immutable: bool,
    /// Whether it says no digests, as older servers do.
    pub silent: bool,
    /// Tags of releases that were immutable and are gone.
    pub spent: Vec<String>,
    pub seen: Vec<Seen>,
    pub violations: Vec<String>,
    last_id: u64,
    /// A name of a published release that has lost its file in the call before.
    bare: Option<String>,
    victim: Option<u32>,
}

struct Shared {
    state: Mutex<State>,
    rule: Mutex<Rule>,
    meanwhile: Mutex<Meanwhile>,
    ports: [u16; 3],
}

/// The stand-in; every test has its own.
pub struct Github(Arc<Shared>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    Api,
    Uploads,
    Storage,
}

impl Github {
    /// Without releases and without faults.
    pub fn start() -> Self {
        let listeners = [Host::Api, Host::Uploads, Host::Storage]
            .map(|host| (host, TcpListener::bind("127.0.0.1:0").expect("a port")));
        let ports = [0, 1, 2].map(|n: usize| listeners[n].1.local_addr().expect("an address").port());
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            rule: Mutex::new(Box::new(|_, _| None)),
            meanwhile: Mutex::new(Box::new(|_, _| ())),
            ports,
        });
        for (host, listener) in listeners {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || serve(&stream, host, &shared));
                }
            });
        }
        Self(shared)
    }

    /// The URL of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.ports[0])
    }

    /// What it holds.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("a lock")
    }

    /// Forgets what was asked; from now on each request gets what `rule` says, which is told how many came before it.
    pub fn rule(&self, rule: impl Fn(&Seen, usize) -> Option<Fault> + Send + Sync + 'static) {
        self.state().seen.clear();
        *self.0.rule.lock().expect("a lock") = Box::new(rule);
    }

    /// From now on `change` is done before each request is answered, as if somebody else had been quicker.
    pub fn meanwhile(&self, change: impl FnMut(&Seen, &mut State) + Send + 'static) {
        *self.0.meanwhile.lock().expect("a lock") = Box::new(change);
    }

    /// The process that faults kill.
    pub fn victim(&self, pid: u32) {
        self.state().victim = Some(pid);
    }

    /// The calls since the rule was set, but for those that change nothing.
    pub fn changes(&self) -> Vec<String> {
        let seen = self.state().seen.clone();
        let changing = seen.into_iter().filter(|seen| seen.method != "GET");
        changing.map(|seen| format!("{} {}", seen.call, seen.about)).collect()
    }

    /// The one release that it has; nothing was asked that must not be.
    pub fn only(&self) -> Release {
        let state = self.state();
        assert_eq!(state.violations, Vec::<String>::new());
        let [release] = &state.releases[..] else { panic!("{} releases: {:?}", state.releases.len(), state.releases) };
        release.clone()
    }
}

struct Message {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

enum Reply {
    Json(u16, Value),
    Empty(u16),
    Redirect(String),
    Bytes(Vec<u8>),
}

fn serve(stream: &TcpStream, host: Host, shared: &Shared) {
    let Some(message) = read(stream) else { return };
    let seen = describe(&message, host);
    let mut state = shared.state.lock().expect("a lock");
    let before = state.seen.len();
    state.seen.push(seen.clone());
    let fault = (shared.rule.lock().expect("a lock"))(&seen, before);
    match &fault {
        Some(Fault::CutBefore) => return,
        Some(Fault::Answer(status, header, body)) => return send(stream, *status, header, body.as_bytes()),
        Some(Fault::Broken) => {
            let id = state.number();
            let release = seen.about.clone();
            let number = number(&message.path, 4);
            if let Some(found) = state.releases.iter_mut().find(|release| release.id == number) {
                found.assets.push(Asset { id, name: release, whole: false, bytes: Vec::new() });
            }
            return;
        }
        _ => {}
    }
    (shared.meanwhile.lock().expect("a lock"))(&seen, &mut state);
    let reply = state.answer(&message, host, shared);
    match &fault {
        Some(Fault::CutAfter) => return,
        Some(Fault::KillAfter) => return kill(&state),
        _ => {}
    }
    drop(state);
    match reply {
        Reply::Json(status, value) => send(stream, status, "", value.to_string().as_bytes()),
        Reply::Empty(status) => send(stream, status, "", b""),
        Reply::Redirect(to) => send(stream, 302, &format!("location: {to}\r\n"), b""),
        Reply::Bytes(bytes) => send(stream, 200, "", &bytes),
    }
}

fn kill(state: &State) {
    let victim = state.victim.expect("a victim was named");
    let pid = rustix::process::Pid::from_raw(i32::try_from(victim).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
}

fn send(mut stream: &TcpStream, status: u16, header: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Answer\r\n{header}content-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).ok();
}

fn read(stream: &TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut first = line.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(Message { method, path: path.to_owned(), query, headers, body })
}

/// The part of a path at this place, as a number; 0 if it is none.
fn number(path: &str, place: usize) -> u64 {
    path.split('/').skip(1).nth(place).and_then(|part| part.parse().ok()).unwrap_or(0)
}

fn describe(message: &Message, host: Host) -> Seen {
    let parts: Vec<&str> = message.path.split('/').skip(1).collect();
    let about = |place: usize| parts.get(place).copied().unwrap_or_default().to_owned();
    let (call, about) = match (host, message.method.as_str(), &parts[..]) {
        (Host::Storage, "GET", _) => ("storage", about(0)),
        (Host::Uploads, "POST", ["repos", _, _, "releases", _, "assets"]) => {
            ("upload", message.query.get("name").cloned().unwrap_or_default())
        }
        (Host::Api, "GET", ["repos", _, _, "releases"]) => ("list", String::new()),
        (Host::Api, "POST", ["repos", _, _, "releases"]) => ("create", String::new()),
        (Host::Api, "GET", ["repos", _, _, "releases", _, "assets"]) => ("assets", about(4)),
        (Host::Api, "GET", ["repos", _, _, "releases", "assets", _]) => ("download", about(5)),
        (Host::Api, "PATCH", ["repos", _, _, "releases", "assets", _]) => ("rename", about(5)),
        (Host::Api, "DELETE", ["repos", _, _, "releases", "assets", _]) => ("remove", about(5)),
        (Host::Api, "GET", ["repos", _, _, "releases", _]) => ("read", about(4)),
        (Host::Api, "PATCH", ["repos", _, _, "releases", _]) => ("edit", about(4)),
        (Host::Api, "DELETE", ["repos", _, _, "releases", _]) => ("delete", about(4)),
        _ => ("other", message.path.clone()),
    };
    Seen { method: message.method.clone(), call, about }
}

fn refused(status: u16, text: &str) -> Reply {
    Reply::Json(status, json!({ "message": text }))
}

fn invalid(code: &str, field: &str, text: &str) -> Reply {
    let error = json!({"resource": "Release", "code": code, "field": field, "message": text});
    Reply::Json(422, json!({"message": "Validation Failed", "errors": [error]}))
}

impl State {
    /// Starts with these; later numbers are greater than `last`.
    pub fn begin_with(&mut self, releases: Vec<Release>, last: u64) {
        (self.releases, self.last_id) = (releases, last);
    }

    /// The run that was to fill a bare name is gone: the next one will.
    pub fn bare_is_known(&mut self) {
        self.bare = None;
    }

    /// A number that nothing has yet.
    pub fn number(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn answer(&mut self, message: &Message, host: Host, shared: &Shared) -> Reply {
        let seen = describe(message, host);
        let header = |name: &str| message.headers.get(name).map(String::as_str).unwrap_or_default();
        if host == Host::Storage {
            if !header("authorization").is_empty() {
                self.violations.push("the token went to another host".to_owned());
            }
            let id = number(&message.path, 0);
            let files = self.releases.iter().flat_map(|release| &release.assets);
            let found = files.into_iter().find(|asset| asset.id == id).map(|asset| asset.bytes.clone());
            return found.map_or_else(|| refused(404, "Not Found"), Reply::Bytes);
        }
        if header("authorization") != format!("Bearer {TOKEN}") {
            return refused(401, &format!("Bad credentials: {}", header("authorization")));
        }
        if header("user-agent").is_empty()
            || header("accept").is_empty()
            || header("x-github-api-version") != "2022-11-28"
        {
            return refused(400, "Bad Request: headers are missing");
        }
        if !message.path.starts_with(&format!("/repos/{REPOSITORY}/")) {
            return refused(404, "Not Found");
        }
        self.watch(&seen, message);
        let fields: Value = serde_json::from_slice(&message.body).unwrap_or(Value::Null);
        match seen.call {
            "list" => self.list(message, shared),
            "create" => self.create(&fields, shared),
            "read" => self.with_release(&message.path, shared, |_, _| None),
            "edit" => self.edit(&message.path, &fields, shared),
            "delete" => self.delete(&message.path),
            "assets" => self.assets(message),
            "upload" => self.upload(message),
            "rename" | "remove" | "download" => self.asset(&seen, message, &fields, shared),
            _ => refused(404, "Not Found"),
        }
    }

    /// What lost its file in the call before has to get the new one now.
    fn watch(&mut self, seen: &Seen, message: &Message) {
        if seen.method == "GET" {
            return;
        }
        if let Some(name) = self.bare.take() {
            let fields: Value = serde_json::from_slice(&message.body).unwrap_or(Value::Null);
            if seen.call != "rename" || fields["name"] != name.as_str() {
                self.violations.push(format!("`{name}` stayed without its file: {seen:?}"));
            }
        }
    }

    fn list(&self, message: &Message, shared: &Shared) -> Reply {
        let all = self.releases.iter().rev().map(|release| shown(release, shared)).collect();
        Reply::Json(200, page(all, message))
    }

    fn create(&mut self, fields: &Value, shared: &Shared) -> Reply {
        let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
        if text("tag_name").is_empty() {
            return invalid("missing_field", "tag_name", "");
        }
        if fields["draft"] != true {
            self.violations.push("a release was published before its files were there".to_owned());
        }
        let id = self.number();
        let release = Release {
            id,
            tag: text("tag_name"),
            target: text("target_commitish"),
            title: text("name"),
            body: text("body"),
            draft: true,
            prerelease: fields["prerelease"] == true,
            immutable: false,
            make_latest: text("make_latest"),
            assets: Vec::new(),
        };
        let answer = shown(&release, shared);
        self.releases.push(release);
        Reply::Json(201, answer)
    }

    fn with_release(
        &mut self,
        path: &str,
        shared: &Shared,
        change: impl FnOnce(&mut Self, usize) -> Option<Reply>,
    ) -> Reply {
        let id = number(path, 4);
        let Some(place) = self.releases.iter().position(|release| release.id == id) else {
            return refused(404, "Not Found");
        };
        change(self, place).unwrap_or_else(|| Reply::Json(200, shown(&self.releases[place], shared)))
    }

    fn edit(&mut self, path: &str, fields: &Value, shared: &Shared) -> Reply {
        self.with_release(path, shared, |state, place| {
            let mut release = state.releases[place].clone();
            let text = |name: &str| fields[name].as_str().map(str::to_owned);
            release.tag = text("tag_name").unwrap_or(release.tag);
            release.title = text("name").unwrap_or(release.title);
            release.body = text("body").unwrap_or(release.body);
            release.prerelease = fields["prerelease"].as_bool().unwrap_or(release.prerelease);
            release.make_latest = text("make_latest").unwrap_or_else(|| "true".to_owned());
            if release.body.chars().count() > BODY {
                return Some(invalid("custom", "body", "body is too long (maximum is 125000 characters)"));
            }
            if release.draft && fields["draft"] == false {
                if state.releases.iter().any(|other| !other.draft && other.tag == release.tag) {
                    return Some(invalid("already_exists", "tag_name", ""));
                }
                if state.spent.contains(&release.tag) {
                    return Some(invalid("custom", "tag_name", "tag_name was used by an immutable release"));
                }
                if release.assets.iter().any(|asset| !asset.whole || asset.name.ends_with(".waiting")) {
                    state.violations.push("a release was published with files that wait".to_owned());
                }
                release.draft = false;
                release.immutable = state.immutable;
            }
            state.releases[place] = release;
            None
        })
    }

    fn delete(&mut self, path: &str) -> Reply {
        let id = number(path, 4);
        if self.releases.iter().any(|release| release.id == id && !release.draft) {
            self.violations.push("a published release was deleted".to_owned());
        }
        self.releases.retain(|release| release.id != id);
        Reply::Empty(204)
    }

    fn assets(&self, message: &Message) -> Reply {
        let id = number(&message.path, 4);
        match self.releases.iter().find(|release| release.id == id) {
            Some(release) => {
                let all = release.assets.iter().map(|asset| self.shown_asset(asset)).collect();
                Reply::Json(200, page(all, message))
            }
            None => refused(404, "Not Found"),
        }
    }

    fn upload(&mut self, message: &Message) -> Reply {
        let id = number(&message.path, 4);
        let name = message.query.get("name").cloned().unwrap_or_default();
        let kind = message.headers.get("content-type").map(String::as_str).unwrap_or_default();
        if kind.is_empty() || message.body.is_empty() {
            return refused(400, "Bad Content-Length or Content-Type");
        }
        let asset = Asset { id: self.number(), name, whole: true, bytes: message.body.clone() };
        let answer = self.shown_asset(&asset);
        let Some(release) = self.releases.iter_mut().find(|release| release.id == id) else {
            return refused(404, "Not Found");
        };
        if release.immutable {
            return refused(422, "Cannot upload assets to an immutable release.");
        }
        if release.assets.iter().any(|other| other.name == asset.name) {
            return invalid("already_exists", "name", "");
        }
        release.assets.push(asset);
        Reply::Json(201, answer)
    }

    fn asset(&mut self, seen: &Seen, message: &Message, fields: &Value, shared: &Shared) -> Reply {
        let id = number(&message.path, 5);
        let place = self.releases.iter().position(|release| release.assets.iter().any(|asset| asset.id == id));
        let Some(place) = place else { return refused(404, "Not Found") };
        let release = &mut self.releases[place];
        if seen.call == "download" {
            let is_file = message.headers.get("accept").is_some_and(|accept| accept == "application/octet-stream");
            return match is_file {
                true => Reply::Redirect(format!("http://127.0.0.1:{}/{id}?signature=x", shared.ports[2])),
                false => refused(415, "Unsupported 'Accept' header"),
            };
        }
        if release.immutable {
            return refused(422, "Cannot change assets of an immutable release.");
        }
        if seen.call == "remove" {
            let gone = release.assets.iter().find(|asset| asset.id == id).filter(|asset| asset.whole);
            let name = gone.map(|asset| asset.name.clone()).filter(|name| !name.ends_with(".waiting"));
            if !release.draft {
                self.bare = name;
            }
            release.assets.retain(|asset| asset.id != id);
            return Reply::Empty(204);
        }
        let name = fields["name"].as_str().unwrap_or_default();
        if release.assets.iter().any(|other| other.name == name) {
            return invalid("already_exists", "name", "");
        }
        let asset = release.assets.iter_mut().find(|asset| asset.id == id).expect("it was found");
        name.clone_into(&mut asset.name);
        let asset = asset.clone();
        Reply::Json(200, self.shown_asset(&asset))
    }

    fn shown_asset(&self, asset: &Asset) -> Value {
        let mut hex = String::new();
        for byte in Sha256::digest(&asset.bytes) {
            write!(hex, "{byte:02x}").expect("a text takes everything");
        }
        let digest = (asset.whole && !self.silent).then(|| format!("sha256:{hex}"));
        let state = if asset.whole { "uploaded" } else { "starter" };
        json!({"id": asset.id, "name": asset.name, "state": state, "size": asset.bytes.len(), "digest": digest})
    }
}

fn page(all: Vec<Value>, message: &Message) -> Value {
    let number =
        |name: &str, usual: usize| message.query.get(name).and_then(|value| value.parse().ok()).unwrap_or(usual).max(1);
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    all.into_iter().skip(size * (page - 1)).take(size).collect()
}

fn shown(release: &Release, shared: &Shared) -> Value {
    let uploads = format!("http://127.0.0.1:{}/repos/{REPOSITORY}/releases/{}/assets", shared.ports[1], release.id);
    json!({
        "id": release.id, "tag_name": release.tag, "target_commitish": release.target, "name": release.title,
        "body": release.body, "draft": release.draft, "prerelease": release.prerelease, "immutable": release.immutable,
        "upload_url": uploads + "{?name,label}",
        "html_url": format!("https://github.example/{REPOSITORY}/releases/tag/{}", release.tag),
    })
}
