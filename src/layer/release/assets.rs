//! The files of a release: from what it has to what it is to have, one step at a time.
//!
//! A host gives no way to replace a file at once. A changed file is uploaded under another name, the old one deleted, and
//! the new one renamed, so that a name is without its file for one call only. [`next`] looks at nothing but what is there:
//! whatever an interrupted run left is just another beginning.

use crate::layer::hashes::Sha256Sum;

/// What is added to a name while its file waits for its place.
const WAITING: &str = ".waiting";

/// A file that a release has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The host's number of it.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether all of it is there; what a broken upload left is not, and takes the name all the same.
    pub is_whole: bool,
    /// SHA-256 of its bytes, if the host says it.
    pub sha256: Option<Sha256Sum>,
    /// Bytes.
    pub size: u64,
}

/// A file that a release is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Sum,
}

/// A change of the files of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Delete the file with this number.
    Delete(u64),
    /// Upload a wanted file, by its position, under this name.
    Upload(usize, String),
    /// Rename the file with this number.
    Rename(u64, String),
}

fn waiting(name: &str) -> String {
    format!("{name}{WAITING}")
}

/// The name for which a file waits.
fn awaited(name: &str) -> Option<&str> {
    name.strip_suffix(WAITING)
}

/// Whether a file only waits for its place.
pub fn is_waiting(name: &str) -> bool {
    awaited(name).is_some()
}

fn find<'a>(held: &'a [Held], name: &str) -> Option<&'a Held> {
    held.iter().find(|file| file.name == name)
}

/// A name without its file, whose file is there and waits: an exchange was interrupted between its last two calls.
pub fn heal(held: &[Held]) -> Option<Step> {
    held.iter().filter(|file| file.is_whole).find_map(|file| {
        let name = awaited(&file.name)?;
        find(held, name).is_none().then(|| Step::Rename(file.id, name.to_owned()))
    })
}

/// The next step, in the order of `wanted`; `None` if there is nothing left to do. Files of other names stay as they
/// are, but for one that waits for a name without a file.
pub fn next(held: &[Held], wanted: &[Wanted]) -> Option<Step> {
    heal(held).or_else(|| wanted.iter().enumerate().find_map(|(position, file)| step(held, position, file)))
}

