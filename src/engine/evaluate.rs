//! From a node and what is known now to its action digest, its record and its verdict.

use std::sync::Arc;

use crate::action::describe::{DepInput, Inputs, describe};
use crate::action::manifest::{FieldChange, Manifest, compare, own_part, read_fields};
use crate::action::result::{ActionResult, Content, Record};
use crate::action::verdict::{Decision, Lookup, Reason, ReceiptState, Situation, Volatile, decide};
use crate::base::digest::{ActionDigest, BlobDigest};
use crate::base::id::{NodeId, PathId};
use crate::engine::session::{Known, Session};
use crate::engine::sources::{InputProblem, tools_of};
use crate::exec::api::{InputFile, Prepared, Tool};
use crate::exec::budget;
use crate::exec::smoke::mode::{self, Mode};
use crate::graph::node::{Class, Kind, Node, Role, Source};
use crate::layer::arch::Arch;
use crate::layer::component::overlay_files;
use crate::layer::tags::TagSet;

/// What was found out about a node.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// What is done, and why.
    pub decision: Decision,
    /// The manifest; incomplete (own part only) if a dependency is open.
    pub manifest: Arc<Manifest>,
    /// The result that stands, if there is a record or receipt.
    pub result: Option<Arc<ActionResult>>,
    /// Files read in the project.
    pub files: Vec<InputFile>,
    /// Programs by name.
    pub tools: Vec<(String, Tool)>,
    /// From the lock.
    pub prepared: Option<Prepared>,
    /// Rows that this rests on, beside its outputs.
    pub rows: Vec<PathId>,
    /// For a local `clone`: the commit.
    pub revision: Option<String>,
    /// For a `check`: how the layer can be started here.
    pub smoke: Mode,
}

/// The kind's part of an evaluation.
#[derive(Default)]
struct Gathered {
    files: Vec<(String, Content)>,
    rows: Vec<PathId>,
    tools: Vec<(String, Tool)>,
    env: Vec<(String, Option<String>)>,
    revision: Option<String>,
    prepared: Option<(String, Prepared)>,
    unpinned: bool,
    smoke: Mode,
}

/// The fact of a checked layer that says how it was started.
const SMOKE: &str = "smoke";
const NOT_STARTED: &str = "none";
/// The value of `smoke:` under which a layer that was not started is none that is proven.
const REQUIRED: &str = "required";

/// What [`Session::find`] returns.
type Found = (Lookup, Option<Arc<ActionResult>>, ReceiptState, Vec<PathId>);

impl Session {
    /// Evaluates a node. `open_dep` names a dependency whose results are not known; `needed` says that a dependent
    /// will want the blobs.
    ///
    /// # Errors
    /// If an input or program cannot be used.
    pub fn evaluate(&mut self, id: NodeId, open_dep: Option<NodeId>, needed: bool) -> Result<Evaluation, InputProblem> {
        let graph = Arc::clone(&self.graph);
        let node = graph.node(id);
        let gathered = self.gather(id, node)?;
        let mut manifest = Arc::new(self.manifest(id, node, &gathered, gathered.smoke));
        if matches!(node.kind, Kind::Overlay(_)) {
            self.selected[id.index()].clone_from(&gathered.files);
        }
        let failed = self.failed_dep(id).map(|dep| graph.node(dep).name.clone());
        let (lookup, mut result, receipt, more) = if failed.is_some() {
            (Lookup::OwnUnknown, None, ReceiptState::Missing, Vec::new())
        } else if matches!(node.kind, Kind::Check(_)) {
            let (found, strongest) = self.find_strongest(id, node, &gathered, open_dep.is_some(), needed);
            manifest = strongest;
            found
        } else {
            self.find(id, node, &manifest, open_dep.is_some(), needed)
        };
        let mut rows = gathered.rows;
        rows.extend(more);
        let forced = self.options.forced.contains(&id)
            || (self.options.no_cache && node.class == Class::Pure && crate::graph::build::does_work(node));
        let over = budget::over(node, result.as_deref());
        let situation = Situation {
            class: node.class,
            is_exec: matches!(node.kind, Kind::Exec(_)),
            failed_dep: failed.as_deref(),
            forced,
            as_is: self.as_is(id),
            open_dep: open_dep.map(|dep| graph.node(dep).name.as_str()),
            lookup,
            needed,
            volatile: match &node.kind {
                Kind::Exec(_) => Volatile::Command,
                _ if gathered.unpinned => Volatile::Unpinned,
                _ => Volatile::Known,
            },
            receipt,
            over: over.as_deref(),
        };
        let mut decision = decide(&situation);
        self.explain(id, &manifest, &mut decision);
        if decision.verdict.is_open() {
            result = None;
        }
        let files = gathered.files.into_iter().map(|(path, content)| self.input_file(path, content)).collect();
        Ok(Evaluation {
            decision,
            manifest,
            result,
            files,
            tools: gathered.tools,
            prepared: gathered.prepared.map(|(_, prepared)| prepared),
            rows,
            revision: gathered.revision,
            smoke: gathered.smoke,
        })
    }

