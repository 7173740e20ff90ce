//! Every path that some node declares as output: what is never a source, and who makes it.

use serde::{Deserialize, Serialize};

use crate::base::id::NodeId;
use crate::base::lists::Lists;
use crate::base::rel_path;
use crate::graph::node::Graph;

/// Declared outputs of a whole graph, and the dependencies between those who make them. Nodes are numbered as in that
/// graph.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Declared {
    /// The paths, sorted bytewise, one behind the other.
    text: String,
    ends: Vec<u32>,
    /// Who makes each; [`NOBODY`] for what is made only under other parameters.
    makers: Vec<u32>,
    /// Whether some output is a folder.
    folders: bool,
    /// Direct dependencies by node.
    deps: Lists,
}

const NOBODY: u32 = u32::MAX;

impl Declared {
    /// All that the nodes of `graph` declare, in this run or under other parameters.
    pub fn of(graph: &Graph) -> Self {
        let unmade = graph.unmade.iter().map(|path| (path.as_str(), NOBODY));
        let made = graph.ids().flat_map(|id| graph.node(id).outputs().into_iter().map(move |path| (path, id.0)));
        let mut declared = Self::new(made.chain(unmade).collect());
        for node in &graph.nodes {
            declared.deps.push(node.edges.iter().map(|edge| edge.to.0));
        }
        declared
    }

    fn new(mut paths: Vec<(&str, u32)>) -> Self {
        // Of a path that is made here and elsewhere, the maker of this run stays.
        paths.sort_unstable();
        paths.dedup_by_key(|(path, _)| *path);
        let mut declared = Self::default();
        for (path, maker) in paths {
            declared.folders |= path.ends_with('/');
            declared.text.push_str(path);
            declared.ends.push(u32::try_from(declared.text.len()).expect("BUG: more than 4 GiB of path names"));
            declared.makers.push(maker);
        }
        declared
    }

    fn path(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.text[start..self.ends[at] as usize]
    }

    /// The position of a path, or where it would be.
    fn search(&self, path: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.path(middle).cmp(path) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// The declared output that a path is, or lies in.
    fn find(&self, path: &str) -> Option<usize> {
        let bare = path.trim_end_matches('/');
        if let Ok(at) = self.search(bare) {
            return Some(at);
        }
        if !self.folders {
            return None;
        }
        let around = || rel_path::parents(bare).find_map(|parent| self.search(parent).ok());
        self.search(&format!("{bare}/")).ok().or_else(around)
    }

    /// Whether a path is an output, or lies in one that is a folder.
    pub fn claims(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// Whether some output lies below a folder.
    pub fn is_below(&self, folder: &str) -> bool {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let (Ok(at) | Err(at)) = self.search(&prefix);
        at < self.ends.len() && self.path(at).starts_with(&prefix)
    }

    /// Direct dependencies of a node.
    pub fn deps(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.deps.get(id.index()).iter().map(|dep| NodeId(*dep))
    }

    /// The first of `paths` that is an output of a node which `id` does not depend on, directly or not.
    pub fn unreachable<'a>(&self, id: NodeId, paths: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let mut claimed = paths.into_iter().filter_map(|path| Some((path, self.makers[self.find(path)?]))).peekable();
        claimed.peek()?;
        let mut below = vec![false; self.deps.len()];
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            for dep in self.deps(id) {
                if !std::mem::replace(&mut below[dep.index()], true) {
                    open.push(dep);
                }
            }
        }
        claimed.find(|(_, maker)| !below.get(*maker as usize).is_some_and(|below| *below)).map(|(path, _)| path)
    }
}

/// Whether `path` is what `declared` names, or lies in the folder that it names; a final `/` does not matter.
pub fn covers(declared: &str, path: &str) -> bool {
    let rest = path.strip_prefix(declared.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_covered_by_itself_and_by_its_folders() {
        for (declared, path, expected) in [
            ("gen/", "gen/a.h", true),
            ("gen", "gen/a.h", true),
            ("gen/", "gen", true),
            ("gen", "gen.h", false),
            ("gen/a.h", "gen", false),
        ] {
            assert_eq!(covers(declared, path), expected, "{declared} {path}");
        }
    }

    #[test]
    fn outputs_claim_themselves_and_what_is_inside() {
        let declared = Declared::new(vec![("gen/", 1), ("a/b.h", 0)]);
        assert!(declared.claims("a/b.h") && declared.claims("gen") && declared.claims("gen/x/y"));
        assert!(!declared.claims("a") && !declared.claims("generated"));
        assert!(declared.is_below("a") && declared.is_below("a/") && !declared.is_below("b"));
    }

    #[test]
    fn an_output_is_reached_through_any_number_of_nodes() {
        let mut declared = Declared::new(vec![("a", 0), ("b/", 1), ("c", 2), ("d", 3), ("old", NOBODY), ("c", NOBODY)]);
        for deps in [&[][..], &[0], &[1], &[]] {
            declared.deps.push(deps.iter().copied());
        }
        let unreachable = |id, paths: &[&'static str]| declared.unreachable(NodeId(id), paths.iter().copied());
        assert_eq!(unreachable(2, &["a", "b/x", "source"]), None);
        assert_eq!(unreachable(2, &["a", "d"]), Some("d"));
        assert_eq!(unreachable(1, &["c"]), Some("c"));
        assert_eq!(unreachable(2, &["old"]), Some("old"));
        assert_eq!(unreachable(2, &["c"]), Some("c"), "its own output is no input");
        assert_eq!(unreachable(3, &["source"]), None);
    }
}
