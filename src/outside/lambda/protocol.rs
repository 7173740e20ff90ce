//! What the Extensions API, the Telemetry API and an OTLP endpoint answer to an extension. No socket, no clock.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::layer::start_config::{Signal, Transport};
use crate::outside::lambda::otlp;

/// The id that the extension is given when it registers.
pub const IDENTIFIER: &str = "7f1dd6b2-0c6f-4f0e-9d0a-5b2c0b8f3e11";
/// The id of the one invocation.
pub const REQUEST: &str = "3b4c1a52-8b7e-4a39-b1a5-3f6f2c7d9e10";
/// The name an extension registers under is that of its file.
const NAME: &str = "collector";
const OK: u16 = 200;
const ACCEPTED: u16 = 202;
const BAD_REQUEST: u16 = 400;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

/// A request of the extension.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'c> {
    /// The method, in capitals.
    pub method: &'c str,
    /// The path.
    pub path: &'c str,
    /// `Lambda-Extension-Name`.
    pub name: Option<&'c str>,
    /// `Lambda-Extension-Identifier`.
    pub identifier: Option<&'c str>,
    /// `Lambda-Extension-Function-Error-Type`.
    pub error_type: Option<&'c str>,
    /// `Content-Encoding`.
    pub encoding: Option<&'c str>,
    /// The body, as far as it was read.
    pub body: &'c [u8],
}

/// What came out at the exporter's endpoint: each signal, with the transport by which it had gone in.
pub type Received = BTreeSet<(Signal, Transport)>;

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This status and body at once.
    Now(u16, String),
    /// An event, as soon as there is one.
    Hold,
}

/// How far the extension came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It said nothing yet.
    #[default]
    Started,
    /// It registered.
    Registered,
    /// It asked for its first event: on Lambda its part of the init phase ends here.
    Ready,
    /// It was told of an invocation.
    Invoked,
    /// It asked for the next event after that: Lambda may freeze it.
    Idle,
    /// It was told to shut down.
    ShuttingDown,
}

impl Phase {
    /// In the words of a message: what it was doing when it ended.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Started => "before it registered with Lambda",
            Self::Registered => "while it started, before it asked for its first event",
            Self::Ready => "after it had started",
            Self::Invoked => "during an invocation",
            Self::Idle => "after an invocation",
            Self::ShuttingDown => "while it shut down",
        }
    }
}

/// The state of one extension.
#[derive(Debug, Default)]
pub struct Protocol {
    phase: Phase,
    listener: Option<u16>,
    reported: Option<String>,
    received: Received,
}

impl Protocol {
    /// How far it came.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The port on which it takes telemetry, if it subscribed.
    pub fn listener(&self) -> Option<u16> {
        self.listener
    }

    /// What it reported to `init/error` or `exit/error`.
    pub fn reported(&self) -> Option<&str> {
        self.reported.as_deref()
    }

    /// What came out of it so far.
    pub fn received(&self) -> &Received {
        &self.received
    }

    /// Answers a request.
    pub fn answer(&mut self, call: &Call<'_>) -> Answer {
        if let ("POST", Some(signal)) = (call.method, signal_of(call.path)) {
            let transports = otlp::came_over(call.body, call.encoding);
            self.received.extend(transports.into_iter().map(|transport| (signal, transport)));
            return Answer::Now(OK, String::new());
        }
        if (call.method, call.path) == ("POST", "/2020-01-01/extension/register") {
            return self.register(call);
        }
        let known = matches!(
            (call.method, call.path),
            ("PUT", "/2022-07-01/telemetry")
                | ("GET", "/2020-01-01/extension/event/next")
                | ("POST", "/2020-01-01/extension/init/error" | "/2020-01-01/extension/exit/error")
        );
        if !known {
            return refuse(NOT_FOUND, "there is no such path in this API");
        }
        if self.phase == Phase::Started || call.identifier != Some(IDENTIFIER) {
            return refuse(FORBIDDEN, "Lambda-Extension-Identifier is not that of a registered extension");
        }
        match call.path {
            "/2022-07-01/telemetry" => self.subscribe(call),
            "/2020-01-01/extension/event/next" => {
                self.phase = match self.phase {
                    Phase::Invoked => Phase::Idle,
                    Phase::Registered => Phase::Ready,
                    other => other,
                };
                Answer::Hold
            }
            _ => {
                let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
                let message = body["errorMessage"].as_str().unwrap_or_default();
                let kind = call.error_type.unwrap_or("an error without a type");
                self.reported = Some(if message.is_empty() { kind.to_owned() } else { format!("{kind}: {message}") });
                Answer::Now(ACCEPTED, json!({"status": "OK"}).to_string())
            }
        }
    }

    fn register(&mut self, call: &Call<'_>) -> Answer {
        if call.name != Some(NAME) {
            let held = call.name.unwrap_or_default();
            return refuse(FORBIDDEN, &format!("Lambda-Extension-Name is `{held}`, the file is `{NAME}`"));
        }
        let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
        let events = body["events"].as_array().cloned().unwrap_or_default();
        if let Some(other) = events.iter().find(|event| !matches!(event.as_str(), Some("INVOKE" | "SHUTDOWN"))) {
            return refuse(BAD_REQUEST, &format!("there is no event {other}"));
        }
        if self.phase != Phase::Started {
            return refuse(FORBIDDEN, "the extension is registered already");
        }
        self.phase = Phase::Registered;
        // No account: with one, upstream's collector writes a link into /tmp, which belongs to nobody here.
        Answer::Now(
            OK,
            json!({"functionName": "ocelot-check", "functionVersion": "$LATEST", "handler": "index.handler"})
                .to_string(),
        )
    }