    /// Looks for the record of a layer that was started as well as it could be here or better. Without one, the manifest
    /// is that of what can be done here. Of a layer that is not made yet nobody knows how it could be started: any record of
    /// the check's own part tells that it is known.
    fn find_strongest(
        &mut self,
        id: NodeId,
        node: &Node,
        gathered: &Gathered,
        is_open: bool,
        needed: bool,
    ) -> (Found, Arc<Manifest>) {
        let mut rows = Vec::new();
        let mut last = None;
        for mode in gathered.smoke.as_strong() {
            let manifest = Arc::new(self.manifest(id, node, gathered, mode));
            let mut found = self.find(id, node, &manifest, is_open, needed);
            let started = found.1.as_ref().and_then(|result| result.fact(SMOKE)).is_some_and(|how| how != NOT_STARTED);
            if matches!(&node.kind, Kind::Check(check) if check.smoke == REQUIRED) && !started {
                found.0 = match found.0 {
                    Lookup::Found { .. } => Lookup::CombinationUnknown,
                    other => other,
                };
                found.1 = None;
            }
            let is_known = is_open && found.0 == Lookup::CombinationUnknown;
            let is_found = is_known || matches!(found.0, Lookup::Found { .. });
            rows.append(&mut found.3);
            last = Some((found, manifest));
            if is_found {
                break;
            }
        }
        // There is at least the mode of this host.
        let (mut found, manifest) = last.unwrap_or_else(|| {
            let manifest = Arc::new(self.manifest(id, node, gathered, gathered.smoke));
            ((Lookup::OwnUnknown, None, ReceiptState::Missing, Vec::new()), manifest)
        });
        found.3 = rows;
        (found, manifest)
    }

    /// How the layer that a `check` is about can be started here, with the program that emulates its processor.
    fn how_to_start(&mut self, node: &Node, path: &str, gathered: &mut Gathered) {
        let layer = node.field("layer").next().and_then(|layer| self.result(layer));
        let arch = layer.and_then(|layer| layer.fact("arch")).and_then(Arch::parse);
        let Some(arch) = arch else { return };
        if mode::is_native(arch) {
            gathered.smoke = Mode::Native;
            return;
        }
        for name in mode::emulators(arch) {
            match self.tools.find(name, path, &mut self.observer) {
                Ok((tool, rows)) => {
                    gathered.rows.extend(rows);
                    gathered.tools.push((name.to_owned(), tool));
                    gathered.smoke = Mode::Qemu;
                    return;
                }
                // One that is installed later is seen when the node is looked at again.
                Err(_) => continue,
            }
        }
    }

