//! The files of a release: those that this run made, and those that are rendered from the index.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::action::result::{ActionResult, Content, FileContent, Listing};
use crate::base::id::NodeId;
use crate::exec::api::{Dep, Job, WorkError, World};
use crate::exec::kinds::blob;
use crate::exec::kinds::package::LAYER;
use crate::graph::node::Kind;
use crate::layer::hashes::Sha256Sum;
use crate::layer::release::body::{Body, NOTES_FILE};
use crate::layer::release::index::Index;
use crate::layer::release::maps;
use crate::outside::github::Asset;

/// The file that later runs merge into.
pub(super) const INDEX_FILE: &str = "index.json";
/// Names of files that are rendered from the index, each with the format of a report that asks for it; `None` for those
/// that every release has.
const RENDERED: [(&str, Option<&str>); 6] = [
    ("layers.tf", None),
    ("layers.csv", None),
    ("layers.ts", Some("cdk")),
    ("mappings.json", Some("cloudformation")),
    (NOTES_FILE, Some("notes")),
    // What the next run starts from comes last.
    (INDEX_FILE, None),
];
/// Under this name a release has the lock.
const LOCK: &str = "ocelot.lock";

/// A file that a release is to have.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) sha256: Sha256Sum,
    /// Bytes.
    pub(super) size: u64,
    /// Whether it is a layer, whose change makes another release where files cannot be exchanged.
    pub(super) is_layer: bool,
    pub(super) source: Source,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Bytes(Vec<u8>),
    /// In the store, left by this node.
    Stored(NodeId, FileContent),
    /// In an earlier release.
    Earlier(Asset),
}

impl File {
    pub(super) fn text(name: &str, text: &str) -> Self {
        Self::bytes(name, text.as_bytes().to_vec())
    }

    fn bytes(name: &str, bytes: Vec<u8>) -> Self {
        let (sha256, size) = (Sha256Sum::of(&bytes), bytes.len() as u64);
        Self { name: name.to_owned(), sha256, size, is_layer: false, source: Source::Bytes(bytes) }
    }
}

/// Whether a file of this name is rendered from the index.
pub(super) fn is_rendered(name: &str) -> bool {
    RENDERED.iter().any(|(known, _)| *known == name)
}

/// The files that are rendered from the index, in the order in which they are brought up to date. `formats` are those of
/// the reports behind `notes:`; a file that the release `has` already is kept up to date too.
pub(super) fn rendered(
    index: &Index,
    body: &Body,
    formats: &BTreeSet<String>,
    has: impl Fn(&str) -> bool,
) -> Vec<File> {
    let is_due = |name: &str, format: Option<&str>| {
        format.is_none_or(|format| formats.contains(format)) || (name == NOTES_FILE && body.is_spilled) || has(name)
    };
    let render = |name: &str| match name {
        "layers.tf" => maps::terraform(index),
        "layers.csv" => maps::csv(index),
        "layers.ts" => maps::cdk(index),
        "mappings.json" => maps::cloudformation(index),
        NOTES_FILE => body.notes.clone(),
        _ => index.text(),
    };
    let due = RENDERED.iter().filter(|(name, format)| is_due(name, *format));
    due.map(|(name, _)| File::text(name, &render(name))).collect()
}

/// The formats of the reports behind `notes:`.
pub(super) fn formats(job: &Job) -> BTreeSet<String> {
    let reports = job.deps.iter().filter(|dep| dep.field == "notes").filter_map(|dep| match &dep.node.kind {
        Kind::Report(report) => Some(report.formats.iter().cloned()),
        _ => None,
    });
    reports.flatten().collect()
}

