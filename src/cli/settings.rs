//! `config/ocelot.yaml`, for the commands that need it.

use std::path::Path;

use crate::base::diag::SourceMap;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::project::around::SETTINGS;
use crate::spec::config::SettingsFile;
use crate::spec::yaml::{Limits, read};

/// Reads the settings of the project at `root`; all are left out where there is no such file.
///
/// # Errors
/// Everything that is wrong with the file, at its place.
pub(in crate::cli) fn settings(process: &Process, root: &Path) -> Result<SettingsFile, Stop> {
    let Ok(text) = std::fs::read_to_string(root.join(SETTINGS)) else { return Ok(SettingsFile::default()) };
    let mut sources = SourceMap::default();
    let source = sources.add(SETTINGS, text.as_str());
    let mut problems = Vec::new();
    let file = read(source, &text, &Limits::default(), &mut problems).unwrap_or_default();
    problems.extend(SettingsFile::problems(&file));
    if problems.is_empty() {
        return Ok(file);
    }
    Err(Stop::shown(process, root, Exit::Usage, &sources, &problems))
}
