//! `check`: whether a layer would start on Lambda and do what its configuration says; the layer is passed on unchanged.

use std::collections::BTreeMap;

use crate::action::result::{Content, FileContent, Output};
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::budget::{CODE, INIT_MS, MEASURED, MEMORY, PARTS};
use crate::exec::kinds::blob;
use crate::exec::kinds::package::{BUILD_MS, LAYER};
use crate::exec::smoke::{self, Mode, Proof, Smoke};
use crate::graph::node::Check;
use crate::layer::arch::Arch;
use crate::layer::code_size;
use crate::layer::hashes::Sha256Sum;
use crate::layer::inspection::{BINARY, CONFIG, Claims, Inspection, components_of, inspect};
use crate::layer::provenance::OUTPUT as PROVENANCE;
use crate::layer::sbom::{self, Subject};
use crate::layer::start_config::{self, Remedy};

/// The outputs that say what is linked in.
pub(in crate::exec) const CYCLONEDX: &str = "cyclonedx";
pub(in crate::exec) const SPDX: &str = "spdx";
/// The value of `smoke:` that wants the layer started.
const REQUIRED: &str = "required";
/// Facts of the layer that a checked layer has too.
const PASSED_ON: [&str; 9] = [
    "arch",
    "code-sha256",
    "collector-version",
    "commit",
    "components",
    "distribution",
    "tags",
    "unzipped-size",
    "zip-size",
];

/// Checks the layer as it is, and then starts it, if that can be done here.
pub(in crate::exec) fn run(world: &World, job: &Job, k: &Check, log: &mut dyn Log) -> Result<Produced, WorkError> {
    let (dep, layer) = job.dep(LAYER)?;
    let content = blob::file(dep, layer, LAYER)?;
    let zip = blob::read(world, job, LAYER, LAYER)?;
    let sha256 = Sha256Sum::of(&zip);
    let mut facts: BTreeMap<String, String> = BTreeMap::new();
    for name in PASSED_ON {
        facts.insert(name.to_owned(), job.fact(LAYER, name)?.to_owned());
    }
    if sha256.to_code_sha256() != facts["code-sha256"] {
        return Err(WorkError::Internal("the layer's bytes are not those of its fact `code-sha256`".to_owned()));
    }
    let claims = claims(&facts)?;
    let mut found = inspect(&zip, &claims);
    let examples = examples(world, job, &claims, &mut found)?;
    let mut measurements: BTreeMap<String, u64> =
        layer.measurements.iter().filter(|(name, _)| *name == BUILD_MS).map(|(name, at)| (name.clone(), *at)).collect();
    if let (Some(binary), Some(info)) = (&found.binary, &found.build_info) {
        // To be shown if the layer is too large. A table that cannot be read says nothing against the layer.
        let sizes = code_size::of_elf(BINARY, binary, info).unwrap_or_default();
        measurements.extend(sizes.into_iter().take(PARTS).map(|size| (format!("{CODE}{}", size.module), size.bytes)));
    }
    let mut started = Started::default();
    // What is wrong to the eye would only be told once more, and worse.
    if found.errors.is_empty() {
        started = start_all(world, job, k, &examples, &mut found, &mut measurements, log)?;
    }
    for error in &mut found.errors {
        *error = in_project(error, k);
    }
    for line in found.errors.iter().chain(&found.warnings) {
        log.line(line);
    }
    if !found.errors.is_empty() {
        let count = found.errors.len();
        let lines: String = found.errors.iter().map(|error| format!("\n- {error}")).collect();
        let what = if count == 1 { "a finding" } else { &format!("{count} findings") };
        return Err(WorkError::Invalid(format!("the layer must not ship: {what}{lines}")));
    }
    for (name, value) in [
        ("sha256", sha256.to_hex()),
        ("verdict", "passed".to_owned()),
        ("findings", found.warnings.join("\n")),
        ("smoke", started.weakest.to_string()),
        (MEASURED, started.measured.to_string()),
    ] {
        facts.insert(name.to_owned(), value);
    }
    let mut outputs = vec![Output { name: LAYER.to_owned(), path: None, content: Content::File(content) }];
    let provenance = Content::File(blob::file(dep, layer, PROVENANCE)?);
    outputs.push(Output { name: PROVENANCE.to_owned(), path: None, content: provenance });
    if let Some(info) = &found.build_info {
        let subject = Subject {
            distribution: &facts["distribution"],
            arch: &facts["arch"],
            collector_version: &facts["collector-version"],
            sha256: &sha256,
        };
        for (name, text) in [(CYCLONEDX, sbom::cyclonedx(info, &subject)), (SPDX, sbom::spdx(info, &subject))] {
            let put = world.cache.put_bytes(text.as_bytes());
            let content = Content::File(FileContent { digest: put.digest, size: put.size, executable: false });
            outputs.push(Output { name: name.to_owned(), path: None, content });
        }
    }
    Ok(Produced { outputs, facts, measurements, warnings: found.warnings, ..Produced::default() })
}

