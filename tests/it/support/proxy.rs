//! A proxy between the program and moto that counts requests and lets some of them go wrong.
//!
//! It is also stricter than moto, where moto is not like AWS: listings have no hashes, a statement's id is taken once,
//! the bytes of a version can be fetched, and an account has a storage limit.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::support::moto;

/// Where zips are fetched from.
const ZIPS: &str = "/zips/";

/// A request, as far as the tests tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `list`, `get`, `publish`, `policy`, `permit`, `delete`, `account`, …
    pub call: &'static str,
    /// The region that it was signed for.
    pub region: String,
    /// Path with query.
    pub path: String,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is passed on, and the answer is thrown away: the connection just ends.
    DropAnswer,
    /// It is passed on, and no answer ever comes.
    Hang,
    /// It is passed on, and half of the answer comes.
    HalfAnswer,
    /// It is passed on, and an answer comes that is none.
    Garbled,
    /// It is passed on, and the answer comes byte by byte.
    Drip,
    /// It is passed on, and this status comes in place of the answer.
    AnswerAfter(u16),
    /// It is not passed on; this status and error code come.
    Answer(u16, &'static str),
    /// It waits until as many requests wait so, and is then passed on.
    Barrier(usize),
    /// The program that was named to the proxy is killed before it is passed on.
    KillBefore,
    /// The program that was named to the proxy is killed when it was passed on.
    KillAfter,
}

type Rule = Box<dyn Fn(&Request, usize) -> Option<Fault> + Send + Sync>;

struct Shared {
    rule: Mutex<Rule>,
    seen: Mutex<Vec<Request>>,
    waiting: Mutex<usize>,
    arrived: Condvar,
    port: u16,
    /// What was published through this proxy, by CodeSha256.
    zips: Mutex<BTreeMap<String, Vec<u8>>>,
    victim: Mutex<Option<u32>>,
}

/// A proxy in front of moto; every test has its own.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Passes everything on.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            rule: Mutex::new(Box::new(|_, _| None)),
            seen: Mutex::default(),
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            port,
            zips: Mutex::default(),
            victim: Mutex::default(),
        });
        let held = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&held);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { port, shared }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on each request gets what `rule` says; it is told how many of the same call in the same region came
    /// before.
    pub fn rule(&self, rule: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static) {
        *self.shared.rule.lock().expect("a lock") = Box::new(rule);
        *self.shared.waiting.lock().expect("a lock") = 0;
        self.shared.seen.lock().expect("a lock").clear();
    }

    /// The process that [`Fault::KillBefore`] and [`Fault::KillAfter`] end.
    pub fn victim(&self, pid: u32) {
        *self.shared.victim.lock().expect("a lock") = Some(pid);
    }

    /// All requests since the rule was set.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().expect("a lock").clone()
    }

    /// How often each call was made since the rule was set, over all regions.
    pub fn calls(&self) -> BTreeMap<&'static str, usize> {
        let mut calls = BTreeMap::new();
        for request in self.seen() {
            *calls.entry(request.call).or_default() += 1;
        }
        calls
    }
}

