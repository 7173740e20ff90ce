//! What is known about an action: its record or receipt, and what stands at its output paths.

use std::sync::Arc;

use crate::action::manifest::Manifest;
use crate::action::result::{ActionResult, Content, Record};
use crate::action::verdict::{Lookup, OutputState, ReceiptState};
use crate::base::digest::ActionDigest;
use crate::base::id::{NodeId, PathId};
use crate::engine::session::Session;
use crate::exec::receipt::Effect;
use crate::exec::release_name::release_name;
use crate::graph::node::{Class, Kind, Node};

/// Where receipts are, relative to the project root.
const RECEIPTS: &str = ".ocelot/receipts";

impl Session {
    /// Asks the action cache and the receipts, and looks at the outputs.
    pub(in crate::engine) fn find(
        &mut self,
        id: NodeId,
        node: &Node,
        manifest: &Manifest,
        is_open: bool,
        needed: bool,
    ) -> (Lookup, Option<Arc<ActionResult>>, ReceiptState, Vec<PathId>) {
        let mut rows = Vec::new();
        if !crate::graph::build::does_work(node) {
            let found = Lookup::Found { outputs: OutputState::InPlace, blobs: true };
            return (found, Some(Arc::default()), ReceiptState::Missing, rows);
        }
        if node.class == Class::Effect {
            let action = manifest.action.to_hex();
            let layer = node.field("layer").next().and_then(|dep| self.result(dep)).cloned();
            let graph = Arc::clone(&self.graph);
            let of = node.field("of").map(|dep| (graph.node(dep).as_ref(), self.result(dep).map(Arc::as_ref)));
            let release = release_name(of).ok().flatten();
            let effect = Effect { pipeline: &graph.name, node, action: &action, layer: layer.as_deref(), release };
            let answer = match self.as_is(id) {
                Some(_) => self.outside.standing_receipt(&effect),
                None => self.outside.receipt(&effect),
            };
            for file in answer.watch {
                let is_receipt = file.parent() == Some(&self.observer.root().join(RECEIPTS));
                if let Some(file) = file.to_str() {
                    if is_receipt {
                        // It may have been written since it was last looked at in this run, and this effect alone reads it.
                        let row = self.observer.table.intern(file);
                        self.observer.forget(row);
                    }
                    rows.push(self.observer.look(file));
                }
            }
            let result = answer.result.map(|result| Arc::new(self.as_it_stands(result, &mut rows)));
            let lookup = match &result {
                Some(result) => Lookup::Found { outputs: self.output_state(result, &mut rows), blobs: true },
                None => Lookup::OwnUnknown,
            };
            return (lookup, result, answer.state, rows);
        }
        let result = if is_open { None } else { self.record(id, &manifest.action, &mut rows) };
        let Some(result) = result else {
            let known = self.cache.has_own(&manifest.own);
            let lookup = if known { Lookup::CombinationUnknown } else { Lookup::OwnUnknown };
            return (lookup, None, ReceiptState::Missing, rows);
        };
        let outputs = self.output_state(&result, &mut rows);
        let blobs = (!needed && outputs == OutputState::InPlace) || self.has_blobs(&result);
        (Lookup::Found { outputs, blobs }, Some(Arc::new(result)), ReceiptState::Missing, rows)
    }

    /// What an effect left, with what stands at its output paths now: it is not done again only because somebody edited
    /// them, and what reads them reads the edit.
    fn as_it_stands(&mut self, mut result: ActionResult, rows: &mut Vec<PathId>) -> ActionResult {
        for output in &mut result.outputs {
            let Some(path) = &output.path else { continue };
            if let Ok(Some(found)) = self.observer.content(path, rows) {
                output.content = found;
            }
        }
        result
    }

    /// The stored result of an action, under the discovered inputs that the disk has now.
    fn record(&mut self, id: NodeId, action: &ActionDigest, rows: &mut Vec<PathId>) -> Option<ActionResult> {
        let stored = self.cache.get_record(action).and_then(|bytes| Record::decode(&bytes, action));
        if let Some(record) = stored {
            for alternative in record.alternatives {
                let mut looked = Vec::new();
                let holds = alternative.discovered.iter().all(|discovered| {
                    let content = self.observer.content(&discovered.path, &mut looked).ok().flatten();
                    content == discovered.content
                });
                if holds {
                    rows.extend(looked);
                    return Some(alternative.result);
                }
            }
            return None;
        }
        // The cache may have been emptied; what this workspace remembers is as good, if it needs no discovered inputs.
        let memory = &self.memory[id.index()];
        let depfile = matches!(&self.graph.node(id).kind, Kind::Exec(exec) if exec.depfile.is_some());
        (memory.action == Some(*action) && !depfile).then(|| memory.result.clone()).flatten()
    }

    /// What stands at the output paths of a result.
    pub fn output_state(&mut self, result: &ActionResult, rows: &mut Vec<PathId>) -> OutputState {
        let mut state = OutputState::InPlace;
        if self.options.assume_outputs {
            return state;
        }
        for output in &result.outputs {
            let Some(path) = &output.path else { continue };
            let found = self.observer.content(path, rows).ok().flatten();
            if found.as_ref() == Some(&output.content) {
                continue;
            }
            let this = match found {
                None => OutputState::Missing(path.clone()),
                Some(content) if self.made_here(path, &content) => OutputState::OtherRecorded(path.clone()),
                Some(_) => OutputState::Edited(path.clone()),
            };
            // An edit outranks a deletion, which outranks another result: the first is what a person must know.
            let rank = |state: &OutputState| match state {
                OutputState::InPlace => 0,
                OutputState::OtherRecorded(_) => 1,
                OutputState::Missing(_) => 2,
                OutputState::Edited(_) => 3,
            };
            if rank(&this) > rank(&state) {
                state = this;
            }
        }
        state
    }

    /// Whether content at an output path was made by a node, so that replacing it loses nothing.
    pub fn made_here(&mut self, path: &str, content: &Content) -> bool {
        match content {
            Content::File(file) => {
                let id = self.observer.look(path.trim_end_matches('/'));
                self.observer.table.entry(id).ours || self.cache.has_blob(&file.digest, file.size)
            }
            Content::Symlink(_) => {
                let id = self.observer.look(path.trim_end_matches('/'));
                self.observer.table.entry(id).ours
            }
            Content::Tree { listing, .. } => {
                self.cache.read_blob(listing, u64::MAX).is_some() || {
                    let bare = path.trim_end_matches('/');
                    let Ok(listing) = self.observer.tree(bare, &mut Vec::new()) else { return false };
                    listing.0.iter().all(|(name, content)| self.made_here(&format!("{bare}/{name}"), content))
                }
            }
        }
    }

    /// Whether every blob of a result can be had, by presence and size.
    pub fn has_blobs(&self, result: &ActionResult) -> bool {
        result.outputs.iter().all(|output| match &output.content {
            Content::File(file) => self.cache.has_blob(&file.digest, file.size),
            Content::Symlink(_) => true,
            Content::Tree { listing, .. } => self.listing(listing).is_some_and(|listing| {
                listing.0.iter().all(|(_, content)| match content {
                    Content::File(file) => self.cache.has_blob(&file.digest, file.size),
                    Content::Symlink(_) | Content::Tree { .. } => true,
                })
            }),
        })
    }
}
