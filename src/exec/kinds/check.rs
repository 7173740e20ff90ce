//! `check`: whether a layer would start on Lambda and do what its configuration says; the layer is passed on unchanged.

use std::collections::BTreeMap;

use crate::action::result::{Content, FileContent, Output};
use crate::exec::api::{Job, Log, Produced, WorkError, World};
use crate::exec::kinds::blob;
use crate::exec::kinds::package::{BUILD_MS, LAYER};
use crate::exec::smoke::{self, Mode, Smoke};
use crate::graph::node::Check;
use crate::layer::arch::Arch;
use crate::layer::build_info::BuildInfo;
use crate::layer::collector_config::Severity;
use crate::layer::component::{Category, Component};
use crate::layer::contract;
use crate::layer::elf;
use crate::layer::hashes::Sha256Sum;
use crate::layer::limits::{self, UNZIPPED_LIMIT};
use crate::layer::sbom::{self, Subject};
use crate::layer::start_config;
use crate::layer::zip_read::{ZipFact, ZipLimits, ZipReader};

/// The measurements of a layer that was started: milliseconds to its first `event/next`, and resident bytes.
const INIT_MS: &str = "init-ms";
const MEMORY: &str = "memory-bytes";
/// The value of `smoke:` that wants the layer started.
const REQUIRED: &str = "required";
const BINARY: &str = "extensions/collector";
const CONFIG: &str = "collector-config/config.yaml";
/// What a layer has, and nothing else: name and permission bits.
const ENTRIES: [(&str, u32); 4] =
    [("collector-config/", 0o755), (CONFIG, 0o644), ("extensions/", 0o755), (BINARY, 0o755)];
const PERMISSIONS: u32 = 0o7777;
/// The module whose version is the collector's.
const CORE: &str = "go.opentelemetry.io/collector/otelcol";
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
    let mut found = inspect(&zip, &Claims::of(&facts)?);
    let mut measurements: BTreeMap<String, u64> =
        layer.measurements.iter().filter(|(name, _)| *name == BUILD_MS).map(|(name, at)| (name.clone(), *at)).collect();
    let mut started = Mode::None;
    // What is wrong to the eye would only be told once more, and worse.
    if found.errors.is_empty() {
        started = found.start(world, job, k, &mut measurements, log)?;
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
        ("smoke", started.to_string()),
    ] {
        facts.insert(name.to_owned(), value);
    }
    let mut outputs = vec![Output { name: LAYER.to_owned(), path: None, content: Content::File(content) }];
    if let Some(info) = &found.build_info {
        let subject = Subject {
            distribution: &facts["distribution"],
            arch: &facts["arch"],
            collector_version: &facts["collector-version"],
            sha256: &sha256,
        };
        for (name, text) in [("cyclonedx", sbom::cyclonedx(info, &subject)), ("spdx", sbom::spdx(info, &subject))] {
            let put = world.cache.put_bytes(text.as_bytes());
            let content = Content::File(FileContent { digest: put.digest, size: put.size, executable: false });
            outputs.push(Output { name: name.to_owned(), path: None, content });
        }
    }
    Ok(Produced { outputs, facts, measurements, warnings: found.warnings, ..Produced::default() })
}

/// What the layer's facts say of it.
struct Claims<'f> {
    arch: Arch,
    collector_version: &'f str,
    tags: &'f str,
    components: Vec<Component>,
}

impl<'f> Claims<'f> {
    fn of(facts: &'f BTreeMap<String, String>) -> Result<Self, WorkError> {
        let arch = Arch::parse(&facts["arch"]);
        let arch = arch.ok_or_else(|| WorkError::Internal(format!("there is no architecture `{}`", facts["arch"])))?;
        let component = |text: &str| {
            let (category, name) = text.split_once('.')?;
            Some(Component { category: Category::parse(category)?, name: name.to_owned(), file: String::new() })
        };
        let components = facts["components"].split(',').filter(|text| !text.is_empty()).filter_map(component).collect();
        Ok(Self { arch, collector_version: &facts["collector-version"], tags: &facts["tags"], components })
    }
}

/// All that was found.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// The extension and its configuration, as far as they could be read.
    binary: Option<Vec<u8>>,
    config: Option<String>,
    build_info: Option<BuildInfo>,
}

