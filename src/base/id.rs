//! Dense ids. A node or a path is named by a `u32`, so that side tables are plain vectors.

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// The id as an index into a side table.
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The id of the `index`-th element of a table.
            ///
            /// # Panics
            /// If the table has more than `u32::MAX` elements, which no loader admits.
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("BUG: more than u32::MAX elements"))
            }
        }
    };
}

dense_id! {
    /// A node instance of the graph, numbered in topological order.
    NodeId
}
dense_id! {
    /// A row of the workspace's path table.
    PathId
}
dense_id! {
    /// A pool of the graph.
    PoolId
}
