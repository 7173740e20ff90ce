//! The actions that generated workflows use, as far as they use them. An action is named by a full commit id or by a
//! path in the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use crate::runner::Cache;
use crate::runner::expression::{Before, Scope, string, truthy};
use crate::runner::workflow::{Machine, Run, deep};

type Ended = Result<Map<String, Value>, Map<String, Value>>;

impl Run<'_> {
    /// Does what an action does.
    pub(super) fn action(&mut self, machine: &mut Machine, action: &str, with: &Value, dir: &Path) -> Ended {
        if let Some(local) = action.strip_prefix("./") {
            return self.composite(machine, local, with, dir);
        }
        let (name, pin) = action.split_once('@').expect("a pinned action");
        assert!(
            pin.len() == 40 && pin.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{action} is not pinned by a commit"
        );
        machine.log.push_str(&format!("### {name}\n"));
        match name {
            "actions/checkout" => {
                let to = machine.workspace.join(with["path"].as_str().unwrap_or("."));
                copy(&self.runner.repository, &to);
                Ok(Map::new())
            }
            "actions/setup-go" => Ok(Map::new()),
            "actions/upload-artifact" => self.upload(machine, with),
            "actions/download-artifact" => self.download(machine, with),
            "actions/cache" | "actions/cache/restore" => Ok(self.restore(machine, with, name == "actions/cache")),
            "actions/cache/save" => {
                self.save_cache(machine, &string(&with["key"]), &string(&with["path"]));
                Ok(Map::new())
            }
            "actions/attest" => {
                for permission in ["id-token", "attestations"] {
                    assert_eq!(machine.permissions[permission], "write", "{name} without {permission}");
                }
                let subjects = find(&machine.workspace, &string(&with["subject-path"]));
                machine.log.push_str(&format!("attested {subjects:?}\n"));
                if subjects.is_empty() && with["subject-path"].is_string() { Err(Map::new()) } else { Ok(Map::new()) }
            }
            _ => panic!("nobody plays {name} here"),
        }
    }

    /// An action of the repository that is made of steps.
    fn composite(&mut self, machine: &mut Machine, local: &str, with: &Value, dir: &Path) -> Ended {
        let file = machine.workspace.join(local).join("action.yml");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let action: Value = serde_saphyr::from_str(&text).expect("YAML");
        let outer = machine.contexts.clone();
        let mut inputs = Map::new();
        for (name, input) in action["inputs"].as_object().into_iter().flatten() {
            inputs.insert(name.clone(), with.get(name).unwrap_or(&input["default"]).clone());
        }
        machine.contexts["inputs"] = inputs.into();
        machine.contexts["steps"] = Map::new().into();
        let failed_before = std::mem::take(&mut machine.failed);
        for step in action["runs"]["steps"].as_array().expect("steps") {
            self.step(machine, step, dir);
        }
        let scope = Scope { contexts: &machine.contexts, before: Before::default() };
        let outputs = action["outputs"].as_object().into_iter().flatten();
        let outputs = outputs.map(|(name, output)| (name.clone(), deep(&output["value"], &scope))).collect();
        machine.contexts = outer;
        let failed = std::mem::replace(&mut machine.failed, failed_before);
        if failed { Err(outputs) } else { Ok(outputs) }
    }

    fn upload(&mut self, machine: &mut Machine, with: &Value) -> Ended {
        let name = with["name"].as_str().unwrap_or("artifact").to_owned();
        let paths = string(&with["path"]);
        let lines: Vec<&str> = paths.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let files: Vec<PathBuf> = lines.iter().flat_map(|line| find(&machine.workspace, line)).collect();
        if files.is_empty() {
            machine.log.push_str(&format!("No files were found with the provided path: {paths}\n"));
            return if with["if-no-files-found"] == "error" { Err(Map::new()) } else { Ok(Map::new()) };
        }
        if self.artifacts.contains_key(&name) && !truthy(&with["overwrite"]) {
            machine.log.push_str(&format!("an artifact with this name already exists: {name}\n"));
            return Err(Map::new());
        }
        // One folder is sent as its content, one file as itself; of several the folder that they share.
        let base = match lines[..] {
            [one] if machine.workspace.join(one).is_dir() => machine.workspace.join(one),
            _ => files.iter().map(|file| file.parent().expect("a folder").to_owned()).reduce(shared).expect("a file"),
        };
        let to = self.dir.join("artifacts").join(&name);
        fs::remove_dir_all(&to).ok();
        for file in &files {
            place(file, &to.join(file.strip_prefix(&base).expect("a file below")));
        }
        self.artifacts.insert(name, to);
        Ok(Map::new())
    }

    fn download(&mut self, machine: &mut Machine, with: &Value) -> Ended {
        let to = machine.workspace.join(with["path"].as_str().unwrap_or("."));
        let is_wanted = |name: &str| match (with["name"].as_str(), with["pattern"].as_str()) {
            (Some(wanted), _) => name == wanted,
            (None, Some(pattern)) => globset::Glob::new(pattern).expect("a pattern").compile_matcher().is_match(name),
            (None, None) => true,
        };
        let wanted: Vec<_> = self.artifacts.iter().filter(|(name, _)| is_wanted(name)).collect();
        if wanted.is_empty() && with["name"].is_string() {
            machine.log.push_str(&format!("Artifact not found for name: {}\n", string(&with["name"])));
            return Err(Map::new());
        }
        let flat = with["name"].is_string() || truthy(&with["merge-multiple"]);
        for (name, from) in wanted {
            let to = if flat { to.clone() } else { to.join(name) };
            for file in below(from) {
                place(&file, &to.join(file.strip_prefix(from).expect("a file below")));
            }
        }
        Ok(Map::new())
    }

    fn restore(&mut self, machine: &mut Machine, with: &Value, saves: bool) -> Map<String, Value> {
        let key = string(&with["key"]);
        let prefixes = string(&with["restore-keys"]);
        let prefixes: Vec<&str> = prefixes.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let scope = self.event.fork.map(|_| self.reference());
        let found = self.runner.find_cache(scope.as_deref(), &key, &prefixes);
        let hit = found.is_some_and(|cache| cache.key == key);
        let matched = found.map(|cache| cache.key.clone()).unwrap_or_default();
        if let Some(cache) = found {
            for (at, path) in string(&with["path"]).lines().enumerate() {
                let from = cache.folder.join(at.to_string());
                if from.exists() {
                    copy(&from, &expand(machine, path));
                }
            }
        }
        if saves && !hit {
            machine.saves.push((key, string(&with["path"])));
        }
        Map::from_iter([
            ("cache-hit".to_owned(), hit.to_string().into()),
            ("cache-matched-key".to_owned(), matched.into()),
        ])
    }

    /// Keeps folders under a key that is not taken yet.
    pub(super) fn save_cache(&mut self, machine: &Machine, key: &str, paths: &str) {
        let scope = self.event.fork.map(|_| self.reference());
        if self.runner.caches.iter().any(|cache| cache.key == key && cache.scope == scope) {
            return;
        }
        let folder = self.runner.cache_folder();
        for (at, path) in paths.lines().enumerate() {
            let from = expand(machine, path);
            if from.exists() {
                copy(&from, &folder.join(at.to_string()));
            }
        }
        self.runner.caches.push(Cache { key: key.to_owned(), scope, folder });
    }
}

