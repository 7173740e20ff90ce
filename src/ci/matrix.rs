//! The matrix of a job of GitHub Actions: one entry for each machine that has something to do.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::layer::arch::Arch;

/// GitHub starts no more jobs from one matrix.
pub const LARGEST: usize = 256;

/// What one job of a matrix is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// The architecture, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    /// The region, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_region: Option<String>,
    /// The runner.
    runs_on: &'static str,
}

impl Entry {
    /// What an instance with these values of its axes runs on. Only what is made for an architecture needs its
    /// processor; whoever publishes in a region sends bytes.
    pub fn new(architecture: Option<&str>, region: Option<&str>) -> Self {
        let runs_on = runner(architecture.filter(|_| region.is_none()).and_then(Arch::parse));
        Self { architecture: architecture.map(str::to_owned), aws_region: region.map(str::to_owned), runs_on }
    }

    /// How many axes it has a value of.
    pub fn axes(&self) -> usize {
        usize::from(self.architecture.is_some()) + usize::from(self.aws_region.is_some())
    }
}

/// The runner with this processor; the usual one for work that any does.
pub fn runner(arch: Option<Arch>) -> &'static str {
    match arch {
        Some(Arch::Arm64) => "ubuntu-24.04-arm",
        Some(Arch::Amd64) | None => "ubuntu-24.04",
    }
}

/// A value of `strategy.matrix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Matrix {
    include: Vec<Entry>,
}

/// The matrices that start a job for every entry, each within what GitHub takes; one that is empty for no entries.
pub fn waves(entries: BTreeSet<Entry>) -> Vec<Matrix> {
    let entries: Vec<Entry> = entries.into_iter().collect();
    let mut waves: Vec<Matrix> = entries.chunks(LARGEST).map(|include| Matrix { include: include.to_vec() }).collect();
    if waves.is_empty() {
        waves.push(Matrix::default());
    }
    waves
}

/// The two arrays that `prepare_matrices.py` of the original printed: every architecture, and every region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AllJobs {
    /// For `build`.
    pub build_jobs: Axes,
    /// For `publish`.
    pub release_jobs: Axes,
}

/// Axes of a matrix that is their product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Axes {
    /// Architectures.
    pub architecture: BTreeSet<String>,
    /// Regions.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub aws_region: BTreeSet<String>,
}

impl AllJobs {
    /// From all that there is.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut jobs = Self::default();
        for entry in entries {
            jobs.build_jobs.architecture.extend(entry.architecture.clone());
            if let Some(region) = &entry.aws_region {
                jobs.release_jobs.aws_region.insert(region.clone());
                jobs.release_jobs.architecture.extend(entry.architecture.clone());
            }
        }
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn an_entry_has_what_it_is_about_and_a_runner_of_that_processor() {
        let entries = [
            Entry::new(Some("arm64"), None),
            Entry::new(Some("amd64"), None),
            Entry::new(Some("arm64"), Some("eu-west-1")),
            Entry::new(None, None),
        ];
        assert_eq!(
            entries.map(|entry| json(&entry)),
            [
                r#"{"architecture":"arm64","runs-on":"ubuntu-24.04-arm"}"#,
                r#"{"architecture":"amd64","runs-on":"ubuntu-24.04"}"#,
                r#"{"architecture":"arm64","aws-region":"eu-west-1","runs-on":"ubuntu-24.04"}"#,
                r#"{"runs-on":"ubuntu-24.04"}"#,
            ]
        );
    }

    #[test]
    fn more_than_github_takes_are_several_matrices_and_none_is_an_empty_one() {
        let entries = |count: usize| (0..count).map(|n| Entry::new(Some(&format!("{n:04}")), None)).collect();
        let sizes = |count| waves(entries(count)).iter().map(|wave| wave.include.len()).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0]);
        assert_eq!(sizes(256), [256]);
        assert_eq!(sizes(513), [256, 256, 1]);
        assert_eq!(json(&waves(BTreeSet::new())[0]), r#"{"include":[]}"#);
    }

    #[test]
    fn all_jobs_are_the_arrays_of_the_original() {
        let entries = [
            Entry::new(Some("arm64"), Some("eu-west-1")),
            Entry::new(Some("amd64"), Some("eu-west-1")),
            Entry::new(Some("amd64"), None),
        ];
        assert_eq!(
            json(&AllJobs::of(&entries)),
            r#"{"build_jobs":{"architecture":["amd64","arm64"]},"release_jobs":{"architecture":["amd64","arm64"],"aws-region":["eu-west-1"]}}"#
        );
    }
}
