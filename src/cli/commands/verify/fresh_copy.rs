//! A copy of the project in which things are made once more.

use std::fs;
use std::path::Path;

use crate::base::code;
use crate::cli::exit::Stop;
use crate::cli::process::Process;
use crate::exec::outputs::remove_any;

/// Does something in a fresh copy of the project at `root`, as a process that stands there.
///
/// # Errors
/// If the copy cannot be made, or what was done there failed.
pub(super) fn with<T>(
    process: &Process,
    root: &Path,
    act: impl FnOnce(&Process) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let copy = root.join(".ocelot/verify");
    remove_any(&copy).and_then(|()| copy_project(root, &copy)).map_err(|error| {
        Stop::environment(code::CANNOT_WRITE, format!("cannot copy the project to {}: {error}", copy.display()))
    })?;
    let (env, common) = (process.env.clone(), process.common.clone());
    let done = act(&Process { dir: copy.clone(), env, clock: process.clock, common });
    // Leftovers are replaced by the next time.
    remove_any(&copy).ok();
    done
}

/// Everything but `.ocelot`.
fn copy_project(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() && entry.file_name() != ".ocelot" {
                open.push((entry.path(), target));
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
            } else if kind.is_file() {
                fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}
