//! A stand-in for GitHub Actions: it runs a workflow file job by job on this machine, in fresh folders, with what GitHub
//! gives a job and what it takes away between two.
//!
//! What it is strict about is what workflows go wrong by: a job after a skipped one is skipped unless its `if:` says
//! otherwise; an empty matrix is an error; of a matrix only the last job's outputs are left; an output that holds a masked
//! value is dropped; the name of an artifact is taken once in a run; artifacts have no file modes; caches are never
//! overwritten; a token can do what the job's `permissions:` allow and nothing else.

mod actions;
mod expression;
mod tests;
mod workflow;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The world around workflow runs: a repository, what is kept between runs, and what a runner's machine has.
pub struct Runner {
    dir: tempfile::TempDir,
    /// The repository as a checkout has it.
    repository: PathBuf,
    /// Variables of the machine.
    machine: BTreeMap<String, String>,
    /// `vars` and `secrets`.
    pub settings: Value,
    /// Caches in the order in which they were saved: key, scope, folder.
    caches: Vec<Cache>,
    runs: u32,
    saved: u32,
}

struct Cache {
    key: String,
    /// The pull request that saved it, which is the only one to see it; none for a branch.
    scope: Option<String>,
    folder: PathBuf,
}

/// Why a workflow runs.
pub struct Event {
    /// `workflow_dispatch`, `schedule`, `pull_request`, …
    pub name: &'static str,
    /// What was chosen.
    pub inputs: Value,
    /// For a pull request: its number; it is of a fork, so that it has no secrets and a token that reads.
    pub fork: Option<u32>,
}

impl Event {
    /// Started by a person who chose these inputs.
    pub fn dispatch(inputs: Value) -> Self {
        Self { name: "workflow_dispatch", inputs, fork: None }
    }
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct Finished {
    /// Each job by its key.
    pub jobs: BTreeMap<String, JobEnd>,
}

/// How a job ended.
#[derive(Debug, Default, Clone)]
pub struct JobEnd {
    /// `success`, `failure`, `skipped`.
    pub result: String,
    /// The `matrix` of each of its machines; one that is null without a matrix.
    pub machines: Vec<Value>,
    /// What later jobs see of it.
    pub outputs: BTreeMap<String, String>,
    /// What its steps printed.
    pub log: String,
    /// What it wrote for its page.
    pub summary: String,
}

impl Finished {
    /// Results by job.
    pub fn results(&self) -> BTreeMap<&str, &str> {
        self.jobs.iter().map(|(job, end)| (job.as_str(), end.result.as_str())).collect()
    }

    /// Whether the whole run is green: nothing failed.
    pub fn is_green(&self) -> bool {
        self.jobs.values().all(|job| job.result != "failure")
    }

    /// How many machines were used.
    pub fn machines(&self) -> usize {
        self.jobs.values().filter(|job| job.result != "skipped").map(|job| job.machines.len()).sum()
    }
}

impl Runner {
    /// A repository with the files of `repository` as they are whenever a job checks them out.
    pub fn new(repository: &Path, machine: BTreeMap<String, String>) -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            repository: repository.to_owned(),
            machine,
            settings: json!({"vars": {}, "secrets": {}}),
            caches: Vec::new(),
            runs: 0,
            saved: 0,
        }
    }

    /// Runs a workflow of the repository.
    pub fn run(&mut self, workflow: &str, event: &Event) -> Finished {
        let text = std::fs::read_to_string(self.repository.join(workflow)).expect("a workflow");
        self.run_text(&text, event)
    }

    /// Runs a workflow.
    pub fn run_text(&mut self, text: &str, event: &Event) -> Finished {
        self.runs += 1;
        let run = self.dir.path().join(format!("run-{}", self.runs));
        std::fs::create_dir(&run).expect("a folder");
        let workflow: Value = serde_saphyr::from_str(text).expect("YAML");
        workflow::Run::new(self, &workflow, event, run).run_all()
    }

    /// Puts a file into a cache that every later run finds, as a run before the first one would have.
    pub fn keep(&mut self, key: &str, file: &Path) {
        let folder = self.cache_folder();
        std::fs::create_dir(&folder).and_then(|()| std::fs::copy(file, folder.join("0"))).expect("a copy");
        self.caches.push(Cache { key: key.to_owned(), scope: None, folder });
    }

    /// A place for another cache.
    fn cache_folder(&mut self) -> PathBuf {
        self.saved += 1;
        self.dir.path().join(format!("cache-{}", self.saved))
    }

    /// Forgets every cache, as GitHub does after a week.
    pub fn forget_caches(&mut self) {
        self.caches.clear();
    }

    /// Files of this name in all folders of all runs.
    pub fn files_named(&self, name: &str) -> Vec<PathBuf> {
        let all = crate::support::files(self.dir.path()).into_keys();
        all.filter(|path| path.file_name().is_some_and(|held| held == name)).collect()
    }

    /// The keys of all caches.
    pub fn cache_keys(&self) -> Vec<&str> {
        self.caches.iter().map(|cache| cache.key.as_str()).collect()
    }

    /// Whether a cache would be restored for a branch.
    fn find_cache(&self, scope: Option<&str>, key: &str, prefixes: &[&str]) -> Option<&Cache> {
        let seen = |cache: &&Cache| cache.scope.is_none() || cache.scope.as_deref() == scope;
        let exact = self.caches.iter().find(|cache| seen(cache) && cache.key == key);
        exact.or_else(|| {
            let newest =
                |prefix: &&str| self.caches.iter().rev().find(|cache| seen(cache) && cache.key.starts_with(*prefix));
            prefixes.iter().find_map(newest)
        })
    }
}
