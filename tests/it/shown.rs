//! Commands as the pages show them: the program takes each of them, and what no test runs says why.

use clap::Parser;
use clap::error::ErrorKind;
use ocelot::cli::args::Cli;

use crate::docs::{Block, blocks, pages};
use crate::snapshot::read;
use crate::support::words::commands;
use crate::walked::comment;

/// Blocks of commands that no test runs, each by its first line; the page has the reason in `<!-- not run: REASON -->`.
const NOT_RUN: &[(&str, &str)] = &[
    ("docs/distributions.md", "ocelot log -p layers --set publish=false 'checked[minimal,amd64]'"),
    ("docs/how-to/from-the-original.md", "ocelot import ../old-layers --into layers"),
    ("docs/reliability.md", "cargo test --manifest-path fuzz/Cargo.toml --target-dir target/fuzz"),
    ("docs/tutorial.md", "git clone https://github.com/ocelot-build/ocelot && cd ocelot"),
    ("docs/tutorial.md", "ocelot build -d mine -a arm64 --region eu-west-1"),
    ("docs/tutorial.md", "aws lambda update-function-configuration --region eu-west-1 --function-name my-function \\"),
    ("README.md", "cargo run -- run quickstart"),
    ("README.md", "cargo install --path ."),
    ("README.md", "cargo test"),
    ("README.md", "ocelot init my-layers"),
];

/// Blocks for people to type in, and the page and line where each begins.
fn to_type() -> impl Iterator<Item = (String, Block)> {
    pages().into_iter().flat_map(|page| {
        let found = blocks(&read(&page));
        let found = found.into_iter().filter(|block| matches!(block.language.as_str(), "console" | "sh"));
        found.map(|block| (page.clone(), block)).collect::<Vec<_>>()
    })
}

/// The lines that are typed, without the prompt; one that ends with `\` together with the next.
fn typed(block: &Block) -> Vec<String> {
    let mut typed: Vec<String> = Vec::new();
    for line in block.text.lines() {
        let is_more = typed.last().is_some_and(|line| line.ends_with('\\'));
        match (typed.last_mut(), line.strip_prefix("$ ")) {
            (Some(last), _) if is_more => {
                last.pop();
                last.push_str(line);
            }
            (_, Some(line)) => typed.push(line.to_owned()),
            (_, None) if block.language == "sh" => typed.push(line.to_owned()),
            _ => {}
        }
    }
    typed
}

/// What is wrong with a command of ours, if something is.
fn refused(words: &[String]) -> Option<clap::Error> {
    let is_help = |error: &clap::Error| matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    Cli::try_parse_from(words).err().filter(|error| !is_help(error))
}

#[test]
fn every_command_of_a_block_is_one_that_the_program_takes() {
    let mut problems = Vec::new();
    let mut count = 0;
    // The example of an error may be one that the program does not take.
    for (page, block) in to_type().filter(|(_, block)| block.before != "## Example") {
        for line in typed(&block) {
            for words in commands(&line).into_iter().filter(|words| words[0] == "ocelot") {
                count += 1;
                let problem = refused(&words);
                problems.extend(problem.map(|error| format!("{page}:{}: {line}\n{error}", block.line)));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= 80, "only {count} commands were found in the pages");
}

#[test]
fn every_command_in_a_sentence_has_options_that_exist() {
    let mut problems = Vec::new();
    let mut count = 0;
    for page in pages().into_iter().filter(|page| page != "docs/cli.md") {
        let text = read(&page);
        for code in text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("ocelot ")) {
            let words = commands(code).swap_remove(0);
            count += 1;
            // It may leave out what has to be given, and have words in place of values.
            let is_wrong =
                |error: &clap::Error| matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand);
            let is_any = words.get(1).is_none_or(|word| word.chars().all(|letter| letter.is_ascii_uppercase()));
            let problem = refused(&words).filter(|error| is_wrong(error) && !is_any);
            problems.extend(problem.map(|error| format!("{page}: {code}\n{error}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= 80, "only {count} commands were found in the pages");
}

#[test]
fn every_block_is_run_or_listed_here_with_its_reason_in_the_page() {
    let mut found = Vec::new();
    // The examples of errors are proven where their codes are.
    for (page, block) in to_type().filter(|(page, _)| !page.starts_with("docs/errors/")) {
        let first = block.text.lines().next().unwrap_or_default();
        let first = first.strip_prefix("$ ").unwrap_or(first).to_owned();
        if let Some(reason) = comment(&block.before, "not run") {
            assert!(reason.len() > 10, "{page}:{}: `{reason}` is no reason", block.line);
            found.push((page, first));
            continue;
        }
        let is_walked = read(&page).lines().any(|line| comment(line, "walked").is_some());
        let is_run = is_walked && block.language == "console";
        assert!(is_run, "{page}:{}: no test runs `{first}`; write <!-- not run: REASON --> before it", block.line);
    }
    let listed: Vec<(String, String)> =
        NOT_RUN.iter().map(|&(page, first)| (page.to_owned(), first.to_owned())).collect();
    assert_eq!(found, listed, "what no test runs");
}
