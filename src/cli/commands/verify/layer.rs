//! `verify LAYER`: what a `check` node says of a layer before it starts it, of any zip.

use crate::base::code;
use crate::cli::args::VerifyArgs;
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::layer::arch::Arch;
use crate::layer::build_info::BuildInfo;
use crate::layer::contract::components_of_tags;
use crate::layer::inspection::{Claims, Inspection, inspect, read_build_info};
use crate::layer::tags::TagSet;

/// `verify LAYER`.
///
/// # Errors
/// If the file cannot be read, or the layer must not ship.
pub(super) fn verify(process: &Process, layer: &str, args: &VerifyArgs) -> Result<Exit, Stop> {
    let zip = std::fs::read(process.dir.join(layer))
        .map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot read `{layer}`: {error}")))?;
    let info = read_build_info(&zip).unwrap_or_default();
    let Inspection { errors, warnings, .. } = inspect(&zip, &claims(&info, args.architecture.as_deref()));
    for warning in &warnings {
        print(&format!("warning[{}]: {warning}\n", code::LAYER_ODD));
    }
    if errors.is_empty() {
        print(&format!("{layer}: fit to ship, as far as can be seen without starting it\n"));
        return Ok(Exit::Ok);
    }
    let lines: String = errors.iter().map(|error| format!("\n- {error}")).collect();
    Err(Stop::new(code::LAYER_BROKEN, Exit::Failure, format!("`{layer}` must not ship:{lines}")))
}

/// What the binary says of itself, but for what it is for, if somebody says so.
fn claims<'i>(info: &'i BuildInfo, arch: Option<&str>) -> Claims<'i> {
    let built_for = info.setting("GOARCH").unwrap_or_default();
    let arch = Arch::parse(arch.unwrap_or(built_for)).unwrap_or(Arch::Amd64);
    let tags = info.tags();
    let set = TagSet::new(tags.split(',').filter(|tag| !tag.is_empty()));
    Claims { arch, collector_version: info.collector_version(), tags, components: components_of_tags(&set) }
}
