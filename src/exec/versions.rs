//! Single layer versions, named by their ARN: looking at them, fetching their bytes, copying them to other regions.
//!
//! No node and no receipt is involved. A copy is brought to its region the way a node would bring it, so that a later run
//! with that region adopts it.

use std::time::Duration;

use crate::exec::publication::{Publication, statement_for};
use crate::exec::reconcile::{Reconciled, Surroundings, Wanted, in_words, reconcile};
use crate::layer::arn::VersionArn;
use crate::layer::hashes::Sha256Sum;
use crate::outside::process::cancel::{Cancel, Level};
use crate::outside::registry::{ErrorKind, Grantee, LayerId, LayerRegistry, LayerVersion, RegistryError, Statement};

/// A version with its bytes, which are those of its hash.
#[derive(Debug)]
pub struct Fetched {
    /// What was asked for.
    pub arn: VersionArn,
    /// What the store says of it.
    pub version: LayerVersion,
    /// The zip.
    pub zip: Vec<u8>,
}

/// What a region has of a layer of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// A version with the same bytes.
    Same(String),
    /// Versions of this name, none with these bytes; the newest.
    Other(Box<LayerVersion>),
    /// No version of this name.
    Absent,
    /// The account has not enabled the region.
    NotEnabled,
}

/// The layer of a version as a store is asked to read it.
fn readable(arn: &VersionArn) -> LayerId {
    LayerId { region: arn.region.clone(), name: arn.layer() }
}

/// What the store says of a version.
///
/// # Errors
/// [`ErrorKind::NotFound`] or [`ErrorKind::Denied`] if it is not there or not shared; else as the store says.
pub fn look(registry: &dyn LayerRegistry, arn: &VersionArn) -> Result<LayerVersion, RegistryError> {
    registry.get_version(&readable(arn), arn.number)
}

/// Who may use a version.
///
/// # Errors
/// As the store says; [`ErrorKind::Denied`] for a layer of somebody else.
pub fn policy(registry: &dyn LayerRegistry, arn: &VersionArn) -> Result<Vec<Statement>, RegistryError> {
    registry.read_policy(&readable(arn), arn.number)
}

/// A grantee as a person would name it.
pub fn grantee_in_words(grantee: &Grantee) -> String {
    in_words(grantee)
}

/// A version and its bytes.
///
/// # Errors
/// Bytes that are not those of the version's hash; else as the store says.
pub fn fetch(registry: &dyn LayerRegistry, arn: &VersionArn) -> Result<Fetched, RegistryError> {
    let version = look(registry, arn)?;
    let zip = registry.read_zip(&readable(arn), arn.number)?;
    let found = Sha256Sum::of(&zip).to_code_sha256();
    if found != version.code_sha256 {
        let problem = format!("its bytes have CodeSha256 {found}, and it is said to have {}", version.code_sha256);
        return Err(RegistryError::new(ErrorKind::Invalid, format!("fetch {arn}"), problem));
    }
    Ok(Fetched { arn: arn.clone(), version, zip })
}

/// What a region has of the layer of this name; `code_sha256` is the hash of the version that is looked for.
///
/// # Errors
/// As the store says.
pub fn there(registry: &dyn LayerRegistry, layer: &LayerId, version: &LayerVersion) -> Result<There, RegistryError> {
    let listed = match registry.list_versions(layer) {
        Err(error) if error.kind == ErrorKind::NotEnabled => return Ok(There::NotEnabled),
        other => other?,
    };
    let mut newest = None;
    for one in &listed {
        let found = match registry.get_version(layer, one.number) {
            // Deleted since it was listed.
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            other => other?,
        };
        if found.code_sha256 == version.code_sha256 {
            return Ok(There::Same(found.arn));
        }
        newest.get_or_insert(found);
    }
    Ok(newest.map_or(There::Absent, |found| There::Other(Box::new(found))))
}

/// How a copy is shared: as the version it is made from, as far as that can be seen, and with everybody if `public`.
pub fn sharing_of(policy: &[Statement], public: bool) -> Vec<Statement> {
    let everyone = public.then_some(&Grantee::Everyone);
    let mut sharing: Vec<Statement> =
        policy.iter().map(|held| &held.grantee).chain(everyone).filter_map(statement_for).collect();
    sharing.sort_by(|a, b| a.id.cmp(&b.id));
    sharing.dedup();
    sharing
}

/// Brings the same bytes under the same name into another region: found there, or published, and shared.
///
/// # Errors
/// As the store says.
pub fn copy(
    registry: &dyn LayerRegistry,
    from: &Fetched,
    region: &str,
    sharing: Vec<Statement>,
    cancel: &Cancel,
) -> Result<Copied, RegistryError> {
    let listed = &from.version.listed;
    let publication = Publication {
        layer: LayerId { region: region.to_owned(), name: from.arn.name.clone() },
        code_sha256: from.version.code_sha256.clone(),
        architectures: listed.architectures.clone(),
        runtimes: listed.runtimes.clone(),
        sharing,
        license: listed.license.clone(),
    };
    let wanted = Wanted { publication: &publication, zip: &from.zip, description: &listed.description };
    let Reconciled { version, published, warnings, .. } = reconcile(registry, &wanted, &mut Unnoted(cancel))?;
    Ok(Copied { arn: version.arn, published, warnings })
}

