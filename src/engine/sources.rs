//! The files that nodes read in the project and that no node makes: found before anything runs, in one sweep.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustix::io::Errno;

use crate::action::result::Content;
use crate::base::id::{NodeId, PathId};
use crate::base::rel_path;
use crate::engine::observe::ObserveError;
use crate::engine::session::Session;
use crate::engine::tools::ToolError;
use crate::graph::node::{Kind, Node, Source};

/// The files of a node that no node makes.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Sources {
    pub(in crate::engine) files: Vec<(String, Content)>,
    pub(in crate::engine) rows: Vec<PathId>,
}

/// A node whose inputs cannot be established.
#[derive(Debug, thiserror::Error)]
#[error("`{node}`: {problem}")]
pub struct PrepareError {
    /// The node.
    pub node: String,
    /// What is wrong.
    pub problem: InputProblem,
}

/// The programs that a node takes from `PATH`, or names by absolute path.
pub(in crate::engine) fn tools_of(node: &Node) -> Vec<&str> {
    match &node.kind {
        Kind::Exec(exec) => {
            let program = exec.command[0].as_str();
            let is_tool = !program.contains('/') || program.starts_with('/');
            exec.tools.iter().map(String::as_str).chain(is_tool.then_some(program)).collect()
        }
        Kind::Overlay(_) | Kind::Build(_) => vec!["go"],
        _ => Vec::new(),
    }
}

