//! Fetching one file whose length is known, over HTTP.

use std::io::Read;
use std::time::Duration;

use crate::outside::tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the whole of an answer.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Why a file could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadError {
    /// Whether the same may succeed later.
    pub may_pass_later: bool,
    /// In words. Never the address: it may hold a signature that gives access.
    pub problem: String,
}

/// Fetches a file of exactly `size` bytes. Addresses with a signature are good for minutes only, so they are used at once
/// and never shown.
///
/// # Errors
/// What the server says; a body of another length.
pub fn fetch(address: &str, size: u64) -> Result<Vec<u8>, DownloadError> {
    let failed = |may_pass_later, problem: String| DownloadError { may_pass_later, problem };
    if !address.starts_with("https://") && !address.starts_with("http://") {
        return Err(failed(false, "the store offers no address to fetch it from".to_owned()));
    }
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(TIMEOUT))
        .tls_config(tls::trusted())
        .build();
    let answer = ureq::Agent::new_with_config(config).get(address).call().map_err(|error| match error {
        ureq::Error::StatusCode(status) => failed(status >= 500 || status == 429, format!("the answer is {status}")),
        error => failed(true, format!("no answer: {error}")),
    })?;
    let mut bytes = Vec::new();
    // One byte more than is due tells a longer body without taking it.
    let mut body = answer.into_body().into_reader().take(size.saturating_add(1));
    body.read_to_end(&mut bytes).map_err(|error| failed(true, format!("the answer breaks off: {error}")))?;
    if bytes.len() as u64 != size {
        return Err(failed(true, format!("{} bytes or more came where {size} were due", bytes.len())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A server for one request.
    fn serve(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/layer?signature=s3cret", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            (&stream).write_all(answer).ok();
        });
        address
    }

    #[test]
    fn a_file_is_fetched_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlayer";
        assert_eq!(fetch(&serve(whole), 5).unwrap(), b"layer");
        let error = |answer, size| fetch(&serve(answer), size).unwrap_err();
        assert!(error(whole, 4).may_pass_later, "longer");
        assert!(error(whole, 6).may_pass_later, "shorter");
        assert!(error(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlayer", 9).may_pass_later, "broken off");
        assert!(error(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", 5).may_pass_later);
        let denied = error(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 5);
        assert!(!denied.may_pass_later && !denied.problem.contains("s3cret"), "{denied:?}");
    }

    #[test]
    fn what_is_no_web_address_is_not_asked() {
        for address in ["", "s3://", "file:///etc/passwd"] {
            assert!(!fetch(address, 5).unwrap_err().may_pass_later);
        }
    }
}
