//! Brings one layer version into one region: find it or publish it, once, and share it as declared.
//!
//! Publishing is not idempotent and its answer can be lost, so nothing is published before a look, and after an answer
//! that says nothing there is another look. Two publishers may still both see nothing: each lists again afterwards, and
//! the higher number goes. Nothing that was there before this run is deleted, and sharing is only ever added to.

use std::time::Duration;

use crate::exec::publication::Publication;
use crate::exec::receipt::is_public;
use crate::outside::registry::{ErrorKind, Grantee, LayerRegistry, LayerVersion, NewVersion, RegistryError};

/// Calls of one kind before an error is passed on.
const ATTEMPTS: u32 = 4;
/// Seconds between looks for a version whose publication had no answer, before it counts as not published: listings lag.
const LOST: [u64; 5] = [1, 2, 4, 8, 15];
/// Seconds between calls about a version just made that the store does not show yet.
const LATE: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// What is to be there, and its bytes.
pub(in crate::exec) struct Wanted<'a> {
    /// Identity and sharing.
    pub publication: &'a Publication,
    /// The zip.
    pub zip: &'a [u8],
    /// The description of a new version.
    pub description: &'a str,
}

/// What reconciling needs of its surroundings.
pub(in crate::exec) trait Surroundings {
    /// Why it cannot go on.
    type Error: From<RegistryError>;

    /// Called before the first call that changes the store.
    fn intend(&mut self) -> Result<(), Self::Error>;

    /// Waits before the next attempt.
    fn pause(&mut self, time: Duration) -> Result<(), Self::Error>;
}

/// What is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::exec) struct Reconciled {
    /// The version that stands.
    pub version: LayerVersion,
    /// Whether this run made it.
    pub published: bool,
    /// Whether everybody may use it.
    pub public: bool,
    /// Things a person should know.
    pub warnings: Vec<String>,
}

/// Reconciles; when it returns, the version is there, has the wanted bytes, and is shared at least as declared.
pub(in crate::exec) fn reconcile<S: Surroundings>(
    registry: &dyn LayerRegistry,
    wanted: &Wanted<'_>,
    around: &mut S,
) -> Result<Reconciled, S::Error> {
    Reconcile { registry, wanted, around, intended: false, recent: false, warnings: Vec::new() }.run()
}

struct Reconcile<'a, S> {
    registry: &'a dyn LayerRegistry,
    wanted: &'a Wanted<'a>,
    around: &'a mut S,
    intended: bool,
    /// Whether the version that is spoken of was made a moment ago, by whomever: the store may not show all of it yet.
    recent: bool,
    warnings: Vec<String>,
}

