//! `exec`: runs a command in the project, or in a fresh directory with only its declared inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::action::result::{ActionResult, Content, Discovered, FileContent, Output};
use crate::exec::api::{InputFile, Job, Log, Produced, WorkError, World};
use crate::exec::command::{self, Run};
use crate::exec::kinds::depfile;
use crate::exec::outputs::{self, LayOutError};
use crate::exec::receipt;
use crate::graph::declared::covers;
use crate::graph::node::Exec;
use crate::store::look::list_dir;
use crate::store::path_table::FileKind;

/// Runs the command and captures what it declares.
pub(in crate::exec) fn run(world: &World, job: &Job, exec: &Exec, log: &mut dyn Log) -> Result<Produced, WorkError> {
    let declared = exec.all_outputs();
    outputs::make_room(&world.root, declared.iter().copied())?;
    let base = if job.sandbox { sandbox(world, job, &declared)? } else { world.root.clone() };
    let depfile = exec.depfile.as_ref().map(|path| base.join(path));
    if let Some(depfile) = &depfile {
        outputs::make_room(&base, exec.depfile.as_deref())?;
        debug_assert!(!depfile.exists());
    }
    let before = if job.sandbox { list_all(&base)? } else { Vec::new() };
    let spec = spec(world, job, exec, &base)?;
    receipt::begin(world, job)?;
    let started_ns = depfile.as_deref().map_or(Ok(0), file_clock)?;
    let ran = command::run(world, &spec, log)?;
    let mut warnings = ran.warnings;
    let mut outputs = Vec::with_capacity(declared.len());
    for path in &declared {
        let content = outputs::capture(world, &base, path)?.ok_or_else(|| missing(path))?;
        if path.ends_with('/') != matches!(content, Content::Tree { .. }) {
            return Err(wrong_shape(path));
        }
        outputs.push(Output { name: (*path).to_owned(), path: Some((*path).to_owned()), content });
    }
    let (discovered, changed_inputs) = match &depfile {
        Some(depfile) => read_depfile(world, job, exec, depfile, &base)?.recorded(started_ns),
        None => (Vec::new(), Vec::new()),
    };
    if job.sandbox {
        warnings.extend(strays(&base, &before, &declared, exec)?);
        bring_out(world, &outputs)?;
        outputs::remove_any(&job.work).map_err(WorkError::io(job.work.display().to_string()))?;
    }
    Ok(Produced { outputs, discovered, changed_inputs, warnings, ..Produced::default() })
}

fn missing(path: &str) -> WorkError {
    WorkError::Invalid(format!(
        "the command succeeded, but its output `{path}` does not exist; \
         check the path, or remove it from `outputs`"
    ))
}

fn wrong_shape(path: &str) -> WorkError {
    WorkError::Invalid(match path.strip_suffix('/') {
        Some(bare) => {
            format!("output `{path}` is declared as a directory, but the command wrote a file; write `{bare}`")
        }
        None => format!("output `{path}` is declared as a file, but the command made a directory; write `{path}/`"),
    })
}

