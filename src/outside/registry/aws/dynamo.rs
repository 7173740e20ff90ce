//! DynamoDB by its own protocol, JSON 1.0, on what the SDK's clients stand on: signing, credentials, attempts, time
//! limits and connections are theirs. The generated client is left out: it is large, and long to build, for five calls.

use aws_config::{Region, SdkConfig};
use aws_runtime::auth::SigV4OperationSigningConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::retries::classifiers::{AwsErrorCodeClassifier, TRANSIENT_ERRORS};
use aws_runtime::service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthSchemeOptionResolver};
use aws_smithy_runtime_api::client::identity::SharedIdentityResolver;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::ErrorMetadata;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use aws_types::service_config::ServiceConfigKey;
use serde_json::Value;
use zlib_rs::crc32::crc32;

use crate::layer::regions::Partition;

/// The version of the service, as targets name it.
const TARGET: &str = "DynamoDB_20120810";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// A code that no other service has, and that its model says to repeat.
const REPLICA_CONFLICT: &str = "ReplicatedWriteConflictException";

/// What a call comes to: the answer, or what went wrong in the form that the other services' clients have it.
pub(super) type Answer = Result<Value, Box<SdkError<ErrorMetadata, HttpResponse>>>;

/// Makes the call `action` in `region`, as often as `config` says if it fails for a reason that may pass. Every call that
/// is made here may be repeated: it says what shall be, not what shall be added.
pub(super) async fn call(config: &SdkConfig, region: &str, action: &'static str, body: Value) -> Answer {
    operation(config, region, action).invoke(body).await.map_err(Box::new)
}

fn operation(config: &SdkConfig, region: &str, action: &'static str) -> Operation<Value, Value, ErrorMetadata> {
    let transient: Vec<&'static str> = TRANSIENT_ERRORS.iter().copied().chain([REPLICA_CONFLICT]).collect();
    let mut builder = Operation::builder()
        .service_name("DynamoDB")
        .operation_name(action)
        .endpoint_url(&endpoint_of(config, region))
        .runtime_plugin(environment(config, region))
        .with_connection_poisoning()
        .interceptor(InvocationIdInterceptor::new())
        .interceptor(RequestInfoInterceptor::new())
        .interceptor(ServiceClockSkewInterceptor::new())
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
        .retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::builder().transient_errors(transient).build())
        .retry_classifier(ServiceClockSkewClassifier::<ErrorMetadata>::new());
    if let Some(version) = config.behavior_version() {
        builder = builder.behavior_version(version);
    }
    if let Some(retries) = config.retry_config() {
        builder = builder.standard_retry(retries);
    }
    if let Some(times) = config.timeout_config() {
        builder = builder.timeout_config(times.clone());
    }
    builder.serializer(move |body: Value| request(action, &body)).deserializer(read).build()
}

/// Connections, clocks and credentials of `config`, and how requests are signed with them.
fn environment(config: &SdkConfig, region: &str) -> StaticRuntimePlugin {
    let mut layer = Layer::new("DynamoDB");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(Region::new(region.to_owned()))),
        name: Some(SigningName::from_static("dynamodb")),
        ..SigV4OperationSigningConfig::default()
    });
    let schemes = StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]);
    let mut components = RuntimeComponentsBuilder::new("DynamoDB")
        .with_http_client(config.http_client())
        .with_identity_cache(config.identity_cache())
        .with_sleep_impl(config.sleep_impl())
        .with_time_source(config.time_source())
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(schemes)));
    if let Some(credentials) = config.credentials_provider() {
        components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
    }
    StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components)
}

/// Where the service is: as variables and profile say for it, else as they say for every service, else at AWS.
fn endpoint_of(config: &SdkConfig, region: &str) -> String {
    let key = ServiceConfigKey::builder().service_id("DynamoDB").env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let own = key.build().ok().and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned)).unwrap_or_else(|| {
        endpoint(region, config.use_fips().unwrap_or_default(), config.use_dual_stack().unwrap_or_default())
    })
}

/// The service's address at AWS: with cryptography after FIPS 140 if that is wanted, and by IPv6 too.
fn endpoint(region: &str, fips: bool, dual_stack: bool) -> String {
    let partition = Partition::of_region(region);
    let suffix = if dual_stack { partition.dual_stack_suffix } else { partition.dns_suffix };
    // Every endpoint in GovCloud is one, and has no other name.
    let is_named_so = fips && (dual_stack || partition.name != "aws-us-gov");
    format!("https://dynamodb{}.{region}.{suffix}", if is_named_so { "-fips" } else { "" })
}

fn request(action: &str, body: &Value) -> Result<HttpRequest, BoxError> {
    let body = body.to_string();
    let length = body.len();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    let headers = request.headers_mut();
    headers.try_insert("content-type", CONTENT_TYPE)?;
    headers.try_insert("content-length", length.to_string())?;
    headers.try_insert("user-agent", concat!("ocelot/", env!("CARGO_PKG_VERSION")))?;
    headers.try_insert("x-amz-target", format!("{TARGET}.{action}"))?;
    Ok(request)
}

/// What an answer says. One that says that all went well and cannot be read is an error without a code; one that was
/// damaged on its way is no answer, and the call is made again.
fn read(response: &HttpResponse) -> Result<Value, OrchestratorError<ErrorMetadata>> {
    let body = response.body().bytes().unwrap_or_default();
    let sum: Option<u32> = response.headers().get("x-amz-crc32").and_then(|sum| sum.parse().ok());
    if sum.is_some_and(|sum| sum != crc32(0, body)) {
        return Err(OrchestratorError::response("the answer is not the one that its CRC-32 was made of".into()));
    }
    match serde_json::from_slice(body) {
        Ok(said @ Value::Object(_)) if response.status().is_success() => Ok(said),
        said => {
            let code = response.headers().get("x-amzn-errortype");
            Err(OrchestratorError::operation(error(code, &said.unwrap_or_default())))
        }
    }
}

/// The error that a body tells; a code in a header goes first.
fn error(code: Option<&str>, body: &Value) -> ErrorMetadata {
    let text = |names: &[&str]| names.iter().find_map(|name| body.get(name)?.as_str());
    let mut error = ErrorMetadata::builder();
    if let Some(code) = code.or_else(|| text(&["code", "__type"])) {
        // A namespace may be before it, and an address behind it.
        let code = code.split(':').next().unwrap_or_default();
        error = error.code(code.split_once('#').map_or(code, |(_, code)| code));
    }
    if let Some(message) = text(&["message", "Message", "errorMessage"]) {
        error = error.message(message);
    }
    error.build()
}

#[cfg(test)]
mod tests;
