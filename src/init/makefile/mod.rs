//! A Makefile as a pipeline: a node for each target, and in plain words what could not be carried over.
//!
//! The file is read, and nothing in it is executed: `make -pn` would run every `$(shell …)`. What make decides while it
//! runs (variables of the caller, conditions, globs) is decided here once, and said in the text.

mod budget;
mod functions;
mod nodes;
mod read;
mod recipe;
mod variables;

use std::fmt::Write as _;

use crate::ci::yaml::{Yaml, scalar};
pub use crate::init::makefile::budget::TooLarge;
use crate::init::makefile::nodes::Node;
pub use crate::init::makefile::variables::Tree;

/// What became of a Makefile.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The text of the pipeline, without its first lines.
    pub text: String,
    /// How many nodes it has.
    pub nodes: usize,
    /// How many things could not be carried over.
    pub left_out: usize,
}

/// Makes a pipeline of the text of a Makefile, called `file`, in a project that has the files of `tree`.
///
/// # Errors
/// If it comes to more than a Makefile that somebody wrote.
pub fn convert(file: &str, name: &str, text: &str, tree: &Tree) -> Result<Converted, TooLarge> {
    let mut makefile = read::read(text, tree);
    let (nodes, goal) = nodes::nodes(&mut makefile);
    if makefile.variables.budget.is_spent() {
        return Err(TooLarge);
    }
    let mut remarks: Vec<String> =
        makefile.left_out.iter().map(|(line, what)| format!("line {line}: {what}")).collect();
    remarks.extend(makefile.variables.remarks.iter().cloned());
    let hidden: Vec<&str> = nodes.iter().filter(|node| node.run.hides_headers).map(|node| node.name.as_str()).collect();
    if !hidden.is_empty() {
        remarks.push(format!(
            "headers that are no prerequisites are not seen by {}: give the compiler `-MMD` and the node `depfile:`",
            hidden.join(", ")
        ));
    }
    let mut out = format!(
        "# Made from `{file}` by `ocelot init`. From here on this file is the build; the Makefile may stay or go.\n"
    );
    out.push_str(
        "# A command gets PATH, HOME, TMPDIR and what `env:` says, and no other variable. What it reads has to be among its\n\
         # `inputs:`; `ocelot run --sandbox` shows what is missing.\n",
    );
    if remarks.is_empty() {
        out.push_str("# Everything was carried over.\n");
    } else {
        out.push_str("#\n# Not carried over, or not as make has it:\n");
    }
    for remark in &remarks {
        comment(&mut out, "", "- ", remark);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "name: {}", scalar(name));
    if let Some(goal) = goal {
        let _ = writeln!(out, "default: [{}]", scalar(&goal));
    }
    out.push_str(if nodes.is_empty() { "\nnodes: {}\n" } else { "\nnodes:" });
    for node in &nodes {
        write_node(&mut out, file, node);
    }
    let of_nodes: usize = nodes.iter().map(|node| node.remarks.len()).sum();
    Ok(Converted { text: out, nodes: nodes.len(), left_out: remarks.len() + of_nodes })
}

/// Writes a comment that cannot end early, whatever stands in the Makefile.
fn comment(out: &mut String, indent: &str, mark: &str, text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() || c == '\u{2028}' { ' ' } else { c }).collect();
    let _ = writeln!(out, "{indent}# {mark}{text}");
}

fn write_node(out: &mut String, file: &str, node: &Node) {
    out.push('\n');
    let place =
        if node.line == 0 { "a rule that make knows by itself".to_owned() } else { format!("{file}:{}", node.line) };
    comment(out, "  ", "", &place);
    for remark in &node.remarks {
        comment(out, "  ", "", remark);
    }
    let _ = writeln!(out, "  {}:", scalar(&node.name));
    if let Some(members) = &node.group {
        let _ = writeln!(out, "    group: {}", flow(members));
        return;
    }
    if !node.after.is_empty() {
        let _ = writeln!(out, "    after: {}", flow(&node.after));
    }
    out.push_str("    exec:\n");
    write_command(out, &node.run.command);
    for (key, paths) in [("inputs", &node.inputs), ("outputs", &node.outputs)] {
        if !paths.is_empty() {
            let _ = writeln!(out, "      {key}: {}", flow(paths));
        }
    }
    for (key, path) in [("stdout", &node.run.stdout), ("depfile", &node.run.depfile)] {
        if let Some(path) = path {
            let _ = writeln!(out, "      {key}: {}", scalar(path));
        }
    }
    if !node.env.is_empty() {
        let pairs: Vec<String> =
            node.env.iter().map(|(name, value)| format!("{}: {}", scalar(name), scalar(&literal(value)))).collect();
        let _ = writeln!(out, "      env: {{{}}}", pairs.join(", "));
    }
    if node.is_volatile {
        out.push_str("      # Make runs it every time; without this line it runs when an input has changed.\n");
        out.push_str("      class: volatile\n");
    }
}

/// A text in which `${` stands for itself.
fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A script of several lines stands as such; all else on one line.
fn write_command(out: &mut String, command: &[String]) {
    match command.split_last() {
        Some((script, program)) if script.contains('\n') => {
            let items = program.iter().map(|word| Yaml::text(word.as_str()));
            let list = Yaml::List(items.chain([Yaml::Lines(script.clone())]).collect());
            out.push_str("      command:\n");
            for line in list.render().lines() {
                let _ = writeln!(out, "        {line}");
            }
        }
        _ => {
            let _ = writeln!(out, "      command: {}", flow(command));
        }
    }
}

fn flow(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| scalar(word)).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
