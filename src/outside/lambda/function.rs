//! The function beside the extension: it sends OTLP as a function's SDK does, and returns.

use std::time::Duration;

use crate::layer::start_config::{Signal, Transport};
use crate::outside::lambda::emulator::Visit;
use crate::outside::lambda::{grpc, otlp, protocol};

/// For one request over HTTP, and for all over gRPC; the extension's own limit is what ends it.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Sends each signal over each transport, then tells the listener that the function has returned. Returns what was
/// refused, in words.
pub(super) fn invoke(visit: &Visit, listener: Option<u16>) -> Vec<String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(REQUEST_LIMIT))
        .http_status_as_error(false)
        // Loopback is never behind a proxy, whatever the caller's environment says.
        .proxy(None)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let mut refused = Vec::new();
    for (transport, port) in &visit.receivers {
        let results = match transport {
            Transport::Grpc => {
                let call = |signal: &Signal| (otlp::grpc_path(*signal), otlp::request(*signal, *transport));
                grpc::call(*port, &visit.signals.iter().map(call).collect::<Vec<_>>(), REQUEST_LIMIT)
            }
            Transport::Http => {
                let send = |signal: &Signal| {
                    let url = format!("http://127.0.0.1:{port}/v1/{}", signal.name());
                    post(&agent, &url, "application/x-protobuf", &otlp::request(*signal, *transport))
                };
                visit.signals.iter().map(send).collect()
            }
        };
        for (signal, result) in visit.signals.iter().zip(results) {
            if let Err(why) = result {
                refused.push(format!("sending {} to port {port} ({}) {why}", signal.name(), transport.name()));
            }
        }
    }
    if let Some(port) = listener
        && let Err(why) =
            post(&agent, &format!("http://127.0.0.1:{port}/"), "application/json", protocol::runtime_done().as_bytes())
    {
        refused.push(format!("telling its telemetry listener that the function returned {why}"));
    }
    refused
}

fn post(agent: &ureq::Agent, url: &str, kind: &str, body: &[u8]) -> Result<(), String> {
    match agent.post(url).header("Content-Type", kind).send(body) {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("answered {}", answer.status())),
        Err(error) => Err(format!("failed: {error}")),
    }
}
