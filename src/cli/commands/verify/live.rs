//! `verify` of what was published: the same bytes in every region, and those that are built here.

use std::path::Path;

use crate::action::result::{ActionResult, Content};
use crate::base::code;
use crate::cli::args::{SelectArgs, VerifyArgs};
use crate::cli::commands::plan::verdicts;
use crate::cli::commands::regions::check as check_regions;
use crate::cli::commands::versions::{Stores, is_arn, parse, stop};
use crate::cli::commands::{list, print};
use crate::cli::exit::{Exit, Stop};
use crate::cli::live::{Asked, ask, asked, each_region, told};
use crate::cli::process::Process;
use crate::cli::selection;
use crate::cli::workspace::{self, Workspace};
use crate::exec::live::Live;
use crate::exec::registries::Registries;
use crate::exec::versions::{There, fetch, look, policy, there};
use crate::layer::arn::VersionArn;
use crate::layer::compare::differences;
use crate::layer::hashes::Sha256Sum;
use crate::layer::limits::UNZIPPED_LIMIT;
use crate::layer::release::index::{Index, Version};
use crate::outside::registry::{Grantee, LayerId, LayerRegistry, LayerVersion, RegistryError};
use crate::project::around::REGIONS;
use crate::spec::config::RegionsFile;

/// What was found of one version.
struct Found {
    word: &'static str,
    what: String,
    /// In what it differs.
    differences: Vec<String>,
    is_right: bool,
}

impl Found {
    fn right(word: &'static str, what: impl Into<String>) -> Self {
        Self { word, what: what.into(), differences: Vec::new(), is_right: true }
    }

    fn wrong(word: &'static str, what: impl Into<String>) -> Self {
        Self { is_right: false, ..Self::right(word, what) }
    }
}

/// `verify` of ARNs, indexes and nodes.
///
/// # Errors
/// If something named cannot be read.
pub(super) fn verify(process: &Process, words: &[&str], args: &VerifyArgs) -> Result<Exit, Stop> {
    check_regions(process, &args.region)?;
    let stores = Stores::new(process, &args.store);
    let mut found = Vec::new();
    let mut targets = Vec::new();
    for word in words.iter().copied() {
        if is_arn(word) {
            found.extend(of_arn(process, args, &stores, &parse(word)?)?);
        } else if Path::new(word).extension().is_some_and(|end| end == "json") {
            found.extend(of_index(process, &stores, word)?);
        } else {
            targets.push(word.to_owned());
        }
    }
    if !targets.is_empty() {
        found.extend(of_nodes(process, args, targets)?);
    }
    let mut out = String::new();
    for one in &found {
        out.push_str(&format!("{:>11}  {}\n", one.word, one.what));
        one.differences.iter().for_each(|line| out.push_str(&format!("{:>11}  {line}\n", "")));
    }
    let wrong = found.iter().filter(|one| !one.is_right).count();
    out.push_str(&format!("verify: {} looked at, {wrong} not as they should be\n", found.len()));
    print(&process.safe(&out));
    Ok(if wrong == 0 { Exit::Ok } else { Exit::Failure })
}

/// One version: the local zip, then the other regions.
fn of_arn(process: &Process, args: &VerifyArgs, stores: &Stores, arn: &VersionArn) -> Result<Vec<Found>, Stop> {
    let registry = stores.of(arn)?;
    let version = look(registry.as_ref(), arn).map_err(stop)?;
    let mut found = vec![Found::right("there", format!("{arn} ({})", version.code_sha256))];
    if let Some(file) = &args.against {
        let zip = std::fs::read(process.dir.join(file))
            .map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot read `{file}`: {error}")))?;
        found.push(against(registry.as_ref(), arn, &version, file, &zip));
    }
    // A list of somebody else's layers is not to be had.
    let regions: Vec<String> =
        regions(process, args, arn)?.into_iter().filter(|region| *region != arn.region).collect();
    found.extend(each_region(&regions, String::as_str, |region| {
        let layer = LayerId { region: region.clone(), name: arn.name.clone() };
        match there(registry.as_ref(), &layer, &version) {
            Ok(There::Same(arn)) => Found::right("same", arn),
            Ok(There::Absent) => Found::right("absent", region),
            Ok(There::NotEnabled) => Found::right("not enabled", region),
            Ok(There::Other(newest)) => Found {
                differences: of_versions(registry.as_ref(), arn, &version, &newest),
                ..Found::wrong("differs", newest.arn.clone())
            },
            Err(error) => Found::wrong("unknown", format!("{region}: {error}")),
        }
    }));
    Ok(found)
}

/// The regions in which a version's layer is looked for.
fn regions(process: &Process, args: &VerifyArgs, arn: &VersionArn) -> Result<Vec<String>, Stop> {
    if !args.region.is_empty() || !process.dir.join(REGIONS).exists() {
        return Ok(args.region.clone());
    }
    let (file, _): (RegionsFile, _) = list::read_file(process, REGIONS)?;
    let partition = arn.owner.as_ref().map_or_else(|| file.partition(&arn.region), |owner| &owner.partition);
    Ok(file.published_in(partition))
}

/// A version against a zip that is here.
fn against(registry: &dyn LayerRegistry, arn: &VersionArn, version: &LayerVersion, file: &str, zip: &[u8]) -> Found {
    if Sha256Sum::of(zip).to_code_sha256() == version.code_sha256 {
        return Found::right("same", file);
    }
    let differences = match fetch(registry, arn) {
        Ok(fetched) => {
            differences((file, zip), (&arn.to_string(), &fetched.zip)).unwrap_or_else(|e| vec![e.to_string()])
        }
        Err(error) => vec![format!("its bytes cannot be had, so that it is not known in what: {error}")],
    };
    Found { differences, ..Found::wrong("differs", format!("{file} against {arn}")) }
}

