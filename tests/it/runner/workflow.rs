//! Jobs in the order of their `needs`, and the steps of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::runner::expression::{Before, Scope, fill, holds, string, truthy};
use crate::runner::{Event, Finished, JobEnd, Runner};
use crate::support::github::{REPOSITORY, TOKEN};

/// One run of a workflow.
pub(super) struct Run<'a> {
    pub(super) runner: &'a mut Runner,
    pub(super) workflow: &'a Value,
    pub(super) event: &'a Event,
    /// A folder of this run's own.
    pub(super) dir: PathBuf,
    /// Artifacts by name.
    pub(super) artifacts: BTreeMap<String, PathBuf>,
    finished: Finished,
}

/// One machine on which a job runs.
pub(super) struct Machine {
    pub(super) workspace: PathBuf,
    /// For the runner's own files.
    pub(super) temp: PathBuf,
    pub(super) contexts: Value,
    /// The job's `permissions:`.
    pub(super) permissions: Value,
    /// Variables set by steps for later ones.
    pub(super) env: BTreeMap<String, String>,
    pub(super) path: Vec<String>,
    pub(super) masks: Vec<String>,
    pub(super) log: String,
    pub(super) summary: String,
    pub(super) failed: bool,
    /// What is to be done when all steps have ended well: keys and paths of caches.
    pub(super) saves: Vec<(String, String)>,
}

impl<'a> Run<'a> {
    pub(super) fn new(runner: &'a mut Runner, workflow: &'a Value, event: &'a Event, dir: PathBuf) -> Self {
        Self { runner, workflow, event, dir, artifacts: BTreeMap::new(), finished: Finished::default() }
    }

    /// Runs every job once those that it needs have ended.
    pub(super) fn run_all(mut self) -> Finished {
        let jobs = self.workflow["jobs"].as_object().expect("jobs").clone();
        while self.finished.jobs.len() < jobs.len() {
            let is_next = |name: &&String| {
                !self.finished.jobs.contains_key(*name)
                    && needs(&jobs[*name]).iter().all(|need| self.finished.jobs.contains_key(need))
            };
            let name = jobs.keys().find(is_next).expect("jobs that need each other").clone();
            let end = self.job(&name, &jobs[&name], &jobs);
            self.finished.jobs.insert(name, end);
        }
        self.finished
    }

    fn job(&mut self, name: &str, job: &Value, jobs: &Map<String, Value>) -> JobEnd {
        let contexts = self.contexts(job);
        let before = self.before(name, jobs);
        let scope = Scope { contexts: &contexts, before };
        if !holds(job["if"].as_str().map(str::to_owned).or_else(|| flag(&job["if"])).as_deref(), &scope) {
            return JobEnd { result: "skipped".into(), ..JobEnd::default() };
        }
        let mut end = JobEnd { result: "success".into(), ..JobEnd::default() };
        let machines = match &job["strategy"]["matrix"] {
            Value::Null => vec![Value::Null],
            Value::String(text) => combinations(&fill(text, &scope)),
            matrix => combinations(&deep(matrix, &scope)),
        };
        if machines.is_empty() {
            let log = format!("Matrix vector for job '{name}' does not contain any values");
            return JobEnd { result: "failure".into(), log, ..end };
        }
        assert!(machines.len() <= 256, "{name}: more than 256 machines");
        let goes_on = job["strategy"]["fail-fast"] == Value::Bool(false);
        for (at, matrix) in machines.into_iter().enumerate() {
            if end.result == "failure" && !goes_on {
                break;
            }
            let mut contexts = contexts.clone();
            contexts["matrix"] = matrix.clone();
            let machine = self.machine(name, at, job, contexts);
            end.log.push_str(&machine.log);
            end.summary.push_str(&machine.summary);
            end.machines.push(matrix);
            if machine.failed && job["continue-on-error"] != Value::Bool(true) {
                end.result = "failure".into();
            }
            let scope = Scope { contexts: &machine.contexts, before: Before::default() };
            for (output, text) in job["outputs"].as_object().into_iter().flatten() {
                let value = string(&fill(text.as_str().expect("a text"), &scope));
                // Whoever ends last is heard; a value with something masked in it is not.
                match machine.masks.iter().any(|mask| value.contains(mask.as_str())) {
                    true => drop(end.outputs.remove(output)),
                    false => drop(end.outputs.insert(output.clone(), value)),
                }
            }
        }
        end
    }

