//! `package`: the layer zip, and its checksum file.

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;

use crate::action::result::{Content, FileContent, Output};
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::kinds::blob;
use crate::exec::outputs;
use crate::graph::node::Package;
use crate::layer::deflate::Recipe;
use crate::layer::hashes::Sha256Sum;
use crate::layer::provenance::{self, External, GoCommand, Made, SourceName, Statement};
use crate::layer::zip_write::{collector_layer, write_zip};

/// The output that holds the zip.
pub(in crate::exec) const LAYER: &str = "layer";
const CHECKSUM: &str = "checksum";
/// How long the compiler took, passed on for reports.
pub(in crate::exec) const BUILD_MS: &str = "build-ms";
/// Facts of the binary that the layer passes on.
const PASSED_ON: [&str; 6] = ["arch", "collector-version", "commit", "components", "distribution", "tags"];

/// Packs binary and configuration.
pub(in crate::exec) fn run(
    world: &World,
    job: &Job,
    package: &Package,
    log: &mut dyn Log,
) -> Result<Produced, WorkError> {
    let (ours, theirs) = (job.fact("binary", "distribution")?, job.fact("config", "distribution")?);
    if ours != theirs {
        return Err(WorkError::Invalid(format!(
            "the binary is of distribution `{ours}`, its configuration of `{theirs}`; join both by `distribution`"
        )));
    }
    let (binary, config) = (blob::read(world, job, "binary", "binary")?, blob::read(world, job, "config", "config")?);
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let entries = collector_layer(&binary, &config);
    let zip = write_zip(&entries, Recipe::CURRENT, threads).map_err(|error| WorkError::Invalid(error.to_string()))?;
    let sha256 = Sha256Sum::of(&zip);
    let unzipped: usize = entries.iter().filter_map(|entry| entry.data).map(<[u8]>::len).sum();

    let mut outputs = vec![stored(world, LAYER, &zip)];
    if let (Some(path), Some(checksum)) = (&package.output, &package.checksum) {
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        outputs.push(stored(world, CHECKSUM, format!("{}  {name}\n", sha256.to_hex()).as_bytes()));
        outputs::publish_outputs(world, &mut outputs, &[(LAYER, path), (CHECKSUM, checksum)])?;
    }
    let sums = Sums { zip: sha256, binary: Sha256Sum::of(&binary), config: Sha256Sum::of(&config) };
    outputs.push(stored(world, provenance::OUTPUT, provenance(job, package, &sums)?.text().as_bytes()));
    let (_, built) = job.dep("binary")?;
    let mut facts = std::collections::BTreeMap::from(
        [
            ("code-sha256", sha256.to_code_sha256()),
            ("sha256", sha256.to_hex()),
            ("zip-size", zip.len().to_string()),
            ("unzipped-size", unzipped.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    for name in PASSED_ON {
        facts.insert(name.to_owned(), job.fact("binary", name)?.to_owned());
    }
    log.line(&format!("{} bytes, {unzipped} unpacked, SHA-256 {}", zip.len(), sha256.to_hex()));
    let measurements = [(BUILD_MS.to_owned(), built.duration_ms)].into();
    Ok(Produced { outputs, facts, measurements, ..Produced::default() })
}

/// What the provenance says of files that are at hand here.
struct Sums {
    zip: Sha256Sum,
    binary: Sha256Sum,
    config: Sha256Sum,
}

fn provenance(job: &Job, package: &Package, sums: &Sums) -> Result<Statement, WorkError> {
    let fact = |name: &str| job.fact("binary", name);
    let unreadable = |name: &str| WorkError::Internal(format!("the fact `{name}` of the binary cannot be read"));
    let mut files = vec![("collector config".to_owned(), sums.config)];
    for line in fact("overlay-files")?.lines() {
        let (sum, path) = line.split_once("  ").ok_or_else(|| unreadable("overlay-files"))?;
        files.push((path.to_owned(), Sha256Sum::from_hex(sum).ok_or_else(|| unreadable("overlay-files"))?));
    }
    for (name, fact_name) in [("go.mod", "go-mod"), ("go.sum", "go-sum")] {
        // A collector without modules from elsewhere has no go.sum.
        files.extend(Sha256Sum::from_hex(fact(fact_name)?).map(|sum| (name.to_owned(), sum)));
    }
    let tags = fact("tags")?.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    Ok(Statement::of(Made {
        external: External {
            distribution: fact("distribution")?.to_owned(),
            architecture: fact("arch")?.to_owned(),
            build_tags: tags,
            source: package.origin.as_ref().map(|origin| SourceName {
                repository: origin.repository.clone(),
                reference: origin.reference.clone(),
            }),
        },
        collector_version: fact("collector-version")?,
        commit: fact("commit")?,
        source_tree: fact("source-tree")?,
        files,
        go: fact("go-version")?,
        go_command: GoCommand::of_fact(fact("go-command")?).ok_or_else(|| unreadable("go-command"))?,
        recipe: Recipe::CURRENT,
        action: job.manifest.action.to_hex(),
        ocelot: env!("CARGO_PKG_VERSION"),
        binary: sums.binary,
        zip: sums.zip,
    }))
}

fn stored(world: &World, name: &str, bytes: &[u8]) -> Output {
    let put = world.cache.put_bytes(bytes);
    let content = Content::File(FileContent { digest: put.digest, size: put.size, executable: false });
    Output { name: name.to_owned(), path: None, content }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::ActionResult;
    use crate::exec::testing::{CONFIG_TEXT, Printed, collector, dep, facts, file, job, node, world};
    use crate::graph::node::{Class, Kind};
    use crate::layer::arch::Arch;

    fn package_job(world: &World, package: &Package, distribution: &str) -> Job {
        let built = ActionResult {
            outputs: vec![file(world, "binary", &collector(Arch::Amd64))],
            facts: facts(),
            duration_ms: 1234,
            ..ActionResult::default()
        };
        let resolved = ActionResult {
            outputs: vec![file(world, "config", CONFIG_TEXT.as_bytes())],
            facts: [("distribution".to_owned(), distribution.to_owned())].into(),
            ..ActionResult::default()
        };
        let group = |name: &str| node(name, Kind::Group, Class::Pure);
        let deps = vec![dep("binary", group("collector"), Ok(built)), dep("config", group("tags"), Ok(resolved))];
        job(world, node("layer", Kind::Package(Box::new(package.clone())), Class::Pure), deps)
    }

    fn intermediate() -> Package {
        Package { output: None, checksum: None, origin: None }
    }

    #[test]
    fn zip_and_checksum_are_kept_where_they_are_declared() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let package = Package {
            output: Some("build/a b.zip".into()),
            checksum: Some("build/a b.zip.sha256".into()),
            origin: None,
        };
        let made = run(&world, &package_job(&world, &package, "minimal"), &package, &mut Printed::default()).unwrap();
        let zip = std::fs::read(world.root.join("build/a b.zip")).unwrap();
        let sum = Sha256Sum::of(&zip);
        let line = std::fs::read_to_string(world.root.join("build/a b.zip.sha256")).unwrap();
        assert_eq!(line, format!("{}  a b.zip\n", sum.to_hex()));
        assert_eq!(made.facts["sha256"], sum.to_hex());
        assert_eq!(made.facts["code-sha256"], sum.to_code_sha256());
        assert_eq!(made.facts["zip-size"], zip.len().to_string());
        let unzipped = collector(Arch::Amd64).len() + CONFIG_TEXT.len();
        assert_eq!(made.facts["unzipped-size"], unzipped.to_string());
        assert!(PASSED_ON.iter().all(|name| made.facts[*name] == facts()[*name]));
        assert_eq!((made.facts.len(), made.measurements[BUILD_MS]), (10, 1234));
        let paths: Vec<_> = made.outputs.iter().map(|output| (output.name.as_str(), output.path.as_deref())).collect();
        assert_eq!(
            paths,
            [("layer", Some("build/a b.zip")), ("checksum", Some("build/a b.zip.sha256")), ("provenance", None)]
        );
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes_anywhere() {
        let contents: Vec<_> = (0..2)
            .map(|_| {
                let dir = tempfile::tempdir().unwrap();
                let world = world(dir.path());
                let job = package_job(&world, &intermediate(), "minimal");
                let made = run(&world, &job, &intermediate(), &mut Printed::default()).unwrap();
                assert_eq!(made.outputs.len(), 2);
                made.outputs
            })
            .collect();
        assert_eq!(contents[0], contents[1]);
    }

    #[test]
    fn a_lost_blob_sends_for_its_producer_and_strangers_are_not_packed_together() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let error =
            run(&world, &package_job(&world, &intermediate(), "other"), &intermediate(), &mut Printed::default());
        assert!(error.unwrap_err().to_string().contains("`minimal`, its configuration of `other`"));
        let elsewhere = tempfile::tempdir().unwrap();
        let job = package_job(&world, &intermediate(), "minimal");
        let error = run(&crate::exec::testing::world(elsewhere.path()), &job, &intermediate(), &mut Printed::default())
            .unwrap_err();
        assert!(matches!(error, WorkError::NeedsProducer(_)), "{error}");
    }
}
