//! What differs between two states of a graph: two runs, or two machines. Pure.

use std::collections::BTreeMap;

use crate::action::manifest::{FieldChange, compare, own_part};

/// One node in one of the states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// Its instance name.
    pub node: String,
    /// The fields of its manifest; none if they are not known any more.
    pub fields: Option<Vec<(String, String)>>,
    /// Whether what other nodes give was not made yet, so that `fields` lack it.
    pub is_open: bool,
    /// Its outputs and facts, by name, as far as they are known.
    pub outputs: Vec<(String, String)>,
}

/// What differs about one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is only in the first state.
    OnlyFirst,
    /// It is only in the second state.
    OnlySecond,
    /// These fields of its manifest differ.
    Fields(Vec<FieldChange>),
    /// It was made from the same, and these outputs or facts differ: it is not reproducible.
    Outputs(Vec<FieldChange>),
    /// Its manifest in one of the states is not known any more.
    Unknown,
}

/// The nodes that differ, in the order of the second state, then what is only in the first.
pub fn differences(first: &[NodeState], second: &[NodeState]) -> Vec<(String, Difference)> {
    let was: BTreeMap<&str, &NodeState> = first.iter().map(|state| (state.node.as_str(), state)).collect();
    let is: BTreeMap<&str, &NodeState> = second.iter().map(|state| (state.node.as_str(), state)).collect();
    let mut found = Vec::new();
    for now in second {
        let difference = match was.get(now.node.as_str()) {
            None => Some(Difference::OnlySecond),
            Some(before) => of_node(before, now),
        };
        found.extend(difference.map(|difference| (now.node.clone(), difference)));
    }
    let gone = first.iter().filter(|state| !is.contains_key(state.node.as_str()));
    found.extend(gone.map(|state| (state.node.clone(), Difference::OnlyFirst)));
    found
}

fn of_node(before: &NodeState, now: &NodeState) -> Option<Difference> {
    let (Some(was), Some(is)) = (&before.fields, &now.fields) else { return Some(Difference::Unknown) };
    // What one side does not know yet is no difference.
    let is_open = before.is_open || now.is_open;
    let fields = if is_open { compare(own_part(was), own_part(is)) } else { compare(was, is) };
    if !fields.is_empty() {
        return Some(Difference::Fields(fields));
    }
    // What is known of one state only says nothing.
    if is_open || before.outputs.is_empty() || now.outputs.is_empty() {
        return None;
    }
    let outputs = compare(&before.outputs, &now.outputs);
    (!outputs.is_empty()).then_some(Difference::Outputs(outputs))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn state(node: &str, fields: Option<&[(&str, &str)]>, outputs: &[(&str, &str)]) -> NodeState {
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        NodeState { node: node.into(), fields: fields.map(owned), is_open: false, outputs: owned(outputs) }
    }

    #[test]
    fn what_is_not_made_yet_is_no_difference() {
        let fields = |own: &str, dep: &str| {
            Some(vec![
                ("tool cc".to_owned(), own.to_owned()),
                ("(dependencies)".to_owned(), String::new()),
                ("input a.o".to_owned(), dep.to_owned()),
            ])
        };
        let made = NodeState { node: "n".into(), fields: fields("1", "x"), ..NodeState::default() };
        let open = NodeState { fields: fields("1", "(missing)"), is_open: true, ..made.clone() };
        assert!(differences(from_ref(&made), from_ref(&open)).is_empty());
        assert!(differences(from_ref(&open), from_ref(&made)).is_empty());
        let other = NodeState { fields: fields("2", "(missing)"), ..open };
        let found = differences(&[made], &[other]);
        assert!(matches!(&found[0].1, Difference::Fields(fields) if fields.len() == 1), "{found:?}");
    }

    #[test]
    fn each_kind_of_difference_is_told_and_equal_nodes_are_not() {
        let same = state("same", Some(&[("command[0]", "cc")]), &[("out", "1")]);
        let first = [
            state("gone", Some(&[]), &[]),
            same.clone(),
            state("edited", Some(&[("input a", "1"), ("tool cc", "x")]), &[]),
            state("unstable", Some(&[("command[0]", "date")]), &[("out", "1")]),
            state("lost", None, &[]),
            state("half", Some(&[("command[0]", "cc")]), &[("out", "1")]),
        ];
        let second = [
            state("new", Some(&[]), &[]),
            same,
            state("edited", Some(&[("input a", "2"), ("tool cc", "x")]), &[]),
            state("unstable", Some(&[("command[0]", "date")]), &[("out", "2")]),
            state("lost", Some(&[]), &[]),
            state("half", Some(&[("command[0]", "cc")]), &[]),
        ];
        let change = |field: &str, old: &str, new: &str| {
            vec![FieldChange { field: field.into(), old: Some(old.into()), new: Some(new.into()) }]
        };
        assert_eq!(
            differences(&first, &second),
            [
                ("new".to_owned(), Difference::OnlySecond),
                ("edited".to_owned(), Difference::Fields(change("input a", "1", "2"))),
                ("unstable".to_owned(), Difference::Outputs(change("out", "1", "2"))),
                ("lost".to_owned(), Difference::Unknown),
                ("gone".to_owned(), Difference::OnlyFirst),
            ]
        );
    }
}