    /// What a job sees before it has a machine.
    fn contexts(&self, job: &Value) -> Value {
        let need = |name: &String| {
            let end = &self.finished.jobs[name];
            (name.clone(), json!({"result": end.result, "outputs": end.outputs}))
        };
        let needed: Map<String, Value> = needs(job).iter().map(need).collect();
        let writes = self.event.fork.is_none() && permissions(self.workflow, job)["contents"] == "write";
        let token = if writes { TOKEN } else { "a-token-that-reads" };
        json!({
            "github": {
                "event_name": self.event.name, "repository": REPOSITORY, "repository_owner": "owner",
                "ref": self.reference(), "ref_name": "main", "sha": "89abcdef0123456789abcdef0123456789abcdef",
                "run_id": self.runner.runs.to_string(), "run_attempt": "1", "run_number": self.runner.runs,
                "server_url": "https://github.example", "workflow": self.workflow["name"], "token": token,
                "event": {"inputs": self.event.inputs, "repository": {"default_branch": "main", "fork": false}},
                "actor": "somebody", "workspace": "",
            },
            "inputs": self.inputs(),
            "vars": self.runner.settings["vars"],
            "secrets": if self.event.fork.is_some() { json!({}) } else { self.runner.settings["secrets"].clone() },
            "needs": needed, "matrix": {}, "steps": {}, "env": {}, "strategy": {}, "job": {"status": "success"},
            "runner": {"os": "Linux", "arch": "X64", "temp": ""},
        })
    }

    /// The branch, or the pull request.
    pub(super) fn reference(&self) -> String {
        self.event.fork.map_or("refs/heads/main".to_owned(), |number| format!("refs/pull/{number}/merge"))
    }

