//! `verify LAYER --rebuild`: builds a layer once more from the lock and the files of this project, and holds what comes out
//! against the layer and its provenance.

use crate::action::result::{ActionResult, Content};
use crate::base::code;
use crate::base::id::NodeId;
use crate::cli::args::{HowArgs, SelectArgs, VerifyArgs};
use crate::cli::commands::run::{RunRequest, run_selection};
use crate::cli::commands::verify::fresh_copy;
use crate::cli::exit::{Exit, Stop};
use crate::cli::lock::lock_workspace;
use crate::cli::process::Process;
use crate::cli::selection::{self, Selection};
use crate::cli::sink;
use crate::cli::workspace::{self, Mode, Workspace};
use crate::event::Event;
use crate::graph::node::{Graph, Kind};
use crate::layer::hashes::Sha256Sum;
use crate::layer::provenance::{Difference, External, OUTPUT, Statement, differences};

/// The parameters of the shipped pipelines that choose a layer.
const DISTRIBUTION: &str = "distribution";
const ARCHITECTURE: &str = "arch";

/// `verify LAYER --rebuild`.
///
/// # Errors
/// If a file cannot be read, this project does not build that layer, or what comes out is another one.
pub(super) fn verify(process: &Process, layer: &str, args: &VerifyArgs) -> Result<Exit, Stop> {
    let read = |file: &str| {
        std::fs::read(process.dir.join(file))
            .map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot read `{file}`: {error}")))
    };
    let sum = Sha256Sum::of(&read(layer)?).to_hex();
    let file = args.provenance.as_deref().unwrap_or_default();
    let then = Statement::read(&String::from_utf8_lossy(&read(file)?))
        .map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, format!("`{file}`: {error}")))?;
    if then.layer() != sum {
        let message = format!("`{file}` is about a layer with SHA-256 {}, and `{layer}` has {sum}", then.layer());
        return Err(Stop::new(code::LAYER_DIFFERS, Exit::Failure, message)
            .hint("take the provenance that was released with this layer"));
    }
    let (selection, node) = find(process, args, &then.predicate.build_definition.external_parameters)?;
    let root = selection.pipeline.root.clone();
    let _held = lock_workspace(process, &root)?;
    let (now, made) = match fresh_copy::with(process, &root, |there| rebuild(there, selection, &node))? {
        Rebuilt::Made(now, made) => (*now, made),
        Rebuilt::Ended(exit) => return Ok(exit),
    };
    let found = differences(&then, &now);
    if made == sum && found.is_empty() {
        sink::of(process).event(&Event::Note { message: format!("`{layer}`: identical, SHA-256 {sum}") });
        return Ok(Exit::Ok);
    }
    Err(Stop::new(code::LAYER_DIFFERS, Exit::Failure, differs(layer, &[&sum, &made], &then, &now, &found)))
}

/// What a person is told who got another layer, or the same one from something else.
fn differs(layer: &str, [sum, made]: &[&str; 2], then: &Statement, now: &Statement, found: &[Difference]) -> String {
    let mut text = if sum == made {
        format!("`{layer}` came out with the same bytes, but not from what its provenance names:")
    } else {
        format!("`{layer}` is not what comes out here: SHA-256 {sum}, rebuilt {made}:")
    };
    let or_none = |value: &str| if value.is_empty() { "(none)".to_owned() } else { value.to_owned() };
    for Difference { input, then, now } in found {
        text.push_str(&format!("\n- {input}: {}; here {}", or_none(then), or_none(now)));
    }
    if found.is_empty() {
        let binary = |statement: &Statement| statement.predicate.run_details.byproducts.clone();
        let what = if binary(then) == binary(now) { "the zip" } else { "the binary" };
        let version = |statement: &Statement| statement.predicate.run_details.builder.version.clone();
        text.push_str(&format!("\n- every input is the same, and {what} differs"));
        if version(then) != version(now) {
            let shown = |statement| version(statement).into_values().collect::<Vec<_>>().join(" ");
            text.push_str(&format!("; it was built by ocelot {}, this is {}", shown(then), shown(now)));
        }
    }
    text
}

/// The `package` instance of this project that makes the layer, and what selects it.
fn find(process: &Process, args: &VerifyArgs, wanted: &External) -> Result<(Selection, String), Stop> {
    let select = SelectArgs { words: Vec::new(), pipeline: args.pipeline.clone(), set: args.set.clone() };
    let mut selection = selection::select(process, &select)?;
    let chosen = [(DISTRIBUTION, &wanted.distribution), (ARCHITECTURE, &wanted.architecture)];
    // As the pipeline is, then with the layer asked for: a pipeline need not have these parameters.
    for ask in [false, true] {
        for (name, value) in chosen.iter().filter(|_| ask) {
            selection.sets.entry((*name).to_owned()).or_insert_with(|| vec![(*value).clone()]);
        }
        let (graph, ..) = workspace::graph_of(process, &selection)?;
        if let Some(id) = graph.ids().find(|id| makes(&graph, *id, wanted)) {
            let node = graph.node(id).name.clone();
            selection.targets = vec![node.clone()];
            return Ok((selection, node));
        }
    }
    let (pipeline, External { distribution, architecture, .. }) = (&selection.pipeline.file, wanted);
    Err(Stop::usage(
        code::UNSUITABLE_TARGET,
        format!("no `package` of {pipeline} makes the layer of `{distribution}` for {architecture}"),
    )
    .hint("name the pipeline with `-p`, and its parameters with `--set`"))
}

fn makes(graph: &Graph, id: NodeId, wanted: &External) -> bool {
    let node = graph.node(id);
    let behind = |field| node.field(field).map(|to| &graph.node(to).kind).next();
    matches!(node.kind, Kind::Package(_))
        && matches!(behind("binary"), Some(Kind::Build(build)) if build.arch == wanted.architecture)
        && matches!(behind("config"), Some(Kind::Resolve(resolve)) if resolve.distribution == wanted.distribution)
}

/// What came of it.
enum Rebuilt {
    /// Its provenance, and the SHA-256 of the layer.
    Made(Box<Statement>, String),
    /// The run failed, and has said why.
    Ended(Exit),
}

/// Makes the layer from the sources on; no result of an earlier run is taken.
fn rebuild(there: &Process, mut selection: Selection, node: &str) -> Result<Rebuilt, Stop> {
    selection.pipeline.root.clone_from(&there.dir);
    let how = HowArgs { no_cache: true, ..HowArgs::default() };
    let report = run_selection(there, RunRequest { selection, how: &how, extra_args: &[], mode: Mode::Discard })?;
    let Some(workspace) = report.workspace.filter(|_| report.exit == Exit::Ok) else {
        return Ok(Rebuilt::Ended(report.exit));
    };
    let lost = || Stop::new(code::INTERNAL, Exit::Internal, format!("BUG: `{node}` ran and left no layer"));
    let result = result_of(&workspace, node).ok_or_else(lost)?;
    let statement = provenance(&workspace, &result).and_then(|text| Statement::read(&text).ok()).ok_or_else(lost)?;
    let made = result.fact("sha256").ok_or_else(lost)?.to_owned();
    Ok(Rebuilt::Made(Box::new(statement), made))
}

fn result_of(workspace: &Workspace, node: &str) -> Option<ActionResult> {
    let id = workspace.session.graph.find(node)?;
    workspace.session.memory[id.index()].result.clone()
}

fn provenance(workspace: &Workspace, result: &ActionResult) -> Option<String> {
    let Content::File(file) = result.output(OUTPUT)?.content else { return None };
    String::from_utf8(workspace.session.cache.read_blob(&file.digest, file.size)?).ok()
}