    fn gather(&mut self, id: NodeId, node: &Node) -> Result<Gathered, InputProblem> {
        let mut gathered = Gathered::default();
        if let Some(sources) = &self.sources[id.index()] {
            gathered.files.clone_from(&sources.files);
            gathered.rows.clone_from(&sources.rows);
        }
        let path = self.env.get("PATH").cloned().unwrap_or_default();
        match &node.kind {
            Kind::Exec(exec) => {
                for name in tools_of(node) {
                    let (tool, rows) = self.tools.find(name, &path, &mut self.observer)?;
                    gathered.rows.extend(rows);
                    gathered.tools.push((name.to_owned(), tool));
                }
                for name in &exec.pass_env {
                    gathered.env.push((name.clone(), self.env.get(name).cloned()));
                }
            }
            Kind::Overlay(_) | Kind::Build(_) => {
                let (mut tool, rows) = self.tools.find("go", &path, &mut self.observer)?;
                if let Some(pinned) = &self.go_toolchain {
                    tool.identity.clone_from(pinned);
                }
                gathered.rows.extend(rows);
                gathered.tools.push(("go".to_owned(), tool));
                if let Kind::Overlay(overlay) = &node.kind {
                    self.keep_selected(node, overlay.components.as_deref(), &mut gathered.files)?;
                    gathered.prepared = self.prepared_for(id, &gathered.files);
                }
            }
            Kind::Clone(k) => match &k.source {
                Source::Remote { pin: Some(pin), .. } => gathered.revision = Some(pin.commit.clone()),
                Source::Remote { pin: None, .. } => match self.pins.get(&id) {
                    Some(pin) => gathered.revision = Some(pin.commit.clone()),
                    None => gathered.unpinned = true,
                },
                Source::Plain(path) => {
                    let prefix = format!("{}/", path.trim_end_matches('/').trim_start_matches("./"));
                    gathered.revision = Some(digest_of_files(&prefix, &gathered.files));
                }
                Source::Local(repo) => {
                    let (commit, watch) =
                        self.outside.local_revision(repo, &k.reference).map_err(InputProblem::Source)?;
                    for file in watch {
                        if let Some(file) = file.to_str() {
                            gathered.rows.push(self.observer.look(file));
                        }
                    }
                    gathered.revision = Some(commit);
                }
            },
            Kind::Check(_) => self.how_to_start(node, &path, &mut gathered),
            Kind::Resolve(_) | Kind::Package(_) | Kind::Publish(_) => {}
            Kind::Report(_) | Kind::Release(_) | Kind::Group => {}
        }
        if matches!(&node.kind, Kind::Clone(k) if matches!(k.source, Source::Plain(_))) {
            // The revision stands for the files; their project paths are no part of what they are.
            gathered.files.clear();
        }
        gathered.tools.sort_by(|a, b| a.0.cmp(&b.0));
        gathered.tools.dedup();
        Ok(gathered)
    }

    /// Drops the component files that the tags of an overlay do not select: it does not depend on them.
    fn keep_selected(
        &self,
        node: &Node,
        components: Option<&str>,
        files: &mut Vec<(String, Content)>,
    ) -> Result<(), InputProblem> {
        let tags =
            node.field("resolution").next().and_then(|to| self.result(to)).and_then(|result| result.fact("tags"));
        let (Some(tags), Some(folder)) = (tags, components) else { return Ok(()) };
        let tags = TagSet::new(tags.split(',').filter(|tag| !tag.is_empty()));
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let text = |path: &str| std::fs::read_to_string(self.observer.root().join(path)).unwrap_or_default();
        let texts: Vec<String> = files.iter().map(|(path, _)| text(path)).collect();
        let inside = |path: &'_ str| path.strip_prefix(&folder).unwrap_or(path).to_owned();
        let names: Vec<String> = files.iter().map(|(path, _)| inside(path)).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        let selected = overlay_files(&pairs, &tags).map_err(|error| InputProblem::Source(error.to_string()))?;
        *files = selected.into_iter().map(|position| files[position].clone()).collect();
        Ok(())
    }

    /// What the lock has for an overlay: by the tree it starts from and the files laid over it.
    fn prepared_for(&self, id: NodeId, files: &[(String, Content)]) -> Option<(String, Prepared)> {
        if self.prepared.is_empty() {
            return None;
        }
        let key = self.overlay_key(id, files)?;
        let prepared = self.prepared.get(&key)?.clone();
        let digest = BlobDigest::of(format!("{}\0{}", prepared.go_mod, prepared.go_sum).as_bytes()).to_hex();
        Some((digest, prepared))
    }

