//! Declared outputs: no two overlap, none is also a source, and an `exec` input that is one makes an edge.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobMatcher};

use crate::base::code;
use crate::base::diag::Diagnostic;
use crate::base::rel_path;
use crate::graph::build::Draft;
use crate::graph::elsewhere::Elsewhere;
use crate::graph::node::{Kind, Role};
use crate::graph::places;

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

/// Checks outputs and adds an edge for every input path that another node declares as output. The outputs that only
/// nodes of other runs declare are the result.
///
/// # Errors
/// All problems found.
pub(in crate::graph) fn check_and_join(
    drafts: &mut [Draft<'_>],
    elsewhere: &Elsewhere<'_>,
    absent: &BTreeMap<String, String>,
) -> Result<BTreeSet<String>, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut producers: BTreeMap<String, usize> = BTreeMap::new();
    for (position, draft) in drafts.iter().enumerate() {
        for output in draft.node.outputs() {
            if output == "./" {
                errors.push(
                    Diagnostic::error(code::OUTPUT_PLACE, "the whole project cannot be an output")
                        .label(places::of_output(draft, output), "the old output is removed before each run")
                        .help("name the folder or the files that the node makes"),
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
            // A file has no inside either.
            let found = [parent, parent.trim_end_matches('/')].map(|path| producers.get_key_value(path));
            if let Some((parent, other)) = found.into_iter().flatten().next() {
                let (inner, outer) = (&drafts[*position], &drafts[*other]);
                errors.push(
                    Diagnostic::error(code::OUTPUT_INSIDE, format!("output `{output}` lies inside output `{parent}`"))
                        .label(places::of_output(inner, output), format!("an output of `{}`", inner.node.name))
                        .secondary(
                            places::of_output(outer, parent),
                            format!("this whole folder is an output of `{}`", outer.node.name),
                        )
                        .help("every file has one producer: keep the two apart, or let one node make both"),
                );
            }
        }
        let as_folder = format!("{output}/");
        if let Some(other) = producers.get(&as_folder) {
            errors.push(twice(output, &drafts[*other], &drafts[*position]));
        }
    }
    let unmade = elsewhere.unmade(absent, |path| producers.contains_key(path));
    let mut edges = Vec::new();
    for (position, draft) in drafts.iter().enumerate() {
        let Kind::Exec(exec) = &draft.node.kind else { continue };
        let program = program_inside(&exec.command[0]);
        if !unmade.is_empty()
            && let Some((path, maker)) = made_elsewhere(&exec.inputs, program.as_deref(), &producers, &unmade)
        {
            errors
                .push(Diagnostic::error(code::NOT_MADE_HERE, format!("`{path}` is not made in this run")).label(draft.span, "reads it").help(
                format!(
                    "node `{maker}` makes it only under other parameters; what an earlier run left there is no source"
                ),
            ));
        }
        match inputs_from_nodes(&exec.inputs, program.as_deref(), &producers, position) {
            Ok(found) => edges.push((position, found)),
            Err(problem) => errors.push(problem.shown(draft)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for (position, found) in edges {
        // `after:` on the same node stays: order and content are two reasons.
        drafts[position].edges.extend(found.into_iter().map(|(path, to)| (to, Role::Path(path))));
    }
    Ok(unmade.into_keys().collect())
}

/// The first path that an `exec` names, that no node of this run makes, and that one would make under other parameters;
/// with that node.
fn made_elsewhere<'a>(
    inputs: &'a [String],
    program: Option<&'a str>,
    producers: &BTreeMap<String, usize>,
    unmade: &'a BTreeMap<String, String>,
) -> Option<(&'a str, &'a str)> {
    let inputs = inputs.iter().map(String::as_str).filter(|input| !input.starts_with('!') && !rel_path::is_glob(input));
    inputs.chain(program).find_map(|path| {
        let bare = path.trim_end_matches('/');
        let folder = format!("{bare}/");
        let around = || rel_path::parents(bare).chain([bare, folder.as_str()]);
        let maker = around()
            .find_map(|path| unmade.get(path))
            .filter(|_| !around().any(|path| producers.contains_key(path)))?;
        Some((path, maker.as_str()))
    })
}

fn twice(output: &str, first: &Draft<'_>, second: &Draft<'_>) -> Diagnostic {
    let error = Diagnostic::error(code::OUTPUT_TWICE, format!("`{output}` is the output of two nodes"));
    let (at, other) = (places::of_output(second, output), places::of_output(first, output));
    if at == other {
        let axis = second.scope.axes.last().map_or("arch", |(axis, _)| axis);
        return error
            .label(at, format!("of `{}` and of `{}`", first.node.name, second.node.name))
            .help(format!("every path has one producer: put the axis into the path, as `${{{axis}}}`"));
    }
    error
        .label(at, format!("an output of `{}`", second.node.name))
        .secondary(other, format!("an output of `{}` too", first.node.name))
        .help("every path has one producer: give one of them another path")
}

enum Problem {
    /// An input that is, or lies in, the second, which is an output of the same node.
    OwnOutput(String, String),
    /// An input that is no glob, and why.
    Glob(String, String),
}

impl Problem {
    fn shown(self, draft: &Draft<'_>) -> Diagnostic {
        match self {
            Self::OwnOutput(input, output) => {
                let message = if input == output.trim_end_matches('/') {
                    format!("`{input}` is both an input and an output")
                } else {
                    format!("the input `{input}` lies in the output `{output}` of the same node")
                };
                Diagnostic::error(code::READS_OWN_OUTPUT, message)
                    .label(places::of_input(draft, &input), "read here")
                    .secondary(places::of_output(draft, &output), "written here")
                    .help("a node cannot read what it writes; give the result another path")
            }
            Self::Glob(glob, why) => Diagnostic::error(code::BAD_GLOB, format!("`{glob}` is not a glob"))
                .label(places::of_input(draft, &glob), why),
        }
    }
}

/// A program that is named by a path in the project: it may be another node's output.
fn program_inside(program: &str) -> Option<String> {
    program.contains('/').then(|| rel_path::normalise(program).ok()).flatten()
}

/// Whether a glob could match something inside a folder (which ends in `/`).
pub(in crate::graph) fn reaches_into(glob: &str, folder: &str) -> bool {
    let mut parts = glob.split('/');
    for name in folder.trim_end_matches('/').split('/') {
        let Some(part) = parts.next() else { return false };
        // Braces may hold a `/`: what they match is not told by parts.
        if part == "**" || part.contains('{') {
            return true;
        }
        if !compile_glob(part).is_ok_and(|part| part.is_match(name)) {
            return false;
        }
    }
    parts.next().is_some()
}

/// The declared outputs of other nodes that these inputs name, with their producers, each once; `program` is one more
/// input, beyond the reach of `!`.
fn inputs_from_nodes(
    inputs: &[String],
    program: Option<&str>,
    producers: &BTreeMap<String, usize>,
    own: usize,
) -> Result<BTreeMap<String, usize>, Problem> {
    let mut found = BTreeMap::new();
    for input in inputs.iter().filter(|input| !input.starts_with('!')) {
        if rel_path::is_glob(input) {
            let glob = compile_glob(input).map_err(|why| Problem::Glob(input.clone(), why))?;
            let prefix = rel_path::literal_prefix(input);
            for (output, to) in under(producers, prefix).filter(|(_, to)| *to != own) {
                let whole = glob.is_match(output.trim_end_matches('/'));
                if whole || output.ends_with('/') && reaches_into(input, output) {
                    found.insert(output.to_owned(), to);
                }
            }
            // The glob may begin inside a folder output.
            let around = rel_path::parents(prefix).chain([prefix]).find_map(|folder| producers.get_key_value(folder));
            if let Some((output, to)) = around.filter(|(_, to)| **to != own) {
                found.insert(output.clone(), *to);
            }
            continue;
        }
        let bare = input.trim_end_matches('/');
        let folder = format!("{bare}/");
        let exact = producers.get_key_value(bare).or_else(|| producers.get_key_value(folder.as_str()));
        let around = || rel_path::parents(bare).find_map(|parent| producers.get_key_value(parent));
        match exact.or_else(around) {
            Some((output, to)) if *to == own => return Err(Problem::OwnOutput(bare.to_owned(), output.clone())),
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
    let around = |path| rel_path::parents(path).find_map(|parent| producers.get_key_value(parent));
    if let Some(path) = program
        && let Some((output, to)) = producers.get_key_value(path).or_else(|| around(path))
    {
        if *to == own {
            return Err(Problem::OwnOutput(path.to_owned(), output.clone()));
        }
        found.insert(path.to_owned(), *to);
    }
    Ok(found)
}

fn under<'a>(producers: &'a BTreeMap<String, usize>, prefix: &'a str) -> impl Iterator<Item = (&'a str, usize)> {
    producers
        .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
        .take_while(move |(output, _)| output.starts_with(prefix))
        .map(|(output, to)| (output.as_str(), *to))
}
