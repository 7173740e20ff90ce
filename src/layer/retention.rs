//! What may be deleted of what was published. A decision over values: reading and deleting belong to the caller.
//!
//! Names are never taken apart: every name that the project can give is built by the naming rule, and what is none of
//! them is foreign and not touched.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::layer::arch::Arch;
use crate::layer::error::LayerError;
use crate::layer::name::LayerNameParts;

/// Layers that differ in their collector version alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// The first part of the name, for example `ocel`.
    pub base: String,
    /// The architecture.
    pub arch: Arch,
    /// The distribution.
    pub distribution: String,
    /// The release group.
    pub group: String,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Known(Family, String),
    /// Two combinations give this name, so that it says nothing.
    Unclear,
}

/// Every layer name that families and collector versions can give.
#[derive(Clone, Debug, Default)]
pub struct KnownNames(BTreeMap<String, Meaning>);

impl KnownNames {
    /// The names of all combinations.
    ///
    /// # Errors
    /// A combination whose name AWS Lambda would refuse.
    pub fn new(families: &[Family], collector_versions: &[String]) -> Result<Self, LayerError> {
        let mut names: BTreeMap<String, Meaning> = BTreeMap::new();
        for family in families {
            for version in collector_versions {
                let parts = LayerNameParts {
                    base: &family.base,
                    arch: Some(family.arch),
                    distribution: Some(&family.distribution),
                    collector_version: Some(version),
                    group: &family.group,
                    ..LayerNameParts::default()
                };
                let meaning = Meaning::Known(family.clone(), version.clone());
                names
                    .entry(parts.name()?)
                    .and_modify(|other| {
                        if *other != meaning {
                            *other = Meaning::Unclear;
                        }
                    })
                    .or_insert(meaning);
            }
        }
        Ok(Self(names))
    }

    /// Family and collector version of a name; `None` for one that no combination gives, or more than one.
    pub fn of(&self, name: &str) -> Option<(&Family, &str)> {
        match self.0.get(name)? {
            Meaning::Known(family, version) => Some((family, version)),
            Meaning::Unclear => None,
        }
    }
}

/// A layer version as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// Its region.
    pub region: String,
    /// The whole layer name.
    pub name: String,
    /// Its number.
    pub number: u64,
    /// When it was published, in seconds since 1970, if the registry says so.
    pub at: Option<u64>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The newest collector versions of each family and region; of each of those the newest version, and all others of
    /// its name go. At least 1 is kept.
    pub versions: usize,
    /// What is deleted was published before this time, in seconds since 1970; what has no time is kept then.
    pub older_than: Option<u64>,
}

/// What to delete, in the order of `published`. Never: a foreign name, and what `current` names (region, layer name,
/// number), which is what the last successful receipts or the release index name.
pub fn to_delete<'p>(
    published: &'p [Published],
    known: &KnownNames,
    current: &BTreeSet<(String, String, u64)>,
    keep: Keep,
) -> Vec<&'p Published> {
    // Collector versions of a family in a region, newest first.
    let mut versions: BTreeMap<(&Family, &str), BTreeSet<_>> = BTreeMap::new();
    let mut newest: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for one in published {
        if let Some((family, version)) = known.of(&one.name) {
            versions.entry((family, &one.region)).or_default().insert(Reverse(age(version)));
            let number = newest.entry((&one.region, &one.name)).or_default();
            *number = one.number.max(*number);
        }
    }
    let goes = |one: &&Published| {
        let Some((family, version)) = known.of(&one.name) else { return false };
        let kept = versions[&(family, one.region.as_str())].iter().take(keep.versions.max(1));
        let is_kept = kept.into_iter().any(|kept| kept.0 == age(version))
            && newest[&(one.region.as_str(), one.name.as_str())] == one.number;
        let is_old = keep.older_than.is_none_or(|limit| one.at.is_some_and(|at| at < limit));
        let is_current = current.contains(&(one.region.clone(), one.name.clone(), one.number));
        !is_kept && is_old && !is_current
    };
    published.iter().filter(goes).collect()
}

