//! `prune`: deletes old layer versions. What goes is decided by `layer/retention`; here it is read, shown and done.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::aws_id::TableName;
use crate::base::code;
use crate::cli::args::PruneArgs;
use crate::cli::commands::plan::verdicts;
use crate::cli::commands::verify::read_index;
use crate::cli::commands::versions::stop;
use crate::cli::commands::{list, print};
use crate::cli::confirm::confirm;
use crate::cli::exit::{Exit, Stop};
use crate::cli::live::each_region;
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Workspace};
use crate::exec::registries::{AWS, Registries};
use crate::graph::node::{Kind, Publish};
use crate::layer::arch::Arch;
use crate::layer::arn::VersionArn;
use crate::layer::description;
use crate::layer::name::clean;
use crate::layer::retention::{Family, Keep, KnownNames, Published, to_delete};
use crate::outside::registry::{ErrorKind, LayerId, ListedVersion, RegistryError, Storage};
use crate::project::around::DISTRIBUTIONS;
use crate::spec::config::{DistributionsFile, parse_days};
use crate::store::receipts::Receipts;

const DAY: u64 = 86_400;

/// One region of one store, and what is there.
struct Place {
    registry: String,
    region: String,
    layers: Vec<(String, Vec<ListedVersion>)>,
    storage: Option<Storage>,
}

