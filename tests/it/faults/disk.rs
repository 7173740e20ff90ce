//! Disks that are full, over a limit, or broken: the build goes on, and only what could not be written is not kept.

use crate::faults::{assert_chain, chain, has, run_mounted, run_wrapped, warnings};
use crate::support::{Space, counts, files};

/// Files that a write left half-done, in the cache and in the workspace.
fn leftovers(space: &Space) -> Vec<String> {
    let mut found = Vec::new();
    for folder in [space.cache().join("ocelot/v1/store/tmp"), space.root().join(".ocelot/tmp")] {
        found.extend(files(&folder).into_keys().map(|path| path.display().to_string()));
    }
    found
}

#[test]
fn row_04_a_full_cache_disk_costs_only_the_cache() {
    if !has("row 4", &["mounts"]) {
        return;
    }
    // From no room at all to room for some of the blobs.
    for pages in [0, 1, 2, 5, 9, 20, 40] {
        let space = chain();
        let full = format!(
            "mount -t tmpfs -o size={} none '{}'; {}",
            (pages + 1) * 4096,
            space.cache().display(),
            if pages == 0 {
                format!("head -c 4096 /dev/zero > '{}/full'", space.cache().display())
            } else {
                String::new()
            }
        );
        let ran = run_mounted(&space, &full, &["run"]).status(0);
        assert_eq!(warnings(&ran).len(), 1, "{pages} pages: {ran:?}");
        assert!(ran.stderr.contains("not kept in the cache"), "{ran:?}");
        assert_chain(&space);
        assert_eq!(leftovers(&space), [] as [String; 0]);
        assert_eq!(space.json(&[]).status(0).counts().failed, 0);
        assert_chain(&space);
    }
}

#[test]
fn row_05_a_failed_rename_or_sync_costs_only_the_cache() {
    if !has("row 5", &["strace"]) {
        return;
    }
    for fault in [
        "fsync,fdatasync,syncfs:error=EIO",
        "rename,renameat,renameat2:error=ENOSPC",
        "rename,renameat,renameat2:error=EIO",
        "fsync,fdatasync,syncfs:error=EIO:when=1",
    ] {
        let space = chain();
        // Renames of restores are faulty too, so without the node that needs one.
        let targets = if fault.starts_with("rename") { vec!["run", "twice", "folder"] } else { vec!["run"] };
        let inject = format!("inject={fault}");
        let ran = run_wrapped(&space, &["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject], &targets);
        let ran = ran.status(0);
        let kept = warnings(&ran).iter().filter(|line| line.contains("not kept in the cache")).count();
        assert_eq!(kept, 1, "{fault}: {ran:?}");
        assert_eq!(leftovers(&space), [] as [String; 0], "{fault}");
        // What was synced in vain is not trusted: in a workspace that knows nothing, all of it is made again.
        if fault.ends_with("EIO") && fault.starts_with("fsync") {
            let mut other = chain();
            other.share_cache(&space);
            assert_eq!(other.build(&[]), counts(4, 0, 0), "{fault}");
        }
        assert_eq!(space.build(&[]).failed, 0);
        assert_chain(&space);
    }
}

#[test]
fn row_06_a_limit_on_file_sizes_costs_only_the_cache() {
    if !has("row 6", &["prlimit"]) {
        return;
    }
    for limit in ["50000", "1000", "10"] {
        let space = chain();
        // The limit is ours, not the commands'.
        let lifted = space.read("pipeline.yaml").replace("[sh, -c, '", "[sh, -c, 'ulimit -f unlimited; ");
        space.write("pipeline.yaml", &lifted);
        // `inside` is laid out by us, and is longer than the limit.
        let ran =
            run_wrapped(&space, &["prlimit", &format!("--fsize={limit}:")], &["run", "twice", "folder"]).status(0);
        let kept = warnings(&ran).iter().filter(|line| line.contains("not kept in the cache")).count();
        assert_eq!(kept, 1, "{limit}: {ran:?}");
        assert_eq!(leftovers(&space), [] as [String; 0]);
        assert_eq!(space.build(&[]).failed, 0);
        assert_chain(&space);
    }
}

#[test]
fn row_06_a_command_has_the_usual_answer_to_the_limit() {
    if !has("row 6", &["prlimit"]) {
        return;
    }
    let space = chain();
    let ran = run_wrapped(&space, &["prlimit", "--fsize=50000:"], &["run"]).status(1);
    assert!(ran.stderr.contains("SIGXFSZ"), "{ran:?}");
}
