//! Saves what a run knows, so that the next one can be quick.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::base::code;
use crate::base::digest::BlobDigest;
use crate::base::id::{NodeId, PathId};
use crate::cli::exit::Stop;
use crate::cli::selection::LastRun;
use crate::cli::workspace::{Partial, Workspace};
use crate::engine::observe::Observer;
use crate::engine::outcome::RunOutcome;
use crate::engine::snapshot::{Change, NodeChange, Settled, Snapshot, Standing};
use crate::engine::state::{Row, StateDir};
use crate::exec::registries::AWS;
use crate::graph::node::Kind;
use crate::outside::github;
use crate::outside::registry::aws::credentials::VARIABLES;
use crate::store::{atomic, tail};

pub(super) fn save_table(state: &StateDir, observer: &Observer) -> Result<(), Stop> {
    let file = state.table();
    observer.table.save(&file).map_err(|error| failed(&file, &error))
}

fn failed(file: &Path, error: &std::io::Error) -> Stop {
    Stop::environment(code::CANNOT_WRITE, format!("cannot write {}: {error}", file.display()))
}

impl Workspace {
    /// Saves. `lasting` is false if a repeat would not be asked the same.
    ///
    /// # Errors
    /// If the state cannot be written; then the next run looks at everything again, and is right.
    pub(in crate::cli) fn save(&mut self, outcome: &RunOutcome, lasting: bool, summary: String) -> Result<(), Stop> {
        let rows = self.rows_of_nodes(outcome);
        save_table(&self.state, &self.session.observer)?;
        if let Some(partial) = self.partial.take() {
            return self.save_part(partial, outcome, rows);
        }
        let counts = &outcome.counts;
        let settled = Settled {
            targets: self.selection.targets.clone(),
            env: self.variables(),
            is_complete: outcome.settled && self.are_all_closed(&rows),
            fresh: counts.fresh + counts.ran + counts.restored,
            summary,
            ..Settled::default()
        };
        let standing = lasting.then(|| Standing { settled, wanted: self.wanted.clone(), rows });
        let snapshot = Snapshot {
            graph: self.session.graph.as_ref().clone(),
            nodes: std::mem::take(&mut self.session.memory),
            proof: self.session.proof.clone(),
        };
        let bytes = snapshot.encode(&self.key, standing, &self.session.observer.table);
        self.session.memory = snapshot.nodes;
        let file = self.state.snapshot(&self.key);
        atomic::write(&file, &bytes, false).map_err(|error| failed(&file, &error))?;
        self.save_last_run()?;
        for surplus in self.state.surplus_snapshots() {
            // One that stays costs a little room, no more.
            std::fs::remove_file(surplus).ok();
        }
        Ok(())
    }

    /// Appends what a run over a part changed to the snapshot of the whole. A row that others rest on too has not changed
    /// since they were found untouched: a path is looked at once per run unless a node of the part has written it, and
    /// who reads that is in the part.
    fn save_part(
        &self,
        partial: Partial,
        outcome: &RunOutcome,
        mut rows: Vec<Option<Vec<PathId>>>,
    ) -> Result<(), Stop> {
        let Partial { stored, untouched, .. } = partial;
        let (session, table) = (&self.session, &self.session.observer.table);
        let Some(before) = stored.null.settled.as_ref() else { return Ok(()) };
        let mut mine: Vec<PathId> = rows.iter().flatten().flatten().copied().collect();
        mine.sort_unstable();
        mine.dedup();
        let known =
            |id: PathId| before.rows.binary_search_by_key(&id, |row| row.id).ok().map(|at| before.rows[at].mark);
        let now = mine.iter().map(|id| Row { id: *id, mark: table.entry(*id).mark() });
        let changed: Vec<Row> = now.filter(|row| known(row.id) != Some(row.mark)).collect();
        let counts = &outcome.counts;
        let is_complete = outcome.settled && self.are_all_closed(&rows);
        let inside = session.graph.ids().filter(|id| self.wanted[id.index()]);
        let nodes = inside.map(|id| NodeChange {
            id: session.place(id).0,
            rows: rows[id.index()].take(),
            memory: session.memory[id.index()].clone(),
        });
        let change = Change {
            rows: changed,
            nodes: nodes.collect(),
            is_complete,
            fresh: counts.fresh + counts.ran + counts.restored + untouched,
            summary: before.summary.clone(),
        };
        let bytes = postcard::to_stdvec(&change).expect("BUG: state always encodes");
        let file = self.state.snapshot(&self.key);
        if stored.extent.takes(bytes.len()) && tail::append(&file, &stored.extent, &bytes, false).is_ok() {
            return Ok(());
        }
        let saved = match stored.folded(&self.key, change, table) {
            Some(bytes) => atomic::write(&file, &bytes, false),
            // It is damaged: the next run starts from the pipeline.
            None => std::fs::remove_file(&file),
        };
        saved.map_err(|error| failed(&file, &error))
    }

    /// By node: the rows on which its being up to date rests; `None` if it is not, or no rows can tell.
    fn rows_of_nodes(&mut self, outcome: &RunOutcome) -> Vec<Option<Vec<PathId>>> {
        let graph = self.session.graph.clone();
        let rows = |id: NodeId| {
            let ended_well = outcome.ends[id.index()].is_some_and(|end| end.is_success());
            (self.wanted[id.index()] && ended_well).then(|| self.session.rests_on(id)).flatten()
        };
        graph.ids().map(rows).collect()
    }

    fn are_all_closed(&self, rows: &[Option<Vec<PathId>>]) -> bool {
        self.wanted.iter().zip(rows).all(|(wanted, rows)| !wanted || rows.is_some())
    }

    /// Variables that the wanted nodes depend on.
    fn variables(&self) -> BTreeMap<String, Option<BlobDigest>> {
        let graph = &self.session.graph;
        let mut names = BTreeSet::from(["PATH"]);
        for id in graph.ids().filter(|id| self.wanted[id.index()]) {
            match &graph.node(id).kind {
                Kind::Exec(exec) => names.extend(exec.pass_env.iter().map(String::as_str)),
                // Other credentials may be of another account, for which other receipts count.
                Kind::Publish(publish) if publish.registry == AWS => names.extend(VARIABLES),
                // Of another repository another receipt counts.
                Kind::Release(_) => names.extend(github::VARIABLES),
                _ => {}
            }
        }
        let digest = |name: &str| self.session.env.get(name).map(|value| BlobDigest::of(value.as_bytes()));
        names.into_iter().map(|name| (name.to_owned(), digest(name))).collect()
    }

    /// Notes which pipeline was run, for commands that name none.
    fn save_last_run(&self) -> Result<(), Stop> {
        let nodes: BTreeSet<&String> = self.session.graph.nodes.iter().map(|node| &node.base).collect();
        let last = LastRun {
            pipeline: self.selection.pipeline.file.clone(),
            sets: self.selection.sets.clone(),
            nodes: nodes.into_iter().take(1_000).cloned().collect(),
        };
        let text = serde_json::to_vec(&last).unwrap_or_default();
        let file = LastRun::file(&self.selection.pipeline.root);
        atomic::write(&file, &text, false).map_err(|error| failed(&file, &error))
    }
}
