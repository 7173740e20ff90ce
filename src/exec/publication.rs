//! What a `publish` node ships: the identity of a layer version, without which nothing is found, adopted or made.

use crate::action::result::ActionResult;
use crate::graph::node::Publish;
use crate::layer::arch::Arch;
use crate::layer::description::names_sha256;
use crate::layer::hashes::Sha256Sum;
use crate::layer::limits::{LICENSE_LIMIT, check_runtimes};
use crate::layer::name::LayerNameParts;
use crate::outside::registry::{Grantee, LayerId, LayerVersion, ListedVersion, Place, Statement};
use crate::store::receipts::Identity;

/// The statement with which a version is made public.
const PUBLIC_STATEMENT: &str = "ocelot-public";
/// How the ids of our statements begin.
const OUR_PREFIX: &str = "ocelot-";
/// The id under which the tool that Ocelot replaces makes a version public.
const ORIGINAL_STATEMENT: &str = "publish";

/// Versions without our mark in their description that are looked at, newest first.
const UNMARKED: usize = 5;

/// A layer that is to be in a region, and who may use it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::exec) struct Publication {
    /// Region and name.
    pub(in crate::exec) layer: LayerId,
    /// Base64 of the SHA-256 of the zip.
    pub code_sha256: String,
    /// In Lambda's spelling, sorted.
    pub(in crate::exec) architectures: Vec<String>,
    /// Sorted.
    pub(in crate::exec) runtimes: Vec<String>,
    /// Who is to be able to use it: the statements of its sharing policy that are ours.
    pub(in crate::exec) sharing: Vec<Statement>,
    /// SPDX expression.
    pub(in crate::exec) license: String,
}

impl Publication {
    /// What a node ships of this layer.
    ///
    /// # Errors
    /// A name, runtime or licence that Lambda refuses, or a layer without its facts; in words.
    pub(in crate::exec) fn new(publish: &Publish, layer: &ActionResult) -> Result<Self, String> {
        let fact = |name: &str| layer.fact(name).ok_or_else(|| format!("the layer has no fact `{name}`"));
        let arch = fact("arch")?;
        let arch = Arch::parse(arch).ok_or_else(|| format!("`{arch}` is no architecture of Lambda"))?;
        let name = LayerNameParts {
            base: &publish.name,
            arch: Some(arch),
            distribution: Some(fact("distribution")?),
            version: Some(&publish.version),
            collector_version: Some(fact("collector-version")?),
            git_ref: None,
            group: &publish.group,
        };
        let runtimes = check_runtimes(publish.runtimes.iter().map(String::as_str)).map_err(|e| e.to_string())?;
        if publish.license.chars().count() > LICENSE_LIMIT {
            return Err(format!("`license` has more than {LICENSE_LIMIT} characters; write an SPDX expression"));
        }
        Ok(Self {
            layer: LayerId { region: publish.region.clone(), name: name.name().map_err(|error| error.to_string())? },
            code_sha256: fact("code-sha256")?.to_owned(),
            architectures: vec![arch.lambda().to_owned()],
            runtimes: runtimes.into_iter().map(str::to_owned).collect(),
            sharing: sharing(publish),
            license: publish.license.clone(),
        })
    }

    /// The identity of the version in a store. Sharing, description and licence are not part of it: they never cause a
    /// new version.
    pub(in crate::exec) fn identity(&self, place: &Place) -> Identity {
        let (architectures, runtimes) = (self.architectures.join(","), self.runtimes.join(","));
        [
            ("effect", "publish"),
            ("registry", place.kind),
            ("endpoint", &place.endpoint),
            ("partition", place.partition.as_deref().unwrap_or_default()),
            ("account", place.account.as_deref().unwrap_or_default()),
            ("region", &self.layer.region),
            ("layer", &self.layer.name),
            ("code-sha256", &self.code_sha256),
            ("architectures", &architectures),
            ("runtimes", &runtimes),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Whether a listed version may be this one; its hash decides.
    pub(in crate::exec) fn may_be(&self, listed: &ListedVersion) -> bool {
        let same = |ours: &[String], theirs: &[String]| {
            let mut theirs = theirs.to_vec();
            theirs.sort();
            ours == theirs
        };
        same(&self.architectures, &listed.architectures) && same(&self.runtimes, &listed.runtimes)
    }

    /// The versions of this identity, lowest first. A listing shows no hash, so candidates are asked for by `get`, which
    /// gives `None` for one that is gone by now. `made` is known to be one of them.
    pub(in crate::exec) fn same_versions<E>(
        &self,
        listed: &[ListedVersion],
        made: Option<&LayerVersion>,
        mut get: impl FnMut(u64) -> Result<Option<LayerVersion>, E>,
    ) -> Result<Vec<LayerVersion>, E> {
        let made_number = made.map(|made| made.listed.number);
        let mut same: Vec<LayerVersion> = made.into_iter().cloned().collect();
        for numbers in self.candidates(listed) {
            for number in numbers.into_iter().filter(|number| Some(*number) != made_number) {
                same.extend(get(number)?.filter(|version| self.is_version(version)));
            }
            if !same.is_empty() {
                break;
            }
        }
        same.sort_by_key(|version| version.listed.number);
        Ok(same)
    }

    /// What is declared and a policy does not grant, under whatever id.
    pub(in crate::exec) fn lacking<'p>(&'p self, held: &[Statement]) -> Vec<&'p Statement> {
        self.sharing.iter().filter(|wanted| held.iter().all(|held| held.grantee != wanted.grantee)).collect()
    }