/// What is wrong with a node's inputs.
#[derive(Debug, thiserror::Error)]
pub enum InputProblem {
    /// A path.
    #[error(transparent)]
    Path(#[from] ObserveError),
    /// A program.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A repository.
    #[error("{0}")]
    Source(String),
    /// A link whose end is not in the project.
    #[error("`{path}` is a link that leads out of the project, to `{target}`")]
    LinkOut {
        /// The link.
        path: String,
        /// What it says.
        target: String,
    },
    /// A link that leads to itself.
    #[error("`{path}` is a link that leads back to itself, by `{target}`")]
    LinkLoop {
        /// The link.
        path: String,
        /// What it says.
        target: String,
    },
}

impl Session {
    /// Resolves the source files of every wanted node, looking at all of them in one sweep.
    ///
    /// # Errors
    /// Every node that has an input that cannot be one, before anything is run.
    pub fn prepare(&mut self, wanted: &[bool]) -> Result<(), Vec<PrepareError>> {
        let mut ids = Vec::new();
        let graph = Arc::clone(&self.graph);
        for node in graph.ids().filter(|id| wanted[id.index()]).map(|id| graph.node(id)) {
            if let Kind::Exec(exec) = &node.kind {
                let literal = |path: &&String| !path.starts_with('!') && !rel_path::is_glob(path);
                for path in exec.inputs.iter().filter(literal) {
                    ids.push(self.observer.table.intern(path.trim_end_matches('/')));
                }
            }
            for output in node.outputs() {
                ids.push(self.observer.table.intern(output.trim_end_matches('/')));
            }
        }
        self.observer.look_all(&ids);
        let mut errors = self.missing_tools(wanted);
        for id in graph.ids().filter(|id| wanted[id.index()]) {
            match self.resolve_sources(id) {
                Ok(sources) => self.sources[id.index()] = Some(sources),
                Err(problem) => {
                    errors.push(PrepareError { node: graph.node(id).name.clone(), problem });
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Every program that a wanted node needs and that is not there, each told once.
    fn missing_tools(&mut self, wanted: &[bool]) -> Vec<PrepareError> {
        let path = self.env.get("PATH").cloned().unwrap_or_default();
        let graph = Arc::clone(&self.graph);
        let mut seen = BTreeSet::new();
        let mut errors = Vec::new();
        for id in graph.ids().filter(|id| wanted[id.index()]) {
            for name in tools_of(graph.node(id)) {
                if !seen.insert(name) {
                    continue;
                }
                if let Err(problem) = self.tools.find(name, &path, &mut self.observer) {
                    errors.push(PrepareError { node: graph.node(id).name.clone(), problem: problem.into() });
                }
            }
        }
        errors
    }

    fn resolve_sources(&mut self, id: NodeId) -> Result<Sources, InputProblem> {
        let node = Arc::clone(self.graph.node(id));
        let mut sources = Sources::default();
        match &node.kind {
            Kind::Exec(exec) => {
                let declared = &self.declared;
                let mut inputs = self.observer.inputs(&exec.inputs, declared, &mut sources.rows)?;
                // A program inside the project is an input like any other.
                let program = &exec.command[0];
                if program.contains('/') && !program.starts_with('/') {
                    let path = rel_path::normalise(program).unwrap_or_else(|_| program.clone());
                    if !self.declared.claims(&path) && !inputs.iter().any(|(known, _)| *known == path) {
                        let content = self.observer.content(&path, &mut sources.rows)?;
                        inputs.push((path.clone(), content.ok_or(ObserveError::Missing { path })?));
                    }
                }
                self.refuse_stray_links(&inputs)?;
                sources.files = inputs;
            }
            Kind::Resolve(k) => {
                for path in k.config_file.iter().chain(&k.components) {
                    self.add_source(path, &mut sources)?;
                }
                refuse_links(&sources.files)?;
            }
            Kind::Overlay(k) => {
                for path in k.components.iter() {
                    self.add_source(path, &mut sources)?;
                }
                refuse_links(&sources.files)?;
            }
            Kind::Clone(k) => {
                if let Source::Plain(path) = &k.source {
                    let wanted: Vec<String> = match k.paths.as_slice() {
                        [] => vec![path.clone()],
                        paths => {
                            paths.iter().map(|wanted| format!("{}/{wanted}", path.trim_end_matches('/'))).collect()
                        }
                    };
                    for path in wanted {
                        self.add_source(&path, &mut sources)?;
                    }
                }
            }
            Kind::Check(k) => {
                for path in &k.given.examples {
                    self.add_source(path, &mut sources)?;
                }
                refuse_links(&sources.files)?;
            }
            Kind::Build(_) | Kind::Package(_) | Kind::Publish(_) => {}
            Kind::Report(_) | Kind::Release(_) | Kind::Group => {}
        }
        sources.files.sort();
        Ok(sources)
    }

    /// A link enters the digest as a link. What stands at its end is looked at if it is an input too, and nobody would
    /// see an edit of something outside the project. One that leads nowhere yet is no harm.
    fn refuse_stray_links(&self, inputs: &[(String, Content)]) -> Result<(), InputProblem> {
        let mut real_root = None;
        for (path, content) in inputs {
            let Content::Symlink(target) = content else { continue };
            let (path, target) = (path.clone(), target.clone());
            let root = self.observer.root();
            match root.join(&path).canonicalize() {
                Ok(end) => {
                    let real_root = real_root.get_or_insert_with(|| root.canonicalize().unwrap_or_default());
                    if !end.starts_with(real_root) {
                        return Err(InputProblem::LinkOut { path, target });
                    }
                }
                Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
                    return Err(InputProblem::LinkLoop { path, target });
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// A file, or every file of a folder.
    fn add_source(&mut self, path: &str, sources: &mut Sources) -> Result<(), ObserveError> {
        let missing = || ObserveError::Missing { path: path.to_owned() };
        match self.observer.content(path, &mut sources.rows)?.ok_or_else(missing)? {
            Content::Tree { .. } => {
                let bare = path.trim_end_matches('/');
                let listing = self.observer.tree(bare, &mut sources.rows)?;
                let prefix = if bare == "." { String::new() } else { format!("{bare}/") };
                sources.files.extend(listing.0.into_iter().map(|(name, content)| (format!("{prefix}{name}"), content)));
            }
            content => sources.files.push((path.to_owned(), content)),
        }
        Ok(())
    }
}

/// Of kinds that read their files themselves, and would read what a link leads to: the digest has only the link.
fn refuse_links(files: &[(String, Content)]) -> Result<(), InputProblem> {
    let link = files.iter().find(|(_, content)| matches!(content, Content::Symlink(_)));
    link.map_or(Ok(()), |(path, _)| {
        Err(InputProblem::Source(format!(
            "`{path}` is a link, and nobody would see a change of what it leads to; have the file itself there"
        )))
    })
}
