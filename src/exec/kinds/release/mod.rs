//! `release`: one GitHub Release for a distribution, a version and a group, made once and updated in place.

mod files;
mod reconcile;

use std::cell::RefCell;
use std::time::Duration;

use crate::base::clock::format_utc;
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::kinds::release::files::Source;
use crate::exec::kinds::release::reconcile::{Failed, Goal, Surroundings, reconcile};
use crate::exec::kinds::report;
use crate::exec::receipt;
use crate::exec::release_name::release_name;
use crate::graph::node::Release;
use crate::outside::github::{ErrorKind, GithubClient, Place, ReleaseHost, SHA, TOKEN, Waits};
use crate::outside::process::cancel::Level;

/// Makes the release or brings it up to date.
pub(in crate::exec) fn run(
    world: &World,
    job: &Job,
    release: &Release,
    log: &mut dyn Log,
) -> Result<Produced, WorkError> {
    if world.offline {
        let problem = "the network is not to be used (`--offline`), and a release is on GitHub";
        return Err(WorkError::Environment(problem.to_owned()));
    }
    let place = Place::of(&world.env, &release.repo).map_err(WorkError::Environment)?;
    let token = world.env.get(TOKEN).map(String::as_str).unwrap_or_default();
    let log = RefCell::new(log);
    let waits = Patient { world, log: &log };
    let client = GithubClient::new(place, token, &waits).map_err(WorkError::Environment)?;
    run_at(&client, world, job, &log)
}

/// The log, to which both the client and the work on the release write.
type SharedLog<'l> = RefCell<&'l mut dyn Log>;

fn run_at(host: &dyn ReleaseHost, world: &World, job: &Job, log: &SharedLog<'_>) -> Result<Produced, WorkError> {
    let of = job.deps.iter().filter(|dep| dep.field == "of");
    let of = of.map(|dep| (dep.node.as_ref(), dep.result.as_deref()));
    let Some(name) = release_name(of).map_err(WorkError::Invalid)? else {
        log.borrow_mut().line("nothing was published, so the release stays as it is");
        return Ok(Produced { left_undone: true, ..Produced::default() });
    };
    let run = report::index_of(job);
    let goal = Goal {
        name: &name,
        target: world.env.get(SHA).map(String::as_str).filter(|commit| !commit.is_empty()),
        run: &run,
        files: files::of_run(world, job)?,
        formats: files::formats(job),
        verified_at: format!("{}Z", format_utc(world.clock.unix_seconds()).replace(' ', "T")),
    };
    let mut around = Around { world, job, log, intended: false };
    let release = reconcile(host, &goal, &mut around).map_err(Failed::into_work_error)?;
    around.line(&release.page);
    let facts = [("url", release.page), ("tag", release.tag)];
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Produced { facts, ..Produced::default() })
}

/// Waits until the time is over or the run ends.
struct Patient<'a, 'l> {
    world: &'a World,
    log: &'a SharedLog<'l>,
}

/// A wait that is told.
const LONG: Duration = Duration::from_secs(1);

impl Waits for Patient<'_, '_> {
    fn now(&self) -> u64 {
        self.world.clock.unix_seconds()
    }

    fn pause(&self, time: Duration, why: &str) -> bool {
        if time >= LONG {
            self.log.borrow_mut().line(&format!("{why}; waiting {} s", time.as_secs()));
        }
        self.world.cancel.pause_at(Level::None, time) == Level::None
    }
}

struct Around<'a, 'l> {
    world: &'a World,
    job: &'a Job,
    log: &'a SharedLog<'l>,
    intended: bool,
}

impl Surroundings for Around<'_, '_> {
    fn intend(&mut self) -> Result<(), WorkError> {
        if self.world.cancel.is_raised() {
            return Err(WorkError::Cancelled);
        }
        if !self.intended {
            receipt::begin(self.world, self.job)?;
            self.intended = true;
        }
        Ok(())
    }

    fn pause(&mut self, time: Duration) -> bool {
        self.world.cancel.pause_at(Level::None, time) == Level::None
    }

