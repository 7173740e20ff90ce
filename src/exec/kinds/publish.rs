//! `publish`: reconciles one layer in one region.

use std::time::Duration;

use crate::base::aws_id::TableName;
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::kinds::blob;
use crate::exec::publication::Publication;
use crate::exec::receipt;
use crate::exec::reconcile::{Reconciled, Surroundings, Wanted, reconcile};
use crate::exec::registries::{AWS, Env, account_of_arn};
use crate::graph::node::Publish;
use crate::layer::description::LayerDescription;
use crate::layer::hashes::{Sha256Sum, md5_hex};
use crate::layer::name::LayerNameParts;
use crate::layer::record::LayerRecord;
use crate::outside::process::cancel::Level;
use crate::outside::registry::{ErrorKind, LayerRegistry, RegistryError};

/// Finds the layer or publishes it, and shares it as declared.
pub(in crate::exec) fn run(
    world: &World,
    job: &Job,
    publish: &Publish,
    log: &mut dyn Log,
) -> Result<Produced, WorkError> {
    let registry = world.registries.open(&publish.registry)?;
    run_in(registry.as_ref(), world, job, publish, log)
}

fn run_in(
    registry: &dyn LayerRegistry,
    world: &World,
    job: &Job,
    publish: &Publish,
    log: &mut dyn Log,
) -> Result<Produced, WorkError> {
    let (_, layer) = job.dep("layer")?;
    let publication = Publication::new(publish, layer).map_err(WorkError::Invalid)?;
    let zip = blob::read(world, job, "layer", "layer")?;
    let sha256 = Sha256Sum::of(&zip);
    if sha256.to_code_sha256() != publication.code_sha256 {
        return Err(WorkError::Internal("the layer's bytes are not those of its fact `code-sha256`".to_owned()));
    }
    let components = job.fact("layer", "components")?;
    let description = LayerDescription {
        sha256,
        distribution: job.fact("layer", "distribution")?,
        collector_version: job.fact("layer", "collector-version")?,
        commit: job.fact("layer", "commit")?,
        components: components.split(',').filter(|name| !name.is_empty()).count(),
    };
    let description = description.text().map_err(|error| WorkError::Invalid(error.to_string()))?;
    let wanted = Wanted { publication: &publication, zip: &zip, description: &description };
    let done = match reconcile(registry, &wanted, &mut Around { world, job }) {
        Err(Failed::Registry(error)) if error.kind == ErrorKind::NotEnabled && world.pass_over_disabled => {
            log.line(&format!("passed over: {}", error.problem));
            return passed_over(publish, &publication, job, &error);
        }
        done => done.map_err(Failed::into_work_error)?,
    };
    stays_in_account(world, publish, &done.version.arn)?;
    write_row(world, job, publish, &publication, &zip, &done)?;
    log.line(&format!("{} {}", if done.published { "published" } else { "adopted" }, done.version.arn));
    produced(publish, &publication, job, done)
}

/// Writes the version's row into the metadata table, if there is to be one. A failure is one of the node, so that the next
/// run writes it.
fn write_row(
    world: &World,
    job: &Job,
    publish: &Publish,
    publication: &Publication,
    zip: &[u8],
    done: &Reconciled,
) -> Result<(), WorkError> {
    let Some(table) = TableName::parse(&publish.table).filter(|_| publish.registry == AWS) else { return Ok(()) };
    let fact = |name: &str| job.fact("layer", name).map(str::to_owned);
    let collector_version = fact("collector-version")?;
    let label = LayerNameParts {
        version: Some(&publish.version),
        collector_version: Some(&collector_version),
        ..LayerNameParts::default()
    };
    let record = LayerRecord {
        arn: done.version.arn.clone(),
        distribution: fact("distribution")?,
        version: done.version.listed.number,
        region: publication.layer.region.clone(),
        layer_name: publication.layer.name.clone(),
        architecture: fact("arch")?,
        version_label: label.version_label(),
        collector_version,
        md5: md5_hex(zip),
        sha256: Sha256Sum::of(zip).to_hex(),
        created: done.version.listed.created,
        public: done.public,
        runtimes: publication.runtimes.clone(),
        group: publish.group.clone(),
        tags: fact("tags")?,
        size: zip.len() as u64,
        commit: fact("commit")?,
    };
    Ok(world.registries.aws()?.write_row(&table, &record, run_url(&world.env).as_deref())?)
}

/// Where GitHub shows the run that this is part of.
fn run_url(env: &Env) -> Option<String> {
    let variable = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let [server, repository, run] = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"].map(variable);
    Some(format!("{}/{}/actions/runs/{}", server?, repository?, run?))
}

/// Credentials are read again when they expire, and may be of another account by then: what was done there is told, and
/// does not count here.
fn stays_in_account(world: &World, publish: &Publish, arn: &str) -> Result<(), WorkError> {
    let ours = world.registries.place(&world.env, &publish.registry).and_then(|place| place.account);
    match (ours, account_of_arn(arn)) {
        (Some(ours), Some(found)) if ours != found => Err(WorkError::Environment(format!(
            "the credentials changed while this ran: {arn} is not in account {ours}, for which this run began; run again"
        ))),
        _ => Ok(()),
    }
}

