//! What is there of a publication now: asks the store, and changes nothing.

use std::fmt;

use serde::Serialize;

use crate::action::result::ActionResult;
use crate::base::aws_id::TableName;
use crate::exec::publication::{Publication, is_ours};
use crate::exec::reconcile::in_words;
use crate::exec::registries::{AWS, Registries};
use crate::graph::node::Publish;
use crate::outside::registry::{ErrorKind, LayerId, LayerRegistry, LayerVersion, RegistryError, Statement};

/// How what is there compares with what is declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Live {
    /// No version of this name.
    Absent,
    /// Versions of this name, and none with these bytes, architectures and runtimes.
    Differs {
        /// How many there are.
        versions: usize,
    },
    /// As declared.
    Equal {
        /// Its ARN.
        arn: String,
    },
    /// There, and not shared with somebody it is declared for.
    NotShared {
        /// Its ARN.
        arn: String,
        /// Who lacks it.
        lacking: Vec<String>,
    },
    /// There and shared as declared, and with others too.
    Wider {
        /// Its ARN.
        arn: String,
        /// With whom.
        with: Vec<String>,
        /// Those of the statements behind it that are ours to remove.
        #[serde(skip)]
        removable: Vec<Grant>,
    },
    /// There more than once.
    Duplicate {
        /// The ARN of the lowest, which stands.
        arn: String,
        /// The others.
        others: Vec<String>,
    },
    /// As declared, and the metadata table has no row of it.
    RowMissing {
        /// Its ARN.
        arn: String,
    },
    /// The account has not enabled the region.
    NotEnabled,
}

/// A statement of a version's sharing policy, by where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    layer: LayerId,
    number: u64,
    id: String,
}

impl Grant {
    /// Takes it back.
    ///
    /// # Errors
    /// As the store says.
    pub fn remove(&self, registry: &dyn LayerRegistry) -> Result<(), RegistryError> {
        registry.remove_permission(&self.layer, self.number, &self.id)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement `{}` of version {} of {}", self.id, self.number, self.layer)
    }
}

impl Live {
    /// Whether a run would have something to do.
    pub fn is_due(&self) -> bool {
        matches!(self, Self::Absent | Self::Differs { .. } | Self::NotShared { .. } | Self::RowMissing { .. })
    }
}

/// Asks about the layer of a `publish` node.
///
/// # Errors
/// What the store says; what cannot be published at all.
pub fn live(registries: &Registries, publish: &Publish, layer: &ActionResult) -> Result<Live, RegistryError> {
    let registry = registries.open(&publish.registry)?;
    let found = live_in(registry.as_ref(), publish, layer)?;
    let table = TableName::parse(&publish.table).filter(|_| publish.registry == AWS);
    match (found, table) {
        (Live::Equal { arn }, Some(table)) if !registries.aws()?.has_row(&table, &arn)? => Ok(Live::RowMissing { arn }),
        (found, _) => Ok(found),
    }
}

/// The newest version of the name that a node publishes under, whatever its bytes.
///
/// # Errors
/// What the store says; what cannot be published at all.
pub fn newest(
    registry: &dyn LayerRegistry,
    publish: &Publish,
    layer: &ActionResult,
) -> Result<Option<LayerVersion>, RegistryError> {
    let publication = publication(publish, layer)?;
    let listed = registry.list_versions(&publication.layer)?;
    listed.first().map(|newest| registry.get_version(&publication.layer, newest.number)).transpose()
}

fn publication(publish: &Publish, layer: &ActionResult) -> Result<Publication, RegistryError> {
    let what = || format!("look for `{}` in {}", publish.name, publish.region);
    Publication::new(publish, layer).map_err(|problem| RegistryError::new(ErrorKind::Invalid, what(), problem))
}

fn live_in(registry: &dyn LayerRegistry, publish: &Publish, layer: &ActionResult) -> Result<Live, RegistryError> {
    let publication = publication(publish, layer)?;
    match compare(registry, &publication) {
        Err(error) if error.kind == ErrorKind::NotEnabled => Ok(Live::NotEnabled),
        other => other,
    }
}

