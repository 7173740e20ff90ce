//! The same faults for what a workspace keeps: receipts, and files that grow.

use std::path::Path;

use crate::action::result::ActionResult;
use crate::store::atomic;
use crate::store::fault_tests::crash::{EIO, ENOSPC};
use crate::store::frame::push_frame;
use crate::store::fs::{Fs, read_file};
use crate::store::receipts::{Done, Identity, Intent, Receipt, ReceiptKey, Receipts};
use crate::store::sim_fs::{CRASHES, Crash, SimFs};
use crate::store::tail;

const EDQUOT: i32 = 122;
const ERRORS: [i32; 3] = [ENOSPC, EIO, EDQUOT];

fn identity() -> Identity {
    [("effect".to_owned(), "publish".to_owned())].into()
}

/// Receipts of a project in which somebody made `.ocelot` a moment ago, and did not sync it.
fn receipts(fs: &SimFs) -> Receipts<SimFs> {
    fs.create_dir_all(Path::new("/.ocelot"), 0o777).unwrap();
    Receipts::on(fs.clone(), "/.ocelot/receipts")
}

/// Two publications after each other, each with its intent.
fn actions() -> [Receipt; 4] {
    let intent = |name: &str| Intent { action: name.into(), run: "r".into(), at: 1 };
    let done = |name: &str| {
        let result = ActionResult {
            outputs: vec![],
            facts: [("version".to_owned(), name.to_owned())].into(),
            measurements: [].into(),
            log: None,
            duration_ms: 1,
            ended_at: 1,
            run: "r".into(),
        };
        Done { action: name.into(), result }
    };
    let receipt = |intent, done| Receipt { identity: identity(), intent, done };
    [
        receipt(Some(intent("1")), None),
        receipt(None, Some(done("1"))),
        receipt(Some(intent("2")), Some(done("1"))),
        receipt(None, Some(done("2"))),
    ]
}

/// Acts until a call fails: the number of states that were reached without complaint.
fn act(receipts: &Receipts<SimFs>) -> usize {
    let states = actions();
    let act = |state: &&Receipt| {
        match (&state.intent, &state.done) {
            (Some(intent), _) => receipts.begin(&identity(), intent.clone()),
            (None, Some(done)) => receipts.complete(&identity(), done.clone()),
            (None, None) => unreachable!(),
        }
        .is_ok()
    };
    states.iter().take_while(act).count()
}

/// What is read is the last state that was promised, or the one that was being written.
fn check_receipt(receipts: &Receipts<SimFs>, promised: usize, when: &str) {
    let states = actions();
    let read = receipts.read(&ReceiptKey::of(&identity()));
    let known = |count: usize| count.checked_sub(1).map(|last| states[last].clone());
    let right = read == known(promised) || (promised < states.len() && read == known(promised + 1));
    assert!(right, "{when}: {promised} states were promised, and this is read: {read:?}");
}

#[test]
fn row_02_power_cut_at_any_call_keeps_every_receipt_that_was_written() {
    for crash in CRASHES {
        for cut in 0.. {
            let fs = SimFs::that_forgets_folders();
            fs.fail_from(cut, EIO);
            let promised = act(&receipts(&fs));
            fs.crash(crash);
            check_receipt(&receipts(&fs), promised, &format!("{crash:?} at call {cut}"));
            assert_eq!(act(&receipts(&fs)), 4, "{crash:?} at call {cut}: the next run cannot write");
            if promised == 4 {
                assert!(cut > 20);
                break;
            }
        }
    }
}

#[test]
fn row_04_full_disk_at_any_call_leaves_the_old_receipt_or_the_new_one() {
    for errno in ERRORS {
        for at in 0.. {
            let fs = SimFs::that_forgets_folders();
            fs.fail_once(at, errno);
            let promised = act(&receipts(&fs));
            check_receipt(&receipts(&fs), promised, &format!("error {errno} at call {at}"));
            assert!(fs.files().len() <= 1, "error {errno} at call {at} leaves {:?}", fs.files());
            if promised == 4 {
                assert!(at > 20);
                break;
            }
            // A folder that could not be synced then is synced now.
            assert_eq!(act(&receipts(&fs)), 4, "error {errno} at call {at}");
            fs.crash(Crash::Forget);
            check_receipt(&receipts(&fs), 4, &format!("power cut after error {errno} at call {at}"));
        }
    }
}

const STATE: &str = "/.ocelot/state/paths";
const BASE: &[u8] = b"base";
const CHANGES: [&[u8]; 3] = [b"one", b"two", b"three"];

/// A base and three changes, each appended where the file was read to end, or, if that fails, put into a new file.
/// Returns how many parts were promised.
fn grow(fs: &SimFs, sync: bool) -> usize {
    let path = Path::new(STATE);
    if atomic::write_on(fs, path, BASE, sync).is_err() {
        return 0;
    }
    let append = |count: &usize| {
        let bytes = read_file(fs, path).unwrap();
        let (_, extent) = tail::read(&bytes[BASE.len()..], BASE.len() as u64);
        let whole = || {
            let mut bytes = BASE.to_vec();
            assert!(CHANGES[..*count].iter().all(|change| push_frame(&mut bytes, 0, &[change])));
            bytes
        };
        tail::save_on(fs, path, Some((extent, CHANGES[*count - 1].to_vec())), whole, sync).is_ok()
    };
    1 + (1..=CHANGES.len()).take_while(append).count()
}

/// What is read is a beginning of what was written, and at least what was promised.
fn check_growth(fs: &SimFs, promised: usize, when: &str) {
    let bytes = read_file(fs, Path::new(STATE)).unwrap_or_default();
    // A base has a checksum of its own, so one that was torn is told; it may be lost only if it was not promised.
    let Some(rest) = bytes.strip_prefix(BASE) else {
        assert_eq!(promised, 0, "{when}: the base is lost");
        return;
    };
    let (bodies, _) = tail::read(rest, BASE.len() as u64);
    assert_eq!(bodies, CHANGES[..bodies.len()], "{when}");
    assert!(bodies.len() + 1 >= promised, "{when}: {promised} parts were promised, {bodies:?} are read");
}

#[test]
fn row_02_power_cut_at_any_call_keeps_a_growing_file_up_to_what_was_synced() {
    for (crash, sync) in CRASHES.into_iter().flat_map(|crash| [(crash, true), (crash, false)]) {
        for cut in 0.. {
            let fs = SimFs::that_forgets_folders();
            fs.fail_from(cut, EIO);
            let promised = grow(&fs, sync);
            fs.crash(crash);
            check_growth(&fs, if sync { promised } else { 0 }, &format!("{crash:?} at call {cut}, sync {sync}"));
            if fs.changes() <= cut {
                assert!(cut >= if sync { 13 } else { 6 });
                break;
            }
        }
    }
}

#[test]
fn row_04_full_disk_at_any_call_takes_back_the_change_alone() {
    for errno in ERRORS {
        for at in 0.. {
            let fs = SimFs::that_forgets_folders();
            fs.fail_once(at, errno);
            let promised = grow(&fs, true);
            check_growth(&fs, promised, &format!("error {errno} at call {at}"));
            assert!(fs.files().len() <= 1, "error {errno} at call {at} leaves {:?}", fs.files());
            if fs.changes() <= at {
                assert!(at >= 13);
                break;
            }
        }
    }
}