/// What stands for a region that the account has not enabled, when all regions were asked for.
fn passed_over(
    publish: &Publish,
    publication: &Publication,
    job: &Job,
    error: &RegistryError,
) -> Result<Produced, WorkError> {
    let facts = [
        (receipt::PASSED_OVER, "not enabled".to_owned()),
        ("layer-name", publication.layer.name.clone()),
        ("region", publication.layer.region.clone()),
        ("registry", publish.registry.clone()),
        ("arch", job.fact("layer", "arch")?.to_owned()),
        ("distribution", job.fact("layer", "distribution")?.to_owned()),
    ];
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Produced { facts, warnings: vec![error.problem.clone()], left_undone: true, ..Produced::default() })
}

fn produced(publish: &Publish, publication: &Publication, job: &Job, done: Reconciled) -> Result<Produced, WorkError> {
    let facts = [
        ("arn", done.version.arn),
        (receipt::VERSION, done.version.listed.number.to_string()),
        ("layer-name", publication.layer.name.clone()),
        ("region", publication.layer.region.clone()),
        ("code-sha256", publication.code_sha256.clone()),
        ("registry", publish.registry.clone()),
        ("public", done.public.to_string()),
        ("arch", job.fact("layer", "arch")?.to_owned()),
        ("distribution", job.fact("layer", "distribution")?.to_owned()),
        ("collector-version", job.fact("layer", "collector-version")?.to_owned()),
    ];
    let created = done.version.listed.created.map(|at| (receipt::CREATED, at.to_string()));
    let facts = facts.into_iter().chain(created).map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Produced { facts, warnings: done.warnings, ..Produced::default() })
}

struct Around<'a> {
    world: &'a World,
    job: &'a Job,
}

impl Surroundings for Around<'_> {
    type Error = Failed;

    fn intend(&mut self) -> Result<(), Failed> {
        if self.world.cancel.is_raised() {
            return Err(Failed::Work(WorkError::Cancelled));
        }
        receipt::begin(self.world, self.job).map_err(Failed::Work)
    }

    fn pause(&mut self, time: Duration) -> Result<(), Failed> {
        match self.world.cancel.pause_at(Level::None, time) {
            Level::None => Ok(()),
            Level::Graceful | Level::Now => Err(Failed::Work(WorkError::Cancelled)),
        }
    }
}

