//! Fields at the wrong level of a pipeline file, and values in place of maps: what was probably meant. Pure.

use crate::base::diag::Diagnostic;
use crate::spec::yaml::{Tree, Value};

/// Fields of every node.
const OF_NODES: [&str; 7] = ["for", "after", "pool", "timeout", "retries", "when", "description"];
/// Fields of `exec`, with which most pipelines begin.
const OF_EXEC: [&str; 12] = [
    "command",
    "inputs",
    "outputs",
    "stdout",
    "env",
    "pass-env",
    "secret-env",
    "tools",
    "dir",
    "depfile",
    "class",
    "sandbox",
];
const KINDS: [&str; 11] =
    ["exec", "clone", "resolve", "overlay", "build", "package", "check", "publish", "report", "release", "group"];

/// Adds to the problems of a pipeline file what to write instead, where the place tells.
pub fn explain(tree: &Tree<'_>, problems: &mut [Diagnostic]) {
    if tree.is_null() {
        for problem in problems {
            "the file is empty".clone_into(&mut problem.message);
            problem.labels.iter_mut().for_each(|label| "no nodes".clone_into(&mut label.text));
            problem.help.push("a pipeline has at least `nodes:` with one `NAME: {exec: {command: [...]}}`".to_owned());
        }
        return;
    }
    // What a letter or two would mend is better told already.
    let mut add = |span, help: String| {
        for problem in problems.iter_mut().filter(|problem| problem.span() == Some(span) && problem.help.is_empty()) {
            problem.help.push(help.clone());
        }
    };
    for entry in tree.entries() {
        if entry.value.entries().iter().any(|field| KINDS.contains(&field.key.as_str())) {
            add(entry.key.span(), format!("a node stands under `nodes:`: move `{}` there", entry.key.as_str()));
        }
    }
    for entry in tree.get("params").map(Tree::entries).unwrap_or_default() {
        let name = entry.key.as_str();
        let help = match entry.value.value() {
            Value::Seq(_) => format!("write `{name}: {{default: [...]}}`"),
            _ => format!("write `{name}: {{default: VALUE}}`"),
        };
        if entry.value.entries().is_empty() {
            add(entry.value.span(), help);
        }
    }
    if let Some(pools) = tree.get("pools").filter(|pools| !pools.items().is_empty()) {
        let names = pools.items().iter().filter_map(Tree::as_str).map(|name| format!("{name}: 1"));
        add(pools.span(), format!("write how many run at once: `pools: {{{}}}`", names.collect::<Vec<_>>().join(", ")));
    }
    let Some(nodes) = tree.get("nodes") else { return };
    if let Value::Seq(_) = nodes.value() {
        add(nodes.span(), "nodes have their names as keys: `NAME: {exec: {command: [...]}}`, without `-`".to_owned());
    }
    for node in nodes.entries() {
        if let Some(text) = node.value.as_str() {
            let words = text.split_whitespace().collect::<Vec<_>>().join(", ");
            add(node.value.span(), format!("write `{}: {{exec: {{command: [{words}]}}}}`", node.key.as_str()));
        }
        for field in node.value.entries() {
            let name = field.key.as_str();
            if OF_EXEC.contains(&name) {
                add(field.key.span(), format!("`{name}` is a field of `exec:`: move it there"));
            }
            if !KINDS.contains(&name) {
                continue;
            }
            for inner in field.value.entries().iter().filter(|inner| OF_NODES.contains(&inner.key.as_str())) {
                let inner = &inner.key;
                add(
                    inner.span(),
                    format!("`{0}` is a field of the node: move it out of `{name}:`, beside it", inner.as_str()),
                );
            }
        }
        let exec = node.value.get("exec");
        let env = exec.and_then(|exec| exec.get("env"));
        if let Some((env, Some((name, value)))) = env.and_then(|env| {
            let first = env.items().first()?;
            Some((env, first.as_str()?.split_once('=')))
        }) {
            add(env.span(), format!("write a map: `{{{name}: {value}}}`"));
        }
    }
    for node in nodes.entries() {
        let command = node.value.get("exec").and_then(|exec| exec.get("command"));
        if let Some((command, text)) = command.and_then(|command| Some((command, command.as_str()?))) {
            let words = text.split_whitespace().collect::<Vec<_>>().join(", ");
            let help = if text.contains(['\'', '"', '|', '&', ';', '<', '>', '$', '*', '`']) {
                "there is no shell: write the words as a list, or name one, `[sh, -c, '...']`".to_owned()
            } else {
                format!("there is no shell: write the words as a list, `[{words}]`")
            };
            for problem in problems.iter_mut().filter(|problem| problem.span() == Some(command.span())) {
                problem.help = vec![help.clone()];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::pipeline::{ExecFile, NodeFile};

    #[test]
    fn the_fields_are_those_of_the_types() {
        let fields = |schema: schemars::Schema| {
            let mut names: Vec<String> =
                schema.get("properties").unwrap().as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(fields(schemars::schema_for!(ExecFile)), sorted(&OF_EXEC));
        assert_eq!(fields(schemars::schema_for!(NodeFile)), sorted(&[&OF_NODES[..], &KINDS[..]].concat()));
    }
}
