//! What receipts say of an effect, and the writing of them: before it acts, and once it is done.

use std::path::{Path, PathBuf};

use crate::action::result::ActionResult;
use crate::action::verdict::ReceiptState;
use crate::base::clock::format_utc;
use crate::exec::api::{Job, WorkError, World};
use crate::exec::publication::Publication;
use crate::exec::registries::{Env, place, watched};
use crate::exec::release_name::release_name;
use crate::graph::node::{Class, Kind, Node};
use crate::layer::hashes::Sha256Sum;
use crate::layer::release::name::ReleaseName;
use crate::outside::github;
use crate::outside::registry::directory::DirectoryRegistry;
use crate::outside::registry::{LayerRegistry, Place, Statement};
use crate::store::receipts::{Done, Identity, Intent, Receipt, ReceiptKey, Receipts};

/// An effect whose receipt is looked for.
#[derive(Clone, Debug)]
pub struct Effect<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The node.
    pub node: &'a Node,
    /// The action digest, as hexadecimal digits.
    pub action: &'a str,
    /// The layer that a `publish` ships.
    pub layer: Option<&'a ActionResult>,
    /// What a `release` is called.
    pub release: Option<ReleaseName>,
}

/// What receipts say of an effect.
#[derive(Clone, Debug)]
pub struct Answer {
    /// For the verdict.
    pub state: ReceiptState,
    /// What the effect left, if the receipt is valid.
    pub result: Option<ActionResult>,
    /// Files whose stat proves the answer; some may not exist.
    pub watch: Vec<PathBuf>,
}

impl Answer {
    /// What a receipt says to whoever wants this action done.
    pub(in crate::exec) fn of(receipt: Receipt, action: &str, watch: Vec<PathBuf>) -> Self {
        let (state, result) = match (receipt.intent, receipt.done) {
            (Some(_), _) => (ReceiptState::OpenIntent, None),
            (None, None) => (ReceiptState::Missing, None),
            (None, Some(done)) if done.action == action => {
                (ReceiptState::Valid(format_utc(done.result.ended_at)), Some(done.result))
            }
            (None, Some(_)) => (ReceiptState::Other, None),
        };
        Self { state, result, watch }
    }
}

/// The fact of a `publish` that holds its number.
pub(in crate::exec) const VERSION: &str = "version";
/// The fact of a `publish` that holds when its version was published, in seconds since 1970.
pub(in crate::exec) const CREATED: &str = "created";
/// The fact of a `publish` that was left undone, and why.
pub const PASSED_OVER: &str = "passed-over";

