//! What AWS Lambda refuses of a layer version: stores that stand in for it do not, so it is said before they are asked.

use crate::base::aws_id::{is_account, is_organization};
use crate::layer::arn::VersionArn;
use crate::layer::limits::{self, DESCRIPTION_LIMIT, LICENSE_LIMIT, NAME_LIMIT};
use crate::layer::regions::is_region_name;
use crate::layer::zip_read::{ZipLimits, ZipReader};
use crate::outside::registry::{ErrorKind, Grantee, LayerId, NewVersion, RegistryError, Statement};

/// A policy over this length is refused, in bytes.
pub(super) const POLICY_LIMIT: usize = 20_480;
const STATEMENT_ID_LIMIT: usize = 100;
/// Lambda's two architectures.
const ARCHITECTURES: [&str; 2] = ["arm64", "x86_64"];

/// The name rule of Lambda; it also keeps both parts from leaving the folder.
pub(super) fn check_layer(layer: &LayerId, what: &str) -> Result<(), RegistryError> {
    let refuse = |problem: String| Err(RegistryError::new(ErrorKind::Invalid, what, problem));
    if !is_region_name(&layer.region) {
        return refuse(format!("`{}` is not the name of a region; write one such as eu-west-1", layer.region));
    }
    let name = &layer.name;
    if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(is_name_byte) {
        return refuse(format!("a layer name is 1 to {NAME_LIMIT} of A-Z a-z 0-9 - _; this has {}", name.len()));
    }
    Ok(())
}

/// As [`check_layer`], for reading: there a layer may also be named by its ARN, which is the only name of those of others.
pub(super) fn check_readable(layer: &LayerId, what: &str) -> Result<(), RegistryError> {
    let of_arn = VersionArn::parse(&format!("{}:1", layer.name));
    match of_arn {
        Ok(arn) if arn.owner.is_some() && arn.region == layer.region => {
            check_layer(&LayerId { region: arn.region, name: arn.name }, what)
        }
        _ => check_layer(layer, what),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// What Lambda would refuse; else the architectures and runtimes in normal form.
pub(super) fn check_version(version: &NewVersion<'_>) -> Result<(Vec<String>, Vec<String>), String> {
    for (field, text, limit) in
        [("description", version.description, DESCRIPTION_LIMIT), ("license", version.license, LICENSE_LIMIT)]
    {
        if text.chars().count() > limit {
            return Err(format!("the {field} has {} characters; at most {limit} are taken", text.chars().count()));
        }
    }
    let mut architectures = version.architectures.to_vec();
    architectures.sort();
    architectures.dedup();
    if let Some(unknown) = architectures.iter().find(|name| !ARCHITECTURES.contains(&name.as_str())) {
        return Err(format!("there is no architecture `{unknown}`; Lambda has {}", ARCHITECTURES.join(" and ")));
    }
    let runtimes = limits::check_runtimes(version.runtimes.iter().map(String::as_str)).map_err(|e| e.to_string())?;
    let zip = ZipReader::open("the zip", version.zip, ZipLimits::default()).map_err(|error| error.to_string())?;
    let sizes: Vec<_> = zip.entries().iter().map(|entry| (entry.name.as_str(), entry.size)).collect();
    let unzipped = sizes.iter().map(|(_, size)| size).sum();
    limits::check_sizes(version.zip.len() as u64, unzipped, &sizes).map_err(|error| error.to_string())?;
    Ok((architectures, runtimes.into_iter().map(str::to_owned).collect()))
}

/// What Lambda would refuse of a statement, in words.
pub(super) fn check_statement(statement: &Statement) -> Result<(), String> {
    let id = &statement.id;
    if id.is_empty() || id.len() > STATEMENT_ID_LIMIT || !id.bytes().all(is_name_byte) {
        return Err(format!("a statement id is 1 to {STATEMENT_ID_LIMIT} of A-Z a-z 0-9 - _"));
    }
    match &statement.grantee {
        Grantee::Everyone => Ok(()),
        Grantee::Account(account) if is_account(account) => Ok(()),
        Grantee::Account(account) => Err(format!("`{account}` is not an account: write its 12 digits")),
        Grantee::Organisation(id) if is_organization(id) => Ok(()),
        Grantee::Organisation(id) => Err(format!("`{id}` is not an organisation: write o- and 10 to 32 of a-z 0-9")),
        Grantee::Other(text) => Err(format!("a statement like {text} can be read but not added")),
    }
}
