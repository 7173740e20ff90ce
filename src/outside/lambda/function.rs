//! The function beside the extension: it sends OTLP as a function's SDK does, and returns.

use std::time::Duration;

use serde_json::{Value, json};

use crate::layer::start_config::Signal;
use crate::outside::lambda::protocol;

/// For one request; the extension's own limit is what ends it.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Sends each signal to the OTLP/HTTP receiver on `port`, then tells the listener that the function has returned.
/// Returns what was refused, in words.
pub(super) fn invoke(port: Option<u16>, signals: &[Signal], listener: Option<u16>) -> Vec<String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(REQUEST_LIMIT))
        .http_status_as_error(false)
        // Loopback is never behind a proxy, whatever the caller's environment says.
        .proxy(None)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let post = |url: &str, body: &str| {
        let answer = agent.post(url).header("Content-Type", "application/json").send(body);
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("answered {}", answer.status())),
            Err(error) => Err(format!("failed: {error}")),
        }
    };
    let mut refused = Vec::new();
    if let Some(port) = port {
        for signal in signals {
            let url = format!("http://127.0.0.1:{port}/v1/{}", signal.name());
            if let Err(why) = post(&url, &payload(*signal).to_string()) {
                refused.push(format!("sending {} to port {port} {why}", signal.name()));
            }
        }
    }
    if let Some(port) = listener
        && let Err(why) = post(&format!("http://127.0.0.1:{port}/"), &protocol::runtime_done())
    {
        refused.push(format!("telling its telemetry listener that the function returned {why}"));
    }
    refused
}

/// One span, data point or log record in OTLP's JSON encoding.
fn payload(signal: Signal) -> Value {
    const AT: &str = "1767225600000000000";
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "ocelot-check"}}]});
    let scope = json!({"name": "ocelot-check"});
    match signal {
        Signal::Traces => {
            let span = json!({
                "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "check",
                "kind": 2, "startTimeUnixNano": AT, "endTimeUnixNano": AT,
            });
            json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [span]}]}]})
        }
        Signal::Metrics => {
            let metric = json!({"name": "check", "gauge": {"dataPoints": [{"asInt": "1", "timeUnixNano": AT}]}});
            json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": scope, "metrics": [metric]}]}]})
        }
        Signal::Logs => {
            let record = json!({"timeUnixNano": AT, "severityNumber": 9, "body": {"stringValue": "check"}});
            json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]})
        }
    }
}