/// A version that is in a region now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its ARN.
    pub arn: String,
    /// Whether it was made just now.
    pub published: bool,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Outside a run there is no receipt to write: after an interruption the next call looks first, as it always does.
struct Unnoted<'a>(&'a Cancel);

impl Surroundings for Unnoted<'_> {
    type Error = RegistryError;

    fn intend(&mut self) -> Result<(), RegistryError> {
        Ok(())
    }

    fn pause(&mut self, time: Duration) -> Result<(), RegistryError> {
        match self.0.pause_at(Level::None, time) {
            Level::None => Ok(()),
            Level::Graceful | Level::Now => {
                Err(RegistryError::new(ErrorKind::Ambiguous, "wait for the store", "interrupted"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::registry::NewVersion;
    use crate::outside::registry::directory::DirectoryRegistry;
    use crate::outside::registry::sample::layer_zip;

    fn arn(region: &str, number: u64) -> VersionArn {
        VersionArn { owner: None, region: region.into(), name: "ocel".into(), number }
    }

    fn publish(registry: &DirectoryRegistry, region: &str, zip: &[u8]) -> LayerVersion {
        let layer = LayerId { region: region.into(), name: "ocel".into() };
        let architectures = ["arm64".to_owned()];
        let new =
            NewVersion { zip, description: "d", architectures: &architectures, runtimes: &[], license: "Apache-2.0" };
        registry.publish(&layer, &new).unwrap()
    }

    #[test]
    fn a_copy_has_the_same_bytes_name_and_sharing_and_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let registry = DirectoryRegistry::new(dir.path(), "layers");
        let made = publish(&registry, "eu-west-1", &layer_zip(b"x"));
        let home = LayerId { region: "eu-west-1".into(), name: "ocel".into() };
        let theirs = Statement { id: "by-hand".into(), grantee: Grantee::Account("123456789012".into()) };
        registry.add_permission(&home, 1, &theirs).unwrap();
        let from = fetch(&registry, &arn("eu-west-1", 1)).unwrap();
        let sharing = || sharing_of(&policy(&registry, &arn("eu-west-1", 1)).unwrap(), true);
        let cancel = Cancel::new().unwrap();
        let first = copy(&registry, &from, "us-east-1", sharing(), &cancel).unwrap();
        assert!(first.published && first.warnings.is_empty(), "{first:?}");
        assert_eq!(copy(&registry, &from, "us-east-1", sharing(), &cancel).unwrap().arn, first.arn);
        let copied = look(&registry, &arn("us-east-1", 1)).unwrap();
        assert_eq!(
            (&copied.code_sha256, &copied.listed.architectures),
            (&made.code_sha256, &made.listed.architectures)
        );
        let held = policy(&registry, &arn("us-east-1", 1)).unwrap();
        let ids: Vec<_> = held.iter().map(|held| held.id.as_str()).collect();
        assert_eq!(ids, ["ocelot-account-123456789012", "ocelot-public"]);
        assert_eq!(look(&registry, &arn("us-east-1", 2)).unwrap_err().kind, ErrorKind::NotFound);
    }

    #[test]
    fn bytes_that_are_not_the_versions_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let registry = DirectoryRegistry::new(dir.path(), "layers");
        publish(&registry, "eu-west-1", &layer_zip(b"x"));
        std::fs::write(dir.path().join("layers/eu-west-1/ocel/1/layer.zip"), layer_zip(b"y")).unwrap();
        assert!(fetch(&registry, &arn("eu-west-1", 1)).unwrap_err().problem.contains("its bytes have CodeSha256"));
    }

    #[test]
    fn what_a_region_has_is_the_same_another_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let registry = DirectoryRegistry::new(dir.path(), "layers");
        let version = publish(&registry, "eu-west-1", &layer_zip(b"x"));
        publish(&registry, "us-east-1", &layer_zip(b"old"));
        publish(&registry, "us-east-1", &layer_zip(b"new"));
        let at =
            |region: &str| there(&registry, &LayerId { region: region.into(), name: "ocel".into() }, &version).unwrap();
        assert_eq!(at("eu-west-1"), There::Same("layer:eu-west-1:ocel:1".into()));
        assert!(matches!(at("us-east-1"), There::Other(newest) if newest.listed.number == 2));
        assert_eq!(at("us-west-2"), There::Absent);
        publish(&registry, "us-east-1", &layer_zip(b"x"));
        assert_eq!(at("us-east-1"), There::Same("layer:us-east-1:ocel:3".into()));
    }
}
