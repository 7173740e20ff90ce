//! The smoke run: starts a packaged extension as Lambda would, and sees whether it starts, works and ends.
//!
//! [`mode`] says what this host can run, `cause` reads what an extension says when it fails, `ports` keeps two
//! extensions from wanting the same port at once, `secrets` keeps what it is told out of what is shown; here they are
//! started.

mod cause;
pub mod mode;
mod ports;
mod secrets;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::exec::api::{Job, Log, WorkError, World};
use crate::exec::outputs::remove_any;
use crate::graph::check::SmokeValues;
use crate::layer::start_config::{Signal, StartConfig};
use crate::outside::lambda::emulator::{Emulator, Seen, Visit};
use crate::outside::lambda::protocol::{Phase, Received};
use crate::outside::process::command::{CommandSpec, End, OutputSink};
use crate::outside::process::describe::describe_end;

pub use mode::Mode;

/// From start to end, for one start, unless the node's own `timeout` is shorter.
const LIMIT: Duration = Duration::from_secs(30);
/// Starts of a packaged configuration; the init time is their median.
pub(in crate::exec) const STARTS: usize = 5;
/// Where Lambda unpacks a layer, as seen from the work folder.
const OPT: &str = "opt";
const BINARY: &str = "extensions/collector";
const CONFIG: &str = "collector-config/config.yaml";

/// What is started.
pub(in crate::exec) struct Smoke<'s> {
    /// `extensions/collector`.
    pub(in crate::exec) binary: &'s [u8],
    /// The configuration it is started with.
    pub(in crate::exec) config: &'s str,
    /// Its file, as it is named in findings.
    pub(in crate::exec) file: &'s str,
    /// How often it is started; what comes after the first time only measures.
    pub(in crate::exec) starts: usize,
    /// What the configuration offers.
    pub(in crate::exec) start: &'s StartConfig,
    /// What the distribution gives it.
    pub(in crate::exec) given: &'s SmokeValues,
}

/// What came out of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::exec) struct Proof {
    /// Why the layer must not ship.
    pub(in crate::exec) errors: Vec<String>,
    /// From start to the first `event/next` in milliseconds, the median of the starts.
    pub(in crate::exec) init_ms: Option<u64>,
    /// The resident set at the end of an invocation, in bytes.
    pub(in crate::exec) memory: Option<u64>,
}

/// One start, and what was seen.
struct Start {
    end: End,
    end_in_words: String,
    seen: Seen,
    output: Vec<u8>,
    memory: Option<u64>,
}

/// Starts the extension once with an invocation, then as often as it is to be measured.
///
/// # Errors
/// If the host is in the way: a port that is taken, no socket, no disk. What is wrong with the layer is in the proof.
pub(in crate::exec) fn prove(
    world: &World,
    job: &Job,
    smoke: &Smoke<'_>,
    log: &mut dyn Log,
) -> Result<Proof, WorkError> {
    let root = job.work.join(OPT);
    let program = unpack(&root, smoke)?;
    let _turn = ports::wait(world, &smoke.start.ports)?;
    let receivers = smoke.start.receivers.clone();
    let visit = Visit { invoke: true, receivers, signals: smoke.start.sent.clone() };
    let first = start(world, job, &root, &program, smoke, &visit)?;
    log.write(&first.output);
    let mut proof = judge(&first, smoke);
    let late = missing(smoke, &first.seen.at_freeze);
    if proof.errors.is_empty() && !late.is_empty() {
        // Whether a batch is full by then is a matter of milliseconds: a thing to know, and no finding.
        let late = late.join(", ");
        log.line(&format!("{late}: not out yet when Lambda could freeze it; sent later, at the latest at shutdown"));
    }
    if proof.errors.is_empty() {
        let mut times: Vec<u64> = first.seen.ready_ms.into_iter().collect();
        for _ in 1..smoke.starts {
            let again = start(world, job, &root, &program, smoke, &Visit::default())?;
            if again.end != End::Exited(0) {
                log.write(&again.output);
                proof.errors.extend(judge_end(&again, smoke));
                break;
            }
            times.extend(again.seen.ready_ms);
        }
        times.sort_unstable();
        // A qemu is not the machine: what it takes says nothing of Lambda.
        if job.smoke == Mode::Native {
            proof.init_ms = times.get(times.len() / 2).copied();
            proof.memory = first.memory;
        }
    }
    if !world.keep_temp {
        remove_any(&root).map_err(WorkError::io(root.display().to_string()))?;
    }
    Ok(proof)
}

