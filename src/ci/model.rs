//! A workflow of GitHub Actions as data, as far as ours need it.
//!
//! Expressions and texts of a project meet nowhere: `${{ }}` is written by this crate alone, in the fields below that
//! GitHub evaluates outside of a shell. A script has no expression; what it needs it reads from its environment.

use crate::ci::yaml::Yaml;
use crate::spec::ci::{ACTIONS, Actions};

/// What a job may do with the token of the run.
pub type Permissions = &'static [(&'static str, &'static str)];

/// A workflow.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// What a person, or a workflow that calls it, fills in.
    pub inputs: Vec<Input>,
    /// Secrets that a caller may hand on.
    pub secrets: Vec<&'static str>,
    /// When it runs by itself.
    pub cron: Option<&'static str>,
    /// Whether it runs for each change that is pushed or proposed; then nothing is filled in.
    pub on_changes: bool,
    /// One run at a time for each value of this.
    pub concurrency: String,
    /// Variables of all jobs.
    pub env: Vec<(String, String)>,
    /// The jobs, in the order of their needs.
    pub jobs: Vec<Job>,
}

/// An input of a workflow.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// For the person who fills it in.
    pub description: String,
    /// What it takes.
    pub takes: Takes,
}

/// What an input takes, with what it is unless set.
#[derive(Clone, Debug)]
pub enum Takes {
    /// One of these.
    Choice(Vec<String>, String),
    /// Any text.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

/// A job.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// Its key.
    pub id: String,
    /// Jobs that end first.
    pub needs: Vec<String>,
    /// When it runs; without, when all that it needs has succeeded.
    pub condition: Option<String>,
    /// What it may do.
    pub permissions: Permissions,
    /// The expression or name of its runner.
    pub runs_on: String,
    /// The expression of its environment.
    pub environment: Option<String>,
    /// The expression of its matrix, or values of one axis.
    pub matrix: Option<Matrix>,
    /// What it hands on: name, and step output.
    pub outputs: Vec<(&'static str, &'static str)>,
    /// When it is given up.
    pub timeout_minutes: u64,
    /// What it does.
    pub steps: Vec<Step>,
}

/// The matrix of a job.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// An expression that gives it.
    From(String),
    /// Values of one axis.
    Axis(&'static str, Vec<String>),
}

/// A step.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What it does, for people.
    pub name: &'static str,
    /// By which other steps name it.
    pub id: Option<&'static str>,
    /// When it runs; without, when all before it have succeeded.
    pub condition: Option<String>,
    /// An action: `owner/name`, or a part of one.
    pub uses: Option<&'static str>,
    /// What the action is given.
    pub with: Vec<(&'static str, String)>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// A script of our own.
    pub run: Option<String>,
}

impl Workflow {
    /// Its text; `actions` names the commits of actions where they are not the usual ones.
    pub fn render(&self, actions: &Actions) -> String {
        let inputs =
            |choices: bool| Yaml::map(self.inputs.iter().map(|input| (input.name.clone(), input.yaml(choices))));
        let secrets = self.secrets.iter().map(|name| (*name, Yaml::map([("required", Yaml::Bool(false))])));
        let mut on = match self.on_changes {
            true => vec![
                ("push", Yaml::map([("branches", Yaml::texts(["main"]))])),
                ("pull_request", Yaml::map::<&str>([])),
                ("workflow_dispatch", Yaml::map::<&str>([])),
            ],
            false => vec![
                ("workflow_dispatch", Yaml::map([("inputs", inputs(true))])),
                ("workflow_call", Yaml::map([("inputs", inputs(false)), ("secrets", Yaml::map(secrets))])),
            ],
        };
        on.extend(self.cron.map(|cron| ("schedule", Yaml::List(vec![Yaml::map([("cron", Yaml::text(cron))])]))));
        let concurrency = [("group", Yaml::text(self.concurrency.as_str())), ("cancel-in-progress", Yaml::Bool(false))];
        let whole = Yaml::map([
            ("name", Yaml::text(self.name.as_str())),
            ("on", Yaml::map(on)),
            ("permissions", Yaml::map::<&str>([])),
            ("concurrency", Yaml::map(concurrency)),
            ("defaults", Yaml::map([("run", Yaml::map([("shell", Yaml::text("bash"))]))])),
            ("env", texts(&self.env)),
            ("jobs", Yaml::map(self.jobs.iter().map(|job| (job.id.clone(), job.yaml(actions))))),
        ]);
        whole.render()
    }
}

fn texts<K: AsRef<str>>(pairs: &[(K, String)]) -> Yaml {
    Yaml::map(pairs.iter().map(|(name, value)| (name.as_ref().to_owned(), Yaml::text(value.as_str()))))
}

