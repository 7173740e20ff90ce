//! From files to a graph, with every problem shown at its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::base::code;
use crate::base::diag::{self, Diagnostic, SourceMap};
use crate::base::rel_path;
use crate::graph::build::{self, Pipeline};
use crate::graph::declared::covers;
use crate::graph::elsewhere::Choices;
use crate::graph::node::{Graph, Node};
use crate::graph::scope::Params;
use crate::project::around::{Around, DISTRIBUTIONS, Found};
use crate::project::lock::Lock;
use crate::project::params::{self, ParamErrors, Sets, Words};
use crate::project::texts::find_text;
use crate::spec::config::DistributionsFile;
use crate::spec::misplaced;
use crate::spec::pipeline::{NodeFile, PipelineFile};
use crate::spec::value::Text;
use crate::spec::yaml::{Limits, decode, parse};

/// A loaded project.
pub struct Loaded {
    /// The graph.
    pub graph: Graph,
    /// Every file read, relative to the root; absent ones too.
    pub read: Vec<String>,
    /// Variables consulted.
    pub env: Vec<&'static str>,
    /// The lock.
    pub lock: Lock,
    /// The pipeline, its includes added.
    pub file: PipelineFile,
    /// What each parameter with choices could be.
    pub choices: Choices,
    /// Values of the parameters.
    pub params: Params,
    /// The texts, for later messages.
    pub sources: SourceMap,
    /// Places of the nodes' keys.
    pub node_spans: BTreeMap<String, diag::Span>,
    /// The distributions files that were read, by path.
    pub distributions: BTreeMap<String, DistributionsFile>,
}

/// Why a project could not be loaded.
#[derive(Debug)]
pub struct LoadError {
    /// The texts that the places are in.
    pub sources: SourceMap,
    /// What is wrong, in order.
    pub diagnostics: Vec<Diagnostic>,
}

impl LoadError {
    fn new(sources: SourceMap, mut diagnostics: Vec<Diagnostic>) -> Self {
        diag::sort(&mut diagnostics);
        // Instances of one node mostly have the same problems.
        let mut told = BTreeSet::new();
        diagnostics.retain(|problem| told.insert((problem.span(), problem.message.clone())));
        Self { sources, diagnostics }
    }

    /// The text for a terminal.
    pub fn render(&self, color: bool) -> String {
        diag::render(&self.sources, &self.diagnostics, color)
    }
}

/// What a project is loaded under.
pub struct Request<'a> {
    /// The project root.
    pub root: &'a Path,
    /// The pipeline, relative to the root.
    pub file: &'a str,
    /// `--set` and the flags that are parameters.
    pub sets: &'a Sets,
    /// `--lock FILE`.
    pub lock: Option<&'a str>,
    /// The caller's environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Whether files are read too that the pipeline does not use.
    pub everything: bool,
}

/// Variables that can name the caller's region.
const REGION_VARIABLES: [&str; 5] = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_CONFIG_FILE", "HOME"];

/// Set to `true` by GitHub Actions.
const GITHUB_ACTIONS: &str = "GITHUB_ACTIONS";

