//! Programs that nodes start.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::commands::doctor::Finding;
use crate::cli::process::Process;
use crate::engine::tools::on_path;
use crate::outside::process::cancel::Cancel;
use crate::outside::process::command::{CommandRunner, CommandSpec, End};
use crate::outside::process::runner::LocalRunner;
use crate::project::around::DISTRIBUTIONS;

/// The oldest Go that the collector's sources build with.
const OLDEST_GO: (u32, u32) = (1, 24);

/// Longer than any program takes to say its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// What runs a layer for the other architecture, by that architecture.
const QEMU: [(&str, [&str; 2]); 2] =
    [("x86_64", ["qemu-aarch64-static", "qemu-aarch64"]), ("aarch64", ["qemu-x86_64-static", "qemu-x86_64"])];

pub(super) fn look(process: &Process) -> Vec<Finding> {
    let builds_layers = process.dir.join(DISTRIBUTIONS).is_file();
    let mut findings = vec![go(process, builds_layers)];
    findings.push(match found(process, "git") {
        Some(git) => match said(process, &git, &["--version"]) {
            Ok(version) => {
                Finding::ok("git", format!("{} ({})", version.trim_start_matches("git version "), git.display()))
            }
            Err(problem) => Finding::note("git", problem, "ocelot reads repositories by itself; commands may need git"),
        },
        None => Finding::note("git", "not on PATH", "ocelot reads repositories by itself; commands may need git"),
    });
    if let Some((_, names)) = QEMU.iter().find(|(machine, _)| builds_layers && *machine == std::env::consts::ARCH) {
        findings.push(match names.iter().find_map(|name| found(process, name)) {
            Some(qemu) => Finding::ok("qemu", qemu.display().to_string()),
            None => Finding::note(
                "qemu",
                "not on PATH, so layers for the other architecture are not started when they are checked",
                "install qemu-user-static, or check them on a machine of their own kind",
            ),
        });
    }
    findings
}

fn go(process: &Process, is_needed: bool) -> Finding {
    let fix = "install Go 1.24 or newer (https://go.dev/dl/), or add its `bin` folder to PATH";
    let lacking = |detail: String| match is_needed {
        true => Finding::wrong("go", detail, fix),
        false => Finding::note("go", detail, format!("only collector layers need it: {fix}")),
    };
    let Some(go) = found(process, "go") else { return lacking("not on PATH".to_owned()) };
    let text = match said(process, &go, &["version"]) {
        Ok(text) => text,
        Err(problem) => return lacking(problem),
    };
    let version = text.split_whitespace().find(|word| word.starts_with("go1")).unwrap_or_default();
    match parts(version) {
        Some(parts) if parts >= OLDEST_GO => Finding::ok("go", format!("{version} ({})", go.display())),
        Some(_) => lacking(format!("{version} is too old for the collector's sources")),
        None => lacking(format!("{} does not say its version", go.display())),
    }
}

/// Major and minor of `go1.24.4`.
fn parts(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("go")?.split('.');
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().ok();
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

/// A program on `PATH`.
fn found(process: &Process, name: &str) -> Option<PathBuf> {
    let path = process.env.get("PATH")?;
    let is_program = |path: &Path| path.metadata().is_ok_and(|is| is.is_file() && is.permissions().mode() & 0o111 != 0);
    on_path(name, path).find(|path| is_program(path))
}

/// The first line that a program prints.
fn said(process: &Process, program: &Path, args: &[&str]) -> Result<String, String> {
    let spec = CommandSpec {
        program: program.to_owned(),
        args: args.iter().map(Into::into).collect(),
        // The one on PATH, and no other that a `go.mod` here would have it fetch.
        env: process
            .env
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .chain([("GOTOOLCHAIN".into(), "local".into())])
            .collect(),
        dir: process.dir.clone(),
        timeout: Some(PATIENCE),
        stdout_file: None,
    };
    let mut printed: Vec<u8> = Vec::new();
    let cancel = Cancel::new().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let outcome = LocalRunner::default().run(&spec, &cancel, &mut printed);
    let line = String::from_utf8_lossy(&printed).lines().next().unwrap_or_default().trim().to_owned();
    match outcome.end {
        End::Exited(0) => Ok(line),
        End::NotStarted(error) => Err(error.to_string()),
        _ => Err(format!("{} does not say its version: {line}", program.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_by_number() {
        assert_eq!(parts("go1.24.4"), Some((1, 24)));
        assert_eq!(parts("go1.9"), Some((1, 9)));
        assert_eq!(parts("go1.25rc1"), Some((1, 25)));
        assert_eq!(parts("devel"), None);
        assert!(parts("go1.9") < Some(OLDEST_GO) && parts("go1.100") > Some(OLDEST_GO));
    }
}
