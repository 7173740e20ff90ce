//! `init`: the first files of a project.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::base::code;
use crate::ci::workflow::THIS;
use crate::cli::args::{InitArgs, TemplateName};
use crate::cli::commands::print;
use crate::cli::confirm::{choose, confirm};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::init::makefile::Tree;
use crate::init::{Draft, MAKEFILES, Template, draft, ignore_lines};
use crate::store::atomic;
use crate::store::new_files::NewFiles;

const IGNORE: &str = ".gitignore";

/// A pipeline of more files is none that a Makefile could name.
const MOST_FILES: usize = 200_000;

/// Bytes. A Makefile that is larger was not written by hand.
const LARGEST_MAKEFILE: u64 = 4 << 20;

/// `init`.
///
/// # Errors
/// If a file is there already, or cannot be written; then nothing is.
pub(in crate::cli) fn init(process: &Process, args: &InitArgs) -> Result<Exit, Stop> {
    let folder = args.folder.as_ref().map_or_else(|| process.dir.clone(), |folder| process.dir.join(folder));
    if folder.exists() && !folder.is_dir() {
        return Err(Stop::usage(code::UNREADABLE_ARGUMENT, format!("{} is no folder", folder.display())));
    }
    let makefile = MAKEFILES.into_iter().find(|name| folder.join(name).is_file());
    let template = template(args, makefile)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut draft = match template {
        TemplateName::CollectorLayers => {
            draft(Template::CollectorLayers, &name, THIS).map_err(|error| Stop::usage(code::BAD_ARGUMENT, error))?
        }
        TemplateName::Commands => {
            draft(Template::Commands, &name, THIS).map_err(|error| Stop::usage(code::BAD_ARGUMENT, error))?
        }
        TemplateName::Makefile => from_makefile(&folder, makefile, &name)?,
    };
    refuse_what_is_there(&folder, &draft, template)?;
    let ignored = ignored(&folder)?;
    if !ignored.is_there {
        draft.files.push((IGNORE.to_owned(), ignored.whole.clone()));
    }
    let mut listed: String = draft.files.iter().map(|(path, _)| format!("  {path}\n")).collect();
    if ignored.is_there && !ignored.added.is_empty() {
        listed.push_str(&format!("  {IGNORE}, with {} added\n", ignored.added.join(" and ")));
    }
    if !args.yes {
        print(&format!("In {}:\n{listed}", folder.display()));
        if !confirm("Write these files?", false)? {
            print("nothing was written\n");
            return Ok(Exit::Ok);
        }
    }
    ignored.check_unchanged(&folder)?;
    let new = NewFiles::create(&folder, &draft.files).map_err(|error| Stop::environment(code::CANNOT_WRITE, error))?;
    if ignored.is_there && !ignored.added.is_empty() {
        atomic::write(&folder.join(IGNORE), ignored.whole.as_bytes(), true).map_err(|error| {
            Stop::environment(code::CANNOT_WRITE, format!("cannot add to {IGNORE}: {error}; nothing was written"))
        })?;
    }
    new.keep();
    let remarks: String = draft.remarks.iter().map(|remark| format!("{remark}\n")).collect();
    let inside = args.folder.as_ref().map(|folder| format!("cd {folder} && ")).unwrap_or_default();
    print(&format!("written in {}:\n{listed}{remarks}next: {inside}{}\n", folder.display(), draft.next));
    Ok(Exit::Ok)
}

/// The template that was named, or chosen.
fn template(args: &InitArgs, makefile: Option<&str>) -> Result<TemplateName, Stop> {
    let likely = if makefile.is_some() { TemplateName::Makefile } else { TemplateName::CollectorLayers };
    match args.template {
        Some(template) => Ok(template),
        None if args.yes => Ok(likely),
        None => {
            let choices = [
                (TemplateName::CollectorLayers, "OpenTelemetry Collector layers for AWS Lambda"),
                (TemplateName::Commands, "plain commands"),
                (TemplateName::Makefile, "what the Makefile here does"),
            ];
            let is_possible = |name: &TemplateName| *name != TemplateName::Makefile || makefile.is_some();
            let choices: Vec<_> = choices.into_iter().filter(|(name, _)| is_possible(name)).collect();
            let first = choices.iter().position(|(name, _)| *name == likely).unwrap_or_default();
            let texts: Vec<&str> = choices.iter().map(|(_, text)| *text).collect();
            Ok(choices[choose("What is the project for?", &texts, first)?].0)
        }
    }
}

