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
    std::fs::write(folder.join(format!("{name}.1")), finished(&String::from_utf8_lossy(&page)))?;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        count += pages(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(count)
}

/// A page as it is written: its examples stand line for line, since one that is filled and hyphenated is no command.
fn finished(page: &str) -> String {
    let page = plain(page);
    let Some((before, rest)) = page.split_once(".SH EXTRA\nExamples:\n") else { return page };
    let end = rest.find(".SH ").unwrap_or(rest.len());
    format!("{before}.SH EXAMPLES\n.nf\n{}.fi\n{}", &rest[..end], &rest[end..])
}

/// A page in ASCII: what formats it takes bytes for Latin-1 unless it is told, and a page cannot tell it.
fn plain(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for letter in page.chars() {
        match letter {
            letter if letter.is_ascii() => text.push(letter),
            '…' => text.push_str("..."),
            letter => text.push_str(&format!("\\[u{:04X}]", u32::from(letter))),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{finished, plain};

    #[test]
    fn a_manual_page_is_ascii() {
        assert_eq!(plain("\\-\\-store `layer:…`\n"), "\\-\\-store `layer:...`\n");
        assert_eq!(plain("é → 😀"), "\\[u00E9] \\[u2192] \\[u1F600]");
    }

    #[test]
    fn examples_stand_line_for_line() {
        let expected = "a\n.SH EXAMPLES\n.nf\n  ocelot x\n.fi\n.SH VERSION\n";
        assert_eq!(finished("a\n.SH EXTRA\nExamples:\n  ocelot x\n.SH VERSION\n"), expected);
        assert_eq!(finished("a\n.SH EXTRA\nExamples:\n  x\n"), "a\n.SH EXAMPLES\n.nf\n  x\n.fi\n");
        assert_eq!(finished("a\n"), "a\n");
    }
}