fn spec(world: &World, job: &Job, exec: &Exec, base: &Path) -> Result<Run, WorkError> {
    let name = &exec.command[0];
    let program = match job.tools.get(name) {
        Some(tool) => tool.program.clone(),
        None if name.starts_with('/') => PathBuf::from(name),
        None => base.join(name),
    };
    let mut env = command::base_env(world);
    for name in exec.pass_env.iter().chain(&exec.secret_env) {
        if let Some(value) = world.env.get(name) {
            env.insert(name.into(), value.into());
        }
    }
    env.extend(exec.env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
    let dir = exec.dir.as_ref().map_or_else(|| base.to_owned(), |dir| base.join(dir));
    if job.sandbox {
        fs::create_dir_all(&dir).map_err(WorkError::io(dir.display().to_string()))?;
    }
    Ok(Run {
        name: name.clone(),
        program,
        args: exec.command[1..].iter().chain(&job.extra_args).map(OsString::from).collect(),
        env,
        dir,
        timeout: job.node.timeout_ms.map(Duration::from_millis),
        stdout: exec.stdout.as_ref().map(|path| base.join(path)),
    })
}

/// A fresh directory with the declared inputs, and the parent folders of the outputs.
fn sandbox(world: &World, job: &Job, declared: &[&str]) -> Result<PathBuf, WorkError> {
    let base = job.work.join("sandbox");
    outputs::remove_any(&base).map_err(WorkError::io(base.display().to_string()))?;
    fs::create_dir_all(&base).map_err(WorkError::io(base.display().to_string()))?;
    for file in &job.files {
        copy_in(world, &base, &file.path)?;
    }
    for dep in &job.deps {
        let Some(result) = &dep.result else { continue };
        for (path, content) in declared_part(world, &dep.field, result).ok_or(WorkError::NeedsProducer(dep.id))? {
            if let Some(parent) = base.join(&path).parent() {
                fs::create_dir_all(parent).map_err(WorkError::io(parent.display().to_string()))?;
            }
            outputs::place(world, &base, &path, &content).map_err(|error| match error {
                LayOutError::Lost => WorkError::NeedsProducer(dep.id),
                LayOutError::Work(error) => error,
            })?;
        }
    }
    outputs::make_room(&base, declared.iter().copied())?;
    Ok(base)
}

/// What an input path names of a dependency's outputs: an output, all outputs in a folder, or one file of a folder.
/// `None` if the listing of the folder is lost.
fn declared_part(world: &World, input: &str, result: &ActionResult) -> Option<Vec<(String, Content)>> {
    let input = input.trim_end_matches('/');
    let mut parts = Vec::new();
    for output in &result.outputs {
        let Some(path) = output.path.as_deref().map(|path| path.trim_end_matches('/')) else { continue };
        if covers(input, path) {
            parts.push((path.to_owned(), output.content.clone()));
        } else if let (true, Content::Tree { listing, .. }) = (covers(path, input), &output.content) {
            let listing = outputs::read_listing(world, listing)?;
            let inside = listing.0.into_iter().map(|(name, content)| (format!("{path}/{name}"), content));
            parts.extend(inside.filter(|(path, _)| covers(input, path)));
        }
    }
    Some(parts)
}

fn copy_in(world: &World, base: &Path, path: &str) -> Result<(), WorkError> {
    let (from, to) = (world.root.join(path), base.join(path));
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(WorkError::io(parent.display().to_string()))?;
    }
    let meta = fs::symlink_metadata(&from).map_err(WorkError::io(path))?;
    if meta.is_symlink() {
        let target = fs::read_link(&from).map_err(WorkError::io(path))?;
        return std::os::unix::fs::symlink(target, &to).map_err(WorkError::io(path));
    }
    fs::copy(&from, &to).map(|_| ()).map_err(WorkError::io(path))
}

/// Lays the captured outputs out in the project.
fn bring_out(world: &World, outputs: &[Output]) -> Result<(), WorkError> {
    for output in outputs {
        let path = output.name.trim_end_matches('/');
        outputs::place(world, &world.root, path, &output.content).map_err(|error| match error {
            LayOutError::Lost => WorkError::Environment("the cache lost a blob that was just stored".to_owned()),
            LayOutError::Work(error) => error,
        })?;
    }
    Ok(())
}