/// Newer is greater. Text that is no version is older than every version.
fn age(version: &str) -> (Option<semver::Version>, &str) {
    (semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).ok(), version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLLECTORS: [&str; 4] = ["v0.9.0", "v0.10.0", "v0.11.0", "v0.100.0"];

    fn families() -> Vec<Family> {
        let family = |arch, distribution: &str| Family {
            base: "ocel".into(),
            arch,
            distribution: distribution.into(),
            group: "prod".into(),
        };
        vec![family(Arch::Amd64, "minimal"), family(Arch::Arm64, "minimal"), family(Arch::Amd64, "minimal-s3export")]
    }

    fn known() -> KnownNames {
        KnownNames::new(&families(), &COLLECTORS.map(str::to_owned)).unwrap()
    }

    fn at(name: &str, number: u64) -> Published {
        Published { region: "eu-west-1".into(), name: name.into(), number, at: Some(100 * number) }
    }

    const ALL: Keep = Keep { versions: 1, older_than: None };

    fn numbers(published: &[Published], current: &[(&str, u64)], keep: Keep) -> Vec<(String, u64)> {
        let current = current.iter().map(|(name, number)| ("eu-west-1".to_owned(), (*name).to_owned(), *number));
        let gone = to_delete(published, &known(), &current.collect(), keep);
        gone.into_iter().map(|one| (one.name.clone(), one.number)).collect()
    }

    #[test]
    fn collector_versions_are_counted_by_version_and_per_family() {
        let (old, new) = ("ocel-amd64-minimal-0_9_0-prod", "ocel-amd64-minimal-0_100_0-prod");
        let other = "ocel-amd64-minimal-s3export-0_9_0-prod";
        let all = [at(old, 1), at(new, 1), at(new, 2), at(other, 1)];
        assert_eq!(numbers(&all, &[], ALL), [(old.to_owned(), 1), (new.to_owned(), 1)]);
        assert_eq!(numbers(&all, &[], Keep { versions: 2, ..ALL }), [(new.to_owned(), 1)]);
        assert_eq!(numbers(&all, &[(old, 1), (new, 1)], ALL), []);
    }

    #[test]
    fn only_what_is_old_enough_and_has_a_time() {
        let name = "ocel-amd64-minimal-0_9_0-prod";
        let timeless = Published { at: None, ..at(name, 1) };
        let all = [timeless, at(name, 2), at(name, 3), at(name, 4)];
        let keep = Keep { versions: 1, older_than: Some(300) };
        assert_eq!(numbers(&all, &[], keep), [(name.to_owned(), 2)]);
    }

    #[test]
    fn a_name_that_two_families_give_is_not_touched() {
        let family = |base: &str, distribution: &str| Family {
            base: base.into(),
            distribution: distribution.into(),
            ..families()[0].clone()
        };
        let twins = [family("ocel", "a_b"), family("ocel", "a.b")];
        let known = KnownNames::new(&twins, &["v1.0.0".to_owned()]).unwrap();
        assert_eq!(known.of("ocel-amd64-a_b-1_0_0-prod"), None);
        let same = KnownNames::new(&[twins[0].clone(), twins[0].clone()], &["v1.0.0".to_owned()]).unwrap();
        assert!(same.of("ocel-amd64-a_b-1_0_0-prod").is_some(), "the same family twice is no other family");
    }

    fn some_published() -> impl Strategy<Value = Vec<Published>> {
        let ours = (prop::sample::select(vec!["amd64-minimal", "arm64-minimal", "amd64-minimal-s3export"]), 0..4_usize);
        let ours = ours.prop_map(|(family, version)| {
            format!("ocel-{family}-{}-prod", COLLECTORS[version].trim_start_matches('v').replace('.', "_"))
        });
        let names = vec!["ocel-amd64-minimal-9_9_9-prod", "ocel-amd64-minimal-0_9_0-beta", "theirs", "ocel-amd64"];
        let foreign = prop::sample::select(names).prop_map(str::to_owned);
        let region = prop::sample::select(vec!["eu-west-1", "us-east-1"]);
        let one = (region, prop_oneof![3 => ours, 1 => foreign], 1..5_u64, prop::option::of(0..9_u64));
        let one = one.prop_map(|(region, name, number, at)| Published { region: region.into(), name, number, at });
        prop::collection::vec(one, 0..30).prop_map(|all| {
            let unique = |one: Published| ((one.region.clone(), one.name.clone(), one.number), one);
            all.into_iter().map(unique).collect::<BTreeMap<_, _>>().into_values().collect()
        })
    }

    proptest! {
        #[test]
        fn current_foreign_and_newest_are_never_deleted(
            all in some_published(),
            chosen in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            versions in 0..4_usize,
            older_than in prop::option::of(0..9_u64),
        ) {
            let known = known();
            let key = |one: &Published| (one.region.clone(), one.name.clone(), one.number);
            let pick = |index: &prop::sample::Index| key(&all[index.index(all.len())]);
            let current: BTreeSet<_> =
                if all.is_empty() { BTreeSet::new() } else { chosen.iter().map(pick).collect() };
            let keep = Keep { versions, older_than };
            let gone = to_delete(&all, &known, &current, keep);
            for one in &gone {
                prop_assert!(known.of(&one.name).is_some() && !current.contains(&key(one)));
                prop_assert!(older_than.is_none_or(|limit| one.at.is_some_and(|at| at < limit)));
            }
            // Each family keeps a version in each region in which it had one.
            let homes = |all: &mut dyn Iterator<Item = &Published>| {
                let home = |one: &Published| Some((known.of(&one.name)?.0.clone(), one.region.clone()));
                all.filter_map(home).collect::<BTreeSet<_>>()
            };
            let left: Vec<_> = all.iter().filter(|one| !gone.contains(one)).collect();
            prop_assert_eq!(homes(&mut all.iter()), homes(&mut left.iter().copied()));
            // Keeping more deletes no more, and what is left needs no second time.
            let more = to_delete(&all, &known, &current, Keep { versions: versions.max(1) + 1, ..keep });
            prop_assert!(more.iter().all(|one| gone.contains(one)));
            let left: Vec<_> = left.into_iter().cloned().collect();
            prop_assert!(to_delete(&left, &known, &current, keep).is_empty());
        }
    }
}
