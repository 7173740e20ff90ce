//! 06xx: what is outside of the project.

use super::Wrong::{Pipeline, Told};
use super::codes;

codes! {
    SYSTEM = 601, "system", "The system refused something";
        why: "No file descriptor, no signal handler, no scratch file: the machine has too little of something, or forbids it.";
        wrong: Told("`ulimit -n 3` before a run.");
        fix: "Raise the limit or free what the message names, then run again."; right: ""; see: "docs/reliability.md";
    LOCKED = 602, "locked", "Another command is at work in this project";
        why: "Two runs in one project would undo each other's work, so the second one waits, or ends if it may not wait.";
        wrong: Told("`ocelot run --no-wait` while another run is at work.");
        fix: "Wait for the other one, which the message names, or end it."; right: ""; see: "docs/reliability.md";
    CANNOT_WRITE = 603, "cannot-write", "A file cannot be written or removed";
        why: "The disk is full, or the folder belongs to somebody else or is read-only.";
        wrong: Told("A project folder that was checked out by another user.");
        fix: "Make room, or get the right to write there, and run again: what was recorded before stands."; right: ""; see: "docs/reliability.md";
    CREDENTIALS = 604, "credentials", "No credentials, or those of the wrong account";
        why: "Whose the credentials are is asked before anything is built, so that nothing is published in a wrong account.";
        wrong: Told("`ocelot run layers` with a profile of account 111111111111, where `accounts:` allows another one.");
        fix: "Log in, or name the right profile with `--profile`; `--skip-publish` builds without."; right: "ocelot build --profile release"; see: "docs/publishing.md";
    RELEASE_ACCESS = 605, "release-access", "A release on GitHub cannot be made from here";
        why: "A release needs a repository, a token and the network, and one of them is missing.";
        wrong: Told("A `release` node without `GITHUB_TOKEN`.");
        fix: "Set the variable that the message names, or leave the release out of the targets."; right: ""; see: "docs/publishing.md";
    METADATA_TABLE = 606, "metadata-table", "The metadata table cannot be used";
        why: "A `publish` with `table:` writes what it published into that table, which does not exist or has another form.";
        wrong: Told("`table: ocelot-layers@us-east-1` before the table was made.");
        fix: "Make it with `ocelot registry init NAME@REGION`, or leave `table:` out."; right: "ocelot registry init ocelot-layers@us-east-1"; see: "docs/publishing.md";
    REMOTE = 607, "remote", "A remote cannot be asked";
        why: "A repository or AWS did not answer, or refused.";
        wrong: Told("`ocelot update` without a network.");
        fix: "Check the network and the rights, then run again; pins of `ocelot.lock` need no remote."; right: ""; see: "docs/operations.md";
    MISSING_TOOL = 608, "missing-tool", "A program is not there";
        why: "A node runs a program that `PATH` does not have. It is told before anything is run.";
        wrong: Pipeline("nodes:\n  a: {exec: {command: [no-such-program]}}\n");
        fix: "Install it, or correct the name; `ocelot doctor` lists what is found."; right: "ocelot doctor"; see: "docs/operations.md";
    UNREADABLE_GIT = 609, "unreadable-git", "Git's history cannot be asked";
        why: "`--since` compares with a commit of the repository that the project is in; there is no repository, or no such commit.";
        wrong: Told("`ocelot list nodes --since main` in a shallow clone without `main`.");
        fix: "Fetch the commit, or name another one."; right: ""; see: "docs/ci.md";
    INTERRUPTED = 610, "interrupted", "Interrupted while waiting";
        why: "A signal came while the command waited for another one, so it did nothing.";
        wrong: Told("Ctrl-C while `ocelot run` waits for the workspace lock.");
        fix: "Run it again when the other command has ended."; right: ""; see: "docs/reliability.md";
    WEAK_LOCK = 611, "weak-lock", "This run is not protected from another one";
        why: "The project is on a file system without reliable locks, or is read-only, so a second run cannot be held back.";
        wrong: Told("A project on a network file system that has no locks.");
        fix: "Start no second run in this project, or have it on a local disk."; right: ""; see: "docs/reliability.md";
}