/// Loads a project.
///
/// # Errors
/// All problems of all its files.
pub fn load(request: &Request<'_>) -> Result<Loaded, LoadError> {
    let mut sources = SourceMap::default();
    let mut read = Vec::new();
    let mut problems = Vec::new();
    let pipeline =
        read_pipeline(request.root, request.file, &mut sources, &mut read).map_err(|found| problems.extend(found)).ok();
    let lock = Lock::read(request.root, request.lock, &mut sources)
        .map_err(|found| problems.extend(found))
        .unwrap_or_default();
    read.extend(lock.read.iter().cloned());
    let around = Around::new(request.root, &lock, request.sets, is_in_actions(request.env), sources);
    let built = pipeline.as_ref().map(|pipeline| {
        resolve_params(&pipeline.file, request, &around).and_then(|(params, choices)| {
            build::build(pipeline, &params, &choices, &around).map(|graph| (params, choices, graph))
        })
    });
    if request.everything {
        around.read_everything();
    }
    let read_around = around.finish();
    let sources = read_around.sources;
    read.extend(read_around.read);
    problems.extend(read_around.problems);
    if let (Some(pipeline), Some(Ok((_, _, graph)))) = (&pipeline, &built) {
        problems.extend(overwritten(pipeline, graph, &read, &sources));
    }
    match (pipeline, built) {
        (Some(pipeline), Some(Ok((params, choices, mut graph)))) if problems.is_empty() => {
            if graph.name.is_empty() {
                // Receipts are kept by pipeline: two without a name are still two.
                graph.name = Path::new(request.file).with_extension("").to_string_lossy().into_owned();
            }
            Ok(Loaded {
                graph,
                read,
                env: env_used(&params, &pipeline.file),
                lock,
                file: pipeline.file,
                choices,
                params,
                sources,
                node_spans: pipeline.node_spans,
                distributions: read_around.distributions,
            })
        }
        (_, built) => {
            problems.extend(built.and_then(Result::err).into_iter().flatten());
            Err(LoadError::new(sources, problems))
        }
    }
}

/// Outputs at the place of a file that the graph is made from: they would be removed before the node runs.
fn overwritten(pipeline: &Pipeline, graph: &Graph, read: &[String], sources: &SourceMap) -> Vec<Diagnostic> {
    let problem = |node: &Arc<Node>, output: &str| {
        let file = read.iter().find(|file| covers(output, file))?;
        let key = pipeline.node_spans.get(&node.base).copied().unwrap_or_default();
        let fields = ["outputs", "stdout", "output"];
        let at = find_text(sources, key, &node.base, &fields, output.trim_end_matches('/')).unwrap_or(key);
        let error = Diagnostic::error(code::OUTPUT_PLACE, format!("the output `{output}` would replace `{file}`"))
            .label(at, "old outputs are removed before a node runs")
            .note(format!("ocelot reads `{file}` to know what to do"));
        Some(error.help("give the output another path"))
    };
    let outputs = graph.nodes.iter().flat_map(|node| node.outputs().into_iter().map(move |output| (node, output)));
    outputs.filter_map(|(node, output)| problem(node, output)).collect()
}

fn env_used(params: &Params, file: &PipelineFile) -> Vec<&'static str> {
    let mut used = Vec::new();
    let leaves_it_open = |node: &NodeFile| node.check.as_ref().is_some_and(|check| check.smoke.is_none());
    if file.nodes.values().any(leaves_it_open) {
        used.push(GITHUB_ACTIONS);
    }
    let session = |name: &String| {
        file.params.get(name).is_some_and(|param| param.default.items.iter().any(|text| text.value == "session"))
    };
    if params.keys().any(session) {
        used.extend(REGION_VARIABLES);
    }
    used
}

/// Layers are published from there, so that one which was not started is none that is proven.
fn is_in_actions(env: &dyn Fn(&str) -> Option<String>) -> bool {
    env(GITHUB_ACTIONS).is_some_and(|value| value == "true")
}

/// Where a parameter's choices are what a word stands for.
fn choices_of_word<'a>(file: &'a PipelineFile, word: &str) -> Option<&'a Text> {
    let words = file.params.values().map(|param| &param.choices).filter(|choices| !choices.is_list);
    words.filter_map(|choices| choices.items.first()).find(|text| text.value == word)
}

