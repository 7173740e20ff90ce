//! `docs/cli.md` is the help of every command, word for word.

use clap::{Command, CommandFactory, Parser};
use ocelot::cli::args::Cli;

use crate::snapshot::assert_snapshot;
use crate::support::Space;
use crate::support::words::commands as commands_of;

const TOP: &str = "# Command line

Every command with its arguments and options, as `ocelot COMMAND --help` prints them. This page is generated from the
program by `OCELOT_BLESS=1 cargo test`; a test compares them.

Exit codes and environment variables are in [configuration.md](configuration.md#exit-codes).
";

/// Names of all commands that are shown, parents first.
fn commands(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
    found.push(path.to_vec());
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let path = [path, &[inner.get_name().to_owned()]].concat();
        commands(inner, &path, found);
    }
}

/// Lines without spaces at their ends, which editors remove from a page.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_page_is_the_help_of_every_command() {
    let mut paths = Vec::new();
    commands(&Cli::command(), &[], &mut paths);
    let space = Space::new();
    let help = |path: &[String]| {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        trimmed(&space.run(&words).status(0).stdout)
    };
    // Options of every command stand at the end of each help; the page has them once.
    const COMMON: &str = "\nOptions of every command:\n";
    let whole = help(&[]);
    let (_, common) = whole.split_once(COMMON).expect("options of every command");
    let mut page = TOP.to_owned();
    for path in &paths {
        let name = [&["ocelot".to_owned()], path.as_slice()].concat().join(" ");
        let text = help(path);
        let (own, more) = text.split_once(COMMON).unwrap_or_else(|| panic!("`{name}` lacks options of every command"));
        // Examples are the last thing in a help.
        let (more, examples) = more.split_once("\nExamples:\n").unwrap_or((more, ""));
        assert_eq!(more, common, "`{name}` has other options of every command");
        let examples =
            if examples.is_empty() { String::new() } else { format!("\n\nExamples:\n{}", examples.trim_end()) };
        let shown = if path.is_empty() { text.trim_end() } else { own.trim_end() };
        page.push_str(&format!("\n## `{name}`\n\n```text\n{shown}{examples}\n```\n"));
    }
    page.push_str("\nEvery command also takes the options of every command that [`ocelot`](#ocelot) lists.\n");
    assert_snapshot("docs/cli.md", &page);
}

#[test]
fn every_command_has_examples_that_it_takes() {
    let mut paths = Vec::new();
    commands(&Cli::command(), &[], &mut paths);
    let whole = Cli::command();
    let mut count = 0;
    for path in paths {
        let command = path.iter().fold(&whole, |command, name| command.find_subcommand(name).expect("a command"));
        if command.has_subcommands() {
            continue;
        }
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{path:?} has no examples"));
        for line in examples.lines() {
            // What is put into another command or shows another shell's is only named.
            if !line.trim().starts_with("ocelot ") {
                assert!(line.contains(&format!("ocelot {}", path.join(" "))), "an example of another command: {line}");
                continue;
            }
            let words = commands_of(line).swap_remove(0);
            assert_eq!(words[1..=path.len()], path, "an example of another command: {line}");
            Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{line}\n{error}"));
            count += 1;
        }
    }
    assert!(count >= 60, "only {count} examples were found");
}