    /// What a policy grants beyond what is declared.
    pub(in crate::exec) fn wider<'h>(&self, held: &'h [Statement]) -> Vec<&'h Statement> {
        held.iter().filter(|held| self.sharing.iter().all(|wanted| wanted.grantee != held.grantee)).collect()
    }

    /// Numbers of versions that may be this one, in the order in which to look: those whose description names the hash,
    /// then the newest without our description.
    fn candidates(&self, listed: &[ListedVersion]) -> [Vec<u64>; 2] {
        let sum = Sha256Sum::from_code_sha256(&self.code_sha256);
        let (mut marked, mut unmarked) = (Vec::new(), Vec::new());
        for version in listed.iter().filter(|version| self.may_be(version)) {
            match sum.and_then(|sum| names_sha256(&version.description, sum)) {
                Some(true) => marked.push(version.number),
                Some(false) => {}
                None => unmarked.push(version.number),
            }
        }
        unmarked.truncate(UNMARKED);
        [marked, unmarked]
    }

    /// Whether a version is this one.
    pub(in crate::exec) fn is_version(&self, version: &LayerVersion) -> bool {
        version.code_sha256 == self.code_sha256 && self.may_be(&version.listed)
    }
}

/// The statements that a node declares. Their ids say whose they are and for whom, so that the same grant is the same
/// statement, whoever makes it.
fn sharing(publish: &Publish) -> Vec<Statement> {
    let everyone = publish.public.then_some(Grantee::Everyone);
    let accounts = publish.accounts.iter().cloned().map(Grantee::Account);
    let organizations = publish.organizations.iter().cloned().map(Grantee::Organisation);
    everyone.into_iter().chain(accounts).chain(organizations).filter_map(|grantee| statement_for(&grantee)).collect()
}

/// Our statement for a grantee; `None` for one that cannot be added.
pub(in crate::exec) fn statement_for(grantee: &Grantee) -> Option<Statement> {
    let id = match grantee {
        Grantee::Everyone => PUBLIC_STATEMENT.to_owned(),
        Grantee::Account(id) => format!("ocelot-account-{id}"),
        Grantee::Organisation(id) => format!("ocelot-organization-{id}"),
        Grantee::Other(_) => return None,
    };
    Some(Statement { id, grantee: grantee.clone() })
}

/// Whether a statement is one that this tool or the one it replaces has made: only those are ever removed.
pub(in crate::exec) fn is_ours(statement: &Statement) -> bool {
    statement.id.starts_with(OUR_PREFIX) || statement.id == ORIGINAL_STATEMENT
}

#[cfg(test)]
pub(in crate::exec) mod tests {
    use super::*;

    pub(in crate::exec) fn publish() -> Publish {
        Publish {
            region: "eu-west-1".into(),
            name: "ocel".into(),
            group: "local".into(),
            version: String::new(),
            runtimes: vec!["python3.13".into()],
            public: true,
            accounts: Vec::new(),
            organizations: Vec::new(),
            registry: "directory:layers".into(),
            license: "Apache-2.0".into(),
            table: String::new(),
        }
    }

    pub(in crate::exec) fn layer() -> ActionResult {
        let facts =
            [("arch", "amd64"), ("distribution", "minimal"), ("collector-version", "v0.145.0"), ("code-sha256", "abc")];
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        ActionResult { facts, ..ActionResult::default() }
    }

    #[test]
    fn the_name_follows_the_rule() {
        let made = Publication::new(&publish(), &layer()).unwrap();
        assert_eq!(made.layer.name, "ocel-amd64-minimal-0_145_0-local");
        assert_eq!(made.architectures, ["x86_64"]);
        let own = Publish { version: "v1.2".into(), ..publish() };
        assert_eq!(Publication::new(&own, &layer()).unwrap().layer.name, "ocel-amd64-minimal-v1_2-local");
    }

    #[test]
    fn what_lambda_refuses_is_refused_first() {
        let error = |publish: Publish| Publication::new(&publish, &layer()).unwrap_err();
        assert!(error(Publish { name: "x".repeat(140), ..publish() }).contains("140"));
        assert!(error(Publish { runtimes: vec!["nodejs22".into()], ..publish() }).contains("nodejs22.x"));
        assert!(error(Publish { license: "x".repeat(513), ..publish() }).contains("license"));
        assert!(Publication::new(&publish(), &ActionResult::default()).unwrap_err().contains("`arch`"));
    }

    #[test]
    fn sharing_description_and_licence_are_not_the_identity() {
        let place = Place { kind: "directory", endpoint: "layers".into(), partition: None, account: None };
        let identity = |publish: &Publish| Publication::new(publish, &layer()).unwrap().identity(&place);
        let same = Publish { public: false, license: "MIT".into(), ..publish() };
        assert_eq!(identity(&publish()), identity(&same));
        for other in [
            Publish { region: "eu-west-2".into(), ..publish() },
            Publish { group: "prod".into(), ..publish() },
            Publish { runtimes: vec![], ..publish() },
        ] {
            assert_ne!(identity(&publish()), identity(&other));
        }
    }
}
