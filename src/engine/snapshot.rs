//! What is remembered of a pipeline between runs, one file per (pipeline, parameters) under `.ocelot/state/graphs/`.
//!
//! Its sections, in the order in which they are needed: the *null* section has all that a run needs to say "nothing
//! changed" (rows of the path table with their marks, variables, counts); the *index* tells which nodes a change
//! concerns; then the graph without its nodes, the nodes, and what is remembered of each. These two are read node
//! by node when only some are concerned, and each has its own checksum for that. The last is what a drawing shows. Behind
//! the sections stand the changes of later runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::action::result::ActionResult;
use crate::base::digest::{ActionDigest, BlobDigest};
use crate::base::id::{NodeId, PathId};
use crate::base::lists::Lists;
use crate::engine::affected::Index;
use crate::engine::session::Known;
use crate::engine::state::{Proof, Row};
use crate::graph::node::{Graph, Kind, Node};
use crate::graph::outline::Outline;
use crate::store::path_table::PathTable;
use crate::store::sections::{self, Sections};
use crate::store::tail::Extent;

const NULL: usize = 0;
const INDEX: usize = 1;
const GRAPH: usize = 2;
const NODES: usize = 3;
const MEMORIES: usize = 4;
/// Absent in files of earlier versions.
const OUTLINE: usize = 5;

/// Checksum bytes before each stored node and memory.
const CHECK: usize = 16;

/// What is remembered of one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeMemory {
    /// The action whose result stands.
    pub action: Option<ActionDigest>,
    /// That result.
    pub result: Option<ActionResult>,
    /// The action of the last success, kept for `why` when `action` is void.
    pub explained: Option<ActionDigest>,
    /// What the last attempt printed, if it failed.
    pub failed_log: Option<BlobDigest>,
    /// Why something was last done about it.
    pub last_work: Option<LastWork>,
}

/// What was done about a node, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWork {
    /// The run.
    pub run: String,
    /// The verdict, in one word.
    pub verdict: String,
    /// The reasons, a line each.
    pub why: Vec<String>,
}

/// How the nodes that some targets need stood at the end of a run over them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Targets as given.
    pub targets: Vec<String>,
    /// Every row that some node rests on.
    #[serde(with = "packed")]
    pub rows: Vec<Row>,
    /// Variables that those nodes depend on, with the digest of their value; `None` is unset.
    pub env: BTreeMap<String, Option<BlobDigest>>,
    /// Nodes that have to be looked at again whatever their rows say: failed, not started, volatile.
    pub open: Vec<NodeId>,
    /// Whether nothing was left to do.
    pub is_complete: bool,
    /// Nodes that count as fresh in a repeat.
    pub fresh: u64,
    /// What `build` shows at the end: so that a run with nothing to do can show it too.
    pub summary: String,
}

/// The first section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NullSection {
    /// Of the compiled graph.
    pub proof: Proof,
    /// Absent if the last run was of no lasting meaning.
    pub settled: Option<Settled>,
}

/// How the nodes of a graph stand: what a snapshot is made of, beside the graph.
pub struct Standing {
    /// As [`Settled`] says; its rows and open nodes are filled in from `rows`.
    pub settled: Settled,
    /// By node: whether the targets need it.
    pub wanted: Vec<bool>,
    /// By node: the rows that its being up to date rests on; `None` for an open node.
    pub rows: Vec<Option<Vec<PathId>>>,
}

/// A loaded snapshot.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The graph.
    pub graph: Graph,
    /// By node, in the graph's order.
    pub nodes: Vec<NodeMemory>,
    /// Of the graph.
    pub proof: Proof,
}

impl Snapshot {
    /// Bytes of the file. Without a standing, the next run looks at every node.
    pub fn encode(&self, key: &BlobDigest, standing: Option<Standing>, table: &PathTable) -> Vec<u8> {
        let mut null = NullSection { proof: self.proof.clone(), settled: None };
        let mut index = Index::default();
        if let Some(Standing { mut settled, wanted, rows: by_node }) = standing {
            let mut rows = Lists::default();
            let mut all = Vec::new();
            settled.open.clear();
            for list in &by_node {
                let list = list.as_deref().unwrap_or_default();
                rows.push(list.iter().map(|row| row.0));
                all.extend_from_slice(list);
            }
            let open = |at: &usize| wanted[*at] && by_node[*at].is_none();
            settled.open.extend((0..by_node.len()).filter(open).map(NodeId::from_index));
            all.sort_unstable();
            all.dedup();
            settled.rows = all.into_iter().map(|id| Row { id, mark: table.entry(id).mark() }).collect();
            null.settled = Some(settled);
            index = Index::new(&self.graph, wanted, rows);
        }
        let (nodes, node_ends) = records(self.graph.nodes.iter().map(|node| encode(node.as_ref())));
        let (memories, memory_ends) = records(self.nodes.iter().map(encode));
        (index.node_ends, index.memory_ends) = (node_ends, memory_ends);
        let head = Graph { nodes: Vec::new(), ..self.graph.clone() };
        let outline = encode(&Outline::of(&self.graph));
        let parts = [encode(&null), encode(&index), encode(&head), nodes, memories, outline];
        sections::encode(key.as_bytes(), &parts.each_ref().map(Vec::as_slice))
    }
}