/// Why reconciling ended without success.
enum Failed {
    Registry(RegistryError),
    Work(WorkError),
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl Failed {
    fn into_work_error(self) -> WorkError {
        match self {
            Self::Registry(error) => error.into(),
            Self::Work(error) => error,
        }
    }
}

impl From<RegistryError> for WorkError {
    fn from(error: RegistryError) -> Self {
        match error.kind {
            ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::NotFound => Self::Invalid(error.to_string()),
            ErrorKind::Ambiguous => {
                Self::Environment(format!("{error}; whether it was done is not known, the next run looks first"))
            }
            ErrorKind::Throttled | ErrorKind::Refused | ErrorKind::Denied | ErrorKind::NotEnabled | ErrorKind::Io => {
                Self::Environment(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::ActionResult;
    use crate::action::verdict::ReceiptState;
    use crate::exec::publication::tests::publish;
    use crate::exec::receipt::{Effect, look_up};
    use crate::exec::testing::{CONFIG_TEXT, Printed, collector, dep, facts, file, job, node, world};
    use crate::graph::node::{Class, Kind};
    use crate::layer::arch::Arch;
    use crate::layer::deflate::Recipe;
    use crate::layer::zip_write::{collector_layer, write_zip};
    use crate::outside::registry::faulty::{Fault, FaultyRegistry, When};
    use std::path::Path;

    /// A checked layer, in the store.
    fn layer(world: &World) -> ActionResult {
        let binary = collector(Arch::Amd64);
        let zip =
            write_zip(&collector_layer(&binary, CONFIG_TEXT.as_bytes()), Recipe::CURRENT, std::num::NonZeroUsize::MIN);
        let zip = zip.unwrap();
        let mut facts = facts();
        facts.insert("code-sha256".into(), Sha256Sum::of(&zip).to_code_sha256());
        ActionResult { outputs: vec![file(world, "layer", &zip)], facts, ..ActionResult::default() }
    }

    fn publish_job(world: &World, publish: &Publish) -> Job {
        let checked = node("checked", Kind::Group, Class::Pure);
        let deps = vec![dep("layer", checked, Ok(layer(world)))];
        job(world, node("published", Kind::Publish(Box::new(publish.clone())), Class::Effect), deps)
    }

    fn ask(world: &World, job: &Job) -> (ReceiptState, Option<ActionResult>, usize) {
        let action = job.manifest.action.to_hex();
        let layer = job.deps[0].result.as_deref();
        let effect = Effect { pipeline: &job.pipeline, node: &job.node, action: &action, layer, release: None };
        let answer = look_up(&world.root, &world.env, &effect);
        (answer.state, answer.result, answer.watch.len())
    }

    fn act(world: &World, job: &Job, publish: &Publish) -> ActionResult {
        let produced = run(world, job, publish, &mut Printed::default()).unwrap();
        let result = ActionResult { facts: produced.facts, ..ActionResult::default() };
        receipt::complete(world, job, &result).unwrap();
        result
    }

    fn versions(root: &Path) -> usize {
        let layer = root.join("layers/eu-west-1/ocel-amd64-minimal-0_145_0-local");
        std::fs::read_dir(layer)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().join("layer.zip").exists())
            .count()
    }

    #[test]
    fn a_publication_leaves_facts_and_a_receipt_that_stands() {
        let dir = tempfile::tempdir().unwrap();
        let (world, publish) = (world(dir.path()), publish());
        let job = publish_job(&world, &publish);
        assert_eq!(ask(&world, &job).0, ReceiptState::Missing);
        let result = act(&world, &job, &publish);
        assert_eq!(result.fact("arn"), Some("layer:eu-west-1:ocel-amd64-minimal-0_145_0-local:1"));
        assert_eq!((result.fact("version"), result.fact("public")), (Some("1"), Some("true")));
        assert_eq!((result.fact("region"), result.fact("registry")), (Some("eu-west-1"), Some("directory:layers")));
        let (state, found, watch) = ask(&world, &job);
        assert!(matches!(state, ReceiptState::Valid(_)) && found == Some(result.clone()) && watch == 4);
        // Without the receipt the version is adopted.
        std::fs::remove_dir_all(world.root.join(".ocelot/receipts")).unwrap();
        assert_eq!(act(&world, &job, &publish), result);
        assert_eq!(versions(&world.root), 1);
    }

    #[test]
    fn a_receipt_stands_only_while_bytes_and_policy_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let (world, publish) = (world(dir.path()), publish());
        let job = publish_job(&world, &publish);
        act(&world, &job, &publish);
        let version = world.root.join("layers/eu-west-1/ocel-amd64-minimal-0_145_0-local/1");
        for (file, damage) in
            [("layer.zip", Some("x")), ("policy.json", None), ("policy.json", Some("[]")), ("version.json", None)]
        {
            let (path, good) = (version.join(file), std::fs::read(version.join(file)).unwrap());
            match damage {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            assert_eq!(ask(&world, &job).0, ReceiptState::Missing, "{file} {damage:?}");
            std::fs::write(&path, good).unwrap();
            assert!(matches!(ask(&world, &job).0, ReceiptState::Valid(_)), "{file}");
        }
        // What is made private by hand converges, without a second version.
        std::fs::remove_file(version.join("policy.json")).unwrap();
        act(&world, &job, &publish);
        assert!(version.join("policy.json").exists());
        assert_eq!(versions(&world.root), 1);
    }

    #[test]
    fn another_sharing_is_another_action_of_the_same_version() {
        let dir = tempfile::tempdir().unwrap();
        let (world, public) = (world(dir.path()), publish());
        let private = Publish { public: false, ..publish() };
        let (first, second) = (publish_job(&world, &private), publish_job(&world, &public));
        act(&world, &first, &private);
        assert_eq!(ask(&world, &second).0, ReceiptState::Missing);
        act(&world, &second, &public);
        assert_eq!((ask(&world, &first).0, versions(&world.root)), (ReceiptState::Other, 1));
        assert!(matches!(ask(&world, &second).0, ReceiptState::Valid(_)));
    }

    #[test]
    fn killed_anywhere_the_intent_is_open_and_the_next_run_ends_with_one_version() {
        for call in 0..5 {
            for when in [When::Before, When::After] {
                let dir = tempfile::tempdir().unwrap();
                let (world, publish) = (world(dir.path()), publish());
                let job = publish_job(&world, &publish);
                let registry = world.registries.open(&publish.registry).unwrap();
                let fault = Fault { call, when, kind: ErrorKind::Denied };
                let faulty = FaultyRegistry::new(registry.as_ref(), &[fault]);
                assert!(run_in(&faulty, &world, &job, &publish, &mut Printed::default()).is_err());
                let expected = if call == 0 { ReceiptState::Missing } else { ReceiptState::OpenIntent };
                assert_eq!(ask(&world, &job).0, expected, "{call} {when:?}");
                act(&world, &job, &publish);
                assert_eq!(versions(&world.root), 1, "{call} {when:?}");
                assert!(matches!(ask(&world, &job).0, ReceiptState::Valid(_)));
            }
        }
    }

    #[test]
    fn what_cannot_be_published_is_said_before_anything_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        for (publish, text) in [
            (Publish { registry: "s3".into(), ..publish() }, "directory:PATH"),
            (Publish { runtimes: vec!["cobol".into()], ..publish() }, "no such runtime"),
            (Publish { name: "x".repeat(150), ..publish() }, "takes 140"),
        ] {
            let job = publish_job(&world, &publish);
            let error = run(&world, &job, &publish, &mut Printed::default()).unwrap_err();
            assert!(matches!(&error, WorkError::Invalid(said) if said.contains(text)), "{error}");
            assert_eq!(ask(&world, &job).0, ReceiptState::Missing);
        }
        assert!(!world.root.join("layers").exists());
    }
}
