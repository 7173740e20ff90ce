//! Duplicate keys.

use std::collections::HashMap;

use crate::base::code;
use crate::base::diag::{Diagnostic, quoted};
use crate::spec::yaml::tree::Entry;

/// Maps of fewer entries are searched for duplicate keys pair by pair.
const FEW_ENTRIES: usize = 12;

/// Indices of the entries whose key was there before, in order. Each is reported, up to `most` problems.
pub(super) fn repeated_keys(entries: &[Entry<'_>], most: usize, problems: &mut Vec<Diagnostic>) -> Vec<usize> {
    let mut repeated = Vec::new();
    let mut report = |first: usize, again: usize| {
        repeated.push(again);
        if problems.len() >= most {
            return;
        }
        let (first, key) = (&entries[first].key, &entries[again].key);
        problems.push(
            Diagnostic::error(code::DUPLICATE_KEY, format!("duplicate key {}", quoted(key.as_str())))
                .label(key.span(), "this one is here again")
                .secondary(first.span(), "first here"),
        );
    };
    if entries.len() <= FEW_ENTRIES {
        for (again, entry) in entries.iter().enumerate() {
            let same = |other: &Entry<'_>| other.key.as_str() == entry.key.as_str();
            if let Some(first) = entries[..again].iter().position(same) {
                report(first, again);
            }
        }
    } else {
        // The hasher is a keyed one: keys come from a file that may mean harm.
        let mut seen = HashMap::with_capacity(entries.len());
        for (again, entry) in entries.iter().enumerate() {
            let first = *seen.entry(entry.key.as_str()).or_insert(again);
            if first != again {
                report(first, again);
            }
        }
    }
    repeated
}