/// What a run over a part of a graph changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Change {
    /// Rows that hold something else, or that nothing rested on before.
    #[serde(with = "packed")]
    pub rows: Vec<Row>,
    /// The nodes of the part.
    pub nodes: Vec<NodeChange>,
    /// See [`Settled`].
    pub is_complete: bool,
    /// See [`Settled`].
    pub fresh: u64,
    /// See [`Settled`].
    pub summary: String,
}

/// How a node stands after a run over a part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeChange {
    /// Its number in the whole graph.
    pub id: u32,
    /// The rows that it rests on; `None` if it is open.
    pub rows: Option<Vec<PathId>>,
    /// What is remembered of it.
    pub memory: NodeMemory,
}

/// A part of a graph: the affected nodes, and those that they border on with nothing but their results.
#[derive(Debug, Default)]
pub struct Part {
    /// The nodes, numbered anew.
    pub graph: Graph,
    /// By node.
    pub nodes: Vec<NodeMemory>,
    /// The number of each in the whole graph.
    pub places: Vec<NodeId>,
    /// Results of the bordering nodes; `None` for the affected ones.
    pub known: Vec<Option<Known>>,
}

/// An opened snapshot, of which only the null section and the changes have been read.
#[derive(Debug)]
pub struct Stored {
    sections: Sections,
    /// What it says now.
    pub null: NullSection,
    /// Where the file ends.
    pub extent: Extent,
    changed: BTreeMap<NodeId, NodeChange>,
}

impl Stored {
    /// Opens a snapshot; `None` if there is none, or it is damaged.
    pub fn open(file: &Path, key: &BlobDigest) -> Option<Self> {
        let sections = Sections::open(file, key.as_bytes())?;
        let null = postcard::from_bytes(&sections.read(NULL)?).ok()?;
        let (changes, extent) = sections.changes()?;
        let mut stored = Self { sections, null, extent, changed: BTreeMap::new() };
        for change in changes {
            stored.apply(postcard::from_bytes(&change).ok()?)?;
        }
        Some(stored)
    }

    /// Takes a change into account.
    fn apply(&mut self, change: Change) -> Option<()> {
        let settled = self.null.settled.as_mut()?;
        let before = settled.rows.len();
        for row in change.rows {
            match settled.rows[..before].binary_search_by_key(&row.id, |row| row.id) {
                Ok(at) => settled.rows[at].mark = row.mark,
                Err(_) => settled.rows.push(row),
            }
        }
        settled.rows.sort_unstable_by_key(|row| row.id);
        settled.open.retain(|id| !change.nodes.iter().any(|node| node.id == id.0));
        settled.open.extend(change.nodes.iter().filter(|node| node.rows.is_none()).map(|node| NodeId(node.id)));
        settled.is_complete = change.is_complete;
        settled.fresh = change.fresh;
        settled.summary = change.summary;
        self.changed.extend(change.nodes.into_iter().map(|node| (NodeId(node.id), node)));
        Some(())
    }

    /// What tells the affected nodes; `None` if it is damaged.
    pub fn index(&self) -> Option<Index> {
        self.read(INDEX)
    }

    /// The rows that a node rests on, if a later run changed them.
    pub fn changed_rows(&self, id: NodeId) -> Option<&[PathId]> {
        Some(self.changed.get(&id)?.rows.as_deref().unwrap_or_default())
    }

    /// Reads what a drawing shows; `None` if it is damaged or absent.
    pub fn outline(&self) -> Option<Outline> {
        self.read(OUTLINE)
    }

    /// Reads the whole graph.
    pub fn graph(&self) -> Option<Graph> {
        self.graph_of(&self.index()?)
    }

    fn graph_of(&self, index: &Index) -> Option<Graph> {
        let mut graph: Graph = self.read(GRAPH)?;
        let nodes = self.sections.read(NODES)?;
        graph.nodes = (0..index.node_ends.len())
            .map(|at| Some(Arc::new(decode::<Node>(nodes.get(span(&index.node_ends, at)?)?)?)))
            .collect::<Option<_>>()?;
        Some(graph)
    }

    /// Reads the whole graph and all that is remembered.
    pub fn whole(&self) -> Option<Snapshot> {
        let index = self.index()?;
        let graph = self.graph_of(&index)?;
        let memories = self.sections.read(MEMORIES)?;
        let mut nodes = (0..index.memory_ends.len())
            .map(|at| decode(memories.get(span(&index.memory_ends, at)?)?))
            .collect::<Option<Vec<NodeMemory>>>()?;
        for (id, change) in &self.changed {
            nodes.get_mut(id.index())?.clone_from(&change.memory);
        }
        (graph.nodes.len() == nodes.len()).then(|| Snapshot { graph, nodes, proof: self.null.proof.clone() })
    }

