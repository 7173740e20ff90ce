//! `completions` and `man`.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::base::code;
use crate::cli::args::{Cli, CompletionsArgs, ManArgs, named};
use crate::cli::commands::print;
use crate::cli::complete;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;

/// `completions`.
///
/// # Errors
/// A shell that the library knows no longer.
pub(in crate::cli) fn completions(args: &CompletionsArgs) -> Result<Exit, Stop> {
    let shell = named(args.shell);
    let unknown = || Stop::new(code::INTERNAL, Exit::Internal, format!("no script for {shell}"));
    print(&complete::script(&shell).ok_or_else(unknown)?);
    Ok(Exit::Ok)
}

/// `man`: one page for each command.
///
/// # Errors
/// A folder that cannot be written.
pub(in crate::cli) fn man(process: &Process, args: &ManArgs) -> Result<Exit, Stop> {
    let folder = process.dir.join(&args.out);
    let write = || {
        std::fs::create_dir_all(&folder)?;
        let mut command = Cli::command();
        command.build();
        pages(&command, "ocelot", &folder)
    };
    let count = write().map_err(|error| {
        Stop::environment(code::CANNOT_WRITE, format!("cannot write {}: {error}", folder.display()))
    })?;
    print(&format!("{count} pages in {}\n", folder.display()));
    Ok(Exit::Ok)
}

/// Writes the page of a command, and those below it as `NAME-SUBCOMMAND`; returns how many.
fn pages(command: &Command, name: &str, folder: &Path) -> io::Result<usize> {
    let mut count = 1;
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    std::fs::write(folder.join(format!("{name}.1")), page)?;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        count += pages(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(count)
}
