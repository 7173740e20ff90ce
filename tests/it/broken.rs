//! Ten layers that must not ship, each broken in one way, and the exact text that a person sees: cause and fix.
//!
//! What is wrong to the eye is said by `verify LAYER` of a zip that was tampered with, since this program packages no such
//! layer; what only shows when the extension is started is said by the `check` node of a pipeline.

use std::num::NonZeroUsize;

use ocelot::layer::deflate::Recipe;
use ocelot::layer::inspection::{BINARY, CONFIG};
use ocelot::layer::zip_read::{ZipLimits, ZipReader};
use ocelot::layer::zip_write::{ZipEntry, collector_layer, write_zip};

use crate::shipped;
use crate::smoke::{CONFIG as CONFIG_SOURCE, LIFECYCLE, RUN, can_start, edit};
use crate::snapshot;
use crate::support::{Ran, Space};

const LAYER: &str = "build/quickstart/collector-amd64-minimal.zip";

/// A good layer, taken apart.
struct Parts {
    space: Space,
    binary: Vec<u8>,
    config: String,
}

impl Parts {
    fn new() -> Self {
        let space = shipped::project();
        let _ = space.run(&["run", "quickstart", "layer[minimal,amd64]"]).status(0);
        let zip = shipped::bytes(&space, LAYER);
        let reader = ZipReader::open(LAYER, &zip, ZipLimits::default()).expect("a zip of ours");
        let entry = |name: &str| reader.extract(name, u64::MAX).expect("an entry");
        let (binary, config) = (entry(BINARY), String::from_utf8(entry(CONFIG)).expect("UTF-8"));
        Self { space, binary, config }
    }

    /// What is said of a layer with this binary and configuration.
    fn said(&self, binary: &[u8], config: &str, change: impl FnOnce(&mut [ZipEntry<'_>; 4])) -> Ran {
        let mut entries = collector_layer(binary, config.as_bytes());
        change(&mut entries);
        let zip = write_zip(&entries, Recipe::CURRENT, NonZeroUsize::MIN).expect("a zip");
        std::fs::write(self.space.root().join("broken.zip"), zip).expect("a file");
        self.space.run(&["verify", "broken.zip"])
    }
}

/// Compares the error that a person sees with its snapshot; the log of a start has times in it, and is not part of that.
fn shown(name: &str, command: &str, ran: &Ran) -> Option<String> {
    let error: Vec<&str> = ran.stderr.lines().skip_while(|line| !line.starts_with("error[OC")).collect();
    let end = error.iter().position(|line| line.starts_with("  | ")).unwrap_or(error.len());
    let text = format!("$ {command}\n{}{}\nexit {}\n", ran.stdout, error[..end].join("\n"), ran.status);
    // How large Go makes the sample's binary is its own affair.
    let is_size = |word: &str| word.len() == 8 && word != "69905067" && word.bytes().all(|byte| byte.is_ascii_digit());
    let words = text.split_inclusive([' ', ',', ';']).map(|word| {
        let number = word.trim_end_matches([' ', ',', ';']);
        if is_size(number) { word.replace(number, "N") } else { word.to_owned() }
    });
    let text: String = words.collect();
    assert_eq!(ran.status, 1, "{name} is not refused: {ran:?}");
    snapshot::differs(&format!("tests/it/broken/{name}.txt"), &text)
}

#[test]
fn what_is_wrong_to_the_eye_is_refused_with_cause_and_fix() {
    let good = Parts::new();
    let (binary, config) = (&good.binary[..], &good.config[..]);
    let same = |_: &mut [ZipEntry<'_>; 4]| {};
    assert_eq!(good.said(binary, config, same).status(0).stderr, "");
    let mut large = binary.to_vec();
    let mut state = 1_u64;
    // Numbers that deflate cannot make shorter.
    large.extend((0..7_000_000).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    }));
    let undefined = config.replace("exporters: [otlphttp]", "exporters: [otlphttp/two]");
    let missing = config.replace("exporters:\n", "exporters:\n  debug:\n");
    let unclosed = config.replace("receivers: [otlp]", "receivers: [otlp");
    let cases = [
        ("no-execute-bit", good.said(binary, config, |entries| entries[3].mode = 0o644)),
        ("missing-component", good.said(binary, &missing, same)),
        ("undefined-exporter", good.said(binary, &undefined, same)),
        ("unclosed-yaml", good.said(binary, &unclosed, same)),
        ("truncated-binary", good.said(&binary[..binary.len() / 2], config, same)),
        ("oversize", good.said(&large, config, same)),
    ];
    let mut problems: Vec<_> =
        cases.iter().filter_map(|(name, ran)| shown(name, "ocelot verify broken.zip", ran)).collect();
    let _ = good.said(binary, config, same);
    let wrong = good.space.run(&["verify", "broken.zip", "-a", "arm64"]);
    problems.extend(shown("wrong-architecture", "ocelot verify broken.zip -a arm64", &wrong));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_shows_when_it_is_started_is_refused_with_cause_and_fix() {
    if !can_start() {
        return;
    }
    let parse = "config, err := component.ParseConfig(text)";
    let hangs = format!("if strings.Contains(text, \"never-answers\") {{\n\t\tselect {{}}\n\t}}\n\t{parse}");
    let cases = [
        ("crash-at-init", vec![(LIFECYCLE, "log.Info(\"running\")", "panic(\"no such table\")")]),
        ("exit-on-invoke", vec![(LIFECYCLE, "case \"INVOKE\":", "case \"INVOKE\":\n\t\t\tos.Exit(7)")]),
        (
            "config-that-hangs",
            vec![(LIFECYCLE, parse, &hangs), (CONFIG_SOURCE, "localhost:4319", "never-answers:4319")],
        ),
    ];
    let mut problems = Vec::new();
    for (name, edits) in cases {
        let space = shipped::project();
        let timeout = ("pipelines/quickstart.yaml", "    check: {layer", "    timeout: 2s\n    check: {layer");
        for (file, from, to) in edits.into_iter().chain([timeout]) {
            edit(&space, file, from, to);
        }
        let ran = space.run(&RUN);
        problems.extend(shown(name, "ocelot run quickstart 'checked[minimal,amd64]'", &ran));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(snapshot::files("tests/it/broken", ".txt").len(), 10);
}
