//! Brings a release to what it is to be: look, do the next thing, look again, until there is nothing left to do.
//!
//! GitHub has no transactions, answers get lost, runs are killed, and two may be at work at once. So nothing is taken
//! from memory that can be seen, and what an interrupted run left is just another beginning. A published release is never
//! deleted.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::exec::api::WorkError;
use crate::exec::kinds::release::files::{self, File, INDEX_FILE, Source};
use crate::layer::hashes::Sha256Sum;
use crate::layer::release::assets::{Held, Step, Wanted, heal, is_waiting, next};
use crate::layer::release::body::{self, Body};
use crate::layer::release::choose::{Choice, Seen, choose, successor};
use crate::layer::release::index::Index;
use crate::layer::release::name::ReleaseName;
use crate::outside::github::{Asset, ErrorKind, GithubError, Release, ReleaseHost, Wish};

/// Looks before it is said that somebody else is at work all the time.
const LOOKS: u32 = 16;
/// Milliseconds before looking again after a call whose end is not known, or which met something unexpected.
const AGAIN: [u64; 5] = [100, 500, 2_000, 5_000, 10_000];

/// What is wanted.
pub(super) struct Goal<'a> {
    pub(super) name: &'a ReleaseName,
    /// The commit at which the tag is made.
    pub(super) target: Option<&'a str>,
    /// What this run has published, and what is missing.
    pub(super) run: &'a Index,
    /// The files of this run.
    pub(super) files: Vec<File>,
    /// Which further files are rendered.
    pub(super) formats: BTreeSet<String>,
    /// The time of this run.
    pub(super) verified_at: String,
}

/// What reconciling needs of its surroundings.
pub(super) trait Surroundings {
    /// Called before the first call that changes something, and to hear whether the run is ending before each.
    fn intend(&mut self) -> Result<(), WorkError>;

    /// Waits; `false` if the run is ending.
    fn pause(&mut self, time: Duration) -> bool;

    /// The bytes of a file in the store.
    fn read(&mut self, source: &Source) -> Result<Vec<u8>, WorkError>;

    /// Tells what was done.
    fn line(&mut self, line: &str);
}

/// Why it ended without success.
#[derive(Debug)]
pub(super) enum Failed {
    Host(GithubError),
    Work(WorkError),
}

impl From<GithubError> for Failed {
    fn from(error: GithubError) -> Self {
        Self::Host(error)
    }
}

impl From<WorkError> for Failed {
    fn from(error: WorkError) -> Self {
        Self::Work(error)
    }
}

/// Reconciles; gives the release as it is then.
pub(super) fn reconcile(
    host: &dyn ReleaseHost,
    goal: &Goal<'_>,
    around: &mut dyn Surroundings,
) -> Result<Release, Failed> {
    Reconcile { host, goal, around, made: None, spent: Vec::new() }.run()
}

struct Reconcile<'a> {
    host: &'a dyn ReleaseHost,
    goal: &'a Goal<'a>,
    around: &'a mut dyn Surroundings,
    /// The draft that this run made: a list may not have it yet.
    made: Option<u64>,
    /// Tags that can never be used again.
    spent: Vec<String>,
}

