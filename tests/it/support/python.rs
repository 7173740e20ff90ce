//! Virtual environments of Python below `target/`, each with packages at fixed versions.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An environment with these packages in it. It is whole once its mark is there; one that is not is made anew.
pub fn environment(name: &str, packages: &[&str]) -> PathBuf {
    let ready = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mark = ready.join("whole");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return ready;
    }
    writeln!(std::io::stderr().lock(), "installing {} into {}", packages.join(", "), ready.display()).ok();
    // What an interrupted installation left.
    std::fs::remove_dir_all(&ready).ok();
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}: {said}", program.display());
    };
    run(Path::new("python3"), &["-m", "venv", ready.to_str().expect("a UTF-8 path")]);
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(&ready.join("bin/python"), &[&install, packages].concat());
    std::fs::write(mark, wanted).expect("a mark");
    ready
}
