//! Regions on a command line, where no pipeline says which there are.

use crate::base::{code, suggest};
use crate::cli::commands::list;
use crate::cli::exit::Stop;
use crate::cli::process::Process;
use crate::layer::regions::is_region_name;
use crate::project::around::REGIONS;
use crate::spec::config::RegionsFile;

/// Refuses what cannot be a region, and what the project's list of them does not have but a mistyped letter away. Others
/// that are not on the list are let through: one may have opened yesterday, and these commands need no project.
///
/// # Errors
/// At the first such name, or if the list cannot be read.
pub(super) fn check(process: &Process, regions: &[String]) -> Result<(), Stop> {
    if let Some(wrong) = regions.iter().find(|region| !is_region_name(region)) {
        return Err(Stop::usage(code::BAD_ARGUMENT, format!("`{wrong}` is not the name of a region"))
            .hint("write one such as eu-west-1"));
    }
    if regions.is_empty() || !process.dir.join(REGIONS).exists() {
        return Ok(());
    }
    let (file, _): (RegionsFile, _) = list::read_file(process, REGIONS)?;
    let known = || file.regions.keys().map(String::as_str);
    for region in regions.iter().filter(|region| !known().any(|name| name == region.as_str())) {
        if known().any(|name| place(name) == place(region)) {
            continue;
        }
        if let Some(near) = suggest::closest(region, known()) {
            return Err(Stop::usage(
                code::UNKNOWN_REGION,
                format!("`{region}` is not in {REGIONS}; did you mean `{near}`?"),
            )
            .hint(format!("if there is such a region, add it to {REGIONS}")));
        }
    }
    Ok(())
}

/// A region's name without its number.
fn place(region: &str) -> &str {
    region.rsplit_once('-').map_or(region, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_second_region_of_a_place_is_no_typo() {
        assert_eq!(place("eu-west-4"), place("eu-west-1"));
        assert_ne!(place("eu-wset-1"), place("eu-west-1"));
    }
}