impl<S: Surroundings> Reconcile<'_, S> {
    fn run(mut self) -> Result<Reconciled, S::Error> {
        let (version, published) = match self.find(None)? {
            Some(found) => (found, false),
            None => self.publish()?,
        };
        self.recent |= published;
        if !published {
            self.compare(&version);
        }
        let public = self.share(&version, published)?;
        Ok(Reconciled { version, published, public, warnings: self.warnings })
    }

    /// The lowest version of the wanted identity; `made` is known to be one.
    fn find(&mut self, made: Option<&LayerVersion>) -> Result<Option<LayerVersion>, S::Error> {
        let (registry, publication) = (self.registry, self.wanted.publication);
        let listed = self.ask(|| registry.list_versions(&publication.layer)).map_err(Failure::passed_on)?;
        let same = publication.same_versions(&listed, made, |number| {
            match self.ask(|| registry.get_version(&publication.layer, number)) {
                Ok(version) => Ok(Some(version)),
                // Deleted since it was listed.
                Err(Failure::Registry(error)) if error.kind == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.passed_on()),
            }
        })?;
        let made_number = made.map(|made| made.listed.number);
        let mut same = same.into_iter();
        let lowest = same.next();
        if let Some(lowest) = &lowest {
            for other in same.filter(|other| Some(other.listed.number) != made_number) {
                self.warnings.push(format!("{} is a duplicate of {}", other.arn, lowest.arn));
            }
        }
        Ok(lowest)
    }

    /// Publishes, unless the version turns up meanwhile; says which it was.
    fn publish(&mut self) -> Result<(LayerVersion, bool), S::Error> {
        let (registry, publication) = (self.registry, self.wanted.publication);
        let new = NewVersion {
            zip: self.wanted.zip,
            description: self.wanted.description,
            architectures: &publication.architectures,
            runtimes: &publication.runtimes,
            license: &publication.license,
        };
        self.intend()?;
        let mut attempt = 0;
        let made = loop {
            attempt += 1;
            match registry.publish(&publication.layer, &new) {
                Ok(made) => break made,
                Err(error) if attempt < ATTEMPTS && error.kind.may_pass_later() => {
                    self.around.pause(back_off(attempt, &publication.layer.name))?;
                }
                Err(error) if attempt < ATTEMPTS && error.kind == ErrorKind::Ambiguous => {
                    for seconds in LOST {
                        self.around.pause(Duration::from_secs(seconds))?;
                        if let Some(found) = self.find(None)? {
                            self.recent = true;
                            // It may be ours, it may be another publisher's: it is not deleted in either case.
                            return Ok((found, false));
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        };
        if made.code_sha256 != publication.code_sha256 {
            let problem = format!(
                "the store took other bytes than were sent (CodeSha256 {} instead of {}); delete {} and run again",
                made.code_sha256, publication.code_sha256, made.arn
            );
            return Err(
                RegistryError::new(ErrorKind::Invalid, format!("publish {}", publication.layer), problem).into()
            );
        }
        let number = made.listed.number;
        match self.find(Some(&made))? {
            Some(lowest) if lowest.listed.number < number => {
                self.withdraw(&made, &lowest);
                Ok((lowest, false))
            }
            _ => Ok((made, true)),
        }
    }

    /// Deletes the version that this run made although another publisher was first.
    fn withdraw(&mut self, made: &LayerVersion, lowest: &LayerVersion) {
        let deleted = self.registry.delete_version(&self.wanted.publication.layer, made.listed.number);
        self.warnings.push(match deleted {
            Ok(()) => format!("another publisher was first: {} was deleted again, {} stands", made.arn, lowest.arn),
            Err(error) => format!("{} is a duplicate of {} and could not be deleted: {error}", made.arn, lowest.arn),
        });
    }

    /// Reports what differs without making another version.
    fn compare(&mut self, version: &LayerVersion) {
        let ours = [("description", self.wanted.description), ("licence", self.wanted.publication.license.as_str())];
        let theirs = [&version.listed.description, &version.listed.license];
        for ((field, ours), theirs) in ours.into_iter().zip(theirs) {
            if ours != theirs {
                let warning = format!("{} keeps its {field} `{theirs}`; a new one would be `{ours}`", version.arn);
                self.warnings.push(warning);
            }
        }
    }

    /// Shares the version as declared, by adding only; whether everybody may use it then.
    fn share(&mut self, version: &LayerVersion, is_new: bool) -> Result<bool, S::Error> {
        let (registry, layer, number) = (self.registry, &self.wanted.publication.layer, version.listed.number);
        let publication = self.wanted.publication;
        let held = match is_new {
            true => Vec::new(),
            false if self.recent => self.ask(|| registry.read_policy(layer, number)).map_err(Failure::passed_on)?,
            false => self.ask(|| registry.read_policy_of_seen(layer, number)).map_err(Failure::passed_on)?,
        };
        for wider in publication.wider(&held) {
            let grantee = in_words(&wider.grantee);
            self.warnings.push(format!(
                "{} is shared with {grantee} by its statement `{}`, which is wider than declared",
                version.arn, wider.id
            ));
        }
        let missing = publication.lacking(&held);
        if missing.is_empty() {
            return Ok(is_public(&held));
        }
        self.intend()?;
        for statement in missing {
            match self.again(false, || registry.add_permission(layer, number, statement)) {
                Ok(()) => {}
                // Reading it back says whether it is there.
                Err(Failure::Registry(error)) if matches!(error.kind, ErrorKind::Ambiguous | ErrorKind::Conflict) => {}
                Err(error) => return Err(error.passed_on()),
            }
        }
        let held = self.ask(|| registry.read_policy(layer, number)).map_err(Failure::passed_on)?;
        let Some(lacking) = publication.lacking(&held).into_iter().next() else { return Ok(is_public(&held)) };
        let what = format!("share version {number} of {layer}");
        let problem = format!(
            "it is still not shared with {}; run again, or look at the statement `{}` of its policy",
            in_words(&lacking.grantee),
            lacking.id
        );
        Err(RegistryError::new(ErrorKind::Conflict, what, problem).into())
    }

    fn intend(&mut self) -> Result<(), S::Error> {
        if !self.intended {
            self.around.intend()?;
            self.intended = true;
        }
        Ok(())
    }

    /// A call that only reads: one whose answer is lost is repeated too.
    fn ask<T>(&mut self, call: impl FnMut() -> Result<T, RegistryError>) -> Result<T, Failure<S::Error>> {
        self.again(true, call)
    }

    /// Repeats a call as long as it surely did nothing, or does nothing in any case.
    fn again<T>(
        &mut self,
        only_reads: bool,
        mut call: impl FnMut() -> Result<T, RegistryError>,
    ) -> Result<T, Failure<S::Error>> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match call() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match error.kind {
                kind if kind.may_pass_later() => attempt < ATTEMPTS,
                ErrorKind::Ambiguous => only_reads && attempt < ATTEMPTS,
                _ => false,
            };
            let late =
                (self.recent && error.kind == ErrorKind::NotFound).then(|| LATE.get(attempt as usize - 1)).flatten();
            let wait = match late {
                Some(seconds) => Duration::from_secs(*seconds),
                None if again => back_off(attempt, &self.wanted.publication.layer.name),
                None => return Err(Failure::Registry(error)),
            };
            self.around.pause(wait).map_err(Failure::Around)?;
        }
    }
}

/// A grantee as a person would name it.
pub(in crate::exec) fn in_words(grantee: &Grantee) -> String {
    match grantee {
        Grantee::Everyone => "everybody".to_owned(),
        Grantee::Account(id) => format!("account {id}"),
        Grantee::Organisation(id) => format!("organisation {id}"),
        Grantee::Other(text) => text.clone(),
    }
}

/// How long to wait after attempt `attempt`, from 1: longer each time, and not the same for every layer, since what is
/// throttled together would come again together.
fn back_off(attempt: u32, layer: &str) -> Duration {
    let spread = layer.bytes().fold(u64::from(attempt), |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis((500 << attempt.min(6)) + spread % 500)
}

enum Failure<E> {
    Registry(RegistryError),
    Around(E),
}

impl<E: From<RegistryError>> Failure<E> {
    fn passed_on(self) -> E {
        match self {
            Self::Registry(error) => error.into(),
            Self::Around(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::hashes::Sha256Sum;
    use crate::outside::registry::directory::DirectoryRegistry;
    use crate::outside::registry::faulty::{Fault, FaultyRegistry, When};
    use crate::outside::registry::sample::layer_zip;
    use crate::outside::registry::{LayerId, ListedVersion, Statement, Storage};

    fn everyone() -> Vec<Statement> {
        vec![Statement { id: "ocelot-public".into(), grantee: Grantee::Everyone }]
    }

    #[derive(Default)]
    struct Calm {
        intents: u32,
        pauses: u32,
    }

    #[derive(Debug)]
    struct Failed(RegistryError);

    impl From<RegistryError> for Failed {
        fn from(error: RegistryError) -> Self {
            Self(error)
        }
    }

    impl Surroundings for Calm {
        type Error = Failed;
        fn intend(&mut self) -> Result<(), Failed> {
            self.intents += 1;
            Ok(())
        }
        fn pause(&mut self, _: Duration) -> Result<(), Failed> {
            self.pauses += 1;
            Ok(())
        }
    }

    struct Bench {
        _dir: tempfile::TempDir,
        registry: DirectoryRegistry,
        publication: Publication,
        zip: Vec<u8>,
        description: String,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let registry = DirectoryRegistry::new(dir.path(), "layers");
            let zip = layer_zip(b"x");
            let sum = Sha256Sum::of(&zip);
            let publication = Publication {
                layer: LayerId { region: "eu-west-1".into(), name: "layer".into() },
                code_sha256: sum.to_code_sha256(),
                architectures: vec!["x86_64".into()],
                runtimes: vec!["python3.13".into()],
                sharing: everyone(),
                license: "Apache-2.0".into(),
            };
            let description = format!("ocelot:1 sha256={} minimal v0.145.0 up=0 n=4", &sum.to_hex()[..32]);
            Self { _dir: dir, registry, publication, zip, description }
        }

        fn wanted(&self) -> Wanted<'_> {
            Wanted { publication: &self.publication, zip: &self.zip, description: &self.description }
        }

        fn run(&self, registry: &dyn LayerRegistry) -> Result<Reconciled, Failed> {
            reconcile(registry, &self.wanted(), &mut Calm::default())
        }

        fn publish(&self, zip: &[u8], description: &str, runtimes: &[String]) -> LayerVersion {
            let architectures = &self.publication.architectures;
            let new = NewVersion { zip, description, architectures, runtimes, license: "Apache-2.0" };
            self.registry.publish(&self.publication.layer, &new).unwrap()
        }

        fn numbers(&self) -> Vec<u64> {
            self.registry.list_versions(&self.publication.layer).unwrap().iter().map(|version| version.number).collect()
        }

        fn is_public(&self, number: u64) -> bool {
            is_public(&self.registry.read_policy(&self.publication.layer, number).unwrap())
        }
    }

    #[test]
    fn first_publication_and_adoption_take_few_calls() {
        let bench = Bench::new();
        let counted = FaultyRegistry::new(&bench.registry, &[]);
        let mut around = Calm::default();
        let done = reconcile(&counted, &bench.wanted(), &mut around).unwrap();
        assert!(done.published && done.public && done.warnings.is_empty());
        assert_eq!(counted.calls(), ["list", "publish", "list", "permit", "policy"]);
        assert_eq!((around.intents, around.pauses), (1, 0));
        let counted = FaultyRegistry::new(&bench.registry, &[]);
        let mut around = Calm::default();
        let again = reconcile(&counted, &bench.wanted(), &mut around).unwrap();
        assert!(!again.published && again.version == done.version && again.warnings.is_empty());
        assert_eq!(counted.calls(), ["list", "get", "policy"]);
        assert_eq!((around.intents, bench.numbers()), (0, vec![1]));
    }

    #[test]
    fn wherever_it_is_killed_the_next_run_ends_with_one_public_version() {
        for call in 0..5 {
            for when in [When::Before, When::After] {
                let bench = Bench::new();
                // Denied is never tried again: the run ends there, as if it were killed.
                let fault = Fault { call, when, kind: ErrorKind::Denied };
                assert!(bench.run(&FaultyRegistry::new(&bench.registry, &[fault])).is_err());
                let done = bench.run(&bench.registry).unwrap();
                assert_eq!((bench.numbers(), bench.is_public(1)), (vec![1], true), "{call} {when:?}");
                assert!(done.version.listed.number == 1 && done.public);
                assert!(!bench.run(&bench.registry).unwrap().published);
            }
        }
    }

    #[test]
    fn one_fault_that_may_pass_is_overcome_in_the_same_run() {
        for kind in [ErrorKind::Throttled, ErrorKind::Refused, ErrorKind::Ambiguous] {
            for call in 0..5 {
                for when in [When::Before, When::After] {
                    if when == When::After && kind != ErrorKind::Ambiguous {
                        continue;
                    }
                    let bench = Bench::new();
                    let fault = Fault { call, when, kind };
                    let result = bench.run(&FaultyRegistry::new(&bench.registry, &[fault]));
                    // A lost request to share is seen by reading back and left to the next run.
                    if kind == ErrorKind::Ambiguous && call == 3 && when == When::Before {
                        assert_eq!(result.unwrap_err().0.kind, ErrorKind::Conflict);
                        bench.run(&bench.registry).unwrap();
                    } else {
                        result.unwrap();
                    }
                    assert_eq!((bench.numbers(), bench.is_public(1)), (vec![1], true), "{kind:?} {call} {when:?}");
                }
            }
        }
    }

    #[test]
    fn a_version_found_after_a_lost_answer_may_still_be_shown_late() {
        let bench = Bench::new();
        // list, publish, list, get, policy
        let faults = [
            Fault { call: 1, when: When::After, kind: ErrorKind::Ambiguous },
            Fault { call: 4, when: When::Before, kind: ErrorKind::NotFound },
        ];
        let registry = FaultyRegistry::new(&bench.registry, &faults);
        let mut around = Calm::default();
        let done = reconcile(&registry, &bench.wanted(), &mut around).unwrap();
        assert_eq!((done.version.listed.number, done.public, bench.numbers()), (1, true, vec![1]));
        assert_eq!(registry.calls()[4..6], ["policy", "policy"], "it is waited for");
        assert_eq!(around.pauses, 2);
    }

    #[test]
    fn a_listing_that_fails_is_never_an_empty_one() {
        let bench = Bench::new();
        bench.run(&bench.registry).unwrap();
        let faults: Vec<_> =
            (0..9).map(|call| Fault { call, when: When::Before, kind: ErrorKind::Throttled }).collect();
        let faulty = FaultyRegistry::new(&bench.registry, &faults);
        assert_eq!(bench.run(&faulty).unwrap_err().0.kind, ErrorKind::Throttled);
        assert_eq!(faulty.calls(), ["list"; ATTEMPTS as usize]);
        assert_eq!(bench.numbers(), [1]);
    }

    /// Shows nothing to the first look: another publisher is between its own look and its publication.
    struct LateToSee<'r>(&'r DirectoryRegistry, std::sync::atomic::AtomicBool);

    impl LayerRegistry for LateToSee<'_> {
        fn list_versions(&self, layer: &LayerId) -> Result<Vec<ListedVersion>, RegistryError> {
            match self.1.swap(true, std::sync::atomic::Ordering::SeqCst) {
                true => self.0.list_versions(layer),
                false => Ok(Vec::new()),
            }
        }
        fn get_version(&self, layer: &LayerId, number: u64) -> Result<LayerVersion, RegistryError> {
            self.0.get_version(layer, number)
        }
        fn publish(&self, layer: &LayerId, version: &NewVersion<'_>) -> Result<LayerVersion, RegistryError> {
            self.0.publish(layer, version)
        }
        fn read_policy(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError> {
            self.0.read_policy(layer, number)
        }
        fn add_permission(&self, layer: &LayerId, number: u64, statement: &Statement) -> Result<(), RegistryError> {
            self.0.add_permission(layer, number, statement)
        }
        fn delete_version(&self, layer: &LayerId, number: u64) -> Result<(), RegistryError> {
            self.0.delete_version(layer, number)
        }
        fn list_layers(&self, region: &str) -> Result<Vec<String>, RegistryError> {
            self.0.list_layers(region)
        }
        fn read_zip(&self, layer: &LayerId, number: u64) -> Result<Vec<u8>, RegistryError> {
            self.0.read_zip(layer, number)
        }
        fn remove_permission(&self, layer: &LayerId, number: u64, id: &str) -> Result<(), RegistryError> {
            self.0.remove_permission(layer, number, id)
        }
        fn storage(&self, region: &str) -> Result<Option<Storage>, RegistryError> {
            self.0.storage(region)
        }
    }

    #[test]
    fn of_two_publishers_the_first_stands() {
        let bench = Bench::new();
        bench.publish(&bench.zip, &bench.description, &bench.publication.runtimes);
        let late = LateToSee(&bench.registry, false.into());
        let done = bench.run(&late).unwrap();
        assert_eq!((done.version.listed.number, done.published, bench.numbers()), (1, false, vec![1]));
        assert!(done.warnings[0].contains("another publisher was first"), "{:?}", done.warnings);
        assert!(bench.is_public(1));
        // Where the role may not delete, the duplicate is reported and nothing else changes.
        let bench = Bench::new();
        bench.publish(&bench.zip, &bench.description, &bench.publication.runtimes);
        let late = LateToSee(&bench.registry, false.into());
        // list, publish, list, get, delete
        let fault = Fault { call: 4, when: When::Before, kind: ErrorKind::Denied };
        let done = bench.run(&FaultyRegistry::new(&late, &[fault])).unwrap();
        assert_eq!((done.version.listed.number, bench.numbers()), (1, vec![2, 1]));
        assert!(done.warnings[0].contains("could not be deleted"));
        // What was there before a run is never deleted.
        let next = bench.run(&bench.registry).unwrap();
        assert!(next.version.listed.number == 1 && next.warnings[0].contains("is a duplicate of"));
        assert_eq!(bench.numbers(), [2, 1]);
    }

    #[test]
    fn only_the_identity_decides() {
        let bench = Bench::new();
        // Other bytes under a lying description, and the same bytes for other runtimes.
        bench.publish(&layer_zip(b"other"), &bench.description, &bench.publication.runtimes);
        bench.publish(&bench.zip, &bench.description, &[]);
        assert!(bench.run(&bench.registry).unwrap().published);
        assert_eq!(bench.numbers(), [3, 2, 1]);
        // A version without our mark is adopted by its hash, with a word about what differs.
        let bench = Bench::new();
        bench.publish(&bench.zip, "md5: 0 | custom", &bench.publication.runtimes);
        let done = bench.run(&bench.registry).unwrap();
        assert!(!done.published && done.public && done.warnings[0].contains("keeps its description `md5: 0 | custom`"));
    }

    #[test]
    fn sharing_converges_by_adding_only() {
        let mut bench = Bench::new();
        bench.publication.sharing.clear();
        let private = bench.run(&bench.registry).unwrap();
        assert!(!private.public && !bench.is_public(1));
        bench.publication.sharing = everyone();
        assert!(bench.run(&bench.registry).unwrap().public && bench.is_public(1));
        bench.publication.sharing.clear();
        let wider = bench.run(&bench.registry).unwrap();
        assert!(wider.public && bench.is_public(1) && wider.warnings[0].contains("wider than declared"));
        assert_eq!(bench.numbers(), [1]);
        // Grants to one account or an organisation do not make a version public.
        let bench = Bench::new();
        let version = bench.publish(&bench.zip, &bench.description, &bench.publication.runtimes);
        let grantee = Grantee::Organisation("o-0123456789".into());
        let statement = Statement { id: "publish".into(), grantee };
        bench.registry.add_permission(&bench.publication.layer, version.listed.number, &statement).unwrap();
        assert!(bench.run(&bench.registry).unwrap().public);
        let policy = bench.registry.read_policy(&bench.publication.layer, 1).unwrap();
        assert_eq!(policy.iter().map(|held| held.id.as_str()).collect::<Vec<_>>(), ["publish", "ocelot-public"]);
    }

    #[test]
    fn each_declared_grantee_gets_a_statement_and_others_are_told() {
        let mut bench = Bench::new();
        let statement = |id: &str, grantee| Statement { id: id.to_owned(), grantee };
        let account = statement("ocelot-account-123456789012", Grantee::Account("123456789012".into()));
        let organisation = statement("ocelot-organization-o-0123456789", Grantee::Organisation("o-0123456789".into()));
        bench.publication.sharing = vec![account.clone(), organisation.clone()];
        let made = bench.run(&bench.registry).unwrap();
        assert!(made.published && !made.public && made.warnings.is_empty(), "{:?}", made.warnings);
        let policy = || bench.registry.read_policy(&bench.publication.layer, 1).unwrap();
        assert_eq!(policy(), [account.clone(), organisation]);
        bench.publication.sharing = vec![account];
        let fewer = bench.run(&bench.registry).unwrap();
        assert!(fewer.warnings[0].contains("organisation o-0123456789 by its statement"), "{:?}", fewer.warnings);
        assert_eq!(bench.registry.read_policy(&bench.publication.layer, 1).unwrap().len(), 2, "nothing is taken away");
    }
}
