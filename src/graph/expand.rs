//! From the nodes of a file to instances: axes, `when:`, and the names of instances.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::base::code;
use crate::base::diag::{Diagnostic, quoted};
use crate::base::suggest;
use crate::graph::elsewhere::Elsewhere;
use crate::graph::kinds;
use crate::graph::scope::{ParamValue, Params, Scope};
use crate::spec::pipeline::NodeFile;

/// The instances of one node of the file.
pub(in crate::graph) struct Instances<'a> {
    /// The node as written.
    pub(in crate::graph) file: &'a NodeFile,
    /// Its axes in `for` order.
    pub(in crate::graph) axes: Vec<String>,
    /// The values of each instance, in `for` order.
    pub(in crate::graph) values: Vec<Vec<String>>,
    /// The number of the first instance; the others follow.
    pub(in crate::graph) first: usize,
}

impl Instances<'_> {
    /// What `${}` may read in the `i`-th instance.
    pub(in crate::graph) fn scope<'b>(&'b self, params: &'b Params, i: usize) -> Scope<'b> {
        let axes = self.axes.iter().map(String::as_str).zip(self.values[i].iter().map(String::as_str)).collect();
        Scope { params, axes }
    }
}

/// `collector[minimal,arm64]`.
pub(in crate::graph) fn instance_name(base: &str, values: &[String]) -> String {
    if values.is_empty() { base.to_owned() } else { format!("{base}[{}]", values.join(",")) }
}

/// Which nodes of the file exist in this run, and their instances, in file order; the rest with the parameter that
/// switched them off.
pub(in crate::graph) type Expanded<'a> = (IndexMap<&'a str, Instances<'a>>, BTreeMap<String, String>);

/// Expands every node. Every problem found with axes and `when:` is added to `errors`; such nodes have no instances.
pub(in crate::graph) fn expand<'a>(
    nodes: &'a IndexMap<String, NodeFile>,
    params: &Params,
    elsewhere: &Elsewhere<'a>,
    errors: &mut Vec<Diagnostic>,
) -> Expanded<'a> {
    let absent = find_absent(nodes, params, elsewhere, errors);
    let mut expanded = IndexMap::new();
    let mut first = 0;
    for (name, file) in nodes.iter().filter(|(name, _)| !absent.contains_key(*name)) {
        match axes_of(file, params) {
            Ok((axes, lists)) => {
                let values = product(&lists);
                let count = values.len();
                expanded.insert(name.as_str(), Instances { file, axes, values, first });
                first += count;
            }
            Err(error) => errors.extend(error),
        }
    }
    (expanded, absent)
}

/// Nodes whose own `when:` is false, or that strictly need one that is absent.
fn find_absent<'a>(
    nodes: &'a IndexMap<String, NodeFile>,
    params: &Params,
    elsewhere: &Elsewhere<'a>,
    errors: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let mut absent = BTreeMap::new();
    let mut referrers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, file) in nodes {
        let fields = kinds::references(file);
        for reference in fields.iter().filter(|field| !field.tolerant).flat_map(|field| field.references) {
            referrers.entry(&reference.node.value).or_default().push(name);
        }
        let Some(when) = &file.when else { continue };
        match params.get(&when.value) {
            Some(ParamValue::Text(text)) if text == "true" => {}
            Some(ParamValue::Text(text)) if text == "false" => {
                absent.insert(name.clone(), when.value.clone());
            }
            Some(value) => {
                let value = match value {
                    ParamValue::Text(text) => format!("its value is {}", quoted(text)),
                    ParamValue::List(_) => "it is a list".to_owned(),
                    ParamValue::Unknown { message, .. } => message.clone(),
                };
                errors.push(
                    Diagnostic::error(
                        code::NOT_BOOLEAN,
                        format!("`when: {}` needs a parameter that is `true` or `false`", when.value),
                    )
                    .label(when.span, value),
                );
            }
            None if when.value == "true" || when.value == "false" => errors.push(
                Diagnostic::error(
                    code::NOT_BOOLEAN,
                    format!("`when:` takes the name of a parameter, not `{}`", when.value),
                )
                .label(when.span, "expected a name")
                .help("leave `when:` out, or declare a parameter and name it here"),
            ),
            None => {
                let error = Diagnostic::error(code::UNKNOWN_PARAM, format!("unknown parameter `{}`", when.value))
                    .label(when.span, "`when:` names a boolean parameter");
                errors.push(match suggest::closest(&when.value, params.keys().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("declare it: `params: {{{}: {{default: true}}}}`", when.value)),
                });
            }
        }
    }
    if absent.is_empty() {
        return absent;
    }
    let readers = elsewhere.readers();
    let mut queue: Vec<String> = absent.keys().cloned().collect();
    while let Some(gone) = queue.pop() {
        let why = absent[&gone].clone();
        let orphans = readers.orphans(&gone, |node| absent.contains_key(node));
        for &referrer in referrers.get(gone.as_str()).into_iter().flatten().chain(&orphans) {
            if !absent.contains_key(referrer) {
                absent.insert(referrer.to_owned(), why.clone());
                queue.push(referrer.to_owned());
            }
        }
    }
    absent
}

