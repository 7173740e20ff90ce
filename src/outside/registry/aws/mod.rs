//! AWS Lambda's layer store.
//!
//! Limits are checked before anything is sent: a request over them would fail only after the upload, and stand-ins do
//! not check them at all. Listings of stand-ins have hashes that AWS never gives; they are not read.

mod connect;
pub mod credentials;
mod dynamo;
mod failure;
mod github;
mod pace;
mod policy;
mod table;
mod upload;

use std::time::Duration;

use aws_sdk_lambda::primitives::{Blob, DateTime, DateTimeFormat as Format};
use aws_sdk_lambda::types::{Architecture, LayerVersionContentInput, LayerVersionContentOutput, Runtime};

pub use connect::Account;
pub use github::GithubIdentity;
pub use table::TableState;

use crate::outside::download;
use crate::outside::registry::rules::{check_layer, check_readable, check_statement, check_version};
use crate::outside::registry::{
    ErrorKind, Grantee, LayerId, LayerRegistry, LayerVersion, ListedVersion, NewVersion, RegistryError, Statement,
    Storage,
};
use connect::{Connection, UPLOAD_TIMEOUT, once};

/// A [`ListedVersion`] from an answer of the SDK: three of its types say the same by the same names, and share no trait.
macro_rules! listed {
    ($said:expr, $number:expr) => {
        ListedVersion {
            number: $number,
            description: $said.description().unwrap_or_default().to_owned(),
            architectures: sorted($said.compatible_architectures(), Architecture::as_str),
            runtimes: sorted($said.compatible_runtimes(), Runtime::as_str),
            license: $said.license_info().unwrap_or_default().to_owned(),
            created: $said.created_date().and_then(seconds),
        }
    };
}

/// The most that a listing gives at once.
const PAGE: i32 = 50;

/// The layers of one account. Calls wait for their answers; regions do not wait for each other.
#[derive(Debug)]
pub struct AwsRegistry {
    connection: Connection,
    /// For calls that are made once.
    upload_timeout: Duration,
}

impl AwsRegistry {
    /// With the credentials that the environment and the shared files give, or those of this profile, or of a job of
    /// GitHub's. Nothing is sent. `upload_timeout` is how long an upload may take.
    ///
    /// # Errors
    /// If the clients cannot be started.
    pub fn new(
        profile: Option<&str>,
        identity: Option<GithubIdentity>,
        upload_timeout: Option<Duration>,
    ) -> Result<Self, RegistryError> {
        let upload_timeout = upload_timeout.unwrap_or(UPLOAD_TIMEOUT);
        Ok(Self { connection: Connection::new(profile, identity)?, upload_timeout })
    }

    /// Asks AWS whose credentials these are: in the region that is set, else in the partition of `near`, since
    /// each partition knows its own credentials only.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] without credentials or with ones that do not count; else as AWS says.
    pub fn account(&self, near: &str) -> Result<Account, RegistryError> {
        self.connection.account(near)
    }

    /// One version with the address its zip can be fetched from for some minutes.
    fn get(&self, layer: &LayerId, number: u64) -> Result<(LayerVersion, String), RegistryError> {
        let what = format!("get version {number} of {layer}");
        check_readable(layer, &what)?;
        let answer = self.connection.call(&layer.region, |client| {
            client.get_layer_version().layer_name(&layer.name).version_number(wire(number)).send()
        });
        let answer = answer.map_err(|error| failure::of(&what, &layer.region, &error))?;
        let listed = listed!(answer, number);
        let location = answer.content().and_then(LayerVersionContentOutput::location).unwrap_or_default().to_owned();
        Ok((version(answer.layer_version_arn(), listed, answer.content(), &what)?, location))
    }