/// One connection; a client that wants to send more makes another.
fn serve(stream: &TcpStream, shared: &Shared) {
    let Some((head, body)) = read_message(stream) else { return };
    let request = describe(&head, &body);
    let before = {
        let mut seen = shared.seen.lock().expect("a lock");
        let same = seen.iter().filter(|seen| seen.call == request.call && seen.region == request.region).count();
        seen.push(request.clone());
        same
    };
    let fault = (shared.rule.lock().expect("a lock"))(&request, before);
    match fault {
        Some(Fault::Answer(status, code)) => return answer(stream, status, code),
        Some(Fault::KillBefore) => return kill(shared),
        Some(Fault::Barrier(count)) => {
            let mut waiting = shared.waiting.lock().expect("a lock");
            *waiting += 1;
            shared.arrived.notify_all();
            let all_here = |waiting: &mut usize| *waiting < count;
            drop(shared.arrived.wait_while(waiting, all_here).expect("a lock"));
        }
        _ => {}
    }
    let Some((head, body)) = as_on_aws(&request, &head, &body, shared) else { return };
    match fault {
        Some(Fault::DropAnswer) => {}
        // Ends when the client gives up.
        Some(Fault::Hang) => drop((&*stream).read(&mut [0])),
        Some(Fault::HalfAnswer) => drop((&*stream).write_all(&[head.as_slice(), &body[..body.len() / 2]].concat())),
        Some(Fault::Garbled) => {
            let garbled: Vec<u8> = body.iter().map(|byte| byte ^ 0x15).collect();
            (&*stream).write_all(&[head.as_slice(), &garbled].concat()).ok();
        }
        Some(Fault::Drip) => {
            stream.set_nodelay(true).ok();
            let sent = head.iter().chain(&body).try_for_each(|byte| (&*stream).write_all(&[*byte]));
            sent.ok();
        }
        Some(Fault::AnswerAfter(status)) => answer(stream, status, "Unknown"),
        Some(Fault::KillAfter) => kill(shared),
        _ => {
            (&*stream).write_all(&[head.as_slice(), &body].concat()).ok();
        }
    }
}

/// moto's answer, made what AWS's would be.
fn as_on_aws(request: &Request, head: &[u8], body: &[u8], shared: &Shared) -> Option<(Vec<u8>, Vec<u8>)> {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    match request.call {
        "zip" => {
            let zips = shared.zips.lock().expect("a lock");
            let sum = request.path.strip_prefix(ZIPS).map(|name| name.replace('_', "/")).unwrap_or_default();
            return Some(message(200, zips.get(&sum)?));
        }
        "storage" => {
            let settings = json!({"AccountLimit": {"TotalCodeSize": 80_530_636_800_u64}, "AccountUsage": {"TotalCodeSize": 1_073_741_824}});
            return Some(message(200, settings.to_string().as_bytes()));
        }
        "token" => {
            let asked = String::from_utf8_lossy(head).to_ascii_lowercase();
            let allowed = asked.contains("authorization: bearer request-token")
                && request.path == "/token?job=1&audience=sts.amazonaws.com";
            let token = json!({"value": "an-identity-token"}).to_string();
            return Some(message(if allowed { 200 } else { 401 }, token.as_bytes()));
        }
        "sso" => {
            let keys = json!({"roleCredentials": {
                "accessKeyId": crate::aws::KEY, "secretAccessKey": "s", "sessionToken": "t",
                "expiration": 4_070_908_800_000_u64,
            }});
            return Some(message(200, keys.to_string().as_bytes()));
        }
        "permit" => {
            let (_, policy) = moto::get_as(head, &request.path);
            let held: Value = serde_json::from_str(policy["Policy"].as_str().unwrap_or_default()).unwrap_or_default();
            let statements = held["Statement"].as_array().cloned().unwrap_or_default();
            if statements.iter().any(|held| held["Sid"] == sent["StatementId"]) {
                let conflict = json!({"message": "The statement id provided already exists.", "__type": "ResourceConflictException"});
                return Some(message(409, conflict.to_string().as_bytes()));
            }
        }
        _ => {}
    }
    let (head, body) = forward(head, body)?;
    let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    match request.call {
        "list" => answer["LayerVersions"].as_array_mut().into_iter().flatten().for_each(without_content),
        "layers" => answer["Layers"].as_array_mut().into_iter().flatten().for_each(|layer| {
            without_content(&mut layer["LatestMatchingVersion"]);
        }),
        "get" | "publish" if answer["Content"].is_object() => {
            let sum = answer["Content"]["CodeSha256"].as_str().unwrap_or_default().to_owned();
            if let Some(zip) = sent["Content"]["ZipFile"].as_str() {
                let zip = BASE64_STANDARD.decode(zip).expect("base64");
                shared.zips.lock().expect("a lock").insert(sum.clone(), zip);
            }
            answer["Content"]["Location"] =
                format!("http://127.0.0.1:{}{ZIPS}{}", shared.port, sum.replace('/', "_")).into();
        }
        _ => return Some((head, body)),
    }
    let body = answer.to_string().into_bytes();
    let length = format!("content-length: {}", body.len());
    let head = String::from_utf8_lossy(&head).into_owned();
    let lines =
        head.trim_end().split("\r\n").map(|line| match line.to_ascii_lowercase().starts_with("content-length:") {
            true => length.as_str(),
            false => line,
        });
    Some(((lines.collect::<Vec<_>>().join("\r\n") + "\r\n\r\n").into_bytes(), body))
}