type Axes = (Vec<String>, Vec<Vec<String>>);

/// The axes of a node and the values of each.
fn axes_of(file: &NodeFile, params: &Params) -> Result<Axes, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let (mut axes, mut lists) = (Vec::new(), Vec::new());
    for axis in &file.axes.items {
        let name = &axis.value;
        if axes.contains(name) {
            errors.push(
                Diagnostic::error(code::AXIS_VALUES, format!("axis `{name}` stands twice in `for:`"))
                    .label(axis.span, "again here"),
            );
            continue;
        }
        match params.get(name) {
            Some(ParamValue::List(values)) if values.is_empty() => errors.push(
                Diagnostic::error(code::AXIS_VALUES, format!("axis `{name}` has no values"))
                    .label(axis.span, "one instance per value would be no instance")
                    .help(format!("set it: `--set {name}=VALUE`")),
            ),
            Some(ParamValue::List(values)) => {
                let mut unique: Vec<String> = Vec::with_capacity(values.len());
                for value in values {
                    if !unique.contains(value) {
                        unique.push(value.clone());
                    }
                }
                axes.push(name.clone());
                lists.push(unique);
            }
            Some(ParamValue::Text(_)) => errors.push(
                Diagnostic::error(
                    code::UNKNOWN_AXIS,
                    format!("parameter `{name}` is not a list, so it cannot be an axis"),
                )
                .label(axis.span, "an axis needs a list parameter")
                .help(format!("write its default as a list: `{name}: {{default: [VALUE]}}`")),
            ),
            Some(ParamValue::Unknown { message, help }) => {
                errors.push(
                    Diagnostic::error(code::PARAM_WITHOUT_VALUE, message)
                        .label(axis.span, "needed for this axis")
                        .help(help),
                );
            }
            None => {
                let error = Diagnostic::error(code::UNKNOWN_AXIS, format!("unknown axis `{name}`"))
                    .label(axis.span, "an axis is a list parameter");
                errors.push(match suggest::closest(name, params.keys().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help(format!("declare it: `params: {{{name}: {{default: [VALUE]}}}}`")),
                });
            }
        }
    }
    if errors.is_empty() { Ok((axes, lists)) } else { Err(errors) }
}

/// Every combination, the last axis varying fastest; one empty combination for no axes.
fn product(lists: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut out = vec![Vec::new()];
    for list in lists {
        out = out
            .iter()
            .flat_map(|head: &Vec<String>| {
                list.iter().map(move |value| {
                    let mut combination = head.clone();
                    combination.push(value.clone());
                    combination
                })
            })
            .collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_vary_the_last_axis_fastest() {
        let lists = [vec!["a".to_owned(), "b".to_owned()], vec!["1".to_owned(), "2".to_owned()]];
        let names: Vec<String> = product(&lists).iter().map(|values| instance_name("n", values)).collect();
        assert_eq!(names, ["n[a,1]", "n[a,2]", "n[b,1]", "n[b,2]"]);
        assert_eq!(product(&[]), [Vec::<String>::new()]);
    }
}