    /// The policy of a version; [`ErrorKind::NotFound`] if it has none, or if there is no such version.
    fn policy(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError> {
        let what = format!("read the policy of version {number} of {layer}");
        check_readable(layer, &what)?;
        let answer = self.connection.call(&layer.region, |client| {
            client.get_layer_version_policy().layer_name(&layer.name).version_number(wire(number)).send()
        });
        match answer.map_err(|error| failure::of(&what, &layer.region, &error)) {
            Ok(answer) => policy::read(answer.policy().unwrap_or_default())
                .map_err(|problem| RegistryError::new(ErrorKind::Invalid, what, problem)),
            Err(error) => Err(error),
        }
    }
}

impl LayerRegistry for AwsRegistry {
    fn list_versions(&self, layer: &LayerId) -> Result<Vec<ListedVersion>, RegistryError> {
        let what = format!("list the versions of {layer}");
        check_layer(layer, &what)?;
        let (mut versions, mut marker): (Vec<ListedVersion>, Option<String>) = (Vec::new(), None);
        loop {
            let from = marker.take();
            let answer = self.connection.call(&layer.region, |client| {
                client.list_layer_versions().layer_name(&layer.name).max_items(PAGE).set_marker(from).send()
            });
            let page = match answer.map_err(|error| failure::of(&what, &layer.region, &error)) {
                Ok(page) => page,
                // A name that nobody published.
                Err(error) if error.kind == ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
            versions.extend(page.layer_versions().iter().filter_map(|item| {
                let number = u64::try_from(item.version()).ok().filter(|number| *number > 0)?;
                Some(listed!(item, number))
            }));
            marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        Ok(versions)
    }

    fn get_version(&self, layer: &LayerId, number: u64) -> Result<LayerVersion, RegistryError> {
        self.get(layer, number).map(|(version, _)| version)
    }

    fn publish(&self, layer: &LayerId, new: &NewVersion<'_>) -> Result<LayerVersion, RegistryError> {
        let what = format!("publish {layer}");
        check_layer(layer, &what)?;
        let (architectures, runtimes) =
            check_version(new).map_err(|problem| RegistryError::new(ErrorKind::Invalid, &what, problem))?;
        // The zip comes in afterwards.
        let content = LayerVersionContentInput::builder().zip_file(Blob::new([])).build();
        let upload = upload::Upload::of(new.zip);
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let architectures: Vec<Architecture> = architectures.iter().map(|name| name.as_str().into()).collect();
        let runtimes: Vec<Runtime> = runtimes.iter().map(|name| name.as_str().into()).collect();
        let answer = self.connection.call(&layer.region, |client| {
            client
                .publish_layer_version()
                .layer_name(&layer.name)
                .content(content)
                .set_description(some(new.description))
                .set_license_info(some(new.license))
                .set_compatible_architectures((!architectures.is_empty()).then_some(architectures))
                .set_compatible_runtimes((!runtimes.is_empty()).then_some(runtimes))
                .customize()
                .config_override(once(self.upload_timeout))
                .map_request(move |request| upload.put_into(request))
                .send()
        });
        let made = answer.map_err(|error| failure::of(&what, &layer.region, &error))?;
        let number = u64::try_from(made.version()).unwrap_or_default();
        let listed = listed!(made, number);
        version(made.layer_version_arn(), listed, made.content(), &what)
    }

    fn read_policy(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError> {
        match self.policy(layer, number) {
            // No policy, or no version: only a look at the version tells.
            Err(error) if error.kind == ErrorKind::NotFound => self.get_version(layer, number).map(|_| Vec::new()),
            policy => policy,
        }
    }

    fn read_policy_of_seen(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError> {
        match self.policy(layer, number) {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
            policy => policy,
        }
    }

    fn add_permission(&self, layer: &LayerId, number: u64, statement: &Statement) -> Result<(), RegistryError> {
        let what = format!("add permission `{}` to version {number} of {layer}", statement.id);
        check_layer(layer, &what)?;
        check_statement(statement).map_err(|problem| RegistryError::new(ErrorKind::Invalid, &what, problem))?;
        let (principal, organisation) = match &statement.grantee {
            Grantee::Everyone => ("*", None),
            Grantee::Account(account) => (account.as_str(), None),
            Grantee::Organisation(id) => ("*", Some(id.clone())),
            Grantee::Other(_) => unreachable!("BUG: refused above"),
        };
        let answer = self.connection.call(&layer.region, |client| {
            client
                .add_layer_version_permission()
                .layer_name(&layer.name)
                .version_number(wire(number))
                .statement_id(&statement.id)
                .action(policy::ACTION)
                .principal(principal)
                .set_organization_id(organisation)
                .customize()
                .config_override(once(self.upload_timeout))
                .send()
        });
        answer.map(|_| ()).map_err(|error| failure::of(what, &layer.region, &error))
    }

    fn delete_version(&self, layer: &LayerId, number: u64) -> Result<(), RegistryError> {
        let what = format!("delete version {number} of {layer}");
        check_layer(layer, &what)?;
        let answer = self.connection.call(&layer.region, |client| {
            client.delete_layer_version().layer_name(&layer.name).version_number(wire(number)).send()
        });
        match answer.map_err(|error| failure::of(what, &layer.region, &error)) {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn list_layers(&self, region: &str) -> Result<Vec<String>, RegistryError> {
        let what = format!("list the layers in {region}");
        // The name is only there to be checked with the region.
        check_layer(&LayerId { region: region.to_owned(), name: "any".to_owned() }, &what)?;
        let (mut names, mut marker): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let from = marker.take();
            let answer =
                self.connection.call(region, |client| client.list_layers().max_items(PAGE).set_marker(from).send());
            let page = answer.map_err(|error| failure::of(&what, region, &error))?;
            names.extend(page.layers().iter().filter_map(|layer| layer.layer_name().map(str::to_owned)));
            marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        names.sort();
        Ok(names)
    }

    fn read_zip(&self, layer: &LayerId, number: u64) -> Result<Vec<u8>, RegistryError> {
        let what = format!("read the zip of version {number} of {layer}");
        let (version, location) = self.get(layer, number)?;
        download::fetch(&location, version.code_size).map_err(|error| {
            let kind = if error.may_pass_later { ErrorKind::Refused } else { ErrorKind::Invalid };
            RegistryError::new(kind, what, error.problem)
        })
    }

    fn remove_permission(&self, layer: &LayerId, number: u64, id: &str) -> Result<(), RegistryError> {
        let what = format!("remove permission `{id}` from version {number} of {layer}");
        check_layer(layer, &what)?;
        let answer = self.connection.call(&layer.region, |client| {
            client
                .remove_layer_version_permission()
                .layer_name(&layer.name)
                .version_number(wire(number))
                .statement_id(id)
                .send()
        });
        match answer.map_err(|error| failure::of(what, &layer.region, &error)) {
            Ok(_) => Ok(()),
            // The statement, or the version: only a look at the version tells.
            Err(error) if error.kind == ErrorKind::NotFound => self.get_version(layer, number).map(|_| ()),
            Err(error) => Err(error),
        }
    }

    fn storage(&self, region: &str) -> Result<Option<Storage>, RegistryError> {
        let answer = self.connection.call(region, |client| client.get_account_settings().send());
        let answer =
            answer.map_err(|error| failure::of(format!("read the storage used in {region}"), region, &error))?;
        let bytes = |size: i64| u64::try_from(size).ok();
        let used = answer.account_usage().and_then(|usage| bytes(usage.total_code_size()));
        let limit = answer.account_limit().and_then(|limit| bytes(limit.total_code_size()));
        Ok(used.zip(limit).map(|(used, limit)| Storage { used, limit }))
    }
}

/// Seconds since 1970 of a date as Lambda writes it: `2026-11-25T19:02:21.000+0000`.
fn seconds(date: &str) -> Option<u64> {
    // RFC 3339 wants a colon in the offset, which Lambda leaves out.
    let hours = date.len().checked_sub(2).filter(|at| date.is_char_boundary(*at) && !date.ends_with('Z'))?;
    let (head, minutes) = date.split_at(hours);
    let colon = if head.ends_with(':') { "" } else { ":" };
    let parsed = DateTime::from_str(&format!("{head}{colon}{minutes}"), Format::DateTimeWithOffset).ok()?;
    u64::try_from(parsed.secs()).ok()
}

/// A version's number as requests have it. No version has one that does not fit.
fn wire(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn sorted<T>(values: &[T], text: impl Fn(&T) -> &str) -> Vec<String> {
    let mut texts: Vec<String> = values.iter().map(|value| text(value).to_owned()).collect();
    texts.sort();
    texts
}

fn version(
    arn: Option<&str>,
    listed: ListedVersion,
    content: Option<&LayerVersionContentOutput>,
    what: &str,
) -> Result<LayerVersion, RegistryError> {
    let lacks = |part: &str| RegistryError::new(ErrorKind::Ambiguous, what, format!("the answer has no {part}"));
    let content = content.ok_or_else(|| lacks("content"))?;
    let arn = arn.filter(|_| listed.number > 0).ok_or_else(|| lacks("version"))?.to_owned();
    let code_sha256 = content.code_sha256().ok_or_else(|| lacks("CodeSha256"))?.to_owned();
    Ok(LayerVersion { arn, listed, code_sha256, code_size: u64::try_from(content.code_size()).unwrap_or_default() })
}