/// Checks a zip against what is said of it. Everything is listed; a zip that is refused as a whole is one finding.
fn inspect(zip: &[u8], claims: &Claims<'_>) -> Findings {
    let mut found = Findings::default();
    // Larger than Lambda takes is still read, so that it can be said what is large.
    let limits = ZipLimits { unzipped: 4 * UNZIPPED_LIMIT, ..ZipLimits::default() };
    let reader = match ZipReader::open("the layer", zip, limits) {
        Ok(reader) => reader,
        Err(error) => {
            found.errors.push(error.to_string());
            return found;
        }
    };
    found.entries(reader.entries());
    let sizes: Vec<_> = reader.entries().iter().map(|entry| (entry.name.as_str(), entry.size)).collect();
    let unzipped = sizes.iter().map(|(_, size)| size).sum();
    found.keep(limits::check_sizes(zip.len() as u64, unzipped, &sizes));
    if reader.entry(BINARY).is_some()
        && let Some(binary) = found.keep(reader.extract(BINARY, UNZIPPED_LIMIT))
    {
        found.binary(&binary, claims);
        found.binary = Some(binary);
    }
    if reader.entry(CONFIG).is_some()
        && let Some(config) = found.keep(reader.extract(CONFIG, UNZIPPED_LIMIT))
    {
        match String::from_utf8(config) {
            Ok(text) => {
                found.config(&text, claims);
                found.config = Some(text);
            }
            Err(_) => found.errors.push(format!("{CONFIG}: it is not UTF-8; save it as UTF-8")),
        }
    }
    found
}

impl Findings {
    /// Starts the layer, and says how it was started.
    fn start(
        &mut self,
        world: &World,
        job: &Job,
        k: &Check,
        measurements: &mut BTreeMap<String, u64>,
        log: &mut dyn Log,
    ) -> Result<Mode, WorkError> {
        let (Some(binary), Some(config)) = (&self.binary, &self.config) else { return Ok(Mode::None) };
        let start = start_config::read(CONFIG, config).map_err(|errors| WorkError::Invalid(errors.join("\n")))?;
        let hindrance = match (&start.asks_outside, job.smoke) {
            (Some((provider, line)), _) => Some(format!(
                "{CONFIG}:{line}: it asks `{provider}:` for values when it starts, and nobody answers here"
            )),
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
            return Ok(Mode::None);
        }
        let proof = smoke::prove(world, job, &Smoke { binary, config, start: &start }, log)?;
        for (name, value) in [(INIT_MS, proof.init_ms), (MEMORY, proof.memory)] {
            measurements.extend(value.map(|value| (name.to_owned(), value)));
        }
        if let (Some(init), Some(memory)) = (proof.init_ms, proof.memory) {
            let mib = memory >> 20;
            log.line(&format!("started: first event/next after {init} ms (median of five), {mib} MiB resident"));
        }
        self.errors.extend(proof.errors);
        Ok(job.smoke)
    }

