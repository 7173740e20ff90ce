//! What every reader of bytes that others could have written must stand: no panic, bounded work, and whatever it
//! accepts makes sense. One function per reader; the suite feeds them here, and the package in `fuzz/` for longer.

use std::path::Path;

use ocelot::action::manifest::read_fields;
use ocelot::action::result::{Listing, Record};
use ocelot::base::diag::{self, SourceMap};
use ocelot::base::digest::BlobDigest;
use ocelot::base::id::PathId;
use ocelot::engine::snapshot::Stored;
use ocelot::init::makefile::{Tree, convert};
use ocelot::layer::build_constraint::BuildConstraint;
use ocelot::layer::build_info::BuildInfo;
use ocelot::layer::config_yaml::read_names;
use ocelot::layer::elf;
use ocelot::layer::go_functions;
use ocelot::layer::go_mod::GoMod;
use ocelot::layer::go_sum::parse_go_sum;
use ocelot::layer::zip_read::{ZipLimits, ZipReader};
use ocelot::spec::config::{DependenciesFile, DistributionsFile, RegionsFile, SettingsFile};
use ocelot::spec::lock::LockFile;
use ocelot::spec::pipeline::PipelineFile;
use ocelot::spec::yaml::{Limits, read};
use ocelot::store::path_table::PathTable;
use ocelot::store::tail;
use serde::de::DeserializeOwned;

/// A reader, driven.
pub type Body = fn(&[u8]);

/// Every body by name.
pub const BODIES: [(&str, Body); 17] = [
    ("pipeline", yaml::<PipelineFile>),
    ("distributions", distributions),
    ("dependencies", yaml::<DependenciesFile>),
    ("regions", yaml::<RegionsFile>),
    ("settings", yaml::<SettingsFile>),
    ("lock", yaml::<LockFile>),
    ("collector-config", |bytes| with_text(bytes, |text| drop(read_names("config.yaml", text)))),
    ("path-table", path_table),
    ("snapshot", snapshot),
    ("record", record),
    ("zip", zip),
    ("elf", executable),
    ("go-functions", go_functions),
    ("build-constraint", build_constraint),
    ("go-mod", |bytes| with_text(bytes, |text| drop(GoMod::parse("go.mod", text)))),
    ("go-sum", |bytes| with_text(bytes, |text| drop(parse_go_sum("go.sum", text)))),
    ("makefile", makefile),
];

fn with_text(bytes: &[u8], body: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        body(text);
    }
}

/// Whatever is wrong can be shown, and a file with errors gives no value.
fn yaml<T: DeserializeOwned>(bytes: &[u8]) {
    with_value::<T>(bytes, |_| {});
}

fn with_value<T: DeserializeOwned>(bytes: &[u8], body: impl FnOnce(&T)) {
    let mut sources = SourceMap::default();
    let mut problems = Vec::new();
    let mut value = None;
    match sources.add_bytes("file.yaml", bytes.to_vec()) {
        Ok(source) => {
            let text = sources.get(source).expect("just added").text.clone();
            value = read::<T>(source, &text, &Limits::default(), &mut problems);
        }
        Err(problem) => problems.push(problem),
    }
    assert_eq!(value.is_some(), problems.is_empty(), "{problems:?}");
    for problem in &problems {
        let spans = problem.labels.iter().map(|label| label.span);
        assert!(spans.into_iter().all(|span| sources.slice(span).is_some()), "a place outside the text: {problem:?}");
    }
    let shown = diag::render(&sources, &problems, false);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "a terminal would obey: {shown:?}");
    if let Some(value) = value {
        body(&value);
    }
}

/// Bases end, whatever they are.
fn distributions(bytes: &[u8]) {
    with_value::<DistributionsFile>(bytes, |file| {
        for name in file.0.keys().take(20) {
            let folded = file.resolve(name, ocelot::base::diag::Span::default());
            if let Ok(folded) = folded {
                assert!(folded.tags.is_sorted());
            }
        }
    });
}

/// What is read can be written, and is then the same.
fn path_table(bytes: &[u8]) {
    drop(tail::read(bytes, 0));
    let Some(table) = PathTable::decode(bytes.to_vec()) else { return };
    let again = PathTable::decode(table.encode()).expect("what was written");
    assert_eq!(table.len(), again.len());
    for id in (0..table.len()).map(PathId::from_index) {
        assert_eq!((table.path(id), table.entry(id)), (again.path(id), again.entry(id)));
    }
}

fn snapshot(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("written");
    snapshot_at(file.path());
}

/// A snapshot whose key stands where it should is opened, whatever else it has.
fn snapshot_at(path: &Path) {
    let bytes = std::fs::read(path).expect("readable");
    let Some(key) = bytes.get(16..48).and_then(|key| key.first_chunk::<32>()) else { return };
    let Some(stored) = Stored::open(path, &BlobDigest::from_bytes(*key)) else { return };
    drop(stored.whole());
    if let Some(index) = stored.index() {
        let affected = index.affected(stored.null.settled.iter().flat_map(|s| s.open.clone()), |_| None, |_| true);
        drop(stored.part(&index, &affected));
    }
}

/// No record or listing names a path outside.
fn record(bytes: &[u8]) {
    drop(read_fields(bytes));
    if let Some(listing) = Listing::decode(bytes) {
        for (path, _) in &listing.0 {
            assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."), "{path:?}");
        }
    }
    if let Some(record) = Record::decode_any(bytes) {
        assert!(Record::decode(&record.encode(), &record.action).is_some());
    }
}

/// Limits hold before anything is unpacked.
fn zip(bytes: &[u8]) {
    let limits = ZipLimits { unzipped: 1 << 20, ..ZipLimits::default() };
    let Ok(reader) = ZipReader::open("layer.zip", bytes, limits) else { return };
    for entry in reader.entries().iter().filter(|entry| !entry.is_folder) {
        if let Ok(content) = reader.extract(&entry.name, 1 << 20) {
            assert_eq!(content.len() as u64, entry.size);
        }
    }
}

fn executable(bytes: &[u8]) {
    drop(elf::inspect("collector", bytes));
    drop(BuildInfo::of_elf("collector", bytes));
    assert!(elf::section(bytes, ".go.buildinfo").is_none_or(|section| section.len() <= bytes.len()));
}

/// No function has more code than all of them, and the names are no longer than what they are read from.
fn go_functions(bytes: &[u8]) {
    drop(go_functions::of_elf("collector", bytes));
    let Ok(functions) = go_functions::of_table("collector", bytes) else { return };
    assert!(functions.len() <= bytes.len() / 8);
    assert!(functions.iter().map(|function| function.size).sum::<u64>() <= u64::from(u32::MAX));
    assert!(functions.iter().map(|function| function.name.len()).sum::<usize>() <= 4 * bytes.len());
}

fn build_constraint(bytes: &[u8]) {
    with_text(bytes, |text| {
        drop(BuildConstraint::of_file("file.go", text));
        drop(BuildConstraint::parse(text));
    });
}

/// Whatever stands in a Makefile, it does not leave its place in the pipeline.
fn makefile(bytes: &[u8]) {
    with_text(bytes, |text| {
        let tree = Tree::from(["a.c".to_owned(), "src/".to_owned(), "src/b.c".to_owned()]);
        let Ok(converted) = convert("Makefile", "p", text, &tree) else { return };
        assert_eq!(converted.text.lines().filter(|line| line.starts_with("nodes:")).count(), 1, "{}", converted.text);
    });
}
