//! Targets: which instances a run is asked for, and everything they need.

use thiserror::Error;

use crate::base::id::NodeId;
use crate::base::suggest;
use crate::graph::node::{Graph, Node};

/// A target that names no instance.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectError {
    /// No node of this name.
    #[error("unknown target `{name}`{}", near.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// As given.
        name: String,
        /// A name like it.
        near: Option<String>,
    },
    /// The node exists in the file, not in this run.
    #[error("`{name}` has no instance in this run, because `{param}` is false")]
    Absent {
        /// The node.
        name: String,
        /// The parameter of its `when:`.
        param: String,
    },
    /// The brackets do not fit the node's axes.
    #[error("`{target}`: {problem}")]
    Pattern {
        /// As given.
        target: String,
        /// What does not fit.
        problem: String,
    },
}

/// The instances that the targets name, in order, each once. No targets: the pipeline's default, or all.
///
/// # Errors
/// The first target that names nothing.
pub fn select(graph: &Graph, targets: &[String]) -> Result<Vec<NodeId>, SelectError> {
    let mut chosen = vec![false; graph.nodes.len()];
    if targets.is_empty() && graph.default_targets.is_empty() {
        return Ok(graph.ids().collect());
    }
    if targets.is_empty() {
        for target in &graph.default_targets {
            // A default that is switched off in this run asks for nothing.
            match select_one(graph, target) {
                Ok(ids) => ids.iter().for_each(|id| chosen[id.index()] = true),
                Err(SelectError::Absent { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    for target in targets {
        select_one(graph, target)?.iter().for_each(|id| chosen[id.index()] = true);
    }
    Ok(graph.ids().filter(|id| chosen[id.index()]).collect())
}

/// The instances that one target names.
///
/// # Errors
/// If there is none.
pub fn select_one(graph: &Graph, target: &str) -> Result<Vec<NodeId>, SelectError> {
    if let Some(id) = graph.find(target) {
        return Ok(vec![id]);
    }
    let (base, pattern) = match target.split_once('[') {
        Some((base, rest)) => match rest.strip_suffix(']') {
            Some(inner) => (base, Some(inner)),
            None => return Err(pattern_error(target, "`[` is not closed")),
        },
        None => (target, None),
    };
    let Some(axes) = graph.axes.get(base) else {
        if let Some(param) = graph.absent.get(base) {
            return Err(SelectError::Absent { name: base.to_owned(), param: param.clone() });
        }
        let near = suggest::closest(base, graph.axes.keys().map(String::as_str)).map(str::to_owned);
        return Err(SelectError::Unknown { name: target.to_owned(), near });
    };
    let ids = || graph.ids().filter(|id| graph.node(*id).base == base);
    let Some(pattern) = pattern else { return Ok(ids().collect()) };
    let wanted = parse_pattern(target, pattern, axes, &ids().map(|id| graph.node(id).as_ref()).collect::<Vec<_>>())?;
    let fits = |node: &Node| wanted.iter().zip(&node.values).all(|(want, value)| want.is_none_or(|want| want == value));
    let found: Vec<NodeId> = ids().filter(|id| fits(graph.node(*id))).collect();
    if found.is_empty() {
        return Err(no_such_value(target, &wanted, axes, graph, base));
    }
    Ok(found)
}

/// The wanted value of each axis; `None` is any.
fn parse_pattern<'a>(
    target: &str,
    pattern: &'a str,
    axes: &[String],
    instances: &[&Node],
) -> Result<Vec<Option<&'a str>>, SelectError> {
    let parts: Vec<&str> = pattern.split(',').map(str::trim).collect();
    let mut wanted = vec![None; axes.len()];
    if parts.iter().any(|part| part.contains('=')) {
        for part in parts {
            let Some((axis, value)) = part.split_once('=') else {
                return Err(pattern_error(target, "write either all as `axis=value` or none"));
            };
            let Some(at) = axes.iter().position(|a| a == axis) else {
                let near = did_you_mean(axis, axes.iter().map(String::as_str));
                return Err(pattern_error(target, &format!("no axis `{axis}`; it has {}{near}", axes.join(", "))));
            };
            wanted[at] = (value != "*").then_some(value);
        }
        return Ok(wanted);
    }
    if parts.len() == axes.len() {
        return Ok(parts.into_iter().map(|part| (part != "*").then_some(part)).collect());
    }
    if let [value] = parts[..] {
        let fitting: Vec<usize> =
            (0..axes.len()).filter(|&at| instances.iter().any(|node| node.values[at] == value)).collect();
        return match fitting[..] {
            [at] => {
                wanted[at] = Some(value);
                Ok(wanted)
            }
            [] => {
                let values = instances.iter().flat_map(|node| node.values.iter().map(String::as_str));
                let near = did_you_mean(value, values);
                Err(pattern_error(target, &format!("`{value}` is no value of {}{near}", axes.join(", "))))
            }
            _ => Err(pattern_error(target, &format!("`{value}` fits several axes; write `axis={value}`"))),
        };
    }
    let count = axes.len();
    Err(pattern_error(target, &format!("expected {count} values ({}), found {}", axes.join(", "), parts.len())))
}

/// What is said at the end of a message of a word that is like one of these.
fn did_you_mean<'v>(word: &str, values: impl Iterator<Item = &'v str>) -> String {
    suggest::closest(word, values).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn no_such_value(target: &str, wanted: &[Option<&str>], axes: &[String], graph: &Graph, base: &str) -> SelectError {
    for (at, want) in wanted.iter().enumerate() {
        let mut values: Vec<&str> =
            graph.nodes.iter().filter(|node| node.base == base).map(|node| node.values[at].as_str()).collect();
        values.sort_unstable();
        values.dedup();
        if let Some(want) = want
            && !values.contains(want)
        {
            let near = did_you_mean(want, values.iter().copied());
            let problem =
                format!("`{want}` is no value of `{}` in this run; it has {}{near}", axes[at], values.join(", "));
            return pattern_error(target, &problem);
        }
    }
    pattern_error(target, "no instance has these values together")
}

fn pattern_error(target: &str, problem: &str) -> SelectError {
    SelectError::Pattern { target: target.to_owned(), problem: problem.to_owned() }
}

/// The targets and everything they depend on.
pub fn closure(graph: &Graph, targets: &[NodeId]) -> Vec<bool> {
    let mut wanted = vec![false; graph.nodes.len()];
    for target in targets {
        wanted[target.index()] = true;
    }
    // Dependencies have lower ids: one pass from the end sees every node after all its dependents.
    for id in graph.ids().rev() {
        if wanted[id.index()] {
            for dep in graph.node(id).deps() {
                wanted[dep.index()] = true;
            }
        }
    }
    wanted
}