    fn keep<T>(&mut self, result: Result<T, crate::layer::error::LayerError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error.to_string())).ok()
    }

    fn entries(&mut self, entries: &[ZipFact]) {
        for (name, mode) in ENTRIES {
            let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
                self.errors.push(format!("{name}: it is missing from the layer"));
                continue;
            };
            match entry.unix_mode.map(|held| held & PERMISSIONS) {
                Some(held) if held == mode => {}
                held => {
                    let held = held.map_or("no Unix mode".to_owned(), |held| format!("mode {held:04o}"));
                    self.errors.push(format!("{name}: it has {held}; Lambda needs {mode:04o}"));
                }
            }
        }
        let extra = entries.iter().filter(|entry| ENTRIES.iter().all(|(name, _)| *name != entry.name));
        self.errors.extend(extra.map(|entry| format!("{}: it does not belong into a collector layer", entry.name)));
    }

    fn binary(&mut self, binary: &[u8], claims: &Claims<'_>) {
        if let Some(facts) = self.keep(elf::inspect(BINARY, binary)) {
            if facts.arch != claims.arch {
                self.errors.push(format!("{BINARY}: it is for {}, the layer for {}", facts.arch, claims.arch));
            }
            if facts.dynamic {
                let problem =
                    "it asks for a dynamic loader, which Lambda's runtimes do not share; build it with CGO_ENABLED=0";
                self.errors.push(format!("{BINARY}: {problem}"));
            }
        }
        if let Some(info) = self.keep(BuildInfo::of_elf(BINARY, binary)) {
            self.build_info(&info, claims);
            self.build_info = Some(info);
        }
        if !embeds(binary, claims.collector_version) {
            self.errors.push(format!(
                "{BINARY}: it does not contain its version {}; it has to be set with -X main.Version",
                claims.collector_version
            ));
        }
    }

    fn build_info(&mut self, info: &BuildInfo, claims: &Claims<'_>) {
        let settings = [
            ("-tags", claims.tags),
            ("GOOS", "linux"),
            ("GOARCH", claims.arch.goarch()),
            ("CGO_ENABLED", "0"),
            ("-trimpath", "true"),
        ];
        for (key, wanted) in settings {
            let held = info.setting(key).unwrap_or_default();
            if held != wanted {
                self.errors.push(format!("{BINARY}: it was built with {key}=`{held}`; the layer needs `{wanted}`"));
            }
        }
        let core = info.deps.iter().find(|module| module.path == CORE && module.replace.is_none());
        if let Some(core) = core.filter(|core| core.version != claims.collector_version) {
            self.errors.push(format!(
                "{BINARY}: it links collector {}, the layer says {}",
                core.version, claims.collector_version
            ));
        }
    }

    fn config(&mut self, text: &str, claims: &Claims<'_>) {
        let findings = match contract::findings(CONFIG, text, &claims.components, claims.collector_version) {
            Ok(findings) => findings,
            Err(errors) => return self.errors.extend(errors),
        };
        for finding in findings {
            let line = format!("{CONFIG}:{}: {}: {}", finding.mark, finding.message, finding.fix);
            match finding.severity {
                Severity::Error => self.errors.push(line),
                Severity::Warning => self.warnings.push(line),
            }
        }
    }
}

