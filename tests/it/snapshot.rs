//! Snapshots: texts that are kept in files, compared, and written anew with `OCELOT_BLESS=1`.

use std::fs;
use std::path::{Path, PathBuf};

/// A path of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a file of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files of a folder of the repository that end so, relative to the repository, sorted.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(repository(&folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else if path.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What is wrong with a snapshot, if it is not `actual`; with `OCELOT_BLESS=1` it is written instead.
pub(crate) fn differs(path: &str, actual: &str) -> Option<String> {
    let file = repository(path);
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if expected == actual {
        return None;
    }
    if std::env::var_os("OCELOT_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, actual).unwrap();
        return None;
    }
    Some(format!(
        "{path} is not what the program says now (`OCELOT_BLESS=1 cargo test` writes it anew)\n\
         --- expected\n{expected}\n--- found\n{actual}"
    ))
}

/// Panics if the snapshot is not `actual`.
pub(crate) fn assert_snapshot(path: &str, actual: &str) {
    if let Some(problem) = differs(path, actual) {
        panic!("{problem}");
    }
}