/// `prune`.
///
/// # Errors
/// If the project is wrong, a region cannot be read, or nobody can be asked.
pub(super) fn prune(process: &Process, args: &PruneArgs) -> Result<Exit, Stop> {
    let selection = selection::select(process, &args.select)?;
    let root = selection.pipeline.root.clone();
    let mut workspace = workspace::open_to_read(process, selection)?;
    verdicts(process, &mut workspace)?;
    let graph = &workspace.session.graph;
    let wanted = graph.ids().filter(|id| workspace.wanted[id.index()]);
    let publishes: Vec<&Publish> = wanted
        .filter_map(|id| match &graph.node(id).kind {
            Kind::Publish(publish) => Some(publish.as_ref()),
            _ => None,
        })
        .collect();
    if publishes.is_empty() {
        return Err(Stop::usage(code::UNSUITABLE_TARGET, "nothing is published by these targets")
            .hint("name a pipeline with `publish` nodes"));
    }
    let keep = Keep { versions: args.keep as usize, older_than: limit(process, args)? };
    let current = current(process, args, &workspace)?;
    let registries = Registries::new(&root, &process.env, process.common.offline);
    let families = families(process, &publishes)?;
    let bases: BTreeSet<&str> = publishes.iter().map(|publish| publish.name.as_str()).collect();
    let wanted: Vec<(String, String)> = publishes
        .iter()
        .map(|publish| (publish.registry.clone(), publish.region.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let places =
        each_region(&wanted, |(_, region)| region, |(registry, region)| look(&registries, &bases, registry, region));
    let places = places.into_iter().collect::<Result<Vec<_>, _>>().map_err(stop)?;
    let known = KnownNames::new(&families, &collector_versions(args, &places))
        .map_err(|error| Stop::usage(code::BAD_ARGUMENT, error))?;

    let mut plan = Vec::new();
    for place in &places {
        let published = published(place);
        let gone = to_delete(&published, &known, &current, keep);
        print(&process.safe(&shown(place, published.len(), &gone)));
        plan.extend(gone.into_iter().map(|one| (place.registry.as_str(), one.clone())));
    }
    if plan.is_empty() {
        print("prune: nothing to delete\n");
        return Ok(Exit::Ok);
    }
    let question =
        format!("Delete {} layer versions? Functions that are deployed with them later will fail.", plan.len());
    if !confirm(&question, args.yes)? {
        return Ok(Exit::Ok);
    }
    let tables: BTreeSet<&str> = publishes.iter().map(|publish| publish.table.as_str()).collect();
    let tables: Vec<TableName> = tables.into_iter().filter_map(TableName::parse).collect();
    let results =
        each_region(&plan, |(_, one)| &one.region, |(registry, one)| delete(&registries, &tables, registry, one));
    let failed: Vec<String> =
        results.into_iter().filter_map(Result::err).map(|error| format!("{:>11}  {error}\n", "failed")).collect();
    print(&process.safe(&failed.concat()));
    print(&format!("prune: {} deleted, {} failed\n", plan.len() - failed.len(), failed.len()));
    Ok(if failed.is_empty() { Exit::Ok } else { Exit::Failure })
}

/// The time before which a version has to be published to go.
fn limit(process: &Process, args: &PruneArgs) -> Result<Option<u64>, Stop> {
    let Some(text) = &args.older_than else { return Ok(None) };
    let Some(days) = parse_days(text) else {
        return Err(
            Stop::usage(code::BAD_ARGUMENT, format!("`--older-than {text}` is no time")).hint("write it as `90 days`")
        );
    };
    Ok(Some(process.clock.unix_seconds().saturating_sub(u64::from(days) * DAY)))
}

/// What is in use, as far as this project knows: region, layer name, number. That is what the nodes stand at now, what the
/// last receipt of each layer names, and what indexes name.
fn current(
    process: &Process,
    args: &PruneArgs,
    workspace: &Workspace,
) -> Result<BTreeSet<(String, String, u64)>, Stop> {
    let receipts = Receipts::of_project(&workspace.selection.pipeline.root)
        .all()
        .map_err(|error| Stop::environment(code::RECEIPTS, format!("cannot read .ocelot/receipts: {error}")))?;
    // Each content has a receipt of its own; of those of one layer in one place, the last one counts.
    let mut last = BTreeMap::new();
    for (_, receipt) in receipts {
        let Some(done) = receipt.done else { continue };
        let Some(Ok(arn)) = done.result.fact("arn").map(VersionArn::parse) else { continue };
        let layer = (arn.owner.clone(), arn.region.clone(), arn.name.clone());
        let newer = (done.result.ended_at, arn.number);
        last.entry(layer).and_modify(|held| *held = newer.max(*held)).or_insert(newer);
    }
    let mut current: BTreeSet<_> =
        last.into_iter().map(|((_, region, name), (_, number))| (region, name, number)).collect();
    let session = &workspace.session;
    let results = session.graph.ids().filter_map(|id| session.result(id)?.fact("arn").map(str::to_owned));
    let mut arns: Vec<String> = results.collect();
    for file in &args.index {
        arns.extend(read_index(process, file)?.versions().into_iter().map(|version| version.arn));
    }
    let named = arns.iter().filter_map(|arn| VersionArn::parse(arn).ok());
    current.extend(named.map(|arn| (arn.region, arn.name, arn.number)));
    Ok(current)
}

/// Every family that the project can publish: what its nodes declare, times all distributions and architectures.
fn families(process: &Process, publishes: &[&Publish]) -> Result<Vec<Family>, Stop> {
    let (file, _): (DistributionsFile, _) = list::read_file(process, DISTRIBUTIONS)?;
    let declared: BTreeSet<(&str, &str)> =
        publishes.iter().map(|publish| (publish.name.as_str(), publish.group.as_str())).collect();
    let mut families = Vec::new();
    for (base, group) in declared {
        for distribution in file.0.keys() {
            families.extend(Arch::ALL.map(|arch| Family {
                base: base.to_owned(),
                arch,
                distribution: distribution.clone(),
                group: group.to_owned(),
            }));
        }
    }
    Ok(families)
}

/// The layers of a region whose names have one of our bases in them, with their versions. Others cannot be ours, and
/// listing them would only cost requests.
fn look(registries: &Registries, bases: &BTreeSet<&str>, registry: &str, region: &str) -> Result<Place, RegistryError> {
    let store = registries.open(registry)?;
    let mut place =
        Place { registry: registry.to_owned(), region: region.to_owned(), layers: Vec::new(), storage: None };
    let names = match store.list_layers(region) {
        Err(error) if error.kind == ErrorKind::NotEnabled => return Ok(place),
        names => names?,
    };
    for name in names.into_iter().filter(|name| bases.iter().any(|base| name.contains(&clean(base)))) {
        let layer = LayerId { region: region.to_owned(), name };
        let versions = store.list_versions(&layer)?;
        place.layers.push((layer.name, versions));
    }
    // Only told; a role that may not see it can prune all the same.
    place.storage = store.storage(region).ok().flatten();
    Ok(place)
}

/// Collector versions by which names are made: those that descriptions of ours tell, and those that were given.
fn collector_versions(args: &PruneArgs, places: &[Place]) -> Vec<String> {
    let listed = places.iter().flat_map(|place| &place.layers).flat_map(|(_, versions)| versions);
    let told = listed.filter_map(|version| description::read(&version.description));
    let all = told.map(|said| said.collector_version.to_owned()).chain(args.collector_version.iter().cloned());
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn published(place: &Place) -> Vec<Published> {
    let one = |name: &str, version: &ListedVersion| Published {
        region: place.region.clone(),
        name: name.to_owned(),
        number: version.number,
        at: version.created,
    };
    place.layers.iter().flat_map(|(name, versions)| versions.iter().map(|version| one(name, version))).collect()
}

fn shown(place: &Place, versions: usize, gone: &[&Published]) -> String {
    let mut text: String =
        gone.iter().map(|one| format!("{:>11}  {} {}:{}\n", "delete", one.region, one.name, one.number)).collect();
    let storage = place.storage.map(|held| {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        format!("; the account uses {:.1} of {:.1} GiB there", gib(held.used), gib(held.limit))
    });
    let kept = versions - gone.len();
    text.push_str(&format!("{:>11}  {} {kept} versions{}\n", "keep", place.region, storage.unwrap_or_default()));
    text
}

/// Deletes a version, and its row first: what is interrupted leaves a version without a row, which the next time finds.
fn delete(registries: &Registries, tables: &[TableName], registry: &str, one: &Published) -> Result<(), RegistryError> {
    let store = registries.open(registry)?;
    let layer = LayerId { region: one.region.clone(), name: one.name.clone() };
    let arn = match (registry == AWS && !tables.is_empty()).then(|| store.get_version(&layer, one.number)) {
        Some(Ok(version)) => Some(version.arn),
        Some(Err(error)) if error.kind != ErrorKind::NotFound => return Err(error),
        _ => None,
    };
    for (table, arn) in tables.iter().zip(arn.iter().cycle()) {
        registries.aws()?.remove_row(table, arn)?;
    }
    store.delete_version(&layer, one.number)
}