    fn read(&mut self, source: &Source) -> Result<Vec<u8>, WorkError> {
        match source {
            Source::Bytes(bytes) => Ok(bytes.clone()),
            Source::Stored(node, file) => {
                self.world.cache.read_blob(&file.digest, file.size).ok_or(WorkError::NeedsProducer(*node))
            }
            Source::Earlier(asset) => Err(WorkError::Internal(format!("`{}` is not in the store", asset.name))),
        }
    }

    fn line(&mut self, line: &str) {
        self.log.borrow_mut().line(line);
    }
}

impl Failed {
    fn into_work_error(self) -> WorkError {
        let error = match self {
            Self::Work(error) => return error,
            Self::Host(error) => error,
        };
        match error.kind {
            ErrorKind::Cancelled => WorkError::Cancelled,
            ErrorKind::Invalid | ErrorKind::TagSpent => WorkError::Invalid(error.to_string()),
            ErrorKind::Unclear => {
                WorkError::Environment(format!("{error}; whether it was done is not known, the next run looks first"))
            }
            ErrorKind::Conflict | ErrorKind::Denied | ErrorKind::Limited => WorkError::Environment(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::verdict::ReceiptState;
    use crate::exec::publication::tests::publish;
    use crate::exec::receipt::{Effect, look_up};
    use crate::exec::testing::{Printed, dep, job, node, world};
    use crate::graph::node::{Class, Kind};
    use crate::outside::github::GithubError;

    fn release_job(world: &World) -> Job {
        let published = node("published", Kind::Publish(Box::new(publish())), Class::Effect);
        let release = Kind::Release(Box::new(Release { repo: "o/n".into() }));
        job(world, node("release", release, Class::Effect), vec![dep("of", published, Err("down"))])
    }

    #[test]
    fn without_a_network_a_place_or_a_token_nothing_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let job = release_job(&world);
        let release = |repo: &str| Release { repo: repo.into() };
        let error = |world: &World, repo: &str| {
            let failed = run(world, &job, &release(repo), &mut Printed::default()).unwrap_err();
            assert!(matches!(failed, WorkError::Environment(_)), "{failed:?}");
            failed.to_string()
        };
        assert!(error(&world, "o/n").contains("--offline"));
        world.offline = false;
        assert!(error(&world, "").contains("GITHUB_REPOSITORY"));
        assert!(error(&world, "o/n").contains("GITHUB_TOKEN"));
    }

    #[test]
    fn where_nothing_was_published_nobody_is_asked_and_no_receipt_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        world.offline = false;
        // Nobody listens there.
        world.env = [("GITHUB_API_URL", "http://127.0.0.1:9"), (TOKEN, "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let job = release_job(&world);
        let mut printed = Printed::default();
        let produced = run(&world, &job, &Release { repo: "o/n".into() }, &mut printed).unwrap();
        assert!(produced.left_undone && produced.facts.is_empty());
        assert!(String::from_utf8(printed.0).unwrap().contains("nothing was published"));
        let effect = Effect { pipeline: "layers", node: &job.node, action: "", layer: None, release: None };
        assert_eq!(look_up(&world.root, &world.env, &effect).state, ReceiptState::Missing);
    }

    #[test]
    fn a_long_wait_is_told_and_ends_with_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        world.cancel.raise(Level::Graceful);
        let mut printed = Printed::default();
        let log: SharedLog<'_> = RefCell::new(&mut printed);
        let patient = Patient { world: &world, log: &log };
        assert!(!patient.pause(Duration::from_secs(90), "the limit is reached"));
        assert!(!patient.pause(Duration::from_millis(100), "no answer"));
        assert_eq!(String::from_utf8(printed.0).unwrap(), "the limit is reached; waiting 90 s\n");
    }

    #[test]
    fn an_error_says_whether_a_later_run_may_do_better() {
        let work_error = |kind| Failed::Host(GithubError::new(kind, "upload `a`", "planned")).into_work_error();
        for kind in [ErrorKind::Unclear, ErrorKind::Conflict, ErrorKind::Denied, ErrorKind::Limited] {
            assert!(matches!(work_error(kind), WorkError::Environment(_)), "{kind:?}");
        }
        assert!(work_error(ErrorKind::Unclear).to_string().contains("the next run looks first"));
        assert!(matches!(work_error(ErrorKind::Invalid), WorkError::Invalid(_)));
        assert!(matches!(work_error(ErrorKind::Cancelled), WorkError::Cancelled));
    }
}