/// Whether a binary holds this version as a text of its own. The list of linked modules and the paths of their files,
/// which every binary holds, do not count: there it follows a tab or an `@`.
fn embeds(binary: &[u8], version: &str) -> bool {
    let version = version.as_bytes();
    let Some(first) = version.first() else { return false };
    let mut starts = binary.iter().enumerate().filter(|(_, byte)| *byte == first).map(|(at, _)| at);
    starts.any(|at| {
        let before = at.checked_sub(1).map(|at| binary[at]);
        binary[at..].starts_with(version) && !matches!(before, Some(b'\t' | b'@'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::result::ActionResult;
    use crate::exec::testing::{CONFIG_TEXT, Printed, TAGS, collector, dep, facts, file, job, node, world};
    use crate::graph::node::{Class, Kind};
    use crate::layer::deflate::Recipe;
    use crate::layer::zip_write::{ZipEntry, collector_layer, write_zip};
    use std::num::NonZeroUsize;

    fn claims() -> Claims<'static> {
        let named = |category, name: &str| Component { category, name: name.into(), file: String::new() };
        Claims {
            arch: Arch::Amd64,
            collector_version: "v0.145.0",
            tags: TAGS,
            components: vec![named(Category::Exporter, "otlphttp"), named(Category::Receiver, "otlp")],
        }
    }

    fn zip(entries: &[ZipEntry<'_>]) -> Vec<u8> {
        write_zip(entries, Recipe::CURRENT, NonZeroUsize::MIN).unwrap()
    }

    fn errors(entries: &[ZipEntry<'_>], claims: &Claims<'_>) -> Vec<String> {
        inspect(&zip(entries), claims).errors
    }

    fn config_errors(text: &str) -> Vec<String> {
        let binary = collector(Arch::Amd64);
        errors(&collector_layer(&binary, text.as_bytes()), &claims())
    }

    fn check_job(world: &World, zip: &[u8], code_sha256: &str) -> Job {
        let mut facts = facts();
        for (name, value) in [("code-sha256", code_sha256), ("unzipped-size", "1"), ("zip-size", "1")] {
            facts.insert(name.into(), value.into());
        }
        let outputs = vec![file(world, LAYER, zip)];
        let measurements = [(BUILD_MS.to_owned(), 7), ("other".to_owned(), 1)].into();
        let layer = ActionResult { outputs, facts, measurements, ..ActionResult::default() };
        let deps = vec![dep("layer", node("layer", Kind::Group, Class::Pure), Ok(layer))];
        job(world, node("checked", Kind::Check(Box::new(Check { smoke: "optional".into() })), Class::Pure), deps)
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
        let made = run(&world, &job, &Check { smoke: "optional".into() }, &mut Printed::default()).unwrap();
        assert_eq!(made.outputs[..1], job.deps[0].result.as_ref().unwrap().outputs[..]);
        assert_eq!(
            made.outputs.iter().map(|made| made.name.as_str()).collect::<Vec<_>>(),
            [LAYER, "cyclonedx", "spdx"]
        );
        assert_eq!((made.facts["verdict"].as_str(), made.facts["smoke"].as_str()), ("passed", "none"));
        assert_eq!(made.facts["sha256"], sum.to_hex());
        assert!(made.facts["findings"].contains("`otlphttp/unused` is defined but not used"));
        assert_eq!(made.warnings.len(), 1);
        assert_eq!((made.facts.len(), made.measurements.len(), made.measurements[BUILD_MS]), (13, 1, 7));
    }

    #[test]
    fn a_layer_that_fails_names_everything_that_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let binary = collector(Arch::Arm64);
        let zip = zip(&collector_layer(&binary, b"service: {}"));
        let job = check_job(&world, &zip, &Sha256Sum::of(&zip).to_code_sha256());
        let error = run(&world, &job, &Check { smoke: "optional".into() }, &mut Printed::default()).unwrap_err();
        assert!(matches!(error, WorkError::Invalid(_)));
        let text = error.to_string();
        assert!(
            text.starts_with("the layer must not ship: 3 findings\n- extensions/collector: it is for arm64"),
            "{text}"
        );
        assert!(text.contains("\n- collector-config/config.yaml:1: the configuration has no pipeline"), "{text}");
        let job = check_job(&world, &zip, "other");
        let error = run(&world, &job, &Check { smoke: "optional".into() }, &mut Printed::default()).unwrap_err();
        assert!(matches!(error, WorkError::Internal(_)));
    }

    #[test]
    fn a_good_layer_has_no_findings() {
        let binary = collector(Arch::Amd64);
        let found = inspect(&zip(&collector_layer(&binary, CONFIG_TEXT.as_bytes())), &claims());
        assert!(found.errors.is_empty() && found.warnings.is_empty(), "{found:?}");
    }

    #[test]
    fn entries_and_modes_are_exact() {
        let binary = collector(Arch::Amd64);
        let mut entries = collector_layer(&binary, CONFIG_TEXT.as_bytes()).to_vec();
        entries[3].mode = 0o644;
        entries[0].mode = 0o700;
        entries.push(ZipEntry { name: "extensions/other", mode: 0o755, data: Some(b"x") });
        assert_eq!(
            errors(&entries, &claims()),
            [
                "collector-config/: it has mode 0700; Lambda needs 0755",
                "extensions/collector: it has mode 0644; Lambda needs 0755",
                "extensions/other: it does not belong into a collector layer",
            ]
        );
        assert_eq!(errors(&entries[..1], &claims()).len(), 4);
    }

    #[test]
    fn the_binary_has_to_be_the_one_that_was_asked_for() {
        let arm = collector(Arch::Arm64);
        let found = errors(&collector_layer(&arm, CONFIG_TEXT.as_bytes()), &claims());
        assert_eq!(
            found,
            [
                "extensions/collector: it is for arm64, the layer for amd64",
                "extensions/collector: it was built with GOARCH=`arm64`; the layer needs `amd64`",
            ]
        );
        let binary = collector(Arch::Amd64);
        let other = Claims { collector_version: "v0.146.0", tags: "", ..claims() };
        let found = errors(&collector_layer(&binary, CONFIG_TEXT.as_bytes()), &other);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("-tags=`lambdacomponents.custom"), "{found:?}");
        assert!(found[1].contains("links collector v0.145.0, the layer says v0.146.0"), "{found:?}");
        assert!(found[2].contains("does not contain its version v0.146.0"), "{found:?}");
        let found = errors(&collector_layer(b"#!/bin/sh", CONFIG_TEXT.as_bytes()), &claims());
        assert!(found[0].contains("not an ELF binary") && found.len() == 3, "{found:?}");
    }

    #[test]
    fn a_binary_that_is_cut_off_or_too_large_is_refused() {
        let whole = collector(Arch::Amd64);
        let found = errors(&collector_layer(&whole[..whole.len() / 2], CONFIG_TEXT.as_bytes()), &claims());
        assert!(found[0].starts_with("extensions/collector: "), "{found:?}");
        let mut limited = Findings::default();
        limited.keep(limits::check_sizes(1, UNZIPPED_LIMIT + 1, &[(BINARY, UNZIPPED_LIMIT + 1)]));
        assert!(limited.errors[0].contains(BINARY), "{limited:?}");
    }

    #[test]
    fn a_start_that_is_required_and_cannot_be_had_is_trouble_outside() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let zip = zip(&collector_layer(&collector(Arch::Amd64), CONFIG_TEXT.as_bytes()));
        let job = check_job(&world, &zip, &Sha256Sum::of(&zip).to_code_sha256());
        let error = run(&world, &job, &Check { smoke: "required".into() }, &mut Printed::default()).unwrap_err();
        assert!(matches!(&error, WorkError::Environment(text) if text.contains("qemu-user-static")), "{error}");
    }

    #[test]
    fn a_version_in_the_list_of_modules_is_not_the_binarys_own() {
        assert!(embeds(b"..v0.145.0..", "v0.145.0") && embeds(b"v0.145.0", "v0.145.0"));
        assert!(embeds(b"\tv0.145.0\t\0v0.145.0", "v0.145.0"));
        assert!(!embeds(b"x@v0.145.0/a.go", "v0.145.0"));
        assert!(!embeds(b"dep\tx\tv0.145.0\th1:", "v0.145.0") && !embeds(b"UNSET", "v0.145.0") && !embeds(b"x", ""));
    }

    #[test]
    fn components_that_are_not_compiled_in_are_named_with_line_and_tag() {
        let found = config_errors(&CONFIG_TEXT.replace("  otlphttp:", "  debug: {}\n  mystery:\n  otlphttp:"));
        let [debug, mystery] = &found[..] else { panic!("{found:?}") };
        assert!(debug.starts_with("collector-config/config.yaml:4: exporter `debug` is not in this layer"), "{debug}");
        assert!(debug.contains("add lambdacomponents.exporter.debug to the distribution's buildtags"), "{debug}");
        assert!(mystery.starts_with("collector-config/config.yaml:5: exporter `mystery`"), "{mystery}");
        assert!(mystery.contains("lambdacomponents.exporter.mystery"), "{mystery}");
        let typo = config_errors(&CONFIG_TEXT.replace("otlphttp", "otlphtp"));
        assert!(typo[0].contains("did you mean that of lambdacomponents.exporter.otlphttp?"), "{typo:?}");
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_a_finding() {
        assert!(config_errors("receivers: [").first().unwrap().starts_with("collector-config/config.yaml:1:"));
        let binary = collector(Arch::Amd64);
        let found = errors(&collector_layer(&binary, b"\xff\xfe"), &claims());
        assert_eq!(found, ["collector-config/config.yaml: it is not UTF-8; save it as UTF-8"]);
    }

    #[test]
    fn hostile_zips_are_findings_and_never_more() {
        let binary = collector(Arch::Amd64);
        let good = zip(&collector_layer(&binary, CONFIG_TEXT.as_bytes()));
        let refused = |zip: &[u8]| assert!(!inspect(zip, &claims()).errors.is_empty());
        refused(b"");
        refused(b"PK\x05\x06");
        refused(&[b"x".as_slice(), &good].concat());
        refused(&[good.as_slice(), b"x"].concat());
        // A path out of the folder, of the same length.
        let text: Vec<u8> = good.clone();
        let evil = replaced(&text, b"collector-config/config.yaml", b"../../../../../tmp/evil.yaml");
        refused(&evil);
        // The same name twice.
        refused(&replaced(&good, b"collector-config/config.yaml", b"extensions/collector\0\0\0\0\0\0\0\0"));
        // Nothing that is cut off or changed in one place may panic.
        for at in (0..good.len()).step_by(7) {
            refused(&good[..at]);
            let mut changed = good.clone();
            changed[at] ^= 0x55;
            inspect(&changed, &claims());
        }
        // Ten megabytes of zeros in ten kilobytes.
        let bomb = vec![0; 10 << 20];
        refused(&zip(&collector_layer(&binary, &bomb)));
    }

    fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut bytes = bytes.to_vec();
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + from.len()].copy_from_slice(to);
            }
        }
        bytes
    }
}
