//! `import`: a checkout of the original tool as a project.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::base::code;
use crate::base::shell::quote;
use crate::ci::workflow::THIS;
use crate::cli::args::{ImportArgs, SelectArgs};
use crate::cli::commands::{print, validate};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::init::ignore_lines;
use crate::init::import::{Checkout, DISTRIBUTIONS_FILE, Imported, PROGRAMS, WORKFLOWS, import};
use crate::store::new_files::NewFiles;

const IGNORE: &str = ".gitignore";

/// Bytes. Neither a config nor the file that registers a component comes near.
const LARGEST: u64 = 4 << 20;

/// A checkout has a few dozen.
const MOST_FILES: usize = 10_000;

/// `import`.
///
/// # Errors
/// If it is no such checkout, or a file is there already with another text: then nothing is written. Problems of what
/// was written, as `validate` says them.
pub(in crate::cli) fn run(process: &Process, args: &ImportArgs) -> Result<Exit, Stop> {
    let from = process.dir.join(&args.from);
    let folder = args.into.as_ref().map_or_else(|| process.dir.clone(), |folder| process.dir.join(folder));
    if !from.is_dir() || folder.exists() && !folder.is_dir() {
        let wrong = if from.is_dir() { &folder } else { &from };
        return Err(Stop::usage(code::UNREADABLE_ARGUMENT, format!("{} is no folder", wrong.display())));
    }
    let mut imported = import(&checkout(&from)?, THIS).map_err(|why| {
        Stop::usage(
            code::NOT_THE_ORIGINAL,
            format!("{} is no checkout of the original tool: {why}; nothing was written", from.display()),
        )
        .hint("name the folder that has `tools/` and `config/`; `ocelot init` begins a project of its own")
    })?;
    let ignore_left = ignore(&folder, &mut imported);
    let (there, new) = split(&folder, &imported.files)?;
    NewFiles::create(&folder, &new).map_err(|error| Stop::environment(code::CANNOT_WRITE, error))?.keep();
    let told: String = if new.is_empty() {
        format!("nothing to write: all {there} files are in {} already\n", folder.display())
    } else {
        let lines: String = imported.lines.iter().map(|line| format!("{}\n", printable(&line.to_string()))).collect();
        format!("in {}:\n{lines}", folder.display())
    };
    print(&process.safe(&format!("{told}{ignore_left}")));
    let inside = args.into.as_ref().map(|folder| format!("cd {} && ", quote(folder))).unwrap_or_default();
    let there = Process { dir: folder, env: process.env.clone(), clock: process.clock, common: process.common.clone() };
    // Without a login there may be no region of the session, and what is published is to be looked at too.
    let set = format!("region={}", imported.region);
    let again = format!("{inside}ocelot validate layers --set {set}");
    let select = SelectArgs { words: vec!["layers".to_owned()], set: vec![set], ..SelectArgs::default() };
    validate::validate(&there, &select)
        .map_err(|stop| stop.hint(format!("the files are written; mend this, then `{again}`")))?;
    let distribution = imported.distribution.map(|name| format!(" -d {}", quote(&name))).unwrap_or_default();
    print(&process.safe(&format!("next: {inside}ocelot build{distribution} --skip-publish\n")));
    Ok(Exit::Ok)
}

/// A line without what a terminal would obey: names and keys come from files of somebody else.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Ignore lines as a file of their own; where there is one, it is somebody else's, and what to add to it is told.
fn ignore(folder: &Path, imported: &mut Imported) -> String {
    let there = match fs::read_to_string(folder.join(IGNORE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text: String = ignore_lines("").iter().map(|line| format!("{line}\n")).collect();
            imported.files.push((IGNORE.to_owned(), text));
            return String::new();
        }
        there => there.unwrap_or_default(),
    };
    let lacks = ignore_lines(&there);
    if lacks.is_empty() { String::new() } else { format!("left   {IGNORE}: add {} to it\n", lacks.join(" and ")) }
}

/// How many files are there with the same text, and those that are not there.
fn split(folder: &Path, files: &[(String, String)]) -> Result<(usize, Vec<(String, String)>), Stop> {
    let (mut same, mut new, mut other) = (0, Vec::new(), Vec::new());
    for (path, text) in files {
        let place = folder.join(path);
        match place.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => new.push((path.clone(), text.clone())),
            Ok(is) if is.is_file() && fs::read(&place).is_ok_and(|there| there == text.as_bytes()) => same += 1,
            _ => other.push(path.as_str()),
        }
    }
    if other.is_empty() {
        return Ok((same, new));
    }
    let listed: String = other.iter().map(|path| format!("\n  {path}")).collect();
    Err(Stop::usage(
        code::WOULD_OVERWRITE,
        format!("nothing was written: in {} there already is, with another text{listed}", folder.display()),
    )
    .hint("move these files away first, or name another folder: `--into FOLDER`"))
}

/// The files of a checkout that can be taken over.
fn checkout(root: &Path) -> Result<Checkout, Stop> {
    let mut found = Checkout::new();
    for path in PROGRAMS.iter().chain(&WORKFLOWS).chain(&[DISTRIBUTIONS_FILE]) {
        if root.join(path).is_file() {
            found.insert((*path).to_owned(), text(&root.join(path)));
        }
    }
    let mut open = vec![PathBuf::from("config"), PathBuf::from("components")];
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(root.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(cannot_read(&folder, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| cannot_read(&folder, &error))?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(|error| cannot_read(&path, &error))?;
            let name = path.to_string_lossy().into_owned();
            if kind.is_dir() {
                open.push(path);
            } else if path.to_str().is_none() {
                found.insert(name, Err("its name is no UTF-8; copy it by hand under another one".to_owned()));
            } else if kind.is_file() {
                found.insert(name, text(&root.join(&path)));
            } else {
                found.insert(name, Err("it is a link, which is not followed; copy what it leads to".to_owned()));
            }
            if found.len() > MOST_FILES {
                let message = format!("{} has more than {MOST_FILES} files; nothing was written", root.display());
                return Err(Stop::usage(code::NOT_THE_ORIGINAL, message));
            }
        }
    }
    Ok(found)
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Stop {
    Stop::environment(
        code::UNREADABLE_ARGUMENT,
        format!("cannot read {}: {error}; nothing was written", path.display()),
    )
}

/// The text of a file, or why it is not taken over.
fn text(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("{error}; copy it by hand");
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it has more than {} MiB; copy it by hand", LARGEST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text; copy it by hand".to_owned())
}
