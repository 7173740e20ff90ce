//! What an error of the SDK means: whether something may have been done, and whether doing it again is of use.

use std::error::Error;
use std::io::ErrorKind as IoKind;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::layer::regions::is_opt_in;
use crate::outside::registry::{ErrorKind, RegistryError};

/// The error of a call about `what` in `region`.
pub(super) fn of<E>(what: impl Into<String>, region: &str, error: &SdkError<E, HttpResponse>) -> RegistryError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, problem) = judge(region, error);
    RegistryError::new(kind, what, problem)
}

fn judge<E>(region: &str, error: &SdkError<E, HttpResponse>) -> (ErrorKind, String)
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let SdkError::ServiceError(service) = error {
        let (code, message) = (service.err().code().unwrap_or_default(), service.err().message().unwrap_or_default());
        let status = service.raw().status().as_u16();
        let said = match (code, message) {
            ("", "") => format!("answer {status} without a cause"),
            ("", message) => message.to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        return answered(region, status, code, said);
    }
    if let Some(missing) = cause::<CredentialsError>(error) {
        return (ErrorKind::Denied, format!("no AWS credentials: {}", chain(missing)));
    }
    match error {
        SdkError::ConstructionFailure(_) => (ErrorKind::Invalid, chain(error)),
        SdkError::DispatchFailure(_) if was_not_sent(error) => {
            (ErrorKind::Refused, format!("cannot connect: {}", innermost(error)))
        }
        SdkError::TimeoutError(_) => (ErrorKind::Ambiguous, "no answer in time".to_owned()),
        _ => (ErrorKind::Ambiguous, format!("no whole answer: {}", innermost(error))),
    }
}

/// What an answer means. Codes that Lambda sends for tokens which a region does not know tell a region that the account
/// has not enabled from bad credentials: those that were accepted elsewhere are good.
fn answered(region: &str, status: u16, code: &str, said: String) -> (ErrorKind, String) {
    let unknown_token =
        matches!(code, "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException");
    match (status, code) {
        (429, _) | (_, "TooManyRequestsException" | "ThrottlingException" | "Throttling") => {
            (ErrorKind::Throttled, said)
        }
        _ if unknown_token && is_opt_in(region) => {
            (ErrorKind::NotEnabled, format!("{region} is not enabled for this account ({said})"))
        }
        (_, "OptInRequired") => (ErrorKind::NotEnabled, format!("{region} is not enabled for this account ({said})")),
        (401 | 403, _) => (ErrorKind::Denied, said),
        _ if unknown_token || code == "ExpiredTokenException" => (ErrorKind::Denied, said),
        (404, _) => (ErrorKind::NotFound, said),
        (409, _) => (ErrorKind::Conflict, said),
        // It says that all went well, and cannot be read: it may have been done.
        (..300, _) => (ErrorKind::Ambiguous, format!("an answer {status} that cannot be read")),
        (500.., _) => (ErrorKind::Ambiguous, said),
        _ => (ErrorKind::Invalid, said),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// What an error says and why, each thing once: errors of the SDK repeat their cause.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for text in causes(error).map(ToString::to_string) {
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether the connection was never made, so that nothing can have been done.
fn was_not_sent(error: &(dyn Error + 'static)) -> bool {
    let refused = |io: &std::io::Error| {
        matches!(io.kind(), IoKind::ConnectionRefused | IoKind::NetworkUnreachable | IoKind::HostUnreachable)
    };
    causes(error).any(|error| {
        error.downcast_ref::<std::io::Error>().is_some_and(refused)
            // The HTTP client tells its stages by text only: name not found, connection not made in time.
            || { let text = error.to_string(); text.contains("dns error") || text.contains("HTTP connect timeout") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_it_means() {
        let kind = |region: &str, status: u16, code: &str| answered(region, status, code, String::new()).0;
        for (status, code, expected) in [
            (429, "TooManyRequestsException", ErrorKind::Throttled),
            (400, "ThrottlingException", ErrorKind::Throttled),
            (403, "AccessDeniedException", ErrorKind::Denied),
            (403, "UnrecognizedClientException", ErrorKind::Denied),
            (400, "ExpiredTokenException", ErrorKind::Denied),
            (404, "ResourceNotFoundException", ErrorKind::NotFound),
            (409, "ResourceConflictException", ErrorKind::Conflict),
            (412, "PreconditionFailedException", ErrorKind::Invalid),
            (400, "InvalidParameterValueException", ErrorKind::Invalid),
            (400, "CodeStorageExceededException", ErrorKind::Invalid),
            (413, "RequestEntityTooLarge", ErrorKind::Invalid),
            (500, "ServiceException", ErrorKind::Ambiguous),
            (502, "", ErrorKind::Ambiguous),
            (201, "", ErrorKind::Ambiguous),
        ] {
            assert_eq!(kind("eu-west-1", status, code), expected, "{status} {code}");
        }
        assert_eq!(kind("ap-east-1", 403, "UnrecognizedClientException"), ErrorKind::NotEnabled);
        assert_eq!(kind("ap-east-1", 403, "AccessDeniedException"), ErrorKind::Denied);
        assert_eq!(kind("eu-west-1", 403, "OptInRequired"), ErrorKind::NotEnabled);
    }

    #[test]
    fn only_what_was_surely_not_sent_counts_as_refused() {
        #[derive(Debug, thiserror::Error)]
        #[error("connector error")]
        struct Outer(#[source] std::io::Error);
        assert!(was_not_sent(&Outer(IoKind::ConnectionRefused.into())));
        assert!(was_not_sent(&Outer(std::io::Error::other("dns error"))));
        assert!(!was_not_sent(&Outer(IoKind::ConnectionReset.into())));
        assert!(!was_not_sent(&Outer(IoKind::TimedOut.into())));
    }
}
