//! Many short lists of numbers in two vectors: what ten thousand nodes each have a few of.

use serde::{Deserialize, Serialize};

/// Lists by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lists {
    /// Where each list ends in `items`.
    ends: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// Adds a list; its number is that of the lists before it.
    ///
    /// # Panics
    /// With more than `u32::MAX` items in all.
    pub fn push(&mut self, list: impl IntoIterator<Item = u32>) {
        self.items.extend(list);
        self.ends.push(u32::try_from(self.items.len()).expect("BUG: more than u32::MAX items"));
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no list.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A list; empty if there is none of this number.
    pub fn get(&self, number: usize) -> &[u32] {
        let Some(end) = self.ends.get(number) else { return &[] };
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        self.items.get(start as usize..*end as usize).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_by_number() {
        let mut lists = Lists::default();
        assert!(lists.is_empty() && lists.get(0).is_empty());
        lists.push([3, 1]);
        lists.push([]);
        lists.push([7]);
        assert_eq!((lists.get(0), lists.get(1), lists.get(2), lists.get(3)), (&[3, 1][..], &[][..], &[7][..], &[][..]));
        assert_eq!(lists.len(), 3);
    }
}