impl Input {
    /// A called workflow knows no choices.
    fn yaml(&self, choices: bool) -> Yaml {
        let mut entries = vec![("description", Yaml::text(self.description.as_str()))];
        match &self.takes {
            Takes::Choice(options, default) if choices => {
                entries.push(("type", Yaml::text("choice")));
                entries.push(("options", Yaml::texts(options)));
                entries.push(("default", Yaml::text(default.as_str())));
            }
            Takes::Choice(_, default) | Takes::Text(default) => {
                entries.push(("type", Yaml::text("string")));
                entries.push(("default", Yaml::text(default.as_str())));
            }
            Takes::Flag(default) => {
                entries.push(("type", Yaml::text("boolean")));
                entries.push(("default", Yaml::Bool(*default)));
            }
        }
        Yaml::map(entries)
    }
}

impl Job {
    fn yaml(&self, actions: &Actions) -> Yaml {
        let mut entries: Vec<(&str, Yaml)> = Vec::new();
        if !self.needs.is_empty() {
            entries.push(("needs", Yaml::texts(&self.needs)));
        }
        entries.extend(self.condition.as_ref().map(|condition| ("if", Yaml::text(condition.as_str()))));
        let permissions = self.permissions.iter().map(|(scope, access)| (*scope, Yaml::text(*access)));
        entries.push(("permissions", Yaml::map(permissions)));
        entries.push(("runs-on", Yaml::text(self.runs_on.as_str())));
        entries.extend(self.environment.as_ref().map(|name| ("environment", Yaml::text(name.as_str()))));
        if let Some(matrix) = &self.matrix {
            let matrix = match matrix {
                Matrix::From(expression) => Yaml::text(expression.as_str()),
                Matrix::Axis(name, values) => Yaml::map([(*name, Yaml::texts(values))]),
            };
            entries.push(("strategy", Yaml::map([("fail-fast", Yaml::Bool(false)), ("matrix", matrix)])));
        }
        if !self.outputs.is_empty() {
            let outputs =
                self.outputs.iter().map(|(name, from)| (*name, Yaml::text(format!("${{{{ steps.{from} }}}}"))));
            entries.push(("outputs", Yaml::map(outputs)));
        }
        entries.push(("timeout-minutes", Yaml::Number(self.timeout_minutes)));
        entries.push(("steps", Yaml::List(self.steps.iter().map(|step| step.yaml(actions)).collect())));
        Yaml::map(entries)
    }
}

impl Step {
    /// A script.
    pub fn run(name: &'static str, script: impl Into<String>) -> Self {
        Self { name, run: Some(script.into()), ..Self::default() }
    }

    /// An action.
    pub fn uses(name: &'static str, action: &'static str, with: Vec<(&'static str, String)>) -> Self {
        Self { name, uses: Some(action), with, ..Self::default() }
    }

    /// This, under a condition.
    #[must_use]
    pub fn when(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// This, with a name for other steps.
    #[must_use]
    pub fn id(mut self, id: &'static str) -> Self {
        self.id = Some(id);
        self
    }

    /// This, with a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    fn yaml(&self, actions: &Actions) -> Yaml {
        let mut entries = vec![("name", Yaml::text(self.name))];
        entries.extend(self.id.map(|id| ("id", Yaml::text(id))));
        entries.extend(self.condition.as_ref().map(|condition| ("if", Yaml::text(condition.as_str()))));
        entries.extend(self.uses.map(|action| ("uses", pinned(action, actions))));
        if !self.with.is_empty() {
            entries.push(("with", texts(&self.with)));
        }
        if !self.env.is_empty() {
            entries.push(("env", texts(&self.env)));
        }
        entries.extend(self.run.as_ref().map(|script| ("run", Yaml::Lines(script.clone()))));
        Yaml::map(entries)
    }
}

/// An action, or a part of one such as `actions/cache/save`, at its commit.
fn pinned(action: &str, actions: &Actions) -> Yaml {
    let is_it = |name: &str| action.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let usual = ACTIONS.iter().find(|(name, _, _)| is_it(name));
    let (commit, version) = match (actions.0.iter().find(|(name, _)| is_it(name)), usual) {
        (Some((_, chosen)), _) => (chosen.commit.value.as_str(), chosen.version.value.as_str()),
        (None, Some((_, commit, version))) => (*commit, *version),
        (None, None) => unreachable!("BUG: `{action}` has no commit"),
    };
    Yaml::Noted(format!("{action}@{commit}"), version.to_owned())
}
