//! Faults of the content store, each test named after its row of the fault matrix.

mod crash;
mod damage;
mod sharing;
mod state;

use std::path::PathBuf;

use crate::store::sim_cache::{Node, node, open, store};
use crate::store::sim_fs::SimFs;

pub(crate) fn nodes(count: u32) -> Vec<Node> {
    (0..count).map(|id| node(id, &[100, 5000][..1 + (id % 2) as usize])).collect()
}

pub(crate) fn sealed_with(nodes: &[Node]) -> SimFs {
    let fs = SimFs::new();
    let cache = open(&fs);
    nodes.iter().for_each(|node| assert!(store(&cache, node)));
    cache.finish();
    assert_eq!(cache.take_warnings(), []);
    fs
}

pub(crate) fn only_segment(fs: &SimFs) -> PathBuf {
    let [path] = fs.files_in("/cache/segments").try_into().unwrap();
    path
}