fn step(held: &[Held], position: usize, wanted: &Wanted) -> Option<Step> {
    let by_side = waiting(&wanted.name);
    let (there, new) = (find(held, &wanted.name), find(held, &by_side));
    for file in [there, new].into_iter().flatten() {
        if !file.is_whole {
            return Some(Step::Delete(file.id));
        }
    }
    let is_it = |file: &Held| file.sha256 == Some(wanted.sha256);
    match (there, new) {
        (Some(there), None) if is_it(there) => None,
        (Some(there), Some(new)) if is_it(there) || !is_it(new) => Some(Step::Delete(new.id)),
        (Some(there), Some(_)) => Some(Step::Delete(there.id)),
        (Some(_), None) => Some(Step::Upload(position, by_side)),
        (None, Some(new)) => Some(Step::Rename(new.id, wanted.name.clone())),
        (None, None) => Some(Step::Upload(position, wanted.name.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(text: &str) -> Sha256Sum {
        Sha256Sum::of(text.as_bytes())
    }

    fn held(id: u64, name: &str, is_whole: bool, content: &str) -> Held {
        Held { id, name: name.into(), is_whole, sha256: Some(sum(content)), size: 1 }
    }

    fn wanted(name: &str, content: &str) -> Wanted {
        Wanted { name: name.into(), sha256: sum(content) }
    }

    /// What a host would have after a step.
    fn apply(held_now: &mut Vec<Held>, wanted: &[Wanted], step: &Step) {
        match step {
            Step::Delete(id) => held_now.retain(|file| file.id != *id),
            Step::Upload(position, name) => {
                assert!(find(held_now, name).is_none(), "{name} is taken");
                let id = held_now.iter().map(|file| file.id).max().unwrap_or(100) + 1;
                let sha256 = Some(wanted[*position].sha256);
                held_now.push(Held { id, name: name.clone(), is_whole: true, sha256, size: 1 });
            }
            Step::Rename(id, name) => {
                assert!(find(held_now, name).is_none(), "{name} is taken");
                held_now.iter_mut().filter(|file| file.id == *id).for_each(|file| file.name.clone_from(name));
            }
        }
    }

    #[test]
    fn a_changed_file_is_exchanged_in_three_steps_and_an_equal_one_is_left_alone() {
        let wanted = [wanted("a.zip", "new"), wanted("b.zip", "same")];
        let mut now = vec![held(1, "a.zip", true, "old"), held(2, "b.zip", true, "same")];
        let expected = [Step::Upload(0, "a.zip.waiting".into()), Step::Delete(1), Step::Rename(101, "a.zip".into())];
        now[1].id = 100;
        for step in expected {
            assert_eq!(next(&now, &wanted), Some(step.clone()));
            apply(&mut now, &wanted, &step);
        }
        assert_eq!(next(&now, &wanted), None);
    }

    #[test]
    fn what_a_broken_upload_left_goes_first() {
        let wanted = [wanted("a", "x")];
        assert_eq!(next(&[held(7, "a", false, "x")], &wanted), Some(Step::Delete(7)));
        let by_side = [held(1, "a", true, "old"), held(7, "a.waiting", false, "x")];
        assert_eq!(next(&by_side, &wanted), Some(Step::Delete(7)));
        // Of another name it may be the upload of another run that is going on.
        assert_eq!(next(&[held(7, "b", false, "x"), held(1, "a", true, "x")], &wanted), None);
    }

    #[test]
    fn an_interrupted_exchange_of_a_file_that_this_run_has_not_is_ended_too() {
        let left = [held(1, "b.waiting", true, "new"), held(2, "a", true, "x")];
        assert_eq!(heal(&left), Some(Step::Rename(1, "b".into())));
        assert_eq!(next(&left, &[wanted("a", "x")]), heal(&left));
        let whole = [held(1, "b", true, "old"), held(2, "b.waiting", true, "new")];
        assert_eq!(heal(&whole), None, "which of them is right only its own run knows");
    }

    #[test]
    fn a_file_whose_sum_is_not_known_counts_as_changed() {
        let unknown = Held { sha256: None, ..held(1, "a", true, "x") };
        assert_eq!(next(&[unknown], &[wanted("a", "x")]), Some(Step::Upload(0, "a.waiting".into())));
    }

    fn some() -> impl Strategy<Value = Vec<Held>> {
        let one = (prop::sample::select(vec!["a", "b", "c"]), any::<bool>(), any::<bool>(), 0..3_usize);
        prop::collection::vec(one, 0..8).prop_map(|files| {
            let mut all: Vec<Held> = Vec::new();
            for (id, (name, waits, is_whole, content)) in (1..).zip(files) {
                let name = if waits { waiting(name) } else { name.to_owned() };
                if find(&all, &name).is_none() {
                    all.push(held(id, &name, is_whole, ["old", "new", "other"][content]));
                }
            }
            all
        })
    }

    proptest! {
        /// Whatever was left, and wherever it is stopped: it ends with what is wanted, an equal file keeps its number, and
        /// no name loses its file but for the call after which the new one takes it.
        #[test]
        fn every_beginning_ends_well(start in some()) {
            let wanted = [wanted("a", "new"), wanted("b", "new")];
            let mut now = start.clone();
            let mut steps = 0;
            while let Some(step) = next(&now, &wanted) {
                let before = now.clone();
                apply(&mut now, &wanted, &step);
                for file in before.iter().filter(|file| file.is_whole && !is_waiting(&file.name)) {
                    let follows = next(&now, &wanted);
                    let is_next = matches!(&follows, Some(Step::Rename(_, name)) if *name == file.name);
                    prop_assert!(find(&now, &file.name).is_some() || is_next, "{} after {step:?}", file.name);
                }
                steps += 1;
                prop_assert!(steps <= 20);
            }
            for want in &wanted {
                prop_assert_eq!(find(&now, &want.name).and_then(|file| file.sha256), Some(want.sha256));
                prop_assert!(find(&now, &waiting(&want.name)).is_none());
                if let Some(same) = find(&start, &want.name).filter(|file| file.is_whole && file.sha256 == Some(want.sha256)) {
                    prop_assert!(now.contains(same));
                }
            }
            let other = |files: &[Held]| find(files, "c").cloned();
            prop_assert!(other(&start).is_none() || other(&start) == other(&now));
        }
    }
}
