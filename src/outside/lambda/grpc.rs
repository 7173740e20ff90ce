//! OTLP over gRPC: unary calls, one after another on one connection of loopback, without TLS.
//!
//! Source: "gRPC over HTTP2" of the gRPC project. What a whole client would add (generated services, balancing, retries)
//! is nothing here.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

/// One byte that says "not compressed", and four with the length.
const PREFIX: usize = 5;

/// What ends the connection, and with it all calls that are left.
type Broken = Box<dyn std::error::Error>;

/// Makes each call, a path with its message, at this port of loopback. Returns for each why it was refused, if it was.
///
/// `limit` is for all of them together.
pub(super) fn call(port: u16, calls: &[(&str, Vec<u8>)], limit: Duration) -> Vec<Result<(), String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return vec![Err(format!("failed: {error}")); calls.len()],
    };
    let mut results = Vec::new();
    let ended = runtime.block_on(async { tokio::time::timeout(limit, call_each(port, calls, &mut results)).await });
    let why = match ended {
        Ok(Ok(())) => return results,
        Ok(Err(why)) => format!("failed: {why}"),
        Err(_) => format!("was not answered within {} s", limit.as_secs()),
    };
    results.resize(calls.len(), Err(why));
    results
}

async fn call_each(port: u16, calls: &[(&str, Vec<u8>)], results: &mut Vec<Result<(), String>>) -> Result<(), Broken> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut client, connection) = h2::client::handshake(stream).await?;
    // Moves the bytes of all calls; ends with the connection.
    tokio::spawn(connection);
    for (path, message) in calls {
        client = client.ready().await?;
        results.push(call_one(&mut client, port, path, message).await?);
    }
    Ok(())
}

async fn call_one(
    client: &mut SendRequest<Bytes>,
    port: u16,
    path: &str,
    message: &[u8],
) -> Result<Result<(), String>, Broken> {
    let request = Request::post(format!("http://127.0.0.1:{port}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut stream) = client.send_request(request, false)?;
    stream.send_data(framed(message), true)?;
    let response = response.await?;
    if !response.status().is_success() {
        return Ok(Err(format!("answered {}", response.status())));
    }
    let head = response.headers().clone();
    let mut body = response.into_body();
    while let Some(chunk) = body.data().await {
        body.flow_control().release_capacity(chunk?.len())?;
    }
    let trailers = body.trailers().await?;
    // An answer without a message has its status in the head.
    Ok(status(trailers.as_ref().unwrap_or(&head)))
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(PREFIX + message.len());
    frame.push(0);
    frame.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend(message);
    frame.into()
}

fn status(headers: &HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("grpc-status"), text("grpc-message")) {
        (Some("0"), _) => Ok(()),
        (Some(code), Some(message)) if !message.is_empty() => Err(format!("answered gRPC status {code}: {message}")),
        (Some(code), _) => Err(format!("answered gRPC status {code}")),
        (None, _) => Err("answered without a gRPC status".to_owned()),
    }
}
