//! Why a command could not be started, and what to do about it.

use std::fmt;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::outside::process::command::CommandSpec;

/// A command that never ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot run {}: {kind} ({detail}); {hint}", program.display())]
pub struct StartError {
    /// The program.
    pub program: PathBuf,
    /// The sort of failure.
    pub kind: StartErrorKind,
    /// What the system said.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

/// The sorts of failure to start a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartErrorKind {
    /// The program's path is not absolute.
    NotAbsolute,
    /// There is no such program.
    NoProgram,
    /// The program is there, what has to interpret or load it is not.
    NoInterpreter,
    /// The program may not be executed.
    NotExecutable,
    /// The program is neither a binary for this machine nor a script with `#!`.
    BadFormat,
    /// Another process has the program open for writing.
    Busy,
    /// Arguments and environment are too long together, or one of them is.
    TooLong,
    /// An argument or variable holds a NUL byte.
    BadArgument,
    /// The working directory is missing or cannot be entered.
    BadDir,
    /// The file for standard output cannot be made.
    BadStdoutFile,
    /// No file descriptor is left.
    TooManyFiles,
    /// No process or memory is left.
    TooManyProcesses,
    /// The system lost the status of a process that did run.
    StatusLost,
    /// Anything else.
    Other,
}

impl fmt::Display for StartErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "its path is not absolute",
            Self::NoProgram => "there is no such file",
            Self::NoInterpreter => "its interpreter or loader is missing",
            Self::NotExecutable => "it may not be executed",
            Self::BadFormat => "it is not a program for this machine",
            Self::Busy => "it is still open for writing",
            Self::TooLong => "its arguments and environment are too long",
            Self::BadArgument => "an argument, a variable or a path of it holds a NUL byte",
            Self::BadDir => "its working directory cannot be entered",
            Self::BadStdoutFile => "the file for its standard output cannot be made",
            Self::TooManyFiles => "too many files are open",
            Self::TooManyProcesses => "no more processes can be made",
            Self::StatusLost => "its exit status was lost",
            Self::Other => "the system refused",
        })
    }
}

impl StartError {
    /// The program's path is relative.
    pub(super) fn not_absolute(spec: &CommandSpec) -> Self {
        let hint = "name the program by its absolute path".to_owned();
        Self::new(spec, StartErrorKind::NotAbsolute, "relative path".to_owned(), hint)
    }

    /// The file for standard output could not be created.
    pub(super) fn stdout_file(spec: &CommandSpec, path: &Path, error: &io::Error) -> Self {
        if let Some((kind, hint)) = exhaustion(error, &spec.program) {
            return Self::new(spec, kind, error.to_string(), hint);
        }
        let hint = format!("see that {} can be written and that its folder exists", path.display());
        Self::new(spec, StartErrorKind::BadStdoutFile, error.to_string(), hint)
    }

    /// The process could be started but not waited for.
    pub(super) fn status_lost(spec: &CommandSpec, error: &io::Error) -> Self {
        let hint = "start the run from a program that does not ignore SIGCHLD".to_owned();
        Self::new(spec, StartErrorKind::StatusLost, error.to_string(), hint)
    }

    /// Finds out why starting failed with `error`: the bare error number is the same for several causes.
    pub(super) fn diagnose(spec: &CommandSpec, error: &io::Error) -> Self {
        let program = spec.program.display();
        let (kind, hint) = exhaustion(error, &spec.program).unwrap_or_else(|| match Errno::from_io_error(error) {
            _ if error.kind() == io::ErrorKind::InvalidInput => {
                (StartErrorKind::BadArgument, format!("take the NUL byte out of the command of {program}"))
            }
            Some(Errno::NOENT | Errno::NOTDIR) => missing(spec),
            Some(Errno::ACCESS | Errno::PERM) => denied(spec),
            Some(Errno::NOEXEC) => (
                StartErrorKind::BadFormat,
                format!("give {program} a first line such as `#!/bin/sh`, or build it for this system and processor"),
            ),
            Some(Errno::TOOBIG) => (
                StartErrorKind::TooLong,
                format!(
                    "arguments and environment of {program} are {} bytes, the longest {}; pass long lists in a file",
                    spec_bytes(spec).sum::<usize>(),
                    spec_bytes(spec).max().unwrap_or(0)
                ),
            ),
            Some(Errno::TXTBSY) => {
                (StartErrorKind::Busy, format!("find what still writes {program}, for example with `fuser -v`"))
            }
            _ => (StartErrorKind::Other, format!("see that {program} runs by hand in {}", spec.dir.display())),
        });
        Self::new(spec, kind, error.to_string(), hint)
    }

    fn new(spec: &CommandSpec, kind: StartErrorKind, detail: String, hint: String) -> Self {
        Self { program: spec.program.clone(), kind, detail, hint }
    }
}

