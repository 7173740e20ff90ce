//! The key under which `ocelot.lock` keeps a prepared tree: what it was prepared from, and nothing of this machine.

use crate::action::result::{ActionResult, Content};

/// The key of an overlay: the tree it starts from, its tags, and the component files it may lay over it. `None` if the
/// source has no tree.
pub(in crate::engine) fn overlay_key(source: &ActionResult, tags: &str, files: &[(String, Content)]) -> Option<String> {
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
    Some(hasher.finalize().to_hex()[..32].to_owned())
}