    /// Reads the affected nodes and those that they border on. `None` if they cannot be taken alone.
    pub fn part(&self, index: &Index, affected: &[bool]) -> Option<Part> {
        let border = index.border(affected);
        let mut part = Part::default();
        part.graph.name.clone_from(&index.name);
        part.graph.pools.clone_from(&index.pools);
        let mut numbers = BTreeMap::new();
        for id in (0..index.len()).map(NodeId::from_index).filter(|id| affected[id.index()] || border[id.index()]) {
            let mut node: Node = self.record(NODES, &index.node_ends, id)?;
            let memory: NodeMemory = match self.changed.get(&id) {
                Some(change) => change.memory.clone(),
                None => self.record(MEMORIES, &index.memory_ends, id)?,
            };
            let known = if affected[id.index()] {
                // In a folder of its own it gets its dependencies' files from the store.
                if matches!(&node.kind, Kind::Exec(exec) if exec.sandbox) {
                    return None;
                }
                for edge in &mut node.edges {
                    edge.to = *numbers.get(&edge.to)?;
                }
                None
            } else {
                node.edges.clear();
                let result = if index.works[id.index()] { memory.result.clone()? } else { ActionResult::default() };
                Some(Known::Done(Arc::new(result)))
            };
            numbers.insert(id, NodeId::from_index(part.places.len()));
            part.graph.nodes.push(Arc::new(node));
            part.nodes.push(memory);
            part.places.push(id);
            part.known.push(known);
        }
        Some(part)
    }

    /// Bytes of a file that has a change folded in; `None` if what is stored is damaged.
    pub fn folded(mut self, key: &BlobDigest, change: Change, table: &PathTable) -> Option<Vec<u8>> {
        self.apply(change)?;
        let (snapshot, index) = (self.whole()?, self.index()?);
        let settled = self.null.settled.clone()?;
        let rows_of = |id: NodeId| match self.changed_rows(id) {
            Some(rows) => rows.to_vec(),
            None => index.rows.get(id.index()).iter().map(|row| PathId(*row)).collect(),
        };
        let open: BTreeSet<NodeId> = settled.open.iter().copied().collect();
        let is_closed = |id: &NodeId| index.wanted[id.index()] && !open.contains(id);
        let ids = (0..index.len()).map(NodeId::from_index);
        let rows = ids.map(|id| is_closed(&id).then(|| rows_of(id))).collect();
        let standing = Standing { settled, wanted: index.wanted.clone(), rows };
        Some(snapshot.encode(key, Some(standing), table))
    }

    fn read<T: DeserializeOwned>(&self, section: usize) -> Option<T> {
        postcard::from_bytes(&self.sections.read(section)?).ok()
    }

    fn record<T: DeserializeOwned>(&self, section: usize, ends: &[u32], id: NodeId) -> Option<T> {
        let bytes = self.sections.read_unchecked(section, span(ends, id.index())?)?;
        let (check, body) = bytes.split_first_chunk::<CHECK>()?;
        (blake3::hash(body).as_bytes()[..CHECK] == *check).then(|| postcard::from_bytes(body).ok()).flatten()
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("BUG: state always encodes")
}

/// Joins checked records, and says where each ends.
fn records(bodies: impl Iterator<Item = Vec<u8>>) -> (Vec<u8>, Vec<u32>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for body in bodies {
        bytes.extend_from_slice(&blake3::hash(&body).as_bytes()[..CHECK]);
        bytes.extend_from_slice(&body);
        ends.push(u32::try_from(bytes.len()).expect("BUG: more than 4 GiB of state"));
    }
    (bytes, ends)
}

/// Reads a record of a section that was checked as a whole.
fn decode<T: DeserializeOwned>(record: &[u8]) -> Option<T> {
    postcard::from_bytes(record.get(CHECK..)?).ok()
}

fn span(ends: &[u32], at: usize) -> Option<std::ops::Range<usize>> {
    let start = if at == 0 { 0 } else { *ends.get(at - 1)? };
    Some(start as usize..*ends.get(at)? as usize)
}

/// Rows as bytes of fixed width: there are tens of thousands, and every run reads them.
mod packed {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::base::id::PathId;
    use crate::engine::state::Row;

    const WIDTH: usize = 12;

    pub(super) fn serialize<S: Serializer>(rows: &[Row], serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(rows.len() * WIDTH);
        for row in rows {
            bytes.extend_from_slice(&row.id.0.to_le_bytes());
            bytes.extend_from_slice(&row.mark.to_le_bytes());
        }
        serializer.serialize_bytes(&bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Row>, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        let (rows, rest) = bytes.as_chunks::<WIDTH>();
        let row = |row: &[u8; WIDTH]| {
            let id = PathId(u32::from_le_bytes(*row.first_chunk()?));
            Some(Row { id, mark: u64::from_le_bytes(*row.last_chunk()?) })
        };
        let rows: Option<Vec<Row>> = rows.iter().map(row).collect();
        rows.filter(|_| rest.is_empty()).ok_or_else(|| D::Error::custom("rows of another width"))
    }
}