impl Reconcile<'_> {
    fn run(mut self) -> Result<Release, Failed> {
        let mut pauses = AGAIN.iter();
        for _ in 0..LOOKS {
            match self.round() {
                Ok(Some(release)) => return Ok(release),
                Ok(None) => {}
                Err(Failed::Host(error)) if matches!(error.kind, ErrorKind::Unclear | ErrorKind::Conflict) => {
                    let Some(pause) = pauses.next() else { return Err(error.into()) };
                    self.around.line(&format!("{error}; looking again"));
                    if !self.around.pause(Duration::from_millis(*pause)) {
                        return Err(WorkError::Cancelled.into());
                    }
                }
                Err(failed) => return Err(failed),
            }
        }
        let problem = "it is never as it was left; is another run at work on it? run again when that has ended";
        Err(GithubError::new(ErrorKind::Conflict, format!("bring `{}` up to date", self.goal.name.tag()), problem)
            .into())
    }

    /// Does the next thing; gives the release if there was nothing to do.
    fn round(&mut self) -> Result<Option<Release>, Failed> {
        let goal = self.goal;
        let releases = self.releases()?;
        let seen: Vec<Seen> = releases.iter().map(seen).collect();
        match choose(goal.name, &seen, &self.spent).map_err(WorkError::Invalid)? {
            Choice::Create(tag) => self.create(tag)?,
            Choice::Discard(id) => {
                self.around.intend()?;
                self.host.delete_draft(id)?;
                self.made = self.made.filter(|made| *made != id);
                self.around.line("deleted a draft that another release has overtaken");
            }
            Choice::Retag(id, tag) => {
                self.around.intend()?;
                self.around.line(&format!("the tag cannot be used again; the release gets `{tag}`"));
                self.host.edit(id, &Wish { tag: Some(tag), draft: Some(true), ..Wish::default() })?;
            }
            Choice::Update { id, before } => {
                let find = |id: u64| releases.iter().find(|release| release.id == id);
                let release = find(id).expect("BUG: only what was seen is chosen");
                return self.update(release, before.and_then(find));
            }
        }
        Ok(None)
    }

    fn releases(&mut self) -> Result<Vec<Release>, Failed> {
        let mut releases = self.host.releases()?;
        if let Some(made) = self.made.filter(|made| releases.iter().all(|release| release.id != *made)) {
            match self.host.release(made) {
                Ok(release) => releases.push(release),
                Err(error) if error.kind == ErrorKind::Conflict => self.made = None,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(releases)
    }

    fn create(&mut self, tag: String) -> Result<(), Failed> {
        let name = self.goal.name;
        self.around.intend()?;
        let wish = Wish {
            tag: Some(tag.clone()),
            target: self.goal.target.map(str::to_owned),
            title: Some(name.to_string()),
            body: Some(body::draft(name)),
            draft: Some(true),
            prerelease: Some(!name.is_production()),
            make_latest: Some("false"),
        };
        match self.host.create(&wish) {
            Ok(release) => self.made = Some(release.id),
            Err(error) if error.kind == ErrorKind::TagSpent => self.spent.push(tag),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn update(&mut self, release: &Release, before: Option<&Release>) -> Result<Option<Release>, Failed> {
        let goal = self.goal;
        let mut held = self.held(release)?;
        while let Some(step) = heal(&held) {
            self.act(release, &mut held, &[], step)?;
        }
        let earlier = match before {
            Some(before) => self.held(before)?,
            None => Vec::new(),
        };
        let base = self.base(release, &held, before.map(|before| (before, earlier.as_slice())))?;
        let index = base.merged(goal.run, &goal.verified_at);
        let body = Body::new(goal.name, &index);
        if release.is_immutable {
            let is_other =
                |file: &File| !held.iter().any(|held| held.name == file.name && held.sha256 == Some(file.sha256));
            let cannot_say = (body.is_spilled || !body.has_index) && index != base;
            if goal.files.iter().any(|file| file.is_layer && is_other(file)) || cannot_say {
                self.around.line(&format!(
                    "the files of `{}` cannot be changed: another release takes its place",
                    release.tag
                ));
                self.create(successor(goal.name, &release.tag, &self.spent))?;
                return Ok(None);
            }
        } else if self.exchange(release, held, &earlier, &index, &body)? {
            // What was there a moment ago need not be there now: the next look decides about publishing.
            return if release.is_draft { self.edit(release, &body).map(|_| None) } else { Ok(None) };
        }
        Ok(if self.edit(release, &body)? { None } else { Some(release.clone()) })
    }

    /// What the release offers before this run.
    fn base(&self, release: &Release, held: &[Held], before: Option<(&Release, &[Held])>) -> Result<Index, Failed> {
        if let Some(index) = self.stated(release, held)? {
            return Ok(index);
        }
        if let Some((before, held)) = before {
            return Ok(self
                .stated(before, held)?
                .unwrap_or_else(|| Index::new(self.goal.run.pipeline(), vec![], vec![])));
        }
        if release.is_draft {
            return Ok(Index::new(self.goal.run.pipeline(), vec![], vec![]));
        }
        Err(WorkError::Invalid(format!(
            "the release `{}` has no {INDEX_FILE}, so what it offers is not known, and nothing is changed; attach the \
             {INDEX_FILE} of a report to it, or give it another tag",
            release.tag
        ))
        .into())
    }

    /// The index that a release has: as a file, or where files cannot be changed in its text.
    fn stated(&self, release: &Release, held: &[Held]) -> Result<Option<Index>, Failed> {
        let in_body = || release.body.as_deref().and_then(body::index).map(str::to_owned);
        let as_file = || -> Result<Option<String>, Failed> {
            let Some(file) = held.iter().find(|file| file.name == INDEX_FILE && file.is_whole) else { return Ok(None) };
            Ok(Some(String::from_utf8_lossy(&self.host.download(&asset_of(file))?).into_owned()))
        };
        let text = if release.is_immutable {
            in_body().map_or_else(as_file, |text| Ok(Some(text)))?
        } else {
            as_file()?.or_else(in_body)
        };
        let parse = |text: String| {
            Index::parse(&text).map_err(|error| {
                WorkError::Invalid(format!(
                    "{error}: what the release `{}` offers is not known, and nothing is changed; replace its {INDEX_FILE} \
                     by that of a report",
                    release.tag
                ))
            })
        };
        Ok(text.map(parse).transpose()?)
    }

    fn held(&self, release: &Release) -> Result<Vec<Held>, Failed> {
        Ok(self.host.assets(release.id)?.iter().map(held_of).collect())
    }

    /// Brings the files up to date; whether anything was to do.
    fn exchange(
        &mut self,
        release: &Release,
        mut held: Vec<Held>,
        earlier: &[Held],
        index: &Index,
        body: &Body,
    ) -> Result<bool, Failed> {
        let mut files = self.goal.files.clone();
        for file in earlier.iter().filter(|file| file.is_whole && !is_waiting(&file.name)) {
            // A release that takes another's place has the files of that which this run did not make.
            if !files::is_rendered(&file.name) && files.iter().all(|known| known.name != file.name) {
                files.push(self.carried(file)?);
            }
        }
        files
            .extend(files::rendered(index, body, &self.goal.formats, |name| held.iter().any(|file| file.name == name)));
        for file in held.iter_mut().filter(|file| file.is_whole && file.sha256.is_none()) {
            if files.iter().any(|wanted| wanted.name == file.name && wanted.size == file.size) {
                file.sha256 = Some(Sha256Sum::of(&self.host.download(&asset_of(file))?));
            }
        }
        let wanted: Vec<Wanted> =
            files.iter().map(|file| Wanted { name: file.name.clone(), sha256: file.sha256 }).collect();
        let most = 5 * files.len() + held.len();
        for done in 0..most {
            let Some(step) = next(&held, &wanted) else { return Ok(done > 0) };
            self.act(release, &mut held, &files, step)?;
        }
        let problem = "GitHub keeps other names or bytes than it is given";
        Err(GithubError::new(ErrorKind::Invalid, format!("bring the files of `{}` up to date", release.tag), problem)
            .into())
    }

    fn carried(&self, file: &Held) -> Result<File, Failed> {
        let asset = asset_of(file);
        let sha256 = match file.sha256 {
            Some(sha256) => sha256,
            None => Sha256Sum::of(&self.host.download(&asset)?),
        };
        let source = Source::Earlier(asset);
        Ok(File { name: file.name.clone(), sha256, size: file.size, is_layer: false, source })
    }

    fn act(&mut self, release: &Release, held: &mut Vec<Held>, files: &[File], step: Step) -> Result<(), Failed> {
        self.around.intend()?;
        match step {
            Step::Delete(id) => {
                self.host.delete_asset(id)?;
                held.retain(|file| file.id != id);
            }
            Step::Rename(id, name) => {
                let renamed = self.host.rename(id, &name)?;
                held.iter_mut().filter(|file| file.id == id).for_each(|file| file.name.clone_from(&renamed.name));
            }
            Step::Upload(position, name) => {
                let file = &files[position];
                let bytes = match &file.source {
                    Source::Earlier(asset) => self.host.download(asset)?,
                    source => self.around.read(source)?,
                };
                let asset = self.host.upload(release, &name, &bytes)?;
                let mut made = held_of(&asset);
                made.sha256 = made.sha256.or(Some(file.sha256));
                held.push(made);
                self.around.line(&format!("uploaded {} ({} bytes)", file.name, bytes.len()));
            }
        }
        Ok(())
    }

    /// Brings title, text and marks up to date, and publishes a draft; whether anything was to do.
    fn edit(&mut self, release: &Release, body: &Body) -> Result<bool, Failed> {
        let name = self.goal.name;
        let is_production = name.is_production();
        let mut wish = Wish::default();
        if release.title.as_deref() != Some(&name.to_string()) {
            wish.title = Some(name.to_string());
        }
        if !release.body.as_deref().is_some_and(|text| body::is_same(text, &body.text)) {
            wish.body = Some(body.text.clone());
        }
        if !release.is_immutable && release.is_prerelease == is_production {
            wish.prerelease = Some(!is_production);
        }
        if release.is_draft {
            wish.draft = Some(false);
        }
        if wish == Wish::default() {
            return Ok(false);
        }
        // GitHub takes silence for `true`. What is published is not made the latest again by an edit.
        wish.make_latest = Some(match (is_production, release.is_draft) {
            (true, true) => "true",
            (true, false) => "legacy",
            (false, _) => "false",
        });
        self.around.intend()?;
        match self.host.edit(release.id, &wish) {
            Ok(_) if release.is_draft => self.around.line(&format!("published {}", release.tag)),
            Ok(_) => self.around.line(&format!("edited {}", release.tag)),
            Err(error) if error.kind == ErrorKind::TagSpent => self.spent.push(release.tag.clone()),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }
}

fn seen(release: &Release) -> Seen {
    Seen {
        id: release.id,
        tag: release.tag.clone(),
        is_draft: release.is_draft,
        mark: release.body.as_deref().and_then(body::mark).map(str::to_owned),
    }
}

fn held_of(asset: &Asset) -> Held {
    let hex = asset.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:"));
    Held {
        id: asset.id,
        name: asset.name.clone(),
        is_whole: asset.state == "uploaded",
        sha256: hex.and_then(Sha256Sum::from_hex),
        size: asset.size,
    }
}

fn asset_of(file: &Held) -> Asset {
    let state = "uploaded".to_owned();
    Asset { id: file.id, name: file.name.clone(), state, size: file.size, digest: None }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::layer::release::testing::version;

    /// A host with one draft that does with names and files what it likes.
    #[derive(Default)]
    struct Odd {
        uploads: RefCell<u32>,
        fails: Option<ErrorKind>,
    }

    fn draft() -> Release {
        Release {
            id: 1,
            tag: name().tag(),
            title: None,
            body: Some(body::draft(&name())),
            is_draft: true,
            is_prerelease: true,
            is_immutable: false,
            upload_url: String::new(),
            page: String::new(),
        }
    }

    fn name() -> ReleaseName {
        ReleaseName::new("minimal", "0.145.0", "beta").unwrap()
    }

    impl ReleaseHost for Odd {
        fn releases(&self) -> Result<Vec<Release>, GithubError> {
            self.fails.map_or(Ok(vec![draft()]), |kind| Err(GithubError::new(kind, "list", "planned")))
        }

        fn release(&self, _: u64) -> Result<Release, GithubError> {
            Ok(draft())
        }

        fn create(&self, _: &Wish) -> Result<Release, GithubError> {
            Ok(draft())
        }

        fn edit(&self, _: u64, _: &Wish) -> Result<Release, GithubError> {
            Ok(draft())
        }

        fn delete_draft(&self, _: u64) -> Result<(), GithubError> {
            Ok(())
        }

        fn assets(&self, _: u64) -> Result<Vec<Asset>, GithubError> {
            Ok(Vec::new())
        }

        fn upload(&self, _: &Release, name: &str, _: &[u8]) -> Result<Asset, GithubError> {
            *self.uploads.borrow_mut() += 1;
            Ok(Asset { id: 7, name: format!("{name}.other"), state: "uploaded".into(), size: 1, digest: None })
        }

        fn rename(&self, id: u64, name: &str) -> Result<Asset, GithubError> {
            Ok(Asset { id, name: name.into(), state: "uploaded".into(), size: 1, digest: None })
        }

        fn delete_asset(&self, _: u64) -> Result<(), GithubError> {
            Ok(())
        }

        fn download(&self, _: &Asset) -> Result<Vec<u8>, GithubError> {
            Ok(Vec::new())
        }
    }

    /// Notes pauses; the run ends with the one of this number.
    struct Quiet {
        pauses: Vec<Duration>,
        ends_at: usize,
    }

    impl Surroundings for Quiet {
        fn intend(&mut self) -> Result<(), WorkError> {
            Ok(())
        }

        fn pause(&mut self, time: Duration) -> bool {
            self.pauses.push(time);
            self.pauses.len() < self.ends_at
        }

        fn read(&mut self, source: &Source) -> Result<Vec<u8>, WorkError> {
            match source {
                Source::Bytes(bytes) => Ok(bytes.clone()),
                _ => Err(WorkError::Internal("only bytes are here".into())),
            }
        }

        fn line(&mut self, _: &str) {}
    }

    fn at(host: &Odd, ends_at: usize) -> (Failed, usize) {
        let run = Index::new("layers", vec![version("minimal", "amd64", "eu-west-1", "v0.145.0", 1)], vec![]);
        let formats = BTreeSet::new();
        let name = name();
        let goal =
            Goal { name: &name, target: None, run: &run, files: Vec::new(), formats, verified_at: "t".to_owned() };
        let mut quiet = Quiet { pauses: Vec::new(), ends_at };
        let failed = reconcile(host, &goal, &mut quiet).unwrap_err();
        (failed, quiet.pauses.len())
    }

    #[test]
    fn a_host_that_keeps_other_names_is_given_up() {
        let host = Odd::default();
        let (failed, _) = at(&host, usize::MAX);
        assert!(matches!(&failed, Failed::Host(error) if error.problem.contains("other names")), "{failed:?}");
        assert!(*host.uploads.borrow() < 100);
    }

    #[test]
    fn what_stays_unclear_is_given_up_and_a_refusal_at_once() {
        for (kind, pauses) in [(ErrorKind::Unclear, 5), (ErrorKind::Conflict, 5), (ErrorKind::Denied, 0)] {
            let (failed, waited) = at(&Odd { fails: Some(kind), ..Odd::default() }, usize::MAX);
            assert!(matches!(&failed, Failed::Host(error) if error.kind == kind), "{failed:?}");
            assert_eq!(waited, pauses, "{kind:?}");
        }
    }

    #[test]
    fn an_interrupt_ends_the_waiting() {
        let (failed, waited) = at(&Odd { fails: Some(ErrorKind::Unclear), ..Odd::default() }, 2);
        assert!(matches!(failed, Failed::Work(WorkError::Cancelled)) && waited == 2, "{failed:?}");
    }
}
