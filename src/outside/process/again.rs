//! This program once more, as a process of its own.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};

/// A started one, with the same streams as this, in a process group of its own: Ctrl-C reaches it through us alone, and so
/// once. Dropped before it has ended, it is asked to end and waited for.
pub struct Again(Child);

/// Asks one to end, as Ctrl-C does.
#[derive(Clone, Copy)]
pub struct Interrupter(Pid);

impl Interrupter {
    /// Asks once. One that has just ended needs no signal.
    pub fn interrupt(self) {
        kill_process(self.0, Signal::INT).ok();
    }
}

impl Again {
    /// Starts this program with these arguments, in this folder and with these variables alone.
    ///
    /// # Errors
    /// If it cannot be found or started; in words.
    #[expect(clippy::disallowed_methods, reason = "it is this program, and ends what it starts by itself")]
    pub fn start(arguments: &[String], dir: &Path, env: &BTreeMap<String, String>) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("cannot find ocelot: {error}"))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(dir).env_clear().envs(env).process_group(0);
        command.spawn().map(Self).map_err(|error| format!("cannot start ocelot: {error}"))
    }

    /// For another thread than the one that waits.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(Pid::from_child(&self.0))
    }

    /// Waits for its end.
    pub fn wait(&mut self) {
        // Only a process that is no child of ours cannot be waited for.
        self.0.wait().ok();
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            self.interrupter().interrupt();
            self.wait();
        }
    }
}