fn without_content(version: &mut Value) {
    version.as_object_mut().map(|fields| fields.remove("Content"));
}

fn message(status: u16, body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    (head.into_bytes(), body.to_vec())
}

fn kill(shared: &Shared) {
    let victim = shared.victim.lock().expect("a lock").expect("a victim was named");
    let pid = rustix::process::Pid::from_raw(i32::try_from(victim).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
}

fn answer(stream: &TcpStream, status: u16, code: &str) {
    let body = format!(r#"{{"Type":"Error","message":"planned","__type":"{code}"}}"#);
    let head = format!(
        "HTTP/1.1 {status} Planned\r\nx-amzn-errortype: {code}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (&*stream).write_all((head + &body).as_bytes()).ok();
}

/// Head (with its empty line) and body of a message with a length, or of one that ends with the connection.
fn read_message(stream: &TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = Vec::new();
    match length {
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body).ok()?;
        }
        None if text.starts_with("http/") => drop(reader.read_to_end(&mut body)),
        None => {}
    }
    Some((head, body))
}

/// Passes a request on and gives the answer, both marked as the last of their connection.
fn forward(head: &[u8], body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let server = TcpStream::connect(("127.0.0.1", moto::port())).ok()?;
    (&server).write_all(&[close(head).as_slice(), body].concat()).ok()?;
    let (head, body) = read_message(&server)?;
    Some((close(&head), body))
}

fn close(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let lines =
        text.split("\r\n").filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"));
    let kept: Vec<&str> = lines.collect();
    (kept.join("\r\n") + "\r\nconnection: close\r\n\r\n").into_bytes()
}

fn describe(head: &[u8], body: &[u8]) -> Request {
    let text = String::from_utf8_lossy(head).into_owned();
    let mut first = text.lines().next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default().to_owned());
    // Credential=KEY/DATE/REGION/SERVICE/aws4_request
    let scope = text.split_once("Credential=").map(|(_, rest)| rest).unwrap_or_default();
    let region = scope.split('/').nth(2).unwrap_or_default().to_owned();
    let plain = path.split('?').next().unwrap_or_default();
    let call = match (method, plain) {
        ("POST", "/") if String::from_utf8_lossy(body).contains("GetCallerIdentity") => "account",
        ("POST", "/") if text.contains("DynamoDB_") => "table",
        ("POST", "/") => "credentials",
        ("GET", plain) if plain.ends_with("/policy") => "policy",
        ("POST", plain) if plain.ends_with("/policy") => "permit",
        ("DELETE", plain) if plain.contains("/policy/") => "forbid",
        ("GET", plain) if plain.ends_with("/versions") => "list",
        ("POST", plain) if plain.ends_with("/versions") => "publish",
        ("GET", plain) if plain.contains("/versions/") => "get",
        ("GET", plain) if plain.starts_with(ZIPS) => "zip",
        ("GET", plain) if plain.contains("account-settings") => "storage",
        ("GET", "/federation/credentials") => "sso",
        ("GET", "/token") => "token",
        ("DELETE", _) => "delete",
        ("GET", plain) if plain.ends_with("/layers") => "layers",
        _ => "other",
    };
    Request { call, region, path }
}
