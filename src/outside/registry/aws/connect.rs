//! The way to AWS: configuration as the SDK finds it, one small runtime, a client for each region.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::{Builder, StalledStreamProtectionConfig};
use aws_smithy_http_client::tls;
use aws_smithy_types::retry::RetryConfig;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::layer::regions::Partition;
use crate::outside::registry::aws::github::{GithubCredentials, GithubIdentity};
use crate::outside::registry::aws::{dynamo, failure, pace::Pace};
use crate::outside::registry::{ErrorKind, RegistryError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For calls that carry no zip.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// For an upload of up to 50 MB to the other side of the world; 60 s were too few for others.
pub(super) const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);
/// Lambda stays silent while it unpacks a layer; the SDK's own patience of 5 s takes that for a stall.
const STALL_GRACE: Duration = Duration::from_secs(60);
const READ_ATTEMPTS: u32 = 3;

/// Whose credentials are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// 12 digits.
    pub id: String,
    /// The partition, for example `aws`.
    pub partition: String,
    /// The ARN of the user or role.
    pub arn: String,
}

/// The region of `region`'s partition that every account in it has: another may not be enabled.
fn home(region: &str) -> &str {
    match Partition::of_region(region).name {
        "aws" => "us-east-1",
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => region,
    }
}

/// Clients over one set of credentials.
#[derive(Debug)]
pub(super) struct Connection {
    runtime: Runtime,
    config: SdkConfig,
    clients: Mutex<BTreeMap<String, Client>>,
    pace: Pace,
    started: Instant,
}

impl Connection {
    /// Reads the configuration as every AWS tool does; nothing is asked of AWS yet.
    ///
    /// The SDK reads the process's own environment, which is what the caller's is a copy of; the profile is passed, since
    /// it may come from the command line.
    pub(super) fn new(profile: Option<&str>, identity: Option<GithubIdentity>) -> Result<Self, RegistryError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| RegistryError::new(ErrorKind::Io, "start the AWS clients", error.to_string()))?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(READ_ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(CALL_TIMEOUT)
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL_GRACE).build());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        let config = match identity {
            None => runtime.block_on(loader.load()),
            Some(identity) => {
                let without = runtime.block_on(loader.no_credentials().load());
                let provider = SharedCredentialsProvider::new(GithubCredentials::new(identity, without.clone()));
                without.into_builder().credentials_provider(provider).build()
            }
        };
        Ok(Self { runtime, config, clients: Mutex::default(), pace: Pace::default(), started: Instant::now() })
    }

    /// Asks AWS whose credentials these are, near a region if none is set.
    pub(super) fn account(&self, near: &str) -> Result<Account, RegistryError> {
        let region = self.config.region().map_or(home(near), Region::as_ref).to_owned();
        let config = aws_sdk_sts::config::Builder::from(&self.config).region(Region::new(region.clone())).build();
        let call = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send();
        let what = "ask AWS whose credentials these are";
        let said = self.runtime.block_on(call).map_err(|error| failure::of(what, &region, &error))?;
        let (id, arn) = (said.account().unwrap_or_default(), said.arn().unwrap_or_default());
        let partition = arn.split(':').nth(1).filter(|part| !part.is_empty());
        let partition = partition.unwrap_or(Partition::of_region(&region).name).to_owned();
        if id.is_empty() {
            return Err(RegistryError::new(ErrorKind::Invalid, what, "the answer names no account"));
        }
        Ok(Account { id: id.to_owned(), partition, arn: arn.to_owned() })
    }

    /// Makes a call in a region, when its turn has come, and waits for the answer.
    pub(super) fn call<F, T>(&self, region: &str, call: impl FnOnce(Client) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let wait = self.pace.take(region, self.started.elapsed());
        let client = self.client(region);
        self.runtime.block_on(async {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            call(client).await
        })
    }

    /// Makes a call to the metadata table's service in a region, and waits for the answer.
    pub(super) fn table(&self, region: &str, action: &'static str, body: Value) -> dynamo::Answer {
        self.runtime.block_on(dynamo::call(&self.config, region, action, body))
    }

    fn client(&self, region: &str) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let make = || {
            let config = Builder::from(&self.config).region(Region::new(region.to_owned()));
            Client::from_conf(config.build())
        };
        clients.entry(region.to_owned()).or_insert_with(make).clone()
    }
}

/// What calls that change something are made with: never repeated by the SDK, which cannot know whether the first one
/// has acted.
pub(super) fn once(timeout: Duration) -> Builder {
    let times = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(timeout).build();
    Builder::new().retry_config(RetryConfig::disabled()).timeout_config(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_credentials_they_are_is_asked_where_they_count_and_where_everybody_may_ask() {
        assert_eq!(home("ap-east-1"), "us-east-1");
        assert_eq!(home("cn-northwest-1"), "cn-north-1");
        assert_eq!(home("us-gov-east-1"), "us-gov-west-1");
        assert_eq!(home("us-iso-east-1"), "us-iso-east-1");
    }
}
