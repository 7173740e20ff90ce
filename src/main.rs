//! The `ocelot` program: collects what the process was given, and hands it to the library.

#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(ocelot::cli::main(std::env::args_os(), std::env::vars_os().collect()))
}
