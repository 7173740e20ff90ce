//! Where a pipeline file has a text that is known only as a value of the graph.

use std::slice;

use crate::base::diag::{SourceMap, Span};
use crate::base::rel_path;
use crate::spec::yaml::{Limits, Tree, parse};

/// Where the node `name`, whose key is at `node`, has this text: in one of these fields of its kind, in their order. `None`
/// for one that was put together from parameters.
pub fn find_text(sources: &SourceMap, node: Span, name: &str, fields: &[&str], text: &str) -> Option<Span> {
    let source = sources.get(node.source)?;
    let tree = parse(node.source, &source.text, &Limits::default(), &mut Vec::new())?;
    let kinds = tree.get("nodes")?.get(name)?.entries();
    fields.iter().find_map(|field| {
        let values = kinds.iter().filter_map(|kind| kind.value.get(field));
        let mut texts =
            values.flat_map(|value| if value.items().is_empty() { slice::from_ref(value) } else { value.items() });
        let same = |item: &&Tree<'_>| {
            let item = item.as_str().unwrap_or_default();
            let inside = *field == "paths" && text.ends_with(&format!("/{}", item.trim_end_matches('/')));
            inside || item == text || rel_path::normalise(item).is_ok_and(|path| path.trim_end_matches('/') == text)
        };
        texts.find(same).map(Tree::span)
    })
}