/// Failures for want of something that all commands share.
fn exhaustion(error: &io::Error, program: &Path) -> Option<(StartErrorKind, String)> {
    let program = program.display();
    match Errno::from_io_error(error)? {
        Errno::MFILE => Some((
            StartErrorKind::TooManyFiles,
            format!(
                "{program} needs three descriptors: raise the limit with `ulimit -n`, or run fewer commands at once"
            ),
        )),
        Errno::NFILE => Some((
            StartErrorKind::TooManyFiles,
            format!("{program} needs three descriptors: the whole system is out of them (sysctl fs.file-max)"),
        )),
        Errno::AGAIN => Some((
            StartErrorKind::TooManyProcesses,
            format!(
                "to start {program}, raise `ulimit -u` or the container's limit of processes, or run fewer commands at once"
            ),
        )),
        Errno::NOMEM => Some((
            StartErrorKind::TooManyProcesses,
            format!("there is no memory left to start {program}; run fewer commands at once"),
        )),
        _ => None,
    }
}

/// ENOENT and ENOTDIR: the directory, the program or its interpreter.
fn missing(spec: &CommandSpec) -> (StartErrorKind, String) {
    let program = spec.program.display();
    if !spec.dir.is_dir() {
        let hint = format!("make the folder {}, in which {program} is to run", spec.dir.display());
        return (StartErrorKind::BadDir, hint);
    }
    if !spec.program.exists() {
        let hint = match fs::symlink_metadata(&spec.program) {
            Ok(_) => format!("{program} is a symbolic link to nothing; mend or replace it"),
            Err(_) => format!("install {program}, or name the program where it is"),
        };
        return (StartErrorKind::NoProgram, hint);
    }
    let hint = match interpreter(&spec.program) {
        Some(name) => format!("install {name}, which the first line of {program} names, or change that line"),
        None => format!("{program} needs a loader that this system lacks: it may be built for another C library"),
    };
    (StartErrorKind::NoInterpreter, hint)
}

/// EACCES and EPERM: the directory, the program's kind or its mode.
fn denied(spec: &CommandSpec) -> (StartErrorKind, String) {
    let program = spec.program.display();
    if let Err(error) = fs::metadata(spec.dir.join(".")) {
        return (StartErrorKind::BadDir, format!("{program} is to run in {}: {error}", spec.dir.display()));
    }
    let hint = match fs::metadata(&spec.program) {
        Ok(data) if data.is_dir() => format!("{program} is a folder; name a program in it"),
        Ok(data) if data.permissions().mode() & 0o111 == 0 => {
            format!("{program} has no execute permission: `chmod +x` it, or run it by its interpreter")
        }
        Ok(_) => format!("see that you may execute {program} and its interpreter, and that no `noexec` mount holds it"),
        Err(_) => format!("a folder on the way to {program} may not be entered"),
    };
    (StartErrorKind::NotExecutable, hint)
}

/// What the `#!` line names.
fn interpreter(program: &Path) -> Option<String> {
    // Linux itself looks at no more than the first 256 bytes.
    let mut start = Vec::new();
    File::open(program).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let name = line.split_ascii_whitespace().next()?;
    if line.trim_start() == format!("{name}\r") {
        return Some(format!("{name} (the line ends in a carriage return: save the file with Unix line ends)"));
    }
    Some(name.to_owned())
}

fn spec_bytes(spec: &CommandSpec) -> impl Iterator<Item = usize> + '_ {
    let args = spec.args.iter().map(|arg| arg.len() + 1);
    let env = spec.env.iter().map(|(name, value)| name.len() + value.len() + 2);
    args.chain(env).chain([spec.program.as_os_str().len() + 1])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn spec(program: &Path, dir: &Path) -> CommandSpec {
        CommandSpec {
            program: program.to_owned(),
            args: vec!["x".repeat(10).into()],
            env: BTreeMap::new(),
            dir: dir.to_owned(),
            timeout: None,
            stdout_file: None,
        }
    }

    #[test]
    fn row_31_every_shortage_has_its_own_hint_naming_the_program() {
        let spec = spec(Path::new("/bin/cc"), Path::new("/"));
        let mut hints = std::collections::BTreeSet::new();
        let errors =
            [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM, Errno::TOOBIG, Errno::TXTBSY, Errno::NOEXEC];
        for errno in errors {
            let error = StartError::diagnose(&spec, &errno.into());
            assert!(error.hint.contains("/bin/cc"), "{error}");
            assert_ne!(error.kind, StartErrorKind::Other, "{error}");
            hints.insert(error.hint);
        }
        assert_eq!(hints.len(), errors.len());
    }

    #[test]
    fn a_shortage_while_making_the_stdout_file_is_called_that() {
        let spec = spec(Path::new("/bin/cc"), Path::new("/"));
        let error = StartError::stdout_file(&spec, Path::new("/x"), &Errno::MFILE.into());
        assert_eq!(error.kind, StartErrorKind::TooManyFiles);
    }

    #[test]
    fn the_interpreter_line_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("s");
        for (text, name) in [
            ("#! /no/such/python3 -u\nx", Some("/no/such/python3".to_owned())),
            ("#!/bin/sh", Some("/bin/sh".to_owned())),
            ("echo", None),
            ("#!", None),
        ] {
            fs::write(&script, text).unwrap();
            assert_eq!(interpreter(&script), name, "{text:?}");
        }
        fs::write(&script, "#!/bin/sh\r\necho\r\n").unwrap();
        assert!(interpreter(&script).unwrap().contains("carriage return"));
    }
}
