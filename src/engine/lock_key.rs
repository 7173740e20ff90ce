//! The key under which `ocelot.lock` keeps a prepared tree: what it was prepared from, and nothing of this machine.

use std::collections::BTreeMap;

use crate::action::result::{ActionResult, Content};
use crate::engine::job::file_name;
use crate::graph::node::Node;
use crate::layer::component_dependencies::is_selected;
use crate::layer::tags::TagSet;

/// The key of an overlay: the tree it starts from, its tags, the component files it lays over it, and the modules that the
/// project lists for these tags. `None` if the source has no tree.
pub(in crate::engine) fn overlay_key(
    source: &ActionResult,
    tags: &str,
    files: &[(String, Content)],
    modules: &BTreeMap<String, Vec<String>>,
) -> Option<String> {
    let Content::Tree { listing, .. } = &source.output("tree")?.content else { return None };
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(&listing.to_hex());
    add(tags);
    for (path, content) in files {
        add(path);
        add(&content.value());
    }
    let tags = TagSet::new(tags.split(',').filter(|tag| !tag.is_empty()));
    for (tag, modules) in modules.iter().filter(|(tag, _)| is_selected(tag, &tags)) {
        add(tag);
        modules.iter().for_each(|module| add(module));
    }
    Some(hasher.finalize().to_hex()[..32].to_owned())
}

/// The folder of `ocelot.lock.d/` for an overlay: a tree that is prepared anew takes the place of the one before, and
/// never that of another overlay or of another pipeline, which are in the same lock.
pub(in crate::engine) fn lock_folder(pipeline: &str, node: &Node) -> String {
    let words = [pipeline, &node.base].into_iter().chain(node.values.iter().map(String::as_str));
    file_name(&words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::Output;
    use crate::base::digest::BlobDigest;

    #[test]
    fn a_changed_module_of_a_selected_tag_is_another_key() {
        let content = Content::Tree { listing: BlobDigest::of(b"tree"), size: 0 };
        let output = Output { name: "tree".into(), path: None, content };
        let source = ActionResult { outputs: vec![output], ..ActionResult::default() };
        let key = |tag: &str, version: &str| {
            let modules = BTreeMap::from([(tag.to_owned(), vec![format!("example.org/m@{version}")])]);
            overlay_key(&source, "lambdacomponents.exporter.a", &[], &modules).unwrap()
        };
        let (used, other) = ("lambdacomponents.exporter.a", "lambdacomponents.exporter.b");
        assert_ne!(key(used, "v1.0.0"), key(used, "v1.1.0"));
        assert_eq!(key(other, "v1.0.0"), key(other, "v1.1.0"), "not selected");
    }
}