    /// What was chosen, and for the rest what is chosen unless somebody says otherwise.
    fn inputs(&self) -> Value {
        let declared = &self.workflow["on"][self.event.name]["inputs"];
        let mut inputs = Map::new();
        for (name, input) in declared.as_object().into_iter().flatten() {
            let chosen = self.event.inputs.get(name).unwrap_or(&input["default"]).clone();
            if let Some(options) = input["options"].as_array() {
                assert!(options.contains(&chosen), "{name}: {chosen} is none of {options:?}");
            }
            inputs.insert(name.clone(), chosen);
        }
        for name in self.event.inputs.as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(inputs.contains_key(name), "there is no input `{name}`");
        }
        Value::Object(inputs)
    }

    /// How all jobs ended that come before one, directly or not.
    fn before(&self, name: &str, jobs: &Map<String, Value>) -> Before {
        let mut before = Before::default();
        let mut open = needs(&jobs[name]);
        while let Some(need) = open.pop() {
            let result = self.finished.jobs[&need].result.as_str();
            before.failed |= result == "failure";
            before.unsuccessful |= result != "success";
            open.extend(needs(&jobs[&need]));
        }
        before
    }

    fn machine(&mut self, name: &str, at: usize, job: &Value, mut contexts: Value) -> Machine {
        let dir = self.dir.join(format!("{name}-{at}"));
        let (workspace, temp) = (dir.join("work"), dir.join("temp"));
        for folder in [&workspace, &temp, &dir.join("home")] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        contexts["github"]["workspace"] = workspace.to_str().into();
        contexts["runner"]["temp"] = temp.to_str().into();
        let runs_on = job["runs-on"].as_str().unwrap_or_default();
        let runs_on = string(&fill(runs_on, &Scope { contexts: &contexts, before: Before::default() }));
        contexts["runner"]["arch"] = if runs_on.ends_with("arm") { "ARM64" } else { "X64" }.into();
        let mut permissions = permissions(self.workflow, job);
        if self.event.fork.is_some() {
            permissions = json!({"contents": "read"});
        }
        let mut machine = Machine {
            workspace,
            temp,
            contexts,
            permissions,
            env: BTreeMap::new(),
            path: Vec::new(),
            masks: Vec::new(),
            log: String::new(),
            summary: String::new(),
            failed: false,
            saves: Vec::new(),
        };
        for env in [&self.workflow["env"], &job["env"]] {
            let scope = Scope { contexts: &machine.contexts, before: Before::default() };
            let filled = deep(env, &scope);
            for (key, value) in filled.as_object().into_iter().flatten() {
                machine.contexts["env"][key] = string(value).into();
            }
        }
        for step in job["steps"].as_array().expect("steps") {
            self.step(&mut machine, step, &dir);
        }
        if !machine.failed {
            for (key, path) in std::mem::take(&mut machine.saves) {
                self.save_cache(&machine, &key, &path);
            }
        }
        machine
    }

    pub(super) fn step(&mut self, machine: &mut Machine, step: &Value, dir: &Path) {
        let before = Before { failed: machine.failed, unsuccessful: machine.failed };
        // Variables of the step itself are there for its `if:` too.
        let contexts = machine.contexts.clone();
        let scope = Scope { contexts: &contexts, before };
        let condition = step["if"].as_str().map(str::to_owned).or_else(|| flag(&step["if"]));
        let (mut conclusion, mut outputs) = ("skipped", Map::new());
        if holds(condition.as_deref(), &scope) {
            let env = deep(&step["env"], &scope);
            let with = deep(&step["with"], &scope);
            let ended = match (step["uses"].as_str(), step["run"].as_str()) {
                (Some(action), None) => self.action(machine, action, &with, dir),
                (None, Some(script)) => self.script(machine, script, &env, step, dir),
                _ => panic!("a step that neither runs nor uses something: {step}"),
            };
            conclusion = if ended.is_ok() { "success" } else { "failure" };
            outputs = ended.unwrap_or_else(|outputs| outputs);
            machine.failed |= conclusion == "failure" && !truthy(&step["continue-on-error"]);
        }
        if let Some(id) = step["id"].as_str() {
            machine.contexts["steps"][id] =
                json!({"outputs": outputs, "outcome": conclusion, "conclusion": conclusion});
        }
        if machine.failed {
            machine.contexts["job"]["status"] = "failure".into();
        }
    }

    /// Runs a script as GitHub's runner does; its outputs, as an error if it failed.
    fn script(
        &mut self,
        machine: &mut Machine,
        script: &str,
        env: &Value,
        step: &Value,
        dir: &Path,
    ) -> Result<Map<String, Value>, Map<String, Value>> {
        assert!(!script.contains("${{"), "an expression in a script: {script}");
        let file = |name: &str| {
            let path = machine.temp.join(name);
            std::fs::write(&path, "").expect("a file");
            path
        };
        let (output, summary, set_env, set_path) = (file("output"), file("summary"), file("set-env"), file("set-path"));
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
        command.current_dir(machine.workspace.join(step["working-directory"].as_str().unwrap_or(".")));
        command.env_clear().envs(&self.runner.machine);
        let path = self.runner.machine.get("PATH").cloned().unwrap_or_default();
        let path = machine.path.iter().rev().cloned().chain([path]).collect::<Vec<_>>().join(":");
        let github = &machine.contexts["github"];
        let text = |value: &Value| string(value);
        command.env("PATH", path).env("HOME", dir.join("home")).env("CI", "true").env("GITHUB_ACTIONS", "true");
        for (name, value) in [
            ("GITHUB_REPOSITORY", text(&github["repository"])),
            ("GITHUB_SHA", text(&github["sha"])),
            ("GITHUB_REF", text(&github["ref"])),
            ("GITHUB_RUN_ID", text(&github["run_id"])),
            ("GITHUB_RUN_ATTEMPT", "1".into()),
            ("GITHUB_SERVER_URL", text(&github["server_url"])),
            ("GITHUB_EVENT_NAME", text(&github["event_name"])),
            ("GITHUB_WORKSPACE", text(&github["workspace"])),
            ("RUNNER_TEMP", machine.temp.display().to_string()),
            ("RUNNER_OS", "Linux".into()),
            ("RUNNER_ARCH", text(&machine.contexts["runner"]["arch"])),
        ] {
            command.env(name, value);
        }
        if machine.permissions["id-token"] == "write" {
            let url = format!("{}/token?job=1", self.runner.machine.get("OIDC_URL").cloned().unwrap_or_default());
            command.env("ACTIONS_ID_TOKEN_REQUEST_URL", url).env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token");
        }
        command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary);
        command.env("GITHUB_ENV", &set_env).env("GITHUB_PATH", &set_path);
        for (name, value) in machine.contexts["env"].as_object().into_iter().flatten() {
            command.env(name, string(value));
        }
        command.envs(&machine.env);
        for (name, value) in env.as_object().into_iter().flatten() {
            command.env(name, string(value));
        }
        let done = command.output().expect("bash starts");
        let printed = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        let title = step["name"].as_str().unwrap_or(script.lines().next().unwrap_or_default());
        machine.log.push_str(&format!("### {title}\n{printed}"));
        machine.masks.extend(printed.lines().filter_map(|line| line.strip_prefix("::add-mask::")).map(str::to_owned));
        let read = |path: &Path| std::fs::read_to_string(path).expect("text");
        machine.summary.push_str(&read(&summary));
        machine.path.extend(read(&set_path).lines().map(str::to_owned));
        machine.env.extend(pairs(&read(&set_env)));
        let outputs: Map<String, Value> =
            pairs(&read(&output)).into_iter().map(|(name, value)| (name, value.into())).collect();
        if done.status.success() { Ok(outputs) } else { Err(outputs) }
    }
}

