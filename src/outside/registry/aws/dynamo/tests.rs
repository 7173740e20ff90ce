//! The service played by a script: what is sent, what is sent again, and what is made of the answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::RetryConfig;
use serde_json::json;

use super::*;
use crate::outside::registry::ErrorKind;
use crate::outside::registry::aws::failure;

fn answer(status: u16, body: &str) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

/// An answer's status and body. Without a status: the connection is lost.
type Attempt = (Option<u16>, &'static str);

/// Answers in their order, and the requests that they were given to.
#[derive(Clone, Debug)]
struct Service {
    answers: Arc<Mutex<VecDeque<Attempt>>>,
    asked: Arc<Mutex<Vec<HttpRequest>>>,
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.asked.lock().unwrap().push(request);
        HttpConnectorFuture::ready(match self.answers.lock().unwrap().pop_front() {
            Some((Some(status), body)) => Ok(answer(status, body)),
            _ => Err(ConnectorError::io("connection reset".into())),
        })
    }
}

impl HttpClient for Service {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// What a call comes to whose attempts are answered so, and the requests that were sent.
fn called(answers: &[Attempt]) -> (Answer, Vec<HttpRequest>) {
    let service = Service { answers: Arc::new(Mutex::new(answers.iter().copied().collect())), asked: Arc::default() };
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test")))
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_nanos(1)))
        .http_client(service.clone())
        .build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(call(&config, "eu-west-1", "GetItem", json!({ "TableName": "t" })));
    let asked = std::mem::take(&mut *service.asked.lock().unwrap());
    (answer, asked)
}

const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#;
const MISSING: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"gone"}"#;

#[test]
fn a_call_is_signed_for_the_service_and_the_region() {
    let (answer, asked) = called(&[(Some(200), r#"{"Item":{}}"#)]);
    assert_eq!(answer.unwrap(), json!({ "Item": {} }));
    let [request] = &asked[..] else { panic!("{asked:?}") };
    let header = |name: &str| request.headers().get(name).unwrap_or_default();
    assert_eq!((request.method(), request.uri()), ("POST", "https://dynamodb.eu-west-1.amazonaws.com/"));
    assert_eq!(header("x-amz-target"), "DynamoDB_20120810.GetItem");
    assert_eq!(header("content-type"), "application/x-amz-json-1.0");
    assert_eq!(request.body().bytes(), Some(br#"{"TableName":"t"}"#.as_slice()));
    assert_eq!(header("content-length"), "17");
    assert!(header("authorization").contains("/eu-west-1/dynamodb/aws4_request"), "{}", header("authorization"));
}

#[test]
fn what_may_pass_is_asked_again_and_what_stands_is_not() {
    let fine = (Some(200), "{}");
    for passing in [
        (Some(400), THROTTLED),
        (Some(400), r#"{"__type":"ProvisionedThroughputExceededException"}"#),
        (Some(400), r#"{"__type":"ReplicatedWriteConflictException"}"#),
        (Some(500), r#"{"__type":"InternalServerError"}"#),
        (Some(503), "<html>"),
        (None, ""),
    ] {
        let (answer, asked) = called(&[passing, passing, fine]);
        assert!(answer.is_ok(), "{passing:?}: {answer:?}");
        assert_eq!(asked.len(), 3, "{passing:?}");
        let (answer, asked) = called(&[passing, passing, passing, fine]);
        assert!(answer.is_err(), "{passing:?}");
        assert_eq!(asked.len(), 3, "{passing:?}");
    }
    for standing in [MISSING, r#"{"__type":"AccessDeniedException"}"#, r#"{"__type":"ValidationException"}"#] {
        let (answer, asked) = called(&[(Some(400), standing), fine]);
        assert!(answer.is_err(), "{standing}");
        assert_eq!(asked.len(), 1, "{standing}");
    }
}

#[test]
fn what_went_wrong_is_said_as_of_every_call_to_aws() {
    let told = |answers: &[Attempt]| {
        let error = failure::of("do it", "eu-west-1", &called(answers).0.unwrap_err());
        (error.kind, error.problem)
    };
    assert_eq!(told(&[(Some(400), MISSING)]), (ErrorKind::Invalid, "ResourceNotFoundException: gone".into()));
    assert_eq!(told(&[(Some(400), THROTTLED); 3]), (ErrorKind::Throttled, "ThrottlingException: slow down".into()));
    assert_eq!(told(&[(Some(502), ""); 3]), (ErrorKind::Ambiguous, "answer 502 without a cause".into()));
    assert_eq!(told(&[(Some(200), "{")]), (ErrorKind::Ambiguous, "an answer 200 that cannot be read".into()));
    assert_eq!(told(&[]), (ErrorKind::Ambiguous, "no whole answer: connection reset".into()));
}

#[test]
fn a_code_is_told_without_namespace_and_address() {
    let coded = |header: Option<&str>, body: Value| error(header, &body).code().map(str::to_owned);
    for code in ["Oops", "com.amazonaws#Oops", "Oops:http://example.org/", "com.amazonaws#Oops:http://example.org/#x"] {
        assert_eq!(coded(None, json!({ "__type": code })).as_deref(), Some("Oops"), "{code}");
        assert_eq!(coded(Some(code), json!({ "__type": "Other" })).as_deref(), Some("Oops"), "{code}");
    }
    for nothing in [json!(null), json!([]), json!({ "__type": 1 })] {
        assert_eq!(coded(None, nothing), None);
    }
    for name in ["message", "Message", "errorMessage"] {
        assert_eq!(error(None, &json!({ name: "why" })).message(), Some("why"));
    }
}

#[test]
fn an_answer_that_was_damaged_is_none() {
    let with_sum = |body: &str, sum: String| {
        let mut answer = answer(200, body);
        answer.headers_mut().insert("x-amz-crc32", sum);
        read(&answer)
    };
    let sum = crc32(0, b"{}").to_string();
    assert!(with_sum("{}", sum.clone()).is_ok());
    assert!(with_sum("{ }", sum).is_err_and(|error| error.is_response_error()));
    assert!(with_sum("{}", "none".into()).is_ok());
}

#[test]
fn the_service_is_where_the_partition_has_it() {
    for (region, fips, dual_stack, expected) in [
        ("eu-west-1", false, false, "https://dynamodb.eu-west-1.amazonaws.com"),
        ("us-east-1", true, false, "https://dynamodb-fips.us-east-1.amazonaws.com"),
        ("us-east-1", true, true, "https://dynamodb-fips.us-east-1.api.aws"),
        ("cn-north-1", false, false, "https://dynamodb.cn-north-1.amazonaws.com.cn"),
        ("cn-north-1", false, true, "https://dynamodb.cn-north-1.api.amazonwebservices.com.cn"),
        ("us-gov-west-1", true, false, "https://dynamodb.us-gov-west-1.amazonaws.com"),
        ("us-gov-east-1", true, true, "https://dynamodb-fips.us-gov-east-1.api.aws"),
        ("us-iso-east-1", false, true, "https://dynamodb.us-iso-east-1.api.aws.ic.gov"),
    ] {
        assert_eq!(endpoint(region, fips, dual_stack), expected);
    }
}

#[test]
fn an_endpoint_for_every_service_is_this_ones_too() {
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12());
    let config = config.endpoint_url("http://127.0.0.1:1").build();
    assert_eq!(endpoint_of(&config, "eu-west-1"), "http://127.0.0.1:1");
}
