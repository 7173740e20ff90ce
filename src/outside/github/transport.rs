//! One request over HTTP. It follows no redirect: who may see the token is decided by the caller.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Request as HttpRequest;

use crate::outside::tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the line may be silent.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    pub(super) url: String,
    /// Lower-case names with their values.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<&'a [u8]>,
    /// The longest body of an answer that is taken, in bytes.
    pub(super) limit: u64,
}

/// An answer, of whatever status.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Lower-case names with their values.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Sends requests.
pub(super) trait Transport {
    /// Sends one, and gives the whole answer.
    ///
    /// # Errors
    /// If there is none, in words that hold nothing of the request's headers.
    fn send(&self, request: &Request<'_>) -> Result<Answer, String>;
}

/// Over sockets.
pub(super) struct Http(Agent);

impl Http {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .tls_config(tls::trusted())
            .user_agent(concat!("ocelot/", env!("CARGO_PKG_VERSION")))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(STALL_TIMEOUT))
            .timeout_per_write(Some(STALL_TIMEOUT))
            .build();
        Self(config.new_agent())
    }
}

impl Transport for Http {
    fn send(&self, request: &Request<'_>) -> Result<Answer, String> {
        let mut head = HttpRequest::builder().method(request.method).uri(&request.url);
        for (name, value) in &request.headers {
            head = head.header(*name, value);
        }
        let unusable = |_| "the request cannot be written".to_owned();
        let silent = |error: ureq::Error| format!("no answer: {error}");
        let answer = match request.body {
            Some(body) => self.0.run(head.body(body).map_err(unusable)?).map_err(silent)?,
            None => self.0.run(head.body(()).map_err(unusable)?).map_err(silent)?,
        };
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        // One byte more than is taken tells a longer body.
        let mut reader = answer.into_body().into_reader().take(request.limit.saturating_add(1));
        reader.read_to_end(&mut body).map_err(|error| format!("the answer breaks off: {error}"))?;
        if body.len() as u64 > request.limit {
            return Err(format!("the answer has more than {} bytes", request.limit));
        }
        Ok(Answer { status, headers, body })
    }
}
