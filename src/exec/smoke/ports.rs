//! One extension at a time: collectors listen on the ports of their configuration, which are nearly always 4317 and 4318.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use crate::exec::api::{WorkError, World};
use crate::outside::process::cancel::Level;

/// Between two tries for the turn.
const PAUSE: Duration = Duration::from_millis(50);
const FILE: &str = "ocelot-extension.lock";

/// The turn; over when dropped.
pub(super) struct Turn(#[allow(dead_code, reason = "holds the lock")] File);

/// Waits until no other run of this user has an extension started, then makes sure that the ports are free.
///
/// # Errors
/// If somebody else holds one of them, or the run is cancelled.
pub(super) fn wait(world: &World, ports: &[u16]) -> Result<Turn, WorkError> {
    // For all runs of the machine, whatever caches they have: the ports are the machine's.
    let folder = world.env.get("TMPDIR").map_or("/tmp", String::as_str);
    let path = format!("{folder}/{FILE}.{}", rustix::process::geteuid().as_raw());
    // In a folder of everybody, somebody else may have put a link there.
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(no_follow);
    let file = options.open(&path).map_err(WorkError::io(&path))?;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(WorkError::io(path)(error)),
            Err(TryLockError::WouldBlock) => {
                if world.cancel.pause_at(Level::None, PAUSE) > Level::None {
                    return Err(WorkError::Cancelled);
                }
            }
        }
    }
    for port in ports {
        // Dropped at once: the extension is to have it.
        TcpListener::bind(("127.0.0.1", *port)).map_err(|error| {
            WorkError::Environment(format!(
                "the layer cannot be started here: port {port}, on which its configuration listens, cannot be had \
                 ({error}); end the program that holds it (`ss -ltnp 'sport = :{port}'` names it)"
            ))
        })?;
    }
    Ok(Turn(file))
}
