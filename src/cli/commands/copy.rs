//! `copy`: a published layer into other regions, from the bytes of the region that has it. Nothing is built.

use std::collections::BTreeMap;

use crate::base::code;
use crate::cli::args::CopyArgs;
use crate::cli::commands::print;
use crate::cli::commands::regions::check as check_regions;
use crate::cli::commands::verify::read_index;
use crate::cli::commands::versions::{Stores, is_arn, parse, stop};
use crate::cli::exit::{Exit, Stop};
use crate::cli::live::each_region;
use crate::cli::process::Process;
use crate::exec::versions::{copy as copy_version, fetch, policy, sharing_of};
use crate::layer::arn::VersionArn;
use crate::outside::process::cancel::Cancel;
use crate::outside::registry::{ErrorKind, LayerRegistry};

/// `copy`.
///
/// # Errors
/// If a source cannot be read.
pub(super) fn copy(process: &Process, args: &CopyArgs) -> Result<Exit, Stop> {
    check_regions(process, &args.to)?;
    let stores = Stores::new(process, &args.store);
    let mut sources = Vec::new();
    for from in &args.from {
        match is_arn(from) {
            true => sources.push(parse(from)?),
            false => sources.extend(of_index(process, from)?),
        }
    }
    let (mut copied, mut failed) = (0, 0);
    // One zip in memory at a time, whatever the number of layers and regions.
    for source in &sources {
        let registry = stores.of(source)?;
        let (done, wrong) = copy_one(process, args, registry.as_ref(), source)?;
        copied += done;
        failed += wrong;
    }
    print(&format!("copy: {copied} there now, {failed} failed\n"));
    Ok(match (copied, failed) {
        (_, 0) => Exit::Ok,
        (0, _) => Exit::Failure,
        _ => Exit::Partial,
    })
}

/// One version of each layer of an index: of the newest collector version, from the first region that has it.
fn of_index(process: &Process, file: &str) -> Result<Vec<VersionArn>, Stop> {
    let mut layers = BTreeMap::new();
    for version in read_index(process, file)?.newest() {
        layers.entry(version.layer_name.clone()).or_insert(version.arn);
    }
    layers.values().map(|arn| parse(arn)).collect()
}

/// Copies one version; how many regions have it now, and in how many that failed.
fn copy_one(
    process: &Process,
    args: &CopyArgs,
    registry: &dyn LayerRegistry,
    source: &VersionArn,
) -> Result<(usize, usize), Stop> {
    let from = fetch(registry, source).map_err(stop)?;
    let held = match policy(registry, source) {
        // Whom somebody else shares their layer with is not to be seen.
        Err(error) if error.kind == ErrorKind::Denied => Vec::new(),
        held => held.map_err(stop)?,
    };
    let sharing = sharing_of(&held, args.public);
    let cancel = Cancel::new().map_err(|error| Stop::environment(code::SYSTEM, error))?;
    let results =
        each_region(&args.to, String::as_str, |region| copy_version(registry, &from, region, sharing.clone(), &cancel));
    let (mut done, mut failed) = (0, 0);
    for (region, result) in args.to.iter().zip(results) {
        let line = match result {
            Ok(copied) => {
                done += 1;
                let warnings: String =
                    copied.warnings.iter().map(|text| format!("{:>11}  {text}\n", "warning")).collect();
                let word = if copied.published { "copied" } else { "was there" };
                format!("{word:>11}  {}\n{warnings}", copied.arn)
            }
            Err(error) => {
                failed += 1;
                format!("{:>11}  {region}: {error}\n", "failed")
            }
        };
        print(&process.safe(&line));
    }
    Ok((done, failed))
}