/// In what two versions differ: by their bytes, or if those cannot be had by what their descriptions say.
fn of_versions(
    registry: &dyn LayerRegistry,
    arn: &VersionArn,
    ours: &LayerVersion,
    theirs: &LayerVersion,
) -> Vec<String> {
    let bytes = || -> Result<Vec<String>, RegistryError> {
        let Ok(their_arn) = VersionArn::parse(&theirs.arn) else { return Ok(Vec::new()) };
        let (one, other) = (fetch(registry, arn)?, fetch(registry, &their_arn)?);
        Ok(differences((&ours.arn, &one.zip), (&theirs.arn, &other.zip)).unwrap_or_else(|e| vec![e.to_string()]))
    };
    bytes().unwrap_or_else(|_| vec![format!("`{}` against `{}`", ours.listed.description, theirs.listed.description)])
}

/// Every version that an index names: there, with its hash, and as public as it says.
fn of_index(process: &Process, stores: &Stores, file: &str) -> Result<Vec<Found>, Stop> {
    let versions = read_index(process, file)?.versions();
    let mut asked = Vec::new();
    for version in &versions {
        let arn = parse(&version.arn)?;
        asked.push((stores.of(&arn)?, arn, version));
    }
    Ok(each_region(
        &asked,
        |(_, arn, _)| &arn.region,
        |(registry, arn, version)| of_entry(registry.as_ref(), arn, version),
    ))
}

fn of_entry(registry: &dyn LayerRegistry, arn: &VersionArn, version: &Version) -> Found {
    let live = match look(registry, arn) {
        Ok(live) => live,
        Err(error) => return Found::wrong("gone", format!("{arn}: {}", error.problem)),
    };
    if live.code_sha256 != version.code_sha256 {
        let what = format!("{arn}: CodeSha256 {}, and the index says {}", live.code_sha256, version.code_sha256);
        return Found::wrong("differs", what);
    }
    let held = match policy(registry, arn) {
        Ok(held) => held,
        Err(error) => return Found::wrong("unknown", error.to_string()),
    };
    match (held.iter().any(|held| held.grantee == Grantee::Everyone), version.public) {
        (false, true) => Found::wrong("private", format!("{arn}: the index says that everybody may use it")),
        (true, false) => {
            Found::right("wider", format!("{arn}: everybody may use it, and the index says nothing of it"))
        }
        _ => Found::right("same", arn.to_string()),
    }
}

/// Reads a release's index.
///
/// # Errors
/// One that cannot be read, which is never taken for an empty one.
pub(in crate::cli::commands) fn read_index(process: &Process, file: &str) -> Result<Index, Stop> {
    let text = std::fs::read_to_string(process.dir.join(file))
        .map_err(|error| Stop::usage(code::UNREADABLE_ARGUMENT, format!("cannot read `{file}`: {error}")))?;
    Index::parse(&text).map_err(|problem| Stop::usage(code::UNREADABLE_ARGUMENT, format!("`{file}`: {problem}")))
}

/// `publish` nodes: what is there against what is built here.
fn of_nodes(process: &Process, args: &VerifyArgs, targets: Vec<String>) -> Result<Vec<Found>, Stop> {
    let select = SelectArgs { words: Vec::new(), pipeline: args.pipeline.clone(), set: args.set.clone() };
    let selection = selection::Selection { targets, ..selection::select(process, &select)? };
    let mut workspace = workspace::open_to_read(process, selection)?;
    verdicts(process, &mut workspace)?;
    let asked = asked(&workspace);
    if asked.is_empty() {
        return Err(Stop::usage(code::UNSUITABLE_TARGET, "these targets publish nothing")
            .hint("name `publish` nodes, or see `--twice` for others"));
    }
    let registries = Registries::new(&workspace.selection.pipeline.root, &process.env, process.common.offline);
    let answers = ask(&registries, &asked);
    let found = asked.iter().zip(&answers).map(|(one, answer)| {
        let (word, detail) = told(answer);
        let what = format!("{}  {detail}", one.node).trim_end().to_owned();
        match answer {
            Ok(Some(Live::Equal { .. } | Live::Wider { .. } | Live::Duplicate { .. } | Live::NotEnabled)) => {
                Found::right(word, what)
            }
            Ok(Some(Live::Differs { .. })) => {
                Found { differences: of_node(&workspace, &registries, one), ..Found::wrong(word, what) }
            }
            _ => Found::wrong(word, what),
        }
    });
    Ok(found.collect())
}

/// In what the newest version in a node's region differs from the layer that is built here.
fn of_node(workspace: &Workspace, registries: &Registries, one: &Asked<'_>) -> Vec<String> {
    let compared = || -> Option<Vec<String>> {
        let zip = layer_bytes(workspace, one.layer?)?;
        let registry = registries.open(&one.publish.registry).ok()?;
        let newest = crate::exec::live::newest(registry.as_ref(), one.publish, one.layer?).ok()??;
        let fetched = fetch(registry.as_ref(), &VersionArn::parse(&newest.arn).ok()?).ok()?;
        differences(("what is built here", &zip), (&newest.arn, &fetched.zip)).ok()
    };
    compared().unwrap_or_else(|| vec!["their bytes cannot be had, so that it is not known in what".to_owned()])
}

fn layer_bytes(workspace: &Workspace, layer: &ActionResult) -> Option<Vec<u8>> {
    let output = layer.outputs.iter().find(|output| output.name == "layer")?;
    let Content::File(file) = &output.content else { return None };
    workspace.session.cache.read_blob(&file.digest, UNZIPPED_LIMIT)
}
