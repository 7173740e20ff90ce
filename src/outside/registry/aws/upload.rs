//! The zip in a request to publish.
//!
//! The SDK would have it four times over while it puts the request together: as bytes, as their copy, as Base64, and as
//! Base64 in a message that grows. With several uploads at once that is most of what the program uses. Here the text is
//! made once, with room for the rest of the message around it.

use std::sync::{Mutex, PoisonError};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::layer::limits::{REQUEST_ALLOWANCE, base64_length};

/// How a message without a zip has its place. In a text of the message its quotes would be escaped.
const EMPTY: &str = r#""ZipFile":"""#;

/// A zip on its way into a request.
pub(super) struct Upload(Mutex<Option<String>>);

/// The SDK writes requests in another way than this was made for.
#[derive(Debug, thiserror::Error)]
#[error("BUG: the request has no place for the zip")]
pub(super) struct NoPlace;

impl Upload {
    /// Of this zip.
    pub(super) fn of(zip: &[u8]) -> Self {
        let whole = base64_length(zip.len() as u64) + REQUEST_ALLOWANCE;
        let mut text = String::with_capacity(usize::try_from(whole).unwrap_or_default());
        STANDARD.encode_string(zip, &mut text);
        Self(Mutex::new(Some(text)))
    }

    /// Puts the zip into a request that was made without one. A request is made once: there is nothing left for a second.
    ///
    /// # Errors
    /// If it has no place for it.
    pub(super) fn put_into(&self, mut request: HttpRequest) -> Result<HttpRequest, NoPlace> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let message = request.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let (Some(mut text), Some(message)) = (text, message) else { return Err(NoPlace) };
        let place = message.find(EMPTY).ok_or(NoPlace)? + EMPTY.len() - 1;
        let (before, after) = message.split_at(place);
        text.insert_str(0, before);
        text.push_str(after);
        request.headers_mut().insert("content-length", text.len().to_string());
        *request.body_mut() = SdkBody::from(text);
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &'static str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.headers_mut().insert("content-length", body.len().to_string());
        request
    }

    #[test]
    fn the_zip_comes_into_its_place_and_nowhere_else() {
        let upload = Upload::of(b"abc");
        let body = r#"{"Description":"\"ZipFile\":\"\"","Content":{"ZipFile":""},"LicenseInfo":"x"}"#;
        let made = upload.put_into(request(body)).unwrap();
        let expected = r#"{"Description":"\"ZipFile\":\"\"","Content":{"ZipFile":"YWJj"},"LicenseInfo":"x"}"#;
        assert_eq!(made.body().bytes(), Some(expected.as_bytes()));
        assert_eq!(made.headers().get("content-length"), Some(expected.len().to_string().as_str()));
        // It is not sent a second time, and never left out in silence.
        assert!(upload.put_into(request(body)).is_err());
        assert!(Upload::of(b"abc").put_into(request("{}")).is_err());
    }
}