fn limit(job: &Job) -> Duration {
    job.node.timeout_ms.map_or(LIMIT, Duration::from_millis).min(LIMIT)
}

/// Lays the layer out as Lambda does below `/opt`.
fn unpack(root: &Path, smoke: &Smoke<'_>) -> Result<PathBuf, WorkError> {
    remove_any(root).map_err(WorkError::io(root.display().to_string()))?;
    for (name, bytes, mode) in [(BINARY, smoke.binary, 0o755), (CONFIG, smoke.config.as_bytes(), 0o644)] {
        let path = root.join(name);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(root))?;
            std::fs::write(&path, bytes)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
        };
        write().map_err(WorkError::io(path.display().to_string()))?;
    }
    Ok(root.join(BINARY))
}

/// Takes the output from the thread that runs the command.
struct Shared<'o>(&'o Mutex<Vec<u8>>);

impl OutputSink for Shared<'_> {
    fn write(&mut self, chunk: &[u8]) {
        if let Ok(mut output) = self.0.lock() {
            let room = OUTPUT.saturating_sub(output.len());
            output.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
    }
}

/// More than this no extension says before it fails.
const OUTPUT: usize = 1 << 20;

fn start(
    world: &World,
    job: &Job,
    root: &Path,
    program: &Path,
    smoke: &Smoke<'_>,
    visit: &Visit,
) -> Result<Start, WorkError> {
    let emulator = Emulator::start(smoke.given.secrets.clone())
        .map_err(|error| WorkError::Environment(format!("no socket on loopback: {error}")))?;
    let spec = command(world, job, root, program, smoke, &emulator)?;
    let output = Mutex::new(Vec::new());
    let ended = AtomicBool::new(false);
    let mut memory = None;
    let (outcome, mut seen) = std::thread::scope(|scope| {
        let command = scope.spawn(|| {
            let outcome = world.runner.run(&spec, &world.cancel, &mut Shared(&output));
            ended.store(true, Ordering::SeqCst);
            emulator.wake();
            outcome
        });
        let seen = emulator.attend(visit, &world.clock, &ended, &mut || memory = resident(program));
        (command.join(), seen)
    });
    let outcome =
        outcome.map_err(|_| WorkError::Internal("the thread of the extension ended in a panic".to_owned()))?;
    match &outcome.end {
        End::Cancelled => return Err(WorkError::Cancelled),
        // The kernel cannot run the file: that is the layer's fault only if it is for this machine.
        End::NotStarted(error) if job.smoke == Mode::Qemu => return Err(WorkError::Environment(error.to_string())),
        _ => {}
    }
    let end_in_words = match &outcome.end {
        End::NotStarted(error) => format!("could not be started: {error}"),
        End::TimedOut => format!("was still running after {} s and was ended", limit(job).as_secs()),
        End::Exited(0) => "ended of itself with status 0".to_owned(),
        _ => describe_end(&outcome),
    };
    let secrets = secrets::redactor(&smoke.given.secrets);
    let output = secrets.redact(&output.into_inner().unwrap_or_default());
    seen.reported = seen.reported.map(|said| String::from_utf8_lossy(&secrets.redact(said.as_bytes())).into_owned());
    Ok(Start { end: outcome.end, end_in_words, seen, output, memory })
}