/// A finding with the file of the project in place of its copy in the layer. Both have the same lines. What passes is
/// recorded and keeps the name in the layer: the file is an input of other nodes.
fn in_project(finding: &str, k: &Check) -> String {
    let named = |file: &String| finding.replace(&format!("{CONFIG}:"), &format!("{file}:"));
    k.config_file.as_ref().map_or_else(|| finding.to_owned(), named)
}

/// What the layer's facts say of it.
fn claims(facts: &BTreeMap<String, String>) -> Result<Claims<'_>, WorkError> {
    let arch = Arch::parse(&facts["arch"]);
    let arch = arch.ok_or_else(|| WorkError::Internal(format!("there is no architecture `{}`", facts["arch"])))?;
    Ok(Claims {
        arch,
        collector_version: &facts["collector-version"],
        tags: &facts["tags"],
        components: components_of(&facts["components"]),
    })
}

/// What to write so that a question is answered.
fn give(distribution: &str, remedy: &Remedy) -> String {
    let value = match remedy {
        Remedy::Secret(id) => format!("secrets: {{'{}': VALUE}}", id.replace('\'', "''")),
        Remedy::Variable(name) => format!("env: {{{name}: ADDRESS}}"),
    };
    format!(" (to answer it, add to `{distribution}` in config/distributions.yaml: `smoke: {{{value}}}`)")
}

/// A configuration of the project with which the layer has to start as well.
struct Example {
    path: String,
    text: String,
}

/// Reads the examples of the distribution, and holds them against the layer's components.
fn examples(world: &World, job: &Job, claims: &Claims<'_>, found: &mut Inspection) -> Result<Vec<Example>, WorkError> {
    let mut examples = Vec::new();
    for file in &job.files {
        let bytes = std::fs::read(world.root.join(&file.path)).map_err(WorkError::io(&file.path))?;
        match String::from_utf8(bytes) {
            Ok(text) => {
                found.configuration(&file.path, &text, claims);
                examples.push(Example { path: file.path.clone(), text });
            }
            Err(_) => found.errors.push(format!("{}: it is not UTF-8; save it as UTF-8", file.path)),
        }
    }
    Ok(examples)
}