fn list_all(base: &Path) -> Result<Vec<String>, WorkError> {
    let mut found = Vec::new();
    let mut open = vec![(base.to_owned(), String::new())];
    while let Some((dir, prefix)) = open.pop() {
        for (name, kind) in list_dir(&dir).map_err(WorkError::io(dir.display().to_string()))? {
            let path = format!("{prefix}{name}");
            match kind {
                FileKind::Dir => open.push((dir.join(&name), format!("{path}/"))),
                _ => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Files that the command wrote in its sandbox without declaring them.
fn strays(base: &Path, before: &[String], declared: &[&str], exec: &Exec) -> Result<Vec<String>, WorkError> {
    let is_declared = |path: &str| {
        exec.depfile.as_deref() == Some(path)
            || declared.iter().any(|output| *output == path || (output.ends_with('/') && path.starts_with(output)))
    };
    let after = list_all(base)?;
    let strays = after.into_iter().filter(|path| before.binary_search(path).is_err() && !is_declared(path));
    Ok(strays.map(|path| format!("the command wrote `{path}`, which is no declared output; it is dropped")).collect())
}

/// The file system's clock, by a file made where the command will make one: whatever is changed from now on has a later
/// stamp.
fn file_clock(file: &Path) -> Result<i64, WorkError> {
    let touched = fs::write(file, "").and_then(|()| fs::symlink_metadata(file));
    let meta = touched.map_err(WorkError::io(file.display().to_string()))?;
    outputs::remove_any(file).map_err(WorkError::io(file.display().to_string()))?;
    Ok(meta.mtime() * 1_000_000_000 + meta.mtime_nsec())
}

/// What a depfile names beyond the declared inputs.
#[derive(Default)]
struct Named(BTreeMap<String, InputFile>);

impl Named {
    /// As recorded, and the paths that changed since the command started: nobody knows what it read of them.
    fn recorded(self, started_ns: i64) -> (Vec<Discovered>, Vec<String>) {
        let late = |file: &&InputFile| file.stamp.ctime_ns > started_ns;
        let changed = self.0.values().filter(late).map(|file| file.path.clone()).collect();
        let found = self.0.into_values().map(|file| Discovered { path: file.path, content: Some(file.content) });
        (found.collect(), changed)
    }

    /// Adds a path, and where it leads if it is a link. `false` if nothing readable is there.
    fn add(&mut self, world: &World, path: String) -> Result<bool, WorkError> {
        let stamp = world.looker.stat(&path);
        let seen = world.looker.hash(&path, stamp);
        let content = match seen.stamp.kind {
            FileKind::File => Content::File(FileContent {
                digest: seen.digest,
                size: seen.stamp.size,
                executable: seen.stamp.executable,
            }),
            FileKind::Symlink => {
                let target = fs::read_link(world.root.join(&path)).map_err(WorkError::io(&path))?;
                Content::Symlink(target.to_string_lossy().into_owned())
            }
            FileKind::Dir => return Ok(true),
            FileKind::Absent | FileKind::Other | FileKind::Unreadable => return Ok(false),
        };
        let next = match &content {
            Content::Symlink(target) if !self.0.contains_key(&path) => {
                let dir = path.rsplit_once('/').map_or("", |(dir, _)| if dir.is_empty() { "/" } else { dir });
                Some(depfile::relative(target, dir, &world.root, &world.root))
            }
            _ => None,
        };
        self.0.insert(path.clone(), InputFile { path, content, stamp: seen.stamp });
        next.map_or(Ok(true), |next| self.add(world, next))
    }
}

/// What the depfile names beyond the declared inputs, with its content now.
fn read_depfile(world: &World, job: &Job, exec: &Exec, depfile: &Path, base: &Path) -> Result<Named, WorkError> {
    let shown = exec.depfile.as_deref().unwrap_or_default();
    let text = fs::read_to_string(depfile).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            WorkError::Invalid(format!("the command succeeded, but did not write its depfile `{shown}`"))
        }
        _ => WorkError::Io { path: shown.to_owned(), error },
    })?;
    let named = depfile::parse(&text).map_err(|problem| WorkError::Invalid(format!("{shown}: {problem}")))?;
    let files: BTreeSet<&str> = job.files.iter().map(|file| file.path.as_str()).collect();
    // Only what an input names is in the digest: other outputs of the same node are not.
    let is_input = |path: &str| files.contains(path) || job.deps.iter().any(|dep| covers(&dep.field, path));
    let own = exec.all_outputs();
    let dir = exec.dir.as_deref().unwrap_or_default();
    let paths: Vec<(String, String)> = named
        .into_iter()
        .map(|name| (depfile::relative(&name, dir, base, &world.root), name))
        .filter(|(path, _)| !own.iter().any(|output| covers(output, path)) && !is_input(path))
        .collect();
    let refuse_generated = |paths: &mut dyn Iterator<Item = &str>| match job.declared.unreachable(job.place, paths) {
        Some(other) => Err(WorkError::Invalid(format!(
            "the depfile names `{other}`, which another node makes, but it is no declared input; \
             add it to `inputs`, so that it is made first"
        ))),
        None => Ok(()),
    };
    // Before any is looked at: the node that makes it may be replacing it at this moment.
    refuse_generated(&mut paths.iter().map(|(path, _)| path.as_str()))?;
    let mut found = Named::default();
    for (path, name) in paths {
        if !found.add(world, path)? {
            let message = format!("{shown} names `{name}`, which does not exist or cannot be read");
            return Err(WorkError::Invalid(message));
        }
    }
    // Links have led to further paths.
    refuse_generated(&mut found.0.keys().map(String::as_str))?;
    Ok(found)
}