fn command(
    world: &World,
    job: &Job,
    root: &Path,
    program: &Path,
    smoke: &Smoke<'_>,
    emulator: &Emulator,
) -> Result<CommandSpec, WorkError> {
    let config = root.join(CONFIG);
    let url = format!("http://{}", emulator.address());
    let mut env: Vec<(&str, String)> = vec![
        ("AWS_LAMBDA_RUNTIME_API", emulator.address()),
        // Lambda's name for the sandbox does not resolve elsewhere; with this the extension listens without it.
        ("AWS_SAM_LOCAL", "true".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", "ocelot-check".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        // No key of anybody: an SDK that finds none would ask the metadata service of the machine.
        ("AWS_ACCESS_KEY_ID", "ocelot".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "ocelot".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        // Whatever it asks AWS for, it asks here.
        ("AWS_ENDPOINT_URL", url.clone()),
        ("AWS_ENDPOINT_URL_S3", url.clone()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", url.clone()),
        ("OPENTELEMETRY_COLLECTOR_CONFIG_URI", format!("file:{}", config.display())),
        ("TMPDIR", job.work.display().to_string()),
    ];
    for variable in &smoke.start.endpoints {
        env.push((variable, url.clone()));
    }
    // What the check itself needs comes last, and so stands.
    let given = smoke.given.env.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let mut env: BTreeMap<OsString, OsString> =
        given.chain(env).map(|(name, value)| (name.into(), value.into())).collect();
    env.extend(world.env.get("PATH").map(|path| ("PATH".into(), path.into())));
    let (program, args) = match (job.smoke, job.tools.values().next()) {
        (Mode::Qemu, Some(qemu)) => (qemu.program.clone(), vec![program.into()]),
        (Mode::Qemu, None) => return Err(WorkError::Internal("qemu was there and is not".to_owned())),
        _ => (program.to_owned(), Vec::new()),
    };
    Ok(CommandSpec { program, args, env, dir: root.to_owned(), timeout: Some(limit(job)), stdout_file: None })
}

/// The resident set, in bytes, of the process that runs this program.
fn resident(program: &Path) -> Option<u64> {
    let program = std::fs::canonicalize(program).ok()?;
    let process = std::fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let mut ours = process.filter(|process| std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe == program));
    let status = std::fs::read_to_string(ours.next()?.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What should have come out of it, and is not among this, as `SIGNAL (TRANSPORT)`.
fn missing(smoke: &Smoke<'_>, received: &Received) -> Vec<String> {
    let over =
        |signal: &Signal| smoke.start.receivers.keys().map(|transport| (*signal, *transport)).collect::<Vec<_>>();
    let awaited = smoke.start.awaited.iter().flat_map(over).filter(|one| !received.contains(one));
    awaited.map(|(signal, transport)| format!("{} ({})", signal.name(), transport.name())).collect()
}

/// What the first start says of the layer.
fn judge(start: &Start, smoke: &Smoke<'_>) -> Proof {
    let mut proof = Proof { errors: judge_end(start, smoke), ..Proof::default() };
    if !proof.errors.is_empty() {
        return proof;
    }
    proof.errors.extend(start.seen.refused.iter().map(|why| format!("{BINARY}: {why}{}", with(smoke))));
    let lost = missing(smoke, &start.seen.received);
    if proof.errors.is_empty() && !lost.is_empty() {
        proof.errors.push(format!(
            "{BINARY}: {} sent to it never came out at the exporter's endpoint ({}){}: see what it says in the log of \
             this node",
            lost.join(", "),
            smoke.start.endpoints.join(", "),
            with(smoke)
        ));
    }
    proof
}

/// What to look at first.
fn remedy(end: &End, phase: Phase) -> &'static str {
    match (end, phase) {
        (End::NotStarted(_), _) => "",
        (End::TimedOut, Phase::ShuttingDown) => {
            "\n    Lambda gives it 2 s from SHUTDOWN to its end: look for a component that waits for an answer when it stops"
        }
        (End::TimedOut, _) => {
            "\n    Lambda gives it 10 s to start: look for an address in its configuration that does not answer"
        }
        (_, Phase::ShuttingDown) => "\n    it has to end with status 0 after SHUTDOWN",
        (_, Phase::Started | Phase::Registered) => {
            "\n    a function with this layer would not start: mend what it says, or take the component out of its \
             configuration"
        }
        _ => "\n    it has to run until SHUTDOWN, or Lambda ends the function with it",
    }
}

/// Which configuration it was, if that is not the packaged one.
fn with(smoke: &Smoke<'_>) -> String {
    if smoke.file == CONFIG { String::new() } else { format!(" (with {})", smoke.file) }
}

/// How it ended, if that was not as it should.
fn judge_end(start: &Start, smoke: &Smoke<'_>) -> Vec<String> {
    let phase = start.seen.phase;
    let is_well = start.end == End::Exited(0) && phase == Phase::ShuttingDown && start.seen.reported.is_none();
    if is_well {
        return Vec::new();
    }
    let when = if matches!(start.end, End::NotStarted(_)) { "" } else { phase.in_words() };
    let mut text = format!("{BINARY}: it {}", start.end_in_words);
    if !when.is_empty() {
        text.push_str(&format!(" {when}"));
    }
    text.push_str(&with(smoke));
    let said = cause::find(&String::from_utf8_lossy(&start.output));
    let reported = start.seen.reported.as_deref();
    match said.as_deref().or(reported) {
        Some(said) => {
            text.push_str(&format!("; it said: {said}"));
            if let Some((line, written)) = cause::config_line(said, smoke.config) {
                text.push_str(&format!("\n    {}:{line}: {written}", smoke.file));
            }
        }
        None => text.push_str("; its log names no cause"),
    }
    text.push_str(remedy(&start.end, phase));
    vec![text]
}
