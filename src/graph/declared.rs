//! Every path that some node of a graph declares as output: what is never a source.

use std::collections::BTreeSet;

use crate::base::id::NodeId;
use crate::base::rel_path;
use crate::graph::node::Graph;
use crate::graph::select;

/// Declared outputs of a whole graph.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    paths: BTreeSet<String>,
    folders: bool,
}

impl Declared {
    /// All that the nodes of `graph` declare, in this run or under other parameters.
    pub fn of(graph: &Graph) -> Self {
        let mut declared = Self::default();
        let unmade = graph.unmade.iter().map(String::as_str);
        for output in graph.nodes.iter().flat_map(|node| node.outputs()).chain(unmade) {
            declared.folders |= output.ends_with('/');
            declared.paths.insert(output.to_owned());
        }
        declared
    }

    /// Whether a path is an output, or lies in one that is a folder.
    pub fn claims(&self, path: &str) -> bool {
        let bare = path.trim_end_matches('/');
        self.paths.contains(bare)
            || (self.folders
                && (self.paths.contains(&format!("{bare}/"))
                    || rel_path::parents(bare).any(|parent| self.paths.contains(parent))))
    }

    /// Whether some output lies below a folder.
    pub fn is_below(&self, folder: &str) -> bool {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        self.paths.range(prefix.clone()..).next().is_some_and(|path| path.starts_with(&prefix))
    }

    /// The first of `paths` that is an output of a node which `id` does not depend on, directly or not.
    pub fn unreachable<'a>(
        &self,
        graph: &Graph,
        id: NodeId,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let mut claimed = paths.into_iter().filter(|path| self.claims(path)).peekable();
        claimed.peek()?;
        let mut below = select::closure(graph, &[id]);
        below[id.index()] = false;
        let makes = |id: NodeId, path: &str| graph.node(id).outputs().iter().any(|output| covers(output, path));
        claimed.find(|path| !graph.ids().any(|id| below[id.index()] && makes(id, path)))
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
        let declared = Declared { paths: ["a/b.h".to_owned(), "gen/".to_owned()].into(), folders: true };
        assert!(declared.claims("a/b.h") && declared.claims("gen") && declared.claims("gen/x/y"));
        assert!(!declared.claims("a") && !declared.claims("generated"));
        assert!(declared.is_below("a") && declared.is_below("a/") && !declared.is_below("b"));
    }
}