/// What tells this effect from every other; `None` for one that leaves no receipt. `place` says where a setting leads.
fn identity(effect: &Effect<'_>, env: &Env, place: impl Fn(&str) -> Option<Place>) -> Option<Identity> {
    let named = |pairs: &[(&str, &str)]| -> Identity {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    match &effect.node.kind {
        Kind::Exec(_) => Some(named(&[
            ("effect", "exec"),
            ("pipeline", effect.pipeline),
            ("node", &effect.node.name),
            ("action", effect.action),
        ])),
        Kind::Publish(publish) => {
            let layer = Publication::new(publish, effect.layer?).ok()?;
            Some(layer.identity(&place(&publish.registry)?))
        }
        // The digest is not part of it: the release is one, and only what was done to it last says what it is like.
        Kind::Release(release) => {
            let at = github::Place::of(env, &release.repo).ok()?;
            let tag = effect.release.as_ref()?.tag();
            Some(named(&[("effect", "release"), ("api", &at.api), ("repository", &at.repository), ("tag", &tag)]))
        }
        _ => None,
    }
}

/// Looks for the receipt of an effect in the project at `root`, under the caller's variables. Reads files and nothing
/// else.
pub fn look_up(root: &Path, env: &Env, effect: &Effect<'_>) -> Answer {
    let missing = |watch| Answer { state: ReceiptState::Missing, result: None, watch };
    let found = identity(effect, env, |setting| place(root, env, setting));
    let Some(identity) = found else { return missing(Vec::new()) };
    let (receipts, key) = (Receipts::of_project(root), ReceiptKey::of(&identity));
    let mut watch = vec![receipts.path(&key)];
    let Some(receipt) = receipts.read(&key) else { return missing(watch) };
    if let (Kind::Publish(publish), None, Some(done)) = (&effect.node.kind, &receipt.intent, &receipt.done) {
        watch.extend(watched(root, env, &publish.registry));
        // A folder says at once, by file reads, whether the version is still there; AWS is not asked.
        if let Some(registry) = DirectoryRegistry::of_setting(root, &publish.registry) {
            let stands = effect.layer.and_then(|layer| {
                let publication = Publication::new(publish, layer).ok()?;
                let number = done.result.fact(VERSION)?.parse().ok()?;
                watch.extend(registry.files(&publication.layer, number));
                is_there(&registry, &publication, number).then_some(())
            });
            if stands.is_none() {
                return missing(watch);
            }
        }
    }
    Answer::of(receipt, effect.action, watch)
}

/// Whether the version is in the folder with the recorded bytes, and shared at least as declared.
fn is_there(registry: &DirectoryRegistry, publication: &Publication, number: u64) -> bool {
    let layer = &publication.layer;
    let whole = |zip: Vec<u8>| Sha256Sum::of(&zip).to_code_sha256() == publication.code_sha256;
    let listed = registry.get_version(layer, number).is_ok_and(|version| publication.is_version(&version));
    let shared = publication.sharing.is_empty()
        || registry.read_policy(layer, number).is_ok_and(|policy| publication.lacking(&policy).is_empty());
    listed && shared && registry.read_zip(layer, number).is_ok_and(whole)
}

/// Whether everybody may use a version with this policy.
pub(in crate::exec) fn is_public(policy: &[Statement]) -> bool {
    policy.iter().any(|statement| statement.grantee == crate::outside::registry::Grantee::Everyone)
}

fn effect_of<'a>(job: &'a Job, action: &'a str) -> Effect<'a> {
    let layer = job.deps.iter().find(|dep| dep.field == "layer").and_then(|dep| dep.result.as_deref());
    let of = job.deps.iter().filter(|dep| dep.field == "of");
    let release = release_name(of.map(|dep| (dep.node.as_ref(), dep.result.as_deref()))).ok().flatten();
    Effect { pipeline: &job.pipeline, node: &job.node, action, layer, release }
}

/// The identity of the effect that a job does in this run: of the account that the run began with, not of one that the
/// files name by now.
///
/// # Errors
/// If it is not known whose the credentials are: what would be done then could not be noted.
fn identity_now(world: &World, job: &Job, action: &str) -> Result<Option<Identity>, WorkError> {
    let found = identity(&effect_of(job, action), &world.env, |setting| world.registries.place(&world.env, setting));
    match (&found, &job.node.kind) {
        (None, Kind::Publish(publish)) => Err(WorkError::Environment(format!(
            "it is not known whose the credentials for `{}` are: they changed while this ran; run again",
            publish.registry
        ))),
        _ => Ok(found),
    }
}

fn unwritten(root: &Path) -> impl FnOnce(std::io::Error) -> WorkError {
    WorkError::io(root.join(".ocelot/receipts").display().to_string())
}

/// Notes, synced, that an effect is about to act. Nothing for a node that is no effect.
///
/// # Errors
/// If it cannot be noted: then the effect must not act.
pub(in crate::exec) fn begin(world: &World, job: &Job) -> Result<(), WorkError> {
    if job.node.class != Class::Effect {
        return Ok(());
    }
    let action = job.manifest.action.to_hex();
    let Some(identity) = identity_now(world, job, &action)? else { return Ok(()) };
    let intent = Intent { run: world.run.clone(), at: world.clock.unix_seconds(), action };
    Receipts::of_project(&world.root).begin(&identity, intent).map_err(unwritten(&world.root))
}

/// Writes the receipt of an effect that was done. Nothing for a node that is no effect.
///
/// # Errors
/// If it cannot be written: the next run has to look, or do it again.
pub(in crate::exec) fn complete(world: &World, job: &Job, result: &ActionResult) -> Result<(), WorkError> {
    if job.node.class != Class::Effect {
        return Ok(());
    }
    let action = job.manifest.action.to_hex();
    let Some(identity) = identity_now(world, job, &action)? else { return Ok(()) };
    let done = Done { result: result.clone(), action };
    Receipts::of_project(&world.root).complete(&identity, done).map_err(unwritten(&world.root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::testing::{job, node, world};
    use crate::exec::worker::{Progress, Work, work};
    use crate::graph::node::Exec;
    use crate::outside::process::cancel::Cancel;
    use crate::outside::process::command::{CommandRunner, CommandSpec, End, LeftRunning, Outcome, OutputSink};
    use std::time::Duration;

    /// Every command writes `done` if it exits with 0; while it runs, the intent has to be open.
    struct Command {
        exit: i32,
        root: PathBuf,
        effect: bool,
    }

    impl CommandRunner for Command {
        fn run(&self, spec: &CommandSpec, _: &Cancel, _: &mut dyn OutputSink) -> Outcome {
            let receipts = Receipts::of_project(&self.root).all().unwrap();
            assert_eq!(receipts.iter().any(|(_, receipt)| receipt.intent.is_some()), self.effect);
            if self.exit == 0 {
                std::fs::write(spec.dir.join("done"), b"x").unwrap();
            }
            Outcome { end: End::Exited(self.exit), duration: Duration::ZERO, left_running: LeftRunning::default() }
        }
    }

    struct Quiet;
    impl Progress for Quiet {
        fn line(&mut self, _: crate::base::id::NodeId, _: String) {}
        fn attempt(&mut self, _: crate::base::id::NodeId, _: u32) {}
    }

    fn exec_job(world: &World, class: Class, argument: &str) -> Job {
        let command = vec!["/bin/deploy".to_owned(), argument.to_owned()];
        let exec = Exec { command, outputs: vec!["done".into()], ..Exec::default() };
        job(world, node("deploy", Kind::Exec(Box::new(exec)), class), Vec::new())
    }

    fn ask(world: &World, job: &Job, pipeline: &str) -> Answer {
        let action = job.manifest.action.to_hex();
        look_up(
            &world.root,
            &world.env,
            &Effect { pipeline, node: &job.node, action: &action, layer: None, release: None },
        )
    }

    fn run(world: &mut World, job: &Job, exit: i32) -> bool {
        let effect = job.node.class == Class::Effect;
        world.runner = Box::new(Command { exit, root: world.root.clone(), effect });
        work(world, &Work::Run(job.clone()), &mut Quiet).outcome.is_ok()
    }

    #[test]
    fn an_effect_that_is_a_command_leaves_an_intent_and_then_a_receipt() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let job = exec_job(&world, Class::Effect, "a");
        assert_eq!(ask(&world, &job, "layers").state, ReceiptState::Missing);
        assert!(!run(&mut world, &job, 1));
        assert_eq!(ask(&world, &job, "layers").state, ReceiptState::OpenIntent);
        assert!(run(&mut world, &job, 0));
        let answer = ask(&world, &job, "layers");
        assert!(matches!(answer.state, ReceiptState::Valid(_)) && answer.watch.len() == 1);
        assert_eq!(answer.result.unwrap().outputs[0].path.as_deref(), Some("done"));
        // Another pipeline or another digest is another effect.
        assert_eq!(ask(&world, &job, "other").state, ReceiptState::Missing);
        assert_eq!(ask(&world, &exec_job(&world, Class::Effect, "b"), "layers").state, ReceiptState::Missing);
        // Effects are never in the action cache.
        assert_eq!(world.cache.get_record(&job.manifest.action), None);
    }

    #[test]
    fn nodes_that_are_no_effects_have_no_receipts() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let job = exec_job(&world, Class::Pure, "a");
        assert!(run(&mut world, &job, 0));
        assert!(Receipts::of_project(&world.root).all().unwrap().is_empty());
        let group = node("all", Kind::Group, Class::Pure);
        let answer = look_up(
            &world.root,
            &world.env,
            &Effect { pipeline: "p", node: &group, action: "", layer: None, release: None },
        );
        assert!(answer.state == ReceiptState::Missing && answer.watch.is_empty());
    }
}
