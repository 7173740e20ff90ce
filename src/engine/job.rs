//! From a node and its evaluation to what a worker is given.

use std::path::Path;
use std::sync::Arc;

use crate::action::result::Content;
use crate::base::id::NodeId;
use crate::base::shell::quote;
use crate::engine::evaluate::Evaluation;
use crate::engine::session::{Known, Session};
use crate::exec::api::{Dep, InputFile, Job};
use crate::graph::node::{Exec, Kind, Node, Role};

impl Session {
    /// What a worker needs for a node; `work` is the run's folder for intermediate files.
    pub(in crate::engine) fn job(&mut self, id: NodeId, evaluation: &Evaluation, work: &Path) -> Job {
        let node = Arc::clone(self.graph.node(id));
        let deps = node
            .edges
            .iter()
            .filter(|edge| edge.role.enters_digest())
            .map(|edge| {
                let other = self.graph.node(edge.to);
                let (result, failure) = match &self.known[edge.to.index()] {
                    Some(Known::Done(result)) => (Some(Arc::clone(result)), None),
                    Some(Known::Failed(why)) => (None, Some(why.clone())),
                    None => (None, Some("not run".to_owned())),
                };
                Dep {
                    id: edge.to,
                    field: match &edge.role {
                        Role::Strict(field) | Role::Tolerant(field) => field.clone(),
                        Role::Path(path) => path.clone(),
                        Role::After => String::new(),
                    },
                    name: other.name.clone(),
                    base: other.base.clone(),
                    kind: other.kind.name(),
                    axes: self.axes(edge.to),
                    node: Arc::clone(other),
                    result,
                    failure,
                }
            })
            .collect();
        let extra_args = match &self.options.extra_args {
            Some((target, args)) if *target == id => args.clone(),
            _ => Vec::new(),
        };
        let sandbox = self.options.sandbox || matches!(&node.kind, Kind::Exec(exec) if exec.sandbox);
        Job {
            id,
            pipeline: self.graph.name.clone(),
            manifest: Arc::clone(&evaluation.manifest),
            deps,
            files: evaluation.files.clone(),
            generated: self.generated_inputs(&node),
            declared: Arc::clone(&self.declared),
            place: self.place(id),
            // Two names may look the same as folders: the number tells them apart.
            work: work.join(format!("{}.{}", file_name(&node.name), id.0)),
            tools: evaluation.tools.iter().cloned().collect(),
            prepared: evaluation.prepared.clone(),
            revision: evaluation.revision.clone(),
            set_aside: Vec::new(),
            extra_args,
            sandbox,
            smoke: evaluation.smoke,
            node,
        }
    }

    /// The files that a node reads where other nodes have put them, with what those left there.
    fn generated_inputs(&mut self, node: &Node) -> Vec<InputFile> {
        let mut files = Vec::new();
        for edge in &node.edges {
            let (Role::Path(path), Some(result)) = (&edge.role, self.result(edge.to)) else { continue };
            let bare = path.trim_end_matches('/');
            match self.generated(bare, result) {
                Some(Content::Tree { listing, .. }) => {
                    let inside = self.listing(&listing).unwrap_or_default().0;
                    files.extend(inside.into_iter().map(|(name, content)| (format!("{bare}/{name}"), content)));
                }
                Some(content) => files.push((bare.to_owned(), content)),
                None => {}
            }
        }
        files.into_iter().map(|(path, content)| self.input_file(path, content)).collect()
    }

    /// A file with the stamp under which it was seen.
    pub(in crate::engine) fn input_file(&mut self, path: String, content: Content) -> InputFile {
        let row = self.observer.look(&path);
        InputFile { stamp: self.observer.table.entry(row).stamp, path, content }
    }

    /// Files at a node's output paths that no node made, looked at now: a node may have waited long for its turn, and
    /// somebody may have edited them meanwhile.
    pub(in crate::engine) fn edits_at_outputs(&mut self, id: NodeId) -> Vec<String> {
        let mut unknown = Vec::new();
        let node = Arc::clone(self.graph.node(id));
        for output in node.outputs() {
            let bare = output.trim_end_matches('/');
            let mut rows = vec![self.observer.table.intern(bare)];
            // What was seen there before does not count; an error comes again below.
            self.observer.content(bare, &mut rows).ok();
            rows.into_iter().for_each(|row| self.observer.forget(row));
            match self.observer.content(bare, &mut Vec::new()) {
                // Nobody can tell what it is: it is kept as a whole.
                Err(_) => unknown.push(bare.to_owned()),
                Ok(None) => {}
                Ok(Some(Content::Tree { .. })) => {
                    let Ok(listing) = self.observer.tree(bare, &mut Vec::new()) else { continue };
                    let inside = listing.0.iter().map(|(name, content)| (format!("{bare}/{name}"), content));
                    unknown
                        .extend(inside.filter(|(path, content)| !self.made_here(path, content)).map(|(path, _)| path));
                }
                Ok(Some(content)) if !self.made_here(bare, &content) => unknown.push(bare.to_owned()),
                Ok(Some(_)) => {}
            }
        }
        unknown
    }
}

/// The command of an `exec` with the variables that the pipeline gives it, and the folder to paste it in.
pub(in crate::engine) fn command_line(job: &Job, root: &Path) -> Option<(String, String)> {
    let Kind::Exec(exec) = &job.node.kind else { return None };
    let variables = exec.env.iter().map(|(name, value)| format!("{name}={} ", quote(value))).collect::<String>();
    let folder = exec.dir.as_ref().map_or_else(|| root.to_owned(), |dir| root.join(dir));
    Some((format!("{variables}{}", words(exec, &job.extra_args)), folder.display().to_string()))
}

/// A command as a line for a shell in the project's root.
pub fn pasteable(exec: &Exec, extra_args: &[String]) -> String {
    let line = words(exec, extra_args);
    match &exec.dir {
        Some(dir) => format!("(cd {} && {line})", quote(dir)),
        None => line,
    }
}

fn words(exec: &Exec, extra_args: &[String]) -> String {
    exec.command.iter().chain(extra_args).map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// An instance name as the name of a folder.
pub(in crate::engine) fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}