/// Starts the layer with its own configuration, then with each example, and says how it was started: not at all, if one
/// of them could not be started.
fn start_all(
    world: &World,
    job: &Job,
    k: &Check,
    examples: &[Example],
    found: &mut Inspection,
    measurements: &mut BTreeMap<String, u64>,
    log: &mut dyn Log,
) -> Result<Started, WorkError> {
    let (Some(binary), Some(config)) = (found.binary.take(), found.config.take()) else {
        return Ok(Started::default());
    };
    let mut started = Started { weakest: Mode::Native, measured: Mode::None };
    let packaged = Configuration { file: CONFIG, text: &config, starts: smoke::STARTS };
    let others = examples.iter().map(|example| Configuration { file: &example.path, text: &example.text, starts: 1 });
    for configuration in std::iter::once(packaged).chain(others) {
        let (mode, proof) = start(world, job, k, &binary, &configuration, log)?;
        started.weakest = started.weakest.min(mode);
        let is_well = proof.errors.is_empty();
        found.errors.extend(proof.errors);
        if configuration.file != CONFIG {
            if mode > Mode::None && is_well {
                log.line(&format!("started with {} too", configuration.file));
            }
            continue;
        }
        started.measured = mode;
        for (name, value) in [(INIT_MS, proof.init_ms), (MEMORY, proof.memory)] {
            measurements.extend(value.map(|value| (name.to_owned(), value)));
        }
        if let (Some(init), Some(memory)) = (proof.init_ms, proof.memory) {
            let mib = memory >> 20;
            log.line(&format!("started: first event/next after {init} ms (median of five), {mib} MiB resident"));
        }
        // What kills it here kills it with every other configuration.
        if !is_well {
            break;
        }
    }
    Ok(started)
}

/// How a layer was started.
#[derive(Clone, Copy, Debug, Default)]
struct Started {
    /// With the configuration for which least could be done: what is proven is proven for all of them.
    weakest: Mode,
    /// With the packaged one, whose time and memory are measured.
    measured: Mode,
}

/// What the layer is started with, and how often.
struct Configuration<'c> {
    file: &'c str,
    text: &'c str,
    starts: usize,
}