fn compare(registry: &dyn LayerRegistry, publication: &Publication) -> Result<Live, RegistryError> {
    let listed = registry.list_versions(&publication.layer)?;
    let same = publication.same_versions(&listed, None, |number| {
        match registry.get_version(&publication.layer, number) {
            // Deleted since it was listed.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    })?;
    let mut same = same.into_iter();
    let Some(version) = same.next() else {
        return Ok(if listed.is_empty() { Live::Absent } else { Live::Differs { versions: listed.len() } });
    };
    let arn = version.arn;
    let held = registry.read_policy_of_seen(&publication.layer, version.listed.number)?;
    let named = |statements: Vec<&Statement>| -> Vec<String> {
        statements.into_iter().map(|statement| in_words(&statement.grantee)).collect()
    };
    let lacking = named(publication.lacking(&held));
    if !lacking.is_empty() {
        return Ok(Live::NotShared { arn, lacking });
    }
    let others: Vec<String> = same.map(|other| other.arn).collect();
    if !others.is_empty() {
        return Ok(Live::Duplicate { arn, others });
    }
    let wider = publication.wider(&held);
    if wider.is_empty() {
        return Ok(Live::Equal { arn });
    }
    let grant = |statement: &&Statement| Grant {
        layer: publication.layer.clone(),
        number: version.listed.number,
        id: statement.id.clone(),
    };
    let removable = wider.iter().filter(|statement| is_ours(statement)).map(grant).collect();
    Ok(Live::Wider { arn, with: named(wider), removable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::publication::tests::{layer, publish};
    use crate::layer::hashes::Sha256Sum;
    use crate::outside::registry::directory::DirectoryRegistry;
    use crate::outside::registry::faulty::{Fault, FaultyRegistry, When};
    use crate::outside::registry::sample::layer_zip;
    use crate::outside::registry::{Grantee, NewVersion};

    #[test]
    fn every_state_is_told_from_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let registry = DirectoryRegistry::new(dir.path(), "layers");
        let zip = layer_zip(b"x");
        let mut layer = layer();
        layer.facts.insert("code-sha256".into(), Sha256Sum::of(&zip).to_code_sha256());
        let id = LayerId { region: "eu-west-1".into(), name: "ocel-amd64-minimal-0_145_0-local".into() };
        let make = |zip: &[u8]| {
            let (architectures, runtimes) = (["x86_64".to_owned()], ["python3.13".to_owned()]);
            let new =
                NewVersion { zip, description: "", architectures: &architectures, runtimes: &runtimes, license: "" };
            registry.publish(&id, &new).unwrap();
        };
        let public = publish();
        let now = |publish: &Publish| live_in(&registry, publish, &layer).unwrap();
        assert_eq!(now(&public), Live::Absent);
        make(&layer_zip(b"other"));
        assert_eq!(now(&public), Live::Differs { versions: 1 });
        make(&zip);
        let arn = "layer:eu-west-1:ocel-amd64-minimal-0_145_0-local:2".to_owned();
        assert_eq!(now(&public), Live::NotShared { arn: arn.clone(), lacking: vec!["everybody".into()] });
        let private = Publish { public: false, ..publish() };
        assert_eq!(now(&private), Live::Equal { arn: arn.clone() });
        let everyone = Statement { id: "publish".into(), grantee: Grantee::Everyone };
        registry.add_permission(&id, 2, &everyone).unwrap();
        assert_eq!(now(&public), Live::Equal { arn: arn.clone() });
        let Live::Wider { arn: wider, with, removable } = now(&private) else { panic!("it is wider than declared") };
        assert_eq!((wider, with, removable.len()), (arn.clone(), vec!["everybody".to_owned()], 1));
        let theirs = Statement { id: "by-hand".into(), grantee: Grantee::Account("123456789012".into()) };
        registry.add_permission(&id, 2, &theirs).unwrap();
        let Live::Wider { with, removable, .. } = now(&private) else { panic!("it is wider than declared") };
        assert_eq!((with.len(), removable.len()), (2, 1), "what others granted is not ours to remove");
        removable[0].remove(&registry).unwrap();
        registry.remove_permission(&id, 2, "by-hand").unwrap();
        assert_eq!(now(&private), Live::Equal { arn: arn.clone() });
        registry.add_permission(&id, 2, &everyone).unwrap();
        make(&zip);
        assert!(matches!(now(&public), Live::Duplicate { arn: lowest, others } if lowest == arn && others.len() == 1));
        let fault = |kind| FaultyRegistry::new(&registry, &[Fault { call: 0, when: When::Before, kind }]);
        assert_eq!(live_in(&fault(ErrorKind::NotEnabled), &public, &layer).unwrap(), Live::NotEnabled);
        assert_eq!(live_in(&fault(ErrorKind::Throttled), &public, &layer).unwrap_err().kind, ErrorKind::Throttled);
        assert_eq!(registry.list_versions(&id).unwrap().len(), 3, "nothing was changed");
    }
}