/// What this run has for the release: layers with their sums and contents, files of reports, the lock.
///
/// # Errors
/// Two files of one name; a record without what it has to say; a lock that cannot be read.
pub(super) fn of_run(world: &World, job: &Job) -> Result<Vec<File>, WorkError> {
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    for dep in job.deps.iter().filter(|dep| dep.field == "assets") {
        let Some(result) = dep.result.as_deref() else { continue };
        let some = match &dep.node.kind {
            Kind::Report(report) => of_report(world, dep, result, &report.output)?,
            _ => of_layer(world, dep, result)?,
        };
        for file in some {
            if let Some(other) = files.insert(file.name.clone(), file)
                && files[&other.name].sha256 != other.sha256
            {
                return Err(WorkError::Invalid(format!(
                    "`assets:` has two files `{}`; a release is of one distribution: give the node `for: [distribution]`",
                    other.name
                )));
            }
        }
    }
    match std::fs::read(&world.lock) {
        // GitHub takes no file without a byte.
        Ok(bytes) if bytes.is_empty() => {}
        Ok(bytes) => drop(files.insert(LOCK.to_owned(), File::bytes(LOCK, bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(WorkError::io(world.lock.display().to_string())(error)),
    }
    Ok(files.into_values().collect())
}

/// A layer, its checksum, and what is linked into it.
fn of_layer(world: &World, dep: &Dep, result: &ActionResult) -> Result<Vec<File>, WorkError> {
    let missing = |name: &str| WorkError::Internal(format!("`{}` has no fact `{name}`", dep.name));
    let fact = |name: &str| result.fact(name).ok_or_else(|| missing(name));
    let stem = format!("collector-{}-{}", fact("arch")?, fact("distribution")?);
    let sha256 = Sha256Sum::from_code_sha256(fact("code-sha256")?).ok_or_else(|| missing("code-sha256"))?;
    let content = blob::file(dep, result, LAYER)?;
    let name = format!("{stem}.zip");
    let checksum = File::text(&format!("{name}.sha256"), &format!("{}  {name}\n", sha256.to_hex()));
    let source = Source::Stored(dep.id, content);
    let mut files = vec![File { name, sha256, size: content.size, is_layer: true, source }, checksum];
    for (output, end) in [("cyclonedx", "cdx.json"), ("spdx", "spdx.json")] {
        if result.output(output).is_some() {
            files.push(stored(world, dep, &format!("{stem}.{end}"), blob::file(dep, result, output)?)?);
        }
    }
    Ok(files)
}

/// What a report wrote, but for what is rendered from all that the release offers.
fn of_report(world: &World, dep: &Dep, result: &ActionResult, output: &str) -> Result<Vec<File>, WorkError> {
    let Some(Content::Tree { listing, .. }) = result.output(output).map(|output| &output.content) else {
        return Err(WorkError::Internal(format!("`{}` has no folder `{output}`", dep.name)));
    };
    let bytes = world.cache.read_blob(listing, u64::MAX).ok_or(WorkError::NeedsProducer(dep.id))?;
    let listing = Listing::decode(&bytes).ok_or(WorkError::NeedsProducer(dep.id))?;
    let mut files = Vec::new();
    for (name, content) in listing.0 {
        if let Content::File(content) = content
            && !is_rendered(&name)
        {
            files.push(stored(world, dep, &name, content)?);
        }
    }
    Ok(files)
}

fn stored(world: &World, dep: &Dep, name: &str, content: FileContent) -> Result<File, WorkError> {
    let bytes = world.cache.read_blob(&content.digest, content.size).ok_or(WorkError::NeedsProducer(dep.id))?;
    Ok(File::bytes(name, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::Output;
    use crate::exec::testing::{dep, facts, file, job, node, world};
    use crate::graph::node::{Check, Class, Release, Report};

    fn layer(world: &World, zip: &[u8]) -> ActionResult {
        let mut facts = facts();
        facts.insert("code-sha256".into(), Sha256Sum::of(zip).to_code_sha256());
        ActionResult { outputs: vec![file(world, LAYER, zip)], facts, ..ActionResult::default() }
    }

    fn report(world: &World, files: &[(&str, &str)]) -> ActionResult {
        let entries = files.iter().map(|(name, text)| ((*name).to_owned(), file(world, "", text.as_bytes()).content));
        let put = world.cache.put_bytes(&Listing::new(entries.collect()).encode());
        let content = Content::Tree { listing: put.digest, size: 0 };
        let output = Output { name: "build/report/".into(), path: None, content };
        ActionResult { outputs: vec![output], ..ActionResult::default() }
    }

    fn release_of(world: &World, assets: Vec<ActionResult>) -> Job {
        let deps = assets.into_iter().map(|result| {
            let kind = match result.output(LAYER) {
                Some(_) => Kind::Check(Box::new(Check { smoke: "optional".into(), ..Check::default() })),
                None => Kind::Report(Box::new(Report { formats: Vec::new(), output: "build/report/".into() })),
            };
            dep("assets", node("n", kind, Class::Pure), Ok(result))
        });
        let deps = deps.collect();
        job(world, node("release", Kind::Release(Box::new(Release { repo: String::new() })), Class::Effect), deps)
    }

    fn names(world: &World, assets: Vec<ActionResult>) -> Result<Vec<String>, WorkError> {
        let files = of_run(world, &release_of(world, assets))?;
        Ok(files.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn a_layer_has_its_checksum_and_a_report_what_is_not_rendered_anew() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let assets = vec![layer(&world, b"zip"), report(&world, &[("report.md", "x"), ("index.json", "old")])];
        let zip = "collector-amd64-minimal.zip";
        assert_eq!(names(&world, assets.clone()).unwrap(), [zip, &format!("{zip}.sha256"), "report.md"]);
        let files = of_run(&world, &release_of(&world, assets)).unwrap();
        let stated = format!("{}  {zip}\n", Sha256Sum::of(b"zip").to_hex());
        assert!(matches!(&files[1].source, Source::Bytes(bytes) if bytes == stated.as_bytes()));
        assert_eq!(files.iter().map(|file| file.is_layer).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn the_lock_of_the_run_is_a_file_unless_it_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        assert!(names(&world, vec![]).unwrap().is_empty());
        std::fs::write(&world.lock, "").unwrap();
        assert!(names(&world, vec![]).unwrap().is_empty());
        std::fs::write(&world.lock, "version: 1\n").unwrap();
        assert_eq!(names(&world, vec![]).unwrap(), [LOCK]);
        std::fs::remove_file(&world.lock).unwrap();
        std::fs::create_dir(&world.lock).unwrap();
        assert!(matches!(names(&world, vec![]), Err(WorkError::Io { path, .. }) if path.ends_with(LOCK)));
    }

    #[test]
    fn two_files_of_one_name_are_refused_unless_they_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        assert!(names(&world, vec![layer(&world, b"a"), layer(&world, b"a")]).is_ok());
        let error = names(&world, vec![layer(&world, b"a"), layer(&world, b"b")]).unwrap_err();
        assert!(error.to_string().contains("for: [distribution]"), "{error}");
    }

    #[test]
    fn what_the_store_has_lost_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let lost = FileContent { digest: crate::base::digest::BlobDigest::of(b"gone"), size: 4, executable: false };
        let gone = Output { name: "spdx".into(), path: None, content: Content::File(lost) };
        let mut result = layer(&world, b"zip");
        result.outputs.push(gone);
        assert!(matches!(names(&world, vec![result]), Err(WorkError::NeedsProducer(_))));
    }
}
