//! The sockets of the stand-in: one HTTP server on loopback that one extension at a time talks to.

use std::collections::BTreeMap;
use std::io::Read;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use tiny_http::{Header, Request, Response, Server};

use crate::base::clock::Clock;
use crate::layer::start_config::{Signal, Transport};
use crate::outside::lambda::aws;
use crate::outside::lambda::function;
use crate::outside::lambda::protocol::{Answer, Call, IDENTIFIER, Phase, Protocol, Received};

/// A body beyond this is read to its end by nobody.
const BODY: u64 = 4 << 20;
/// How long one look at the queue lasts, should the bell that ends it be missed.
const LOOK: Duration = Duration::from_millis(250);
/// What the events say is left; Lambda gives an extension two seconds to shut down.
const INVOKE_MS: u64 = 30_000;
const SHUTDOWN_MS: u64 = 2_000;

/// What the extension is to go through.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// Whether there is an invocation between start and shutdown.
    pub invoke: bool,
    /// The ports on which it takes OTLP.
    pub receivers: BTreeMap<Transport, u16>,
    /// What is sent to each of them during the invocation.
    pub signals: Vec<Signal>,
}

/// What was seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How far it came.
    pub phase: Phase,
    /// From the call of [`Emulator::attend`] to the first `event/next`, in milliseconds.
    pub ready_ms: Option<u64>,
    /// What it reported as its error.
    pub reported: Option<String>,
    /// What it refused, in words.
    pub refused: Vec<String>,
    /// What had come out of it when it allowed Lambda to freeze it.
    pub at_freeze: Received,
    /// What came out of it at all.
    pub received: Received,
}

/// The server.
pub struct Emulator {
    server: Server,
    port: u16,
    secrets: BTreeMap<String, String>,
}

impl Emulator {
    /// Listens on a free port of loopback. Secrets Manager answers with these values, and S3 with those whose name is
    /// `s3://BUCKET/KEY`.
    ///
    /// # Errors
    /// If no socket can be had.
    pub fn start(secrets: BTreeMap<String, String>) -> Result<Self, String> {
        let server = Server::http("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = server.server_addr().to_ip().map(|address| address.port()).ok_or("it has no address")?;
        Ok(Self { server, port, secrets })
    }

    /// `HOST:PORT`, for `AWS_LAMBDA_RUNTIME_API`; as a URL it takes OTLP over HTTP too, and stands for AWS.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Wakes [`Emulator::attend`], which then looks whether the extension has ended.
    pub fn wake(&self) {
        self.server.unblock();
    }

    /// Serves one extension until `ended` is set. `at_work` is called once, when it has done what was asked of it and
    /// before it is told to shut down.
    pub fn attend(&self, visit: &Visit, clock: &Clock, ended: &AtomicBool, at_work: &mut dyn FnMut()) -> Seen {
        thread::scope(|scope| {
            let mut protocol = Protocol::default();
            let mut seen = Seen::default();
            let started = clock.elapsed_ms();
            let mut function = None;
            let mut waiting = None;
            loop {
                // Looked at before the queue: what was sent before the end is in the queue by then.
                let is_over = ended.load(Ordering::SeqCst);
                let request = if is_over { self.server.try_recv() } else { self.server.recv_timeout(LOOK) };
                match request.ok().flatten() {
                    None if is_over => break,
                    None => {}
                    Some(mut request) => match answer(&mut protocol, &mut request, &self.secrets) {
                        Answer::Now(status, body) => reply(request, status, body),
                        Answer::Hold => waiting = Some(request),
                    },
                }
                // Lambda has no next event while the function is at work.
                if function.as_ref().is_some_and(|function: &ScopedJoinHandle<'_, _>| !function.is_finished()) {
                    continue;
                }
                let Some(request) = waiting.take() else { continue };
                let now = clock.unix_seconds() * 1000;
                seen.ready_ms.get_or_insert(clock.elapsed_ms() - started);
                if protocol.phase() == Phase::Ready && visit.invoke {
                    reply(request, 200, protocol.invoke(now + INVOKE_MS));
                    let listener = protocol.listener();
                    function = Some(scope.spawn(move || {
                        let refused = function::invoke(visit, listener);
                        self.wake();
                        refused
                    }));
                } else {
                    seen.at_freeze.clone_from(protocol.received());
                    at_work();
                    reply(request, 200, protocol.shut_down(now + SHUTDOWN_MS));
                }
            }
            // The function's requests fail at once when the extension is gone, and are bounded in any case.
            // A panic there is a mistake of ours, and never a finding about the extension.
            let refused = function.map(|function| function.join().unwrap_or_else(|panic| resume_unwind(panic)));
            seen.refused = refused.unwrap_or_default();
            seen.phase = protocol.phase();
            seen.reported = protocol.reported().map(str::to_owned);
            seen.received.clone_from(protocol.received());
            seen
        })
    }
}

fn answer(protocol: &mut Protocol, request: &mut Request, secrets: &BTreeMap<String, String>) -> Answer {
    let mut body = Vec::new();
    // A body that breaks off is judged as far as it came.
    request.as_reader().take(BODY).read_to_end(&mut body).ok();
    let header = |name: &'static str| {
        request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
    };
    let (method, path) = (request.method().as_str(), request.url().split('?').next().unwrap_or_default());
    if let Some(target) = header("X-Amz-Target") {
        return aws::secret(target, &body, secrets);
    }
    if let Some(object) = aws::object(method, path, secrets) {
        return object;
    }
    protocol.answer(&Call {
        method,
        path,
        name: header("Lambda-Extension-Name"),
        identifier: header("Lambda-Extension-Identifier"),
        error_type: header("Lambda-Extension-Function-Error-Type"),
        encoding: header("Content-Encoding"),
        body: &body,
    })
}