/// A path of a cache: from the workspace, or the home folder.
fn expand(machine: &Machine, path: &str) -> PathBuf {
    match path.trim().strip_prefix("~/") {
        Some(rest) => machine.workspace.parent().expect("a folder").join("home").join(rest),
        None => machine.workspace.join(path.trim()),
    }
}

fn shared(one: PathBuf, other: PathBuf) -> PathBuf {
    one.ancestors().find(|ancestor| other.starts_with(ancestor)).expect("a folder that both have").to_owned()
}

/// The files that a path or a pattern names.
fn find(workspace: &Path, pattern: &str) -> Vec<PathBuf> {
    let full = workspace.join(pattern.trim());
    match () {
        () if full.is_dir() => below(&full),
        () if full.is_file() => vec![full],
        () => {
            let glob = globset::GlobBuilder::new(&full.display().to_string()).literal_separator(true).build();
            let matcher = glob.expect("a pattern").compile_matcher();
            below(workspace).into_iter().filter(|file| matcher.is_match(file)).collect()
        }
    }
}

/// All files below a folder, hidden ones too.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = crate::support::files(folder).into_keys().collect();
    files.sort();
    files
}

/// A file as an artifact has it: its content, and no mode. By another process: a program that this one writes cannot be
/// started as long as a child that some other test starts just then has its descriptor.
fn place(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    let copied = Command::new("cp").arg("--no-preserve=mode").args([from, to]).status().expect("cp");
    assert!(copied.success(), "cp");
}

/// A whole folder as it is, or a file.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(if from.is_dir() { to } else { to.parent().expect("a folder") }).expect("a folder");
    let from = if from.is_dir() { from.join(".") } else { from.to_owned() };
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(copied.success(), "cp");
}
