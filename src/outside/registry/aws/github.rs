//! Credentials for a job of GitHub Actions, without keys: the job's identity token, exchanged for a role.
//!
//! The token is asked anew for every exchange, since it lives for minutes; the SDK keeps what it was exchanged for and comes
//! back shortly before that expires. The exchange is made in a region, not with the global service, whose tokens do not count
//! in regions that have to be enabled.

use std::fmt;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result as Provided, future};
use serde::Deserialize;

use crate::layer::regions::Partition;
use crate::outside::tls;

const TIMEOUT: Duration = Duration::from_secs(20);
/// More is no answer of that service.
const ANSWER_LIMIT: u64 = 64 * 1024;
/// How long the credentials are wanted for, in seconds; roles allow an hour unless they say otherwise.
const DURATION: i32 = 3600;
/// Names the session in AWS's logs.
const SESSION: &str = "ocelot";

/// What a job needs to become a role.
#[derive(Clone, PartialEq, Eq)]
pub struct GithubIdentity {
    /// Where the identity token is given out.
    url: String,
    /// What allows asking for it.
    request_token: String,
    /// The role.
    role: String,
}

impl fmt::Debug for GithubIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the token.
        f.debug_struct("GithubIdentity").field("url", &self.url).field("role", &self.role).finish_non_exhaustive()
    }
}

impl GithubIdentity {
    /// From the variables of a job that may have an identity token and names a role; `None` if it may not or does not, and
    /// where other credentials are given, which count before.
    pub fn of(env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let others = ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE"];
        if others.into_iter().any(|name| set(name).is_some()) {
            return None;
        }
        Some(Self {
            url: set("ACTIONS_ID_TOKEN_REQUEST_URL")?,
            request_token: set("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
            role: set("OCELOT_PUBLISH_ROLE_ARN")?,
        })
    }

    /// The partition of the role.
    fn partition(&self) -> &str {
        self.role.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws")
    }
}

/// Gives the role's credentials.
#[derive(Debug)]
pub(super) struct GithubCredentials {
    identity: GithubIdentity,
    config: SdkConfig,
}

impl GithubCredentials {
    /// `config` is what the SDK was told but credentials.
    pub(super) fn new(identity: GithubIdentity, config: SdkConfig) -> Self {
        Self { identity, config }
    }

    async fn exchange(&self) -> Provided {
        // A region that every account has, and of the role's own partition.
        let region = match self.identity.partition() {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            "aws-eusc" => "eusc-de-east-1",
            _ => "us-east-1",
        };
        let audience = Partition::of_region(region).sts_audience();
        let token = identity_token(&self.identity, &audience).map_err(CredentialsError::provider_error)?;
        let config = aws_sdk_sts::config::Builder::from(&self.config).region(Region::new(region)).build();
        let call = aws_sdk_sts::Client::from_conf(config)
            .assume_role_with_web_identity()
            .role_arn(&self.identity.role)
            .role_session_name(SESSION)
            .web_identity_token(token)
            .duration_seconds(DURATION);
        let answer = call.send().await.map_err(|error| {
            let said = error.into_service_error();
            CredentialsError::provider_error(format!(
                "the role {} was not given: {said}; does its trust policy name this repository, and the form of its \
                 subject (`ocelot oidc setup`)?",
                self.identity.role
            ))
        })?;
        let keys =
            answer.credentials().ok_or_else(|| CredentialsError::provider_error("the answer has no credentials"))?;
        let expires = std::time::SystemTime::try_from(*keys.expiration()).ok();
        Ok(Credentials::new(
            keys.access_key_id(),
            keys.secret_access_key(),
            Some(keys.session_token().to_owned()),
            expires,
            "GithubActions",
        ))
    }
}

impl ProvideCredentials for GithubCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.exchange())
    }
}

/// Asks GitHub for the job's identity token.
fn identity_token(identity: &GithubIdentity, audience: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let config =
        ureq::Agent::config_builder().tls_config(tls::trusted()).timeout_global(Some(TIMEOUT)).max_redirects(0).build();
    let call = ureq::Agent::new_with_config(config)
        .get(&identity.url)
        .query("audience", audience)
        .header("Authorization", format!("bearer {}", identity.request_token))
        .call();
    let failed = |problem: String| {
        format!("GitHub gives this job no identity token: {problem}; it needs `permissions: id-token: write`")
    };
    let mut answer = call.map_err(|error| failed(error.to_string()))?;
    let text = answer.body_mut().with_config().limit(ANSWER_LIMIT).read_to_string();
    let text = text.map_err(|error| failed(error.to_string()))?;
    // The answer itself is never shown: it may hold the token.
    let answer: Answer = serde_json::from_str(&text).map_err(|_| failed("its answer cannot be read".to_owned()))?;
    Ok(answer.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_an_identity_only_with_a_role_and_without_other_credentials() {
        let job = [
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.example/?job=1"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "s3cret"),
            ("OCELOT_PUBLISH_ROLE_ARN", "arn:aws-cn:iam::123456789012:role/x"),
        ];
        let of = |vars: &[(&str, &str)]| {
            GithubIdentity::of(&|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        };
        let identity = of(&job).unwrap();
        assert_eq!(identity.partition(), "aws-cn");
        assert!(!format!("{identity:?}").contains("s3cret"));
        for missing in 0..job.len() {
            let mut vars = job;
            vars[missing].1 = "";
            assert_eq!(of(&vars), None, "without {}", job[missing].0);
        }
        for other in ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE"] {
            assert_eq!(of(&[job.as_slice(), &[(other, "x")]].concat()), None, "{other}");
        }
    }
}