fn from_makefile(folder: &Path, makefile: Option<&str>, name: &str) -> Result<Draft, Stop> {
    let Some(file) = makefile else {
        return Err(Stop::usage(code::UNREADABLE_MAKEFILE, format!("there is no Makefile in {}", folder.display()))
            .hint("`ocelot init --template commands` begins with an example"));
    };
    let cannot = |error| Stop::usage(code::UNREADABLE_MAKEFILE, format!("cannot read {file}: {error}"));
    let mut bytes = Vec::new();
    let opened = File::open(folder.join(file)).map_err(cannot)?;
    opened.take(LARGEST_MAKEFILE + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > LARGEST_MAKEFILE {
        return Err(Stop::usage(
            code::UNREADABLE_MAKEFILE,
            format!("{file} has more than {} MiB; nothing was written", LARGEST_MAKEFILE >> 20),
        )
        .hint("`ocelot init --template commands` begins with an example"));
    }
    let text = String::from_utf8_lossy(&bytes);
    let tree = files(folder);
    draft(Template::Makefile { file, text: &text, tree: &tree }, name, THIS).map_err(|error| {
        Stop::usage(code::UNREADABLE_MAKEFILE, format!("{file}: {error}; nothing was written"))
            .hint("`ocelot init --template commands` begins with an example")
    })
}

fn refuse_what_is_there(folder: &Path, draft: &Draft, template: TemplateName) -> Result<(), Stop> {
    let is_there = |path: &&str| folder.join(path).symlink_metadata().is_ok();
    let there: Vec<&str> = draft.files.iter().map(|(path, _)| path.as_str()).filter(is_there).collect();
    if there.is_empty() {
        return Ok(());
    }
    let listed: String = there.iter().map(|path| format!("  {path}\n")).collect();
    let mut stop = Stop::usage(
        code::WOULD_OVERWRITE,
        format!("nothing was written: in {} there already is\n{}", folder.display(), listed.trim_end()),
    );
    let pipeline = if template == TemplateName::CollectorLayers { "pipelines/layers.yaml" } else { "pipeline.yaml" };
    stop = match there.contains(&pipeline) {
        true => stop.hint("this is a project already; `ocelot validate` says whether it is in order"),
        false => stop.hint("move these files away first, or name another folder: `ocelot init FOLDER`"),
    };
    Err(stop)
}

/// What `.gitignore` is to be.
#[derive(PartialEq, Eq)]
struct Ignored {
    is_there: bool,
    whole: String,
    added: Vec<&'static str>,
}

impl Ignored {
    /// Refuses to replace what somebody else wrote while the question stood.
    fn check_unchanged(&self, folder: &Path) -> Result<(), Stop> {
        if ignored(folder)? == *self {
            return Ok(());
        }
        Err(Stop::environment(code::WOULD_OVERWRITE, format!("{IGNORE} has changed meanwhile; nothing was written"))
            .hint("start `ocelot init` again"))
    }
}

fn ignored(folder: &Path) -> Result<Ignored, Stop> {
    if folder.join(IGNORE).symlink_metadata().is_ok_and(|is| is.is_symlink()) {
        return Err(Stop::usage(
            code::WOULD_OVERWRITE,
            format!("{IGNORE} is a link, which is not followed; nothing was written"),
        )
        .hint("put a file in its place"));
    }
    let text = match std::fs::read_to_string(folder.join(IGNORE)) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(Stop::environment(
                code::UNREADABLE_ARGUMENT,
                format!("cannot read {IGNORE}: {error}; nothing was written"),
            ));
        }
    };
    let mut whole = text.clone().unwrap_or_default();
    let added = ignore_lines(&whole);
    if !whole.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    whole.extend(added.iter().map(|line| format!("{line}\n")));
    Ok(Ignored { is_there: text.is_some(), whole, added })
}

/// The files below a folder, relative to it; folders end in `/`. Links are not followed.
fn files(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop().filter(|_| found.len() < MOST_FILES) {
        for entry in std::fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            let Some(name) = path.to_str() else { continue };
            match entry.file_type() {
                Ok(_) if matches!(name, ".git" | ".ocelot") => {}
                Ok(kind) if kind.is_dir() => {
                    found.insert(format!("{name}/"));
                    open.push(path);
                }
                Ok(_) => {
                    found.insert(name.to_owned());
                }
                Err(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignore_lines_that_somebody_else_wrote_meanwhile_are_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(IGNORE);
        let before = ignored(dir.path()).ok().unwrap();
        assert!(before.check_unchanged(dir.path()).is_ok());
        std::fs::write(&file, "").unwrap();
        assert!(before.check_unchanged(dir.path()).is_err());
        let before = ignored(dir.path()).ok().unwrap();
        std::fs::write(&file, "*.tmp\n").unwrap();
        assert!(before.check_unchanged(dir.path()).is_err());
    }
}