/// An extension that is gone needs no answer.
fn reply(request: Request, status: u16, body: String) {
    let is_otlp = request.url().starts_with("/v1/");
    let kind = if is_otlp { "application/x-protobuf" } else { "application/json" };
    let headers = [("Content-Type", kind), ("Lambda-Extension-Identifier", IDENTIFIER)];
    let response = Response::from_string(body).with_status_code(status);
    let response = headers.iter().fold(response, |response, (name, value)| {
        match Header::from_bytes(name.as_bytes(), value.as_bytes()) {
            Ok(header) => response.with_header(header),
            Err(()) => response,
        }
    });
    request.respond(response).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends one request and returns its answer's status line and body.
    fn ask(emulator: &Emulator, method: &str, path: &str, body: &str) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(emulator.address()).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nLambda-Extension-Name: collector\r\n\
             Lambda-Extension-Identifier: {IDENTIFIER}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn an_extension_is_led_from_registration_to_shutdown() {
        let emulator = Emulator::start(BTreeMap::new()).unwrap();
        let ended = AtomicBool::new(false);
        let visit = Visit { invoke: true, ..Visit::default() };
        let clock = Clock::start();
        let mut at_work = 0;
        let seen = thread::scope(|scope| {
            scope.spawn(|| {
                let answer = ask(&emulator, "POST", "/2020-01-01/extension/register", "{}");
                assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(IDENTIFIER), "{answer}");
                let next = "/2020-01-01/extension/event/next";
                assert!(ask(&emulator, "GET", next, "").contains("INVOKE"));
                assert!(ask(&emulator, "POST", "/v1/traces", "ocelot-check-grpc").starts_with("HTTP/1.1 200"));
                assert!(ask(&emulator, "GET", next, "").contains("SHUTDOWN"));
                assert!(ask(&emulator, "POST", "/v1/traces", "ocelot-check-http").starts_with("HTTP/1.1 200"));
                ended.store(true, Ordering::SeqCst);
                emulator.wake();
            });
            emulator.attend(&visit, &clock, &ended, &mut || at_work += 1)
        });
        assert_eq!((seen.phase, at_work), (Phase::ShuttingDown, 1));
        assert_eq!(seen.at_freeze, [(Signal::Traces, Transport::Grpc)].into());
        assert_eq!(seen.received, [(Signal::Traces, Transport::Grpc), (Signal::Traces, Transport::Http)].into());
        assert!(seen.ready_ms.is_some() && seen.reported.is_none() && seen.refused.is_empty(), "{seen:?}");
    }

    #[test]
    fn an_extension_that_says_nothing_is_left_when_it_ends() {
        let emulator = Emulator::start(BTreeMap::new()).unwrap();
        let ended = AtomicBool::new(true);
        let seen = emulator.attend(&Visit::default(), &Clock::start(), &ended, &mut || ());
        assert_eq!(seen, Seen::default());
    }
}
