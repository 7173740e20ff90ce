//! moto, a stand-in for AWS: one server for the whole test binary, on a port of its own, ended with it.
//!
//! It keeps versions per account, region and layer name: tests that use names of their own do not meet.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::support::python::environment;

const VERSION: &str = "moto[server]==5.2.5";
/// Serves on a free port, which it prints, until its standard input is closed: so it ends with the tests, however they
/// end.
const SERVE: &str = r#"
import os, sys, threading
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
import logging
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(server.server_port, flush=True)
server.serve_forever()
"#;

struct Server {
    port: u16,
    /// Its end is the server's.
    _stdin: ChildStdin,
    _child: Child,
}

/// The port of the server; it is installed and started if need be.
pub fn port() -> u16 {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start).port
}

fn start() -> Server {
    let python = environment("moto-5.2.5", &[VERSION]).join("bin/python");
    let mut child = Command::new(python)
        .args(["-c", SERVE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("moto starts");
    let stdin = child.stdin.take().expect("a pipe");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let port = line.trim().parse().unwrap_or_else(|_| panic!("moto does not say its port: {line:?}"));
    TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_secs(10)).expect("moto answers");
    Server { port, _stdin: stdin, _child: child }
}

/// What moto answers to a GET in `region`, for the account of `key`: status and body.
pub fn get(key: &str, region: &str, path: &str) -> (u16, serde_json::Value) {
    ask(("GET", path), "lambda", (key, region), "", "")
}

/// A DELETE in `region`.
pub fn delete(key: &str, region: &str, path: &str) {
    let (status, body) = ask(("DELETE", path), "lambda", (key, region), "", "");
    assert!(status < 300, "{path}: {status} {body}");
}

/// A call of DynamoDB.
fn table(key: &str, region: &str, action: &str, body: &serde_json::Value) -> serde_json::Value {
    let header = format!("X-Amz-Target: DynamoDB_20120810.{action}\r\n");
    let (status, said) = ask(("POST", "/"), "dynamodb", (key, region), &header, &body.to_string());
    assert_eq!(status, 200, "{said}");
    said
}

/// The row of an ARN in a table, if there is one.
pub fn row(key: &str, region: &str, name: &str, arn: &str) -> Option<serde_json::Value> {
    let asked = serde_json::json!({"TableName": name, "Key": {"layer_arn": {"S": arn}}});
    table(key, region, "GetItem", &asked).get("Item").cloned()
}

/// Removes the row of an ARN.
pub fn remove_row(key: &str, region: &str, name: &str, arn: &str) {
    let asked = serde_json::json!({"TableName": name, "Key": {"layer_arn": {"S": arn}}});
    table(key, region, "DeleteItem", &asked);
}

/// Sets an attribute of the row of an ARN.
pub fn add_to_row(key: &str, region: &str, name: &str, arn: &str, attribute: &str, value: &str) {
    let asked = serde_json::json!({
        "TableName": name, "Key": {"layer_arn": {"S": arn}}, "UpdateExpression": "SET #a = :v",
        "ExpressionAttributeNames": {"#a": attribute}, "ExpressionAttributeValues": {":v": {"S": value}},
    });
    table(key, region, "UpdateItem", &asked);
}

fn ask(
    (method, path): (&str, &str),
    service: &str,
    (key, region): (&str, &str),
    header: &str,
    body: &str,
) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port())).expect("moto answers");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {service}.{region}.amazonaws.com\r\nConnection: close\r\n{header}\
         Content-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// What moto answers to a GET of `path` by whoever sent the request with this head.
pub fn get_as(head: &[u8], path: &str) -> (u16, serde_json::Value) {
    let text = String::from_utf8_lossy(head).into_owned();
    let scope = text.split_once("Credential=").map(|(_, rest)| rest).unwrap_or_default();
    let mut fields = scope.split('/');
    let (key, region) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
    get(key, region, path)
}

/// The versions of a layer as they are in moto: number and CodeSha256, oldest first.
pub fn versions(key: &str, region: &str, layer: &str) -> Vec<(u64, String)> {
    let (status, body) = get(key, region, &format!("/2018-10-31/layers/{layer}/versions"));
    assert_eq!(status, 200, "{body}");
    let listed = body["LayerVersions"].as_array().expect("a list");
    let number = |version: &serde_json::Value| version["Version"].as_u64().expect("a number");
    // AWS gives no hash here; moto does, and only tests look at it.
    let sha256 = |version: &serde_json::Value| version["Content"]["CodeSha256"].as_str().unwrap_or_default().to_owned();
    let mut versions: Vec<_> = listed.iter().map(|version| (number(version), sha256(version))).collect();
    versions.sort();
    versions
}

/// Whether everybody may use a version, and how many statements its policy has.
pub fn policy(key: &str, region: &str, layer: &str, number: u64) -> (bool, usize) {
    let (status, body) = get(key, region, &format!("/2018-10-31/layers/{layer}/versions/{number}/policy"));
    if status == 404 {
        return (false, 0);
    }
    let text = body["Policy"].as_str().expect("a policy");
    let policy: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    (statements.iter().any(|statement| statement["Principal"] == "*"), statements.len())
}
