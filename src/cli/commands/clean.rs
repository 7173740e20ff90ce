//! `clean`: removes outputs, and only those whose content we recorded.

use std::path::Path;

use crate::base::code;
use crate::cli::args::SelectArgs;
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Mode, OpenRequest, Opened};
use crate::engine::session::Options;
use crate::exec::outputs::{remove_any, stay_inside};

/// `clean`.
///
/// # Errors
/// If the project is wrong or a file cannot be removed.
pub(in crate::cli) fn clean(process: &Process, args: &SelectArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, args)?;
    let root = selection.pipeline.root.clone();
    let _lock = crate::cli::lock::lock_workspace(process, &root)?;
    let request = OpenRequest {
        selection,
        mode: Mode::Write,
        null_allowed: false,
        asks_of: None,
        now_ns: 0,
        force: &[],
        as_is: &[],
        options: Options::default(),
    };
    let Opened::Session(mut workspace) = workspace::open(process, request)? else { return Ok(Exit::Ok) };
    let (mut removed, mut kept) = (0u64, Vec::new());
    for id in workspace.session.graph.clone().ids().filter(|id| workspace.wanted[id.index()]) {
        let node = workspace.session.graph.node(id).clone();
        for output in node.outputs() {
            let bare = output.trim_end_matches('/');
            if let Err(problem) = stay_inside(&root, output) {
                kept.push(format!("kept `{bare}`: {problem}\n"));
                continue;
            }
            let found = workspace.session.observer.content(bare, &mut Vec::new());
            let Ok(Some(content)) = found else { continue };
            if workspace.session.made_here(bare, &content) {
                remove(&root, bare)?;
                removed += 1;
            } else {
                kept.push(format!("kept `{bare}`: it has content that no node made\n"));
            }
        }
    }
    remove(&root, ".ocelot/work")?;
    let mut text = format!("removed {removed} outputs\n");
    text.extend(kept);
    print(&text);
    Ok(Exit::Ok)
}

fn remove(root: &Path, path: &str) -> Result<(), Stop> {
    remove_any(&root.join(path))
        .map_err(|error| Stop::environment(code::CANNOT_WRITE, format!("cannot remove `{path}`: {error}")))
}
