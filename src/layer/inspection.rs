//! Whether a layer zip is fit to ship, as far as that can be seen without starting it: entries, modes and sizes, the
//! binary, and its contract with the configuration.

use crate::layer::arch::Arch;
use crate::layer::build_info::{BuildInfo, CORE};
use crate::layer::collector_config::Severity;
use crate::layer::component::{Category, Component};
use crate::layer::contract;
use crate::layer::elf;
use crate::layer::error::LayerError;
use crate::layer::limits::{self, UNZIPPED_LIMIT};
use crate::layer::zip_read::{ZipFact, ZipLimits, ZipReader};

/// The extension inside a layer zip.
pub const BINARY: &str = "extensions/collector";
/// The packaged configuration.
pub const CONFIG: &str = "collector-config/config.yaml";
/// What a layer has, and nothing else: name and permission bits.
const ENTRIES: [(&str, u32); 4] =
    [("collector-config/", 0o755), (CONFIG, 0o644), ("extensions/", 0o755), (BINARY, 0o755)];
const PERMISSIONS: u32 = 0o7777;

/// What is said of a layer, against which it is held.
#[derive(Clone, Debug)]
pub struct Claims<'f> {
    /// What it is for.
    pub arch: Arch,
    /// With its `v`; empty if nobody says it.
    pub collector_version: &'f str,
    /// Sorted, separated by commas.
    pub tags: &'f str,
    /// What is compiled in.
    pub components: Vec<Component>,
}

/// Components from their short names, `exporter.debug,receiver.otlp`; what is no component is left out.
pub fn components_of(names: &str) -> Vec<Component> {
    let component = |text: &str| {
        let (category, name) = text.split_once('.')?;
        Some(Component { category: Category::parse(category)?, name: name.to_owned(), file: String::new() })
    };
    names.split(',').filter_map(component).collect()
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Why the layer must not ship, each with what to do.
    pub errors: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The extension, as far as it could be read.
    pub binary: Option<Vec<u8>>,
    /// Its configuration, as far as it could be read.
    pub config: Option<String>,
    /// What Go says of the extension.
    pub build_info: Option<BuildInfo>,
}

/// What Go says of the extension in a layer zip; `None` if it cannot be read.
pub fn read_build_info(zip: &[u8]) -> Option<BuildInfo> {
    let limits = ZipLimits { unzipped: 4 * UNZIPPED_LIMIT, ..ZipLimits::default() };
    let binary = ZipReader::open("the layer", zip, limits).ok()?.extract(BINARY, UNZIPPED_LIMIT).ok()?;
    BuildInfo::of_elf(BINARY, &binary).ok()
}

/// Checks a zip against what is said of it. Everything is listed; a zip that is refused as a whole is one finding.
pub fn inspect(zip: &[u8], claims: &Claims<'_>) -> Inspection {
    let mut found = Inspection::default();
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
    if let Err(error) = limits::check_sizes(zip.len() as u64, unzipped, &sizes) {
        found.errors.push(format!("{error}; take components that are not needed out of the distribution's buildtags"));
    }
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
                found.configuration(CONFIG, &text, claims);
                found.config = Some(text);
            }
            Err(_) => found.errors.push(format!("{CONFIG}: it is not UTF-8; save it as UTF-8")),
        }
    }
    found
}

impl Inspection {
    fn keep<T>(&mut self, result: Result<T, LayerError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error.to_string())).ok()
    }

    fn entries(&mut self, entries: &[ZipFact]) {
        for (name, mode) in ENTRIES {
            let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
                self.errors.push(format!(
                    "{name}: it is missing from the layer; pack it as a `package` node does, which puts all four entries in"
                ));
                continue;
            };
            match entry.unix_mode.map(|held| held & PERMISSIONS) {
                Some(held) if held == mode => {}
                held => {
                    let held = held.map_or("no Unix mode".to_owned(), |held| format!("mode {held:04o}"));
                    self.errors.push(format!(
                        "{name}: it has {held}; Lambda needs {mode:04o}, so `chmod {mode:04o}` it before it is zipped"
                    ));
                }
            }
        }
        let extra = entries.iter().filter(|entry| ENTRIES.iter().all(|(name, _)| *name != entry.name));
        self.errors.extend(
            extra.map(|entry| format!("{}: it does not belong into a collector layer; take it out", entry.name)),
        );
    }

    fn binary(&mut self, binary: &[u8], claims: &Claims<'_>) {
        // Of what is no whole binary, nothing else that can be said is worth reading.
        let Some(facts) = self.keep(elf::inspect(BINARY, binary)) else { return };
        if facts.arch != claims.arch {
            let (held, wanted) = (facts.arch, claims.arch);
            self.errors
                .push(format!("{BINARY}: it is for {held}, the layer for {wanted}; build it with GOARCH={wanted}"));
        }
        if facts.dynamic {
            let problem =
                "it asks for a dynamic loader, which Lambda's runtimes do not share; build it with CGO_ENABLED=0";
            self.errors.push(format!("{BINARY}: {problem}"));
        }
        if let Some(info) = self.keep(BuildInfo::of_elf(BINARY, binary)) {
            self.build_info(&info, claims);
            self.build_info = Some(info);
        }
        if !claims.collector_version.is_empty() && !embeds(binary, claims.collector_version) {
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

    /// Adds what is wrong with a configuration, in the words of `file`, in a layer of which this is said.
    pub fn configuration(&mut self, file: &str, text: &str, claims: &Claims<'_>) {
        let findings = match contract::findings(file, text, &claims.components, claims.collector_version) {
            Ok(findings) => findings,
            Err(errors) => return self.errors.extend(errors),
        };
        for finding in findings {
            let line = format!("{file}:{}: {}: {}", finding.mark, finding.message, finding.fix);
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
    use crate::layer::deflate::Recipe;
    use crate::layer::testing::{CONFIG_TEXT, TAGS, collector};
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
                "collector-config/: it has mode 0700; Lambda needs 0755, so `chmod 0755` it before it is zipped",
                "extensions/collector: it has mode 0644; Lambda needs 0755, so `chmod 0755` it before it is zipped",
                "extensions/other: it does not belong into a collector layer; take it out",
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
                "extensions/collector: it is for arm64, the layer for amd64; build it with GOARCH=amd64",
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
        assert!(found[0].contains("not an ELF binary") && found.len() == 1, "{found:?}");
    }

    #[test]
    fn a_binary_that_is_cut_off_is_one_finding() {
        let whole = collector(Arch::Amd64);
        let found = errors(&collector_layer(&whole[..whole.len() / 2], CONFIG_TEXT.as_bytes()), &claims());
        assert!(found[0].starts_with("extensions/collector: "), "{found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
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
