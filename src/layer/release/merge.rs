//! What a release offers after a run, given what it offered before.

use std::collections::BTreeMap;

use crate::layer::release::index::{Index, Missing, Version};

/// By what a version is replaced. The collector version is part of the layer name.
fn key(version: &Version) -> [String; 3] {
    [version.account(), &version.layer_name, &version.region].map(str::to_owned)
}

impl Index {
    /// Versions of the run replace those of the same account, layer name and region; all others stay as they are. What
    /// is missing in the run takes nothing away. What was missing before stays so until a run has a result for the same
    /// distribution, architecture and region.
    ///
    /// `verified_at` is the time of the run (RFC 3339, UTC) and marks what it changed: a version of which the run says the
    /// same as before keeps its time, so that a run that changes nothing changes no byte.
    #[must_use]
    pub fn merged(&self, run: &Self, verified_at: &str) -> Self {
        let mut versions: BTreeMap<_, _> = self.versions().into_iter().map(|one| (key(&one), one)).collect();
        for one in run.versions() {
            let since =
                versions.get(&key(&one)).filter(|old| is_same(old, &one)).and_then(|old| old.verified_at.clone());
            let since = since.unwrap_or_else(|| verified_at.to_owned());
            versions.insert(key(&one), Version { verified_at: Some(since), ..one });
        }
        let published = run.versions();
        let settled = |old: &Missing| {
            let by_version = published
                .iter()
                .any(|one| place(old) == Some([&one.distribution, &one.architecture, &one.region].map(String::as_str)));
            // What has no place of its own cannot be told from another, so it is as true as the last run says.
            place(old).is_none() || by_version || run.missing().iter().any(|new| place(new) == place(old))
        };
        let missing = self.missing().iter().filter(|old| !settled(old)).chain(run.missing()).cloned().collect();
        Self::new(run.pipeline(), versions.into_values().collect(), missing)
    }
}

/// Whether two say the same, whenever they said it.
fn is_same(old: &Version, new: &Version) -> bool {
    *old == Version { verified_at: old.verified_at.clone(), ..new.clone() }
}

/// Distribution, architecture and region, if it has all three.
fn place(missing: &Missing) -> Option<[&str; 3]> {
    Some([missing.distribution.as_deref()?, missing.architecture.as_deref()?, missing.region.as_deref()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::release::testing::{index, missing, version};
    use proptest::prelude::*;

    fn run(versions: Vec<Version>, missing: Vec<Missing>) -> Index {
        Index::new("layers", versions, missing)
    }

    #[test]
    fn a_run_replaces_its_own_and_keeps_all_others() {
        assert_eq!(index().merged(&run(vec![], vec![]), "t"), index(), "a run without results changes nothing");
        let again = version("minimal", "amd64", "us-east-1", "v0.145.0", 2);
        let after = index().merged(&run(vec![again.clone()], vec![missing("arm64", "us-east-1")]), "t");
        assert_eq!(after.versions().len(), 4);
        let ours: Vec<_> = after.versions().into_iter().filter(|one| one.verified_at.is_some()).collect();
        assert_eq!(ours, [Version { verified_at: Some("t".into()), ..again }]);
        assert_eq!(after.missing(), [missing("amd64", "me-south-1"), missing("arm64", "us-east-1")]);
    }

    #[test]
    fn a_region_that_came_back_is_missing_no_more() {
        let healed = version("minimal", "amd64", "me-south-1", "v0.145.0", 1);
        assert_eq!(index().merged(&run(vec![healed], vec![]), "t").missing(), []);
        let worse = Missing { reason: "still down".into(), ..missing("amd64", "me-south-1") };
        assert_eq!(index().merged(&run(vec![], vec![worse.clone()]), "t").missing(), [worse]);
    }

    #[test]
    fn what_a_run_finds_as_it_was_keeps_its_time() {
        let at = |region| version("minimal", "amd64", region, "v0.145.0", 1);
        let first = run(vec![], vec![]).merged(&run(vec![at("eu-west-1")], vec![]), "t1");
        assert_eq!(first.merged(&run(vec![at("eu-west-1")], vec![]), "t2"), first);
        let second = first.merged(&run(vec![at("eu-west-1"), at("us-east-1")], vec![]), "t2");
        let times: Vec<_> = second.versions().into_iter().map(|one| one.verified_at.unwrap()).collect();
        assert_eq!(times, ["t1", "t2"]);
        let private = Version { public: false, ..at("eu-west-1") };
        assert_eq!(second.merged(&run(vec![private], vec![]), "t3").versions()[0].verified_at.as_deref(), Some("t3"));
    }

    fn some() -> impl Strategy<Value = Index> {
        let arch = prop::sample::select(vec!["amd64", "arm64"]);
        let region = prop::sample::select(vec!["eu-west-1", "us-east-1"]);
        let collector = prop::sample::select(vec!["v0.1.0", "v0.2.0", "v0.10.0"]);
        let one =
            (arch, region, collector, 1..4_u64, any::<bool>()).prop_map(|(arch, region, collector, number, other)| {
                let one = version("minimal", arch, region, collector, number);
                if other { Version { code_sha256: "other".into(), ..one } } else { one }
            });
        // A registry's name has one current version in a region.
        let one_each = |all: Vec<Version>| all.into_iter().map(|one| (key(&one), one)).collect::<BTreeMap<_, _>>();
        prop::collection::vec(one, 0..8).prop_map(move |all| run(one_each(all).into_values().collect(), vec![]))
    }

    proptest! {
        #[test]
        fn merging_loses_nothing_and_is_stable(base in some(), run in some()) {
            let merged = base.merged(&run, "t");
            let arns = |index: &Index| index.versions().into_iter().map(|one| (key(&one), one.arn)).collect::<BTreeMap<_, _>>();
            let mut expected = arns(&base);
            expected.extend(arns(&run));
            prop_assert_eq!(arns(&merged), expected);
            for one in merged.versions() {
                let from_run = run.versions().iter().any(|new| key(new) == key(&one));
                prop_assert_eq!(one.verified_at.is_some(), from_run);
            }
            prop_assert_eq!(&merged.merged(&run, "t"), &merged);
            prop_assert_eq!(Index::parse(&merged.text()).unwrap(), merged);
        }
    }
}