fn resolve_params(
    file: &PipelineFile,
    request: &Request<'_>,
    around: &Around<'_>,
) -> Result<(Params, Choices), Vec<Diagnostic>> {
    let wanting = |word| choices_of_word(file, word);
    let distributions = match wanting("distributions").map(|text| (text, around.distribution_names(DISTRIBUTIONS))) {
        Some((text, Found::Absent)) => {
            return Err(vec![
                Diagnostic::error(
                    code::MISSING_CONFIG,
                    format!("the distributions file `{DISTRIBUTIONS}` does not exist"),
                )
                .label(text.span, "the names in it are the choices")
                .help("create it, or list the choices here"),
            ]);
        }
        Some((_, Found::Read(names))) => Some(names),
        Some((_, Found::Broken)) | None => None,
    };
    let session = params::session_region(request.env, &|path| {
        around.note_read(path);
        std::fs::read_to_string(path).ok()
    });
    let resolve = |words: &Words<'_>| {
        let values = params::resolve(&file.params, request.sets, words)?;
        Ok((values, params::choices(&file.params, words)))
    };
    let resolved = if wanting("regions").is_some() {
        around.with_regions(|regions| resolve(&Words { distributions, regions, session }))
    } else {
        resolve(&Words { distributions, regions: None, session })
    };
    resolved.map_err(|errors| match errors {
        ParamErrors::File(problems) => problems,
        ParamErrors::Set(error) => vec![Diagnostic::error(code::BAD_SET, error.to_string())],
    })
}

/// Reads a pipeline and its includes, each once.
fn read_pipeline(
    root: &Path,
    file: &str,
    sources: &mut SourceMap,
    read: &mut Vec<String>,
) -> Result<Pipeline, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut node_spans = BTreeMap::new();
    let mut merged: Option<PipelineFile> = None;
    let mut queue = vec![(file.to_owned(), None)];
    while let Some((name, asked)) = queue.pop() {
        if read.contains(&name) {
            continue;
        }
        read.push(name.clone());
        let bytes = match std::fs::read(root.join(&name)) {
            Ok(bytes) => bytes,
            Err(error) => {
                let problem = match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        Diagnostic::error(code::MISSING_PIPELINE, format!("`{name}` does not exist"))
                            .help("paths are relative to the project root, also in an included file")
                    }
                    _ => Diagnostic::error(code::UNREADABLE_CONFIG, format!("cannot read `{name}`: {error}")),
                };
                problems.push(match asked {
                    Some(span) => problem.label(span, "included here"),
                    None => problem,
                });
                continue;
            }
        };
        let source = match sources.add_bytes(name.as_str(), bytes) {
            Ok(source) => source,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let text = sources.get(source).map(|source| source.text.clone()).unwrap_or_default();
        let Some(tree) = parse(source, &text, &Limits::default(), &mut problems) else { continue };
        for entry in tree.get("nodes").map(|nodes| nodes.entries()).unwrap_or_default() {
            let span = entry.key.span();
            if let Some(first) = node_spans.insert(entry.key.as_str().to_owned(), span)
                && first.source != span.source
            {
                problems.push(
                    Diagnostic::error(code::NODE_TWICE, format!("node `{}` is defined twice", entry.key.as_str()))
                        .label(span, "again here")
                        .secondary(first, "first here"),
                );
            }
        }
        let before = problems.len();
        let found = decode::<PipelineFile>(&tree, &mut problems);
        misplaced::explain(&tree, &mut problems[before..]);
        let Some(found) = found else { continue };
        for text in &found.include.items {
            match rel_path::normalise(&text.value) {
                Ok(path) => queue.push((path, Some(text.span))),
                Err(problem) => problems.push(
                    Diagnostic::error(
                        code::OUTSIDE_PROJECT,
                        format!("{} is not a path inside the project", diag::quoted(&text.value)),
                    )
                    .label(text.span, problem)
                    .help("paths are relative to the project root and stay inside it"),
                ),
            }
        }
        match &mut merged {
            None => merged = Some(found),
            Some(whole) => {
                for (name, param) in found.params {
                    whole.params.entry(name).or_insert(param);
                }
                for (name, depth) in found.pools {
                    whole.pools.entry(name).or_insert(depth);
                }
                for (name, node) in found.nodes {
                    whole.nodes.entry(name).or_insert(node);
                }
            }
        }
    }
    match merged {
        Some(merged) if problems.is_empty() => {
            let stem = Path::new(file).file_stem().unwrap_or_default();
            Ok(Pipeline { file: merged, fallback_name: stem.to_string_lossy().into_owned(), node_spans })
        }
        _ => Err(problems),
    }
}
