//! Declared outputs: no two overlap, none is also a source, and an `exec` input that is one makes an edge.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};

use crate::base::diag::Diagnostic;
use crate::base::rel_path;
use crate::graph::build::Draft;
use crate::graph::node::{Kind, Role};

/// Compiles a glob as the language defines it: `*` stays within a folder, hidden files match.
///
/// # Errors
/// The library's words for what is wrong with it.
pub fn compile_glob(glob: &str) -> Result<GlobMatcher, String> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| error.kind().to_string())
}

/// Checks outputs and adds an edge for every input path that another node declares as output.
///
/// # Errors
/// All problems found.
pub(in crate::graph) fn check_and_join(drafts: &mut [Draft]) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut producers: BTreeMap<String, usize> = BTreeMap::new();
    for (position, draft) in drafts.iter().enumerate() {
        for output in draft.node.outputs() {
            if output == "./" {
                errors.push(
                    Diagnostic::error("the whole project cannot be an output")
                        .label(draft.span, "declared by this node"),
                );
            } else if let Some(other) = producers.insert(output.to_owned(), position)
                && other != position
            {
                errors.push(twice(output, &drafts[other], draft));
            }
        }
    }
    for (output, position) in &producers {
        for parent in rel_path::parents(output) {
            if let Some(other) = producers.get(parent) {
                errors.push(
                    Diagnostic::error(format!("output `{output}` lies inside output `{parent}`"))
                        .label(drafts[*position].span, format!("declares `{output}`"))
                        .secondary(drafts[*other].span, format!("`{}` declares `{parent}`", drafts[*other].node.name)),
                );
            }
        }
        let as_folder = format!("{output}/");
        if let Some(other) = producers.get(&as_folder) {
            errors.push(twice(output, &drafts[*other], &drafts[*position]));
        }
    }
    let mut edges = Vec::new();
    for (position, draft) in drafts.iter().enumerate() {
        let Kind::Exec(exec) = &draft.node.kind else { continue };
        match inputs_from_nodes(&exec.inputs, &producers, position) {
            Ok(found) => edges.push((position, found)),
            Err(problem) => errors.push(match problem {
                Problem::OwnOutput(path) => Diagnostic::error(format!("`{path}` is both an input and an output"))
                    .label(draft.span, "of this node")
                    .help("a node cannot read what it writes; give the result another path"),
                Problem::Glob(glob, why) => Diagnostic::error(format!("`{glob}` is not a glob")).label(draft.span, why),
            }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for (position, found) in edges {
        let known: Vec<usize> = drafts[position].edges.iter().map(|(to, _)| *to).collect();
        for (path, to) in found {
            // `after:` on the same node stays: order and content are two reasons.
            let _ = &known;
            drafts[position].edges.push((to, Role::Path(path)));
        }
    }
    Ok(())
}

fn twice(output: &str, first: &Draft, second: &Draft) -> Diagnostic {
    Diagnostic::error(format!("`{output}` is the output of two nodes"))
        .label(second.span, format!("`{}` declares it", second.node.name))
        .secondary(first.span, format!("`{}` declares it too", first.node.name))
        .help("every path has one producer; with `for:`, put the axis into the path: `${arch}`")
}

enum Problem {
    OwnOutput(String),
    Glob(String, String),
}

/// The declared outputs of other nodes that these inputs name, with their producers, each once.
fn inputs_from_nodes(
    inputs: &[String],
    producers: &BTreeMap<String, usize>,
    own: usize,
) -> Result<BTreeMap<String, usize>, Problem> {
    let mut found = BTreeMap::new();
    for input in inputs.iter().filter(|input| !input.starts_with('!')) {
        if rel_path::is_glob(input) {
            let glob = compile_glob(input).map_err(|why| Problem::Glob(input.clone(), why))?;
            let prefix = rel_path::literal_prefix(input);
            for (output, to) in under(producers, prefix).filter(|(_, to)| *to != own) {
                // A folder output matches when something inside it could.
                let inside =
                    output.ends_with('/') && (glob.is_match(output.trim_end_matches('/')) || input.contains("**"));
                if inside || glob.is_match(output) {
                    found.insert(output.to_owned(), to);
                }
            }
            continue;
        }
        let bare = input.trim_end_matches('/');
        let folder = format!("{bare}/");
        let exact = producers.get_key_value(bare).or_else(|| producers.get_key_value(folder.as_str()));
        let around = || rel_path::parents(bare).find_map(|parent| producers.get_key_value(parent));
        match exact.or_else(around) {
            Some((output, to)) if *to == own => return Err(Problem::OwnOutput(output.clone())),
            // The path inside a folder output is kept: only that file is the input.
            Some((_, to)) => {
                found.insert(input.clone(), *to);
            }
            None => found.extend(
                under(producers, if folder == "./" { "" } else { &folder })
                    .filter(|(_, to)| *to != own)
                    .map(|(output, to)| (output.to_owned(), to)),
            ),
        }
    }
    let excluded: Vec<&str> = inputs.iter().filter_map(|input| input.strip_prefix('!')).collect();
    for exclude in excluded {
        if rel_path::is_glob(exclude) {
            let glob = compile_glob(exclude).map_err(|why| Problem::Glob(exclude.to_owned(), why))?;
            found.retain(|path, _| !glob.is_match(path));
        } else {
            let folder = format!("{}/", exclude.trim_end_matches('/'));
            found.retain(|path, _| path != exclude && !path.starts_with(&folder));
        }
    }
    Ok(found)
}

fn under<'a>(producers: &'a BTreeMap<String, usize>, prefix: &'a str) -> impl Iterator<Item = (&'a str, usize)> {
    producers
        .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
        .take_while(move |(output, _)| output.starts_with(prefix))
        .map(|(output, to)| (output.as_str(), *to))
}