    fn subscribe(&mut self, call: &Call<'_>) -> Answer {
        let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
        // The host is Lambda's name for the sandbox, or nothing; the port is all that means something here.
        let uri = body["destination"]["URI"].as_str().unwrap_or_default().trim_end_matches('/');
        let Some(port) = uri.rsplit_once(':').and_then(|(_, port)| port.parse().ok()) else {
            return refuse(BAD_REQUEST, "destination.URI names no port");
        };
        self.listener = Some(port);
        Answer::Now(OK, "\"OK\"".to_owned())
    }

    /// The body of the INVOKE event; from now on the extension is at work on it. `deadline_ms` is in milliseconds since
    /// 1970.
    pub fn invoke(&mut self, deadline_ms: u64) -> String {
        self.phase = Phase::Invoked;
        json!({
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": REQUEST,
            "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:ocelot-check",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": ""},
        })
        .to_string()
    }

    /// The body of the SHUTDOWN event.
    pub fn shut_down(&mut self, deadline_ms: u64) -> String {
        self.phase = Phase::ShuttingDown;
        json!({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": deadline_ms}).to_string()
    }
}

/// The records that tell a listener that the function has returned.
pub fn runtime_done() -> String {
    let record = json!({"requestId": REQUEST, "status": "success", "metrics": {"durationMs": 1.0, "producedBytes": 0}});
    json!([{"time": "2026-01-01T00:00:00.000Z", "type": "platform.runtimeDone", "record": record}]).to_string()
}

fn signal_of(path: &str) -> Option<Signal> {
    let name = path.strip_prefix("/v1/")?;
    Signal::ALL.into_iter().find(|signal| signal.name() == name)
}

fn refuse(status: u16, why: &str) -> Answer {
    Answer::Now(status, json!({"errorType": "Extension.Refused", "errorMessage": why}).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'c>(method: &'c str, path: &'c str, body: &'c str) -> Call<'c> {
        let identifier = Some(IDENTIFIER);
        Call { method, path, identifier, name: Some("collector"), body: body.as_bytes(), ..Call::default() }
    }

    const REGISTER: &str = "/2020-01-01/extension/register";
    const NEXT: &str = "/2020-01-01/extension/event/next";

    fn status(answer: &Answer) -> u16 {
        match answer {
            Answer::Now(status, _) => *status,
            Answer::Hold => 0,
        }
    }

    fn registered() -> Protocol {
        let mut protocol = Protocol::default();
        let answer = protocol.answer(&call("POST", REGISTER, r#"{"events": ["INVOKE", "SHUTDOWN"]}"#));
        assert_eq!(status(&answer), 200);
        protocol
    }

    #[test]
    fn an_extension_goes_through_all_phases_once() {
        let mut protocol = registered();
        let body = r#"{"destination": {"URI": "http://sandbox.localdomain:4711/"}}"#;
        assert_eq!(status(&protocol.answer(&call("PUT", "/2022-07-01/telemetry", body))), 200);
        assert_eq!((protocol.phase(), protocol.listener()), (Phase::Registered, Some(4711)));
        assert_eq!(protocol.answer(&call("GET", NEXT, "")), Answer::Hold);
        assert_eq!(protocol.phase(), Phase::Ready);
        assert!(protocol.invoke(7).contains(REQUEST) && runtime_done().contains(REQUEST));
        assert_eq!(protocol.answer(&call("GET", NEXT, "")), Answer::Hold);
        assert_eq!(protocol.phase(), Phase::Idle);
        assert!(protocol.shut_down(7).contains("SHUTDOWN"));
        assert_eq!(status(&protocol.answer(&call("POST", REGISTER, "{}"))), 403, "it is registered already");
    }

    #[test]
    fn what_lambda_refuses_is_refused() {
        let mut protocol = Protocol::default();
        assert_eq!(status(&protocol.answer(&call("GET", NEXT, ""))), 403, "not registered");
        let other = Call { name: Some("other"), ..call("POST", REGISTER, "{}") };
        assert_eq!(status(&protocol.answer(&other)), 403);
        assert_eq!(status(&protocol.answer(&call("POST", REGISTER, r#"{"events": ["STOP"]}"#))), 400);
        assert_eq!(protocol.phase(), Phase::Started);
        let mut protocol = registered();
        let stranger = Call { identifier: Some("x"), ..call("GET", NEXT, "") };
        assert_eq!(status(&protocol.answer(&stranger)), 403);
        assert_eq!(status(&protocol.answer(&call("PUT", "/2022-07-01/telemetry", "{}"))), 400);
        assert_eq!(status(&protocol.answer(&call("GET", "/2018-06-01/runtime/invocation/next", ""))), 404);
    }

    #[test]
    fn reports_and_data_are_kept() {
        let mut protocol = registered();
        let path = "/2020-01-01/extension/init/error";
        let report = Call { error_type: Some("Extension.Config"), ..call("POST", path, r#"{"errorMessage": "no"}"#) };
        assert_eq!(status(&protocol.answer(&report)), 202);
        assert_eq!(protocol.reported(), Some("Extension.Config: no"));
        // Upstream's collector sends an empty body.
        let _ = protocol.answer(&Call { body: b"", ..report });
        assert_eq!(protocol.reported(), Some("Extension.Config"));
        for path in ["/v1/traces", "/v1/traces", "/v1/logs", "/v1/other"] {
            let body = b"ocelot-check-http";
            let _ = protocol.answer(&Call { method: "POST", path, body, ..Call::default() });
        }
        assert_eq!(protocol.received(), &[(Signal::Logs, Transport::Http), (Signal::Traces, Transport::Http)].into());
    }
}