/// Starts the layer with one configuration, and says how it was started.
fn start(
    world: &World,
    job: &Job,
    k: &Check,
    binary: &[u8],
    configuration: &Configuration<'_>,
    log: &mut dyn Log,
) -> Result<(Mode, Proof), WorkError> {
    let &Configuration { file, text: config, starts } = configuration;
    let start = start_config::read(file, config, &k.given).map_err(|errors| WorkError::Invalid(errors.join("\n")))?;
    let hindrance = match (&start.asks_outside, job.smoke) {
        (Some(asks), _) => {
            let distribution = job.fact(LAYER, "distribution").unwrap_or_default();
            let remedy = asks.remedy.as_ref().map(|remedy| give(distribution, remedy)).unwrap_or_default();
            Some(format!("{file}:{}: {}, and nobody answers here{remedy}", asks.line, asks.what))
        }
        (None, Mode::None) => Some(format!(
            "{BINARY}: this machine cannot run it; install qemu-user-static, or check it on one of its own kind"
        )),
        _ => None,
    };
    if let Some(hindrance) = hindrance {
        let text = format!("{hindrance}: the layer is checked, that it starts is not proven");
        if k.smoke == REQUIRED {
            return Err(WorkError::Environment(format!("{text}, and `smoke: required` asks for it")));
        }
        log.line(&text);
        return Ok((Mode::None, Proof::default()));
    }
    let proof = smoke::prove(world, job, &Smoke { binary, config, file, starts, start: &start, given: &k.given }, log)?;
    Ok((job.smoke, proof))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::ActionResult;
    use crate::exec::testing::{CONFIG_TEXT, Printed, collector, dep, facts, file, job, node, world};
    use crate::graph::node::{Class, Kind};
    use crate::layer::deflate::Recipe;
    use crate::layer::zip_write::{ZipEntry, collector_layer, write_zip};
    use std::num::NonZeroUsize;

    fn zip(entries: &[ZipEntry<'_>]) -> Vec<u8> {
        write_zip(entries, Recipe::CURRENT, NonZeroUsize::MIN).unwrap()
    }

    fn check_job(world: &World, zip: &[u8], code_sha256: &str) -> Job {
        let mut facts = facts();
        for (name, value) in [("code-sha256", code_sha256), ("unzipped-size", "1"), ("zip-size", "1")] {
            facts.insert(name.into(), value.into());
        }
        let outputs = vec![file(world, LAYER, zip), file(world, PROVENANCE, b"{}")];
        let measurements = [(BUILD_MS.to_owned(), 7), ("other".to_owned(), 1)].into();
        let layer = ActionResult { outputs, facts, measurements, ..ActionResult::default() };
        let deps = vec![dep("layer", node("layer", Kind::Group, Class::Pure), Ok(layer))];
        job(
            world,
            node("checked", Kind::Check(Box::new(Check { smoke: "optional".into(), ..Check::default() })), Class::Pure),
            deps,
        )
    }

    #[test]
    fn a_layer_that_passes_is_passed_on_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let binary = collector(Arch::Amd64);
        let config = CONFIG_TEXT.replace("exporters:\n", "exporters:\n  otlphttp/unused:\n");
        let zip = zip(&collector_layer(&binary, config.as_bytes()));
        let sum = Sha256Sum::of(&zip);
        let job = check_job(&world, &zip, &sum.to_code_sha256());
        let made = run(&world, &job, &Check { smoke: "optional".into(), ..Check::default() }, &mut Printed::default())
            .unwrap();
        assert_eq!(made.outputs[..2], job.deps[0].result.as_ref().unwrap().outputs[..]);
        assert_eq!(
            made.outputs.iter().map(|made| made.name.as_str()).collect::<Vec<_>>(),
            [LAYER, PROVENANCE, CYCLONEDX, SPDX]
        );
        assert_eq!((made.facts["verdict"].as_str(), made.facts["smoke"].as_str()), ("passed", "none"));
        assert_eq!(made.facts["sha256"], sum.to_hex());
        assert!(made.facts["findings"].contains("`otlphttp/unused` is defined but not used"));
        assert_eq!(made.warnings.len(), 1);
        assert_eq!((made.facts.len(), made.measurements.len(), made.measurements[BUILD_MS]), (14, 1, 7));
    }

    #[test]
    fn a_layer_that_fails_names_everything_that_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let binary = collector(Arch::Arm64);
        let zip = zip(&collector_layer(&binary, b"service: {}"));
        let job = check_job(&world, &zip, &Sha256Sum::of(&zip).to_code_sha256());
        let error = run(&world, &job, &Check { smoke: "optional".into(), ..Check::default() }, &mut Printed::default())
            .unwrap_err();
        assert!(matches!(error, WorkError::Invalid(_)));
        let text = error.to_string();
        assert!(
            text.starts_with("the layer must not ship: 3 findings\n- extensions/collector: it is for arm64"),
            "{text}"
        );
        assert!(text.contains("\n- collector-config/config.yaml:1: the configuration has no pipeline"), "{text}");
        let job = check_job(&world, &zip, "other");
        let error = run(&world, &job, &Check { smoke: "optional".into(), ..Check::default() }, &mut Printed::default())
            .unwrap_err();
        assert!(matches!(error, WorkError::Internal(_)));
        let job = check_job(&world, &zip, &Sha256Sum::of(&zip).to_code_sha256());
        let own = Check { smoke: "optional".into(), config_file: Some("config/own.yaml".into()), ..Check::default() };
        let text = run(&world, &job, &own, &mut Printed::default()).unwrap_err().to_string();
        assert!(text.contains("\n- config/own.yaml:1: the configuration has no pipeline"), "{text}");
    }

    #[test]
    fn a_start_that_is_required_and_cannot_be_had_is_trouble_outside() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let zip = zip(&collector_layer(&collector(Arch::Amd64), CONFIG_TEXT.as_bytes()));
        let job = check_job(&world, &zip, &Sha256Sum::of(&zip).to_code_sha256());
        let error = run(&world, &job, &Check { smoke: "required".into(), ..Check::default() }, &mut Printed::default())
            .unwrap_err();
        assert!(matches!(&error, WorkError::Environment(text) if text.contains("qemu-user-static")), "{error}");
    }
}
