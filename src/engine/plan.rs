//! The dry run: the verdict of every wanted node, by the same function that `run` uses. Writes nothing, starts nothing.

use std::sync::Arc;

use crate::action::result::{ActionResult, Content};
use crate::action::verdict::{Decision, Verdict};
use crate::base::digest::ActionDigest;
use crate::base::id::NodeId;
use crate::engine::session::{Known, Session};
use crate::engine::sources::{InputProblem, PrepareError};
use crate::graph::build::does_work;
use crate::graph::node::{Class, Kind};

/// The verdicts of a plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// By node; `None` for a node that is not wanted.
    pub decisions: Vec<Option<Decision>>,
    /// By node: the digest of its action, if a result of it stands.
    pub actions: Vec<Option<ActionDigest>>,
}

impl Plan {
    /// Whether every node that does work is up to date.
    pub fn is_fresh(&self, session: &Session) -> bool {
        session.graph.ids().all(|id| {
            let decided = self.decisions[id.index()].as_ref();
            decided.is_none_or(|d| d.verdict == Verdict::Fresh || !does_work(session.graph.node(id)))
        })
    }
}

impl Session {
    /// Plans the wanted nodes.
    ///
    /// # Errors
    /// Nodes whose inputs cannot be established.
    pub fn plan(&mut self, wanted: &[bool]) -> Result<Plan, Vec<PrepareError>> {
        self.prepare(wanted)?;
        let mut needed = vec![false; wanted.len()];
        // What was needed once stays so, or a node that waits for what it needs would no longer seem to need it. So this
        // ends after at most one round per node.
        loop {
            let plan = self.forward(wanted, &needed)?;
            let mut next = self.needs(&plan.decisions);
            next.iter_mut().zip(&needed).for_each(|(next, before)| *next |= before);
            if next == needed {
                return Ok(plan);
            }
            needed = next;
        }
    }

    fn forward(&mut self, wanted: &[bool], needed: &[bool]) -> Result<Plan, Vec<PrepareError>> {
        self.forget_known(wanted);
        let graph = Arc::clone(&self.graph);
        let mut decisions: Vec<Option<Decision>> = vec![None; wanted.len()];
        let mut actions = vec![None; wanted.len()];
        let mut errors = Vec::new();
        for id in graph.ids().filter(|id| wanted[id.index()]) {
            let open = self.open_dep(id, &decisions);
            match self.evaluate(id, open, needed[id.index()]) {
                Ok(evaluation) => {
                    let decision = evaluation.decision;
                    let stands = matches!(decision.verdict, Verdict::Fresh | Verdict::Restore);
                    actions[id.index()] = stands.then_some(evaluation.manifest.action);
                    self.known[id.index()] = match decision.verdict {
                        Verdict::Fresh | Verdict::Restore => Some(Known::Done(evaluation.result.unwrap_or_default())),
                        Verdict::Skip => Some(Known::Failed(decision.reason.to_string())),
                        Verdict::Run | Verdict::Ask | Verdict::MayRun => None,
                    };
                    decisions[id.index()] = Some(decision);
                }
                Err(problem) => errors.push(self.prepare_error(id, problem)),
            }
        }
        if errors.is_empty() { Ok(Plan { decisions, actions }) } else { Err(errors) }
    }

    /// Names the node of a problem.
    pub(in crate::engine) fn prepare_error(&self, id: NodeId, problem: InputProblem) -> PrepareError {
        PrepareError { node: self.graph.node(id).name.clone(), problem }
    }

    /// The first dependency that enters the digest and is not known yet.
    fn open_dep(&self, id: NodeId, decisions: &[Option<Decision>]) -> Option<NodeId> {
        let enters = self.graph.node(id).edges.iter().filter(|edge| edge.role.enters_digest());
        enters.map(|edge| edge.to).find(|to| {
            decisions[to.index()].as_ref().is_some_and(|d| d.verdict.is_open()) && does_work(self.graph.node(*to))
        })
    }

    /// Which nodes' blobs will be wanted by a dependent that does something.
    fn needs(&self, decisions: &[Option<Decision>]) -> Vec<bool> {
        let mut needed = vec![false; decisions.len()];
        for id in self.graph.ids().rev() {
            let Some(decision) = &decisions[id.index()] else { continue };
            let acts = matches!(decision.verdict, Verdict::Run | Verdict::Ask);
            let node = self.graph.node(id);
            if !acts || !reads_blobs(&node.kind) {
                continue;
            }
            for edge in node.edges.iter().filter(|edge| edge.role.enters_digest()) {
                let of_pure = matches!(self.graph.node(edge.to).class, Class::Pure | Class::Volatile);
                needed[edge.to.index()] |= of_pure && self.result(edge.to).is_some_and(|r| self.is_elsewhere(r));
            }
        }
        needed
    }

    /// Whether anything of a result is only in the store.
    fn is_elsewhere(&self, result: &ActionResult) -> bool {
        let in_store = |path: &Option<String>| path.is_none() || self.options.assume_outputs;
        result.outputs.iter().any(|output| in_store(&output.path) && !matches!(output.content, Content::Symlink(_)))
    }
}

/// Whether a kind takes its dependencies' outputs from the store; a report only shows facts.
fn reads_blobs(kind: &Kind) -> bool {
    !matches!(kind, Kind::Report(_) | Kind::Group)
}
