//! Nodes that flags single out: `--force` and `--as-is`.

use std::collections::BTreeSet;

use crate::base::code;
use crate::base::id::NodeId;
use crate::cli::exit::Stop;
use crate::cli::workspace::select_stop;
use crate::engine::session::Session;
use crate::graph::select;

/// Tells the session which nodes are forced, and which are taken as they are.
///
/// # Errors
/// A name that names nothing or nothing that is wanted, or one that both flags have.
pub(super) fn take(session: &mut Session, force: &[String], as_is: &[String], wanted: &[bool]) -> Result<(), Stop> {
    session.options.forced = named(session, "--force", force, wanted)?;
    session.options.as_is = named(session, "--as-is", as_is, wanted)?;
    refuse_both(session)
}

/// The instances that a flag names.
fn named(session: &Session, flag: &str, names: &[String], wanted: &[bool]) -> Result<BTreeSet<NodeId>, Stop> {
    let mut all = BTreeSet::new();
    for name in names {
        let found = select::select_one(&session.graph, name).map_err(select_stop)?;
        if !found.iter().any(|id| wanted[id.index()]) {
            return Err(Stop::usage(
                code::UNUSABLE_OPTION,
                format!("`{flag} {name}`: the targets do not need this node"),
            )
            .hint("name it as a target too, or leave the targets out"));
        }
        all.extend(found);
    }
    Ok(all)
}

fn refuse_both(session: &Session) -> Result<(), Stop> {
    match session.options.forced.intersection(&session.options.as_is).next() {
        Some(id) => {
            let name = &session.graph.node(*id).name;
            Err(Stop::usage(code::UNUSABLE_OPTION, format!("`{name}` cannot be forced and taken as it is"))
                .hint("`--force` does its work again, `--as-is` never does it; leave one of them out"))
        }
        None => Ok(()),
    }
}