    fn manifest(&self, id: NodeId, node: &Node, gathered: &Gathered, smoke: Mode) -> Manifest {
        let generated: Vec<Option<Content>> = node
            .edges
            .iter()
            .map(|edge| match (&edge.role, self.result(edge.to)) {
                (Role::Path(path), Some(result)) => self.generated(path, result),
                _ => None,
            })
            .collect();
        let deps = node.edges.iter().zip(&generated).filter_map(|(edge, content)| {
            let (field, is_path) = match &edge.role {
                Role::After => return None,
                Role::Path(path) => (path.as_str(), true),
                Role::Strict(field) | Role::Tolerant(field) => (field.as_str(), false),
            };
            let (result, failure) = match self.known[edge.to.index()].as_ref() {
                Some(Known::Done(result)) => (Some(result.as_ref()), None),
                Some(Known::Failed(why)) => (None, Some(why.as_str())),
                None => (None, None),
            };
            let name = self.graph.node(edge.to).name.as_str();
            Some(DepInput { field, is_path, name, result, content: content.as_ref(), failure })
        });
        let is_check = matches!(node.kind, Kind::Check(_));
        let no_args = Vec::new();
        let extra_args = match &self.options.extra_args {
            Some((target, args)) if *target == id => args,
            _ => &no_args,
        };
        let inputs = Inputs {
            files: gathered.files.iter().map(|(path, content)| (path.as_str(), content)).collect(),
            deps: deps.collect(),
            // What emulates a processor is the host's, and no input.
            tools: gathered
                .tools
                .iter()
                .filter(|_| !is_check)
                .map(|(name, tool)| (name.as_str(), tool.identity.as_str()))
                .collect(),
            env: gathered.env.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
            revision: gathered.revision.as_deref(),
            prepared: gathered.prepared.as_ref().map(|(digest, _)| digest.as_str()),
            extra_args,
            smoke: is_check.then(|| smoke.name()),
        };
        describe(node, &inputs)
    }

    /// Puts the fields that differ from the last success into the reason.
    fn explain(&mut self, id: NodeId, manifest: &Manifest, decision: &mut Decision) {
        let wants_fields = match &decision.reason {
            Reason::NeverRun | Reason::NeverDone => true,
            Reason::Changed { fields } => fields.is_empty(),
            _ => false,
        };
        if !wants_fields {
            return;
        }
        let was_never_done = decision.reason == Reason::NeverDone;
        let otherwise = |reason| if was_never_done { Reason::NeverDone } else { reason };
        let old = self.memory[id.index()].explained.and_then(|last| self.stored_manifest(&last));
        decision.reason = match (old, read_fields(&manifest.bytes)) {
            (Some(old), Some(new)) => {
                // What other nodes will give is not known yet in these rows: only the own parts can be compared.
                let partial = matches!(decision.row, "3" | "4");
                let mut fields = if partial { compare(own_part(&old), own_part(&new)) } else { compare(&old, &new) };
                if fields.is_empty() {
                    fields = self.changed_discoveries(&manifest.action);
                }
                if fields.is_empty() { otherwise(Reason::StoredDamaged) } else { Reason::Changed { fields } }
            }
            _ => otherwise(Reason::NeverRun),
        };
    }

    /// What differs between the inputs that the last depfile named and the disk.
    fn changed_discoveries(&mut self, action: &ActionDigest) -> Vec<FieldChange> {
        let stored = self.cache.get_record(action).and_then(|bytes| Record::decode(&bytes, action));
        let last = stored.and_then(|record| record.alternatives.into_iter().next());
        let mut fields = Vec::new();
        for discovered in last.into_iter().flat_map(|last| last.discovered) {
            let now = self.observer.content(&discovered.path, &mut Vec::new()).ok().flatten();
            if now != discovered.content {
                let (old, new) = (discovered.content.map(|old| old.value()), now.map(|new| new.value()));
                fields.push(FieldChange { field: format!("input {}", discovered.path), old, new });
            }
        }
        fields
    }

    /// The fields of a stored manifest.
    pub fn stored_manifest(&self, action: &ActionDigest) -> Option<Vec<(String, String)>> {
        read_fields(&self.cache.read_blob(&BlobDigest::from_bytes(*action.as_bytes()), u64::MAX)?)
    }
}

/// The digest of a folder's files: by their paths in it, wherever it is.
fn digest_of_files(prefix: &str, files: &[(String, Content)]) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, content) in files {
        for part in [path.strip_prefix(prefix).unwrap_or(path), &content.value()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    // 40 digits, so that it stands wherever a commit id does.
    hasher.finalize().to_hex()[..40].to_owned()
}