/// What a job may do: as it says, else as the workflow says.
fn permissions(workflow: &Value, job: &Value) -> Value {
    if job["permissions"].is_null() { workflow["permissions"].clone() } else { job["permissions"].clone() }
}

/// The jobs that a job needs.
fn needs(job: &Value) -> Vec<String> {
    match &job["needs"] {
        Value::Null => Vec::new(),
        Value::String(one) => vec![one.clone()],
        many => many.as_array().expect("a list").iter().map(string).collect(),
    }
}

/// `if: true` is a flag and no text.
fn flag(value: &Value) -> Option<String> {
    value.as_bool().map(|flag| flag.to_string())
}

/// `value` with every text in it filled in.
pub(super) fn deep(value: &Value, scope: &Scope<'_>) -> Value {
    match value {
        Value::String(text) => fill(text, scope),
        Value::Array(elements) => elements.iter().map(|element| deep(element, scope)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), deep(value, scope))).collect(),
        other => other.clone(),
    }
}

/// The machines of a matrix: all combinations of its lists, and what `include` adds. `include` alone is a list of
/// machines.
fn combinations(matrix: &Value) -> Vec<Value> {
    let matrix = matrix.as_object().expect("a matrix is an object");
    let mut all = vec![Map::new()];
    let mut lists = 0;
    for (name, values) in matrix.iter().filter(|(name, _)| *name != "include" && *name != "exclude") {
        lists += 1;
        let values = values.as_array().expect("a list");
        let with = |machine: &Map<String, Value>, value: &Value| {
            let mut machine = machine.clone();
            machine.insert(name.clone(), value.clone());
            machine
        };
        all = all.iter().flat_map(|machine| values.iter().map(|value| with(machine, value))).collect();
    }
    let include = matrix.get("include").and_then(Value::as_array).cloned().unwrap_or_default();
    assert!(lists == 0 || include.is_empty(), "lists and `include` together are not played here");
    if lists == 0 {
        return include;
    }
    all.into_iter().map(Value::Object).collect()
}

/// `name=value` and `name<<END … END` of the files that a step writes.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (equals, here) = (line.find('='), line.find("<<"));
        match (equals, here) {
            (equals, Some(here)) if equals.is_none_or(|equals| here < equals) => {
                let (name, end) = (&line[..here], &line[here + 2..]);
                let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                pairs.push((name.to_owned(), value.join("\n")));
            }
            (Some(equals), _) => pairs.push((line[..equals].to_owned(), line[equals + 1..].to_owned())),
            _ => assert!(line.trim().is_empty(), "`{line}` is no output"),
        }
    }
    pairs
}
