//! The project, the cache, the lock, and what they stand on.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use crate::cli::commands::doctor::Finding;
use crate::cli::process::Process;
use crate::project::find;
use crate::store::cache_options::Access;
use crate::store::lock;
use crate::store::medium::{Medium, shares_bytes};

/// A run that compiles a collector needs about as much.
const LITTLE_ROOM: u64 = 3 << 30;

/// Each command at work takes a few; so does each file that is laid out.
const FEW_DESCRIPTORS: u64 = 1024;

const GIB: u64 = 1 << 30;

pub(super) fn look(process: &Process) -> Vec<Finding> {
    let root = &process.dir;
    let mut findings = vec![project(root)];
    let store = process.user_cache().join("store");
    findings.push(match process.open_cache(Access::ReadOnly, None) {
        Ok(_) => Finding::ok("cache", store.display().to_string()),
        Err(stop) => {
            let problem = stop.told().to_owned();
            Finding::wrong("cache", problem, "set XDG_CACHE_HOME to a folder of your own")
        }
    });
    let there = |path: &Path| path.ancestors().find(|path| path.is_dir()).map(Path::to_path_buf);
    let cache = there(&store);
    let here = Medium::of(root);
    let media = [("project", Some(root.clone()), here.as_ref().ok().copied())].into_iter().chain(cache.map(|cache| {
        let medium = Medium::of(&cache).ok();
        ("cache", Some(cache), medium)
    }));
    let media: Vec<_> = media.collect();
    for (name, _, medium) in &media {
        let Some(medium) = medium else { continue };
        findings.extend(slow(name, medium));
        findings.push(room(name, medium));
    }
    if let [(_, _, Some(project)), (_, Some(cache), Some(of_cache))] = &media[..] {
        findings.push(sharing(root, cache, project, of_cache));
    }
    findings.push(match lock::held(&root.join(".ocelot/lock")) {
        None => Finding::ok("lock", "free"),
        Some(waiting) => Finding::note("lock", waiting.to_string(), "another run waits until it is free"),
    });
    findings.push(descriptors(getrlimit(Resource::Nofile).current));
    findings
}

fn project(root: &Path) -> Finding {
    let names = find::names(root);
    let plain = root.join("pipeline.yaml").is_file().then(|| "pipeline.yaml".to_owned());
    let all: Vec<String> = plain.into_iter().chain(names).collect();
    match all.is_empty() {
        true => Finding::note("project", "there is no pipeline here", "begin one with `ocelot init`, or use `-C DIR`"),
        false => Finding::ok("project", format!("{} ({})", all.join(", "), root.display())),
    }
}

fn slow(name: &str, medium: &Medium) -> Option<Finding> {
    let over = medium.slow?;
    let fix = "keep it on a disk of this machine: every run looks at every file";
    Some(Finding::note(format!("{name} file system"), format!("{over}, which answers slowly"), fix))
}

fn room(name: &str, medium: &Medium) -> Finding {
    let what = format!("{name} room");
    let detail = format!("{:.1} GiB free", medium.free as f64 / GIB as f64);
    match medium.free < LITTLE_ROOM {
        true => {
            Finding::note(what, detail, "`ocelot cache gc` drops what is old; a cold build of a layer takes some GiB")
        }
        false => Finding::ok(what, detail),
    }
}

/// Whether results are laid out without being copied.
fn sharing(root: &Path, cache: &Path, project: &Medium, of_cache: &Medium) -> Finding {
    if project.device != of_cache.device {
        return Finding::note(
            "results",
            "copied: the cache is on another file system than the project",
            "set XDG_CACHE_HOME to a folder on the project's file system, if it is one that shares bytes between files",
        );
    }
    let state = root.join(".ocelot");
    if !state.is_dir() {
        return Finding::ok("results", "whether they are copied shows after the first run");
    }
    match shares_bytes(cache, &state) {
        Ok(true) => Finding::ok("results", "laid out without being copied"),
        Ok(false) => Finding::note(
            "results",
            "copied: the file system cannot share bytes between files",
            "Btrfs, and XFS with reflink, can; it only matters for large results",
        ),
        Err(error) => Finding::wrong(
            "results",
            format!("no file can be made in {} or {}: {error}", cache.display(), state.display()),
            "make both folders your own and writable",
        ),
    }
}

fn descriptors(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < FEW_DESCRIPTORS => Finding::note(
            "open files",
            format!("at most {limit} at once"),
            format!("`ulimit -n {FEW_DESCRIPTORS}`, or fewer nodes at once with `-j`"),
        ),
        Some(limit) => Finding::ok("open files", format!("at most {limit} at once")),
        None => Finding::ok("open files", "as many as wanted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::doctor::State;

    #[test]
    fn what_makes_builds_slow_is_noted() {
        let medium = Medium { device: 1, slow: None, free: 100 * GIB };
        assert_eq!(slow("cache", &medium), None);
        let nfs = Medium { slow: Some("NFS"), ..medium };
        assert!(slow("cache", &nfs).unwrap().detail.starts_with("NFS"));
        assert_eq!(room("cache", &medium).state, State::Ok);
        let full = room("cache", &Medium { free: GIB / 2, ..medium });
        assert_eq!((full.state, full.detail.as_str()), (State::Note, "0.5 GiB free"));
        assert_eq!(descriptors(Some(256)).state, State::Note);
        assert_eq!(descriptors(Some(4096)).state, State::Ok);
        assert_eq!(descriptors(None).state, State::Ok);
        let dir = tempfile::tempdir().unwrap();
        let other = Medium { device: 2, ..medium };
        assert!(sharing(dir.path(), dir.path(), &medium, &other).detail.contains("another file system"));
        std::fs::create_dir(dir.path().join(".ocelot")).unwrap();
        let absent = sharing(dir.path(), &dir.path().join("absent"), &medium, &medium);
        assert_eq!(absent.state, State::Wrong);
        assert_ne!(sharing(dir.path(), dir.path(), &medium, &medium).state, State::Wrong);
    }
}
