//! `explain-layer`: what a published layer is, where it came from, and who may use it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::clock::format_utc;
use crate::cli::args::{ExplainLayerArgs, OutputForm};
use crate::cli::commands::components::contents_of;
use crate::cli::commands::print;
use crate::cli::commands::registry::table_name;
use crate::cli::commands::versions::{Stores, parse, stop};
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::exec::versions::{fetch, grantee_in_words, look, policy};
use crate::layer::description;
use crate::layer::hashes::Sha256Sum;

/// All that could be learnt.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Explained {
    arn: String,
    created: Option<u64>,
    size: u64,
    code_sha256: String,
    sha256: Option<String>,
    architectures: Vec<String>,
    runtimes: Vec<String>,
    license: String,
    description: String,
    distribution: Option<String>,
    collector_version: Option<String>,
    /// The first digits of the commit of the sources.
    commit: Option<String>,
    shared_with: Result<Vec<String>, String>,
    components: Result<Vec<String>, String>,
    /// What the metadata table has of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    row: BTreeMap<String, String>,
}

/// `explain-layer`.
///
/// # Errors
/// If the version is not there or not shared with the caller.
pub(super) fn explain_layer(process: &Process, args: &ExplainLayerArgs) -> Result<Exit, Stop> {
    let arn = parse(&args.arn)?;
    let table = args.table.as_deref().map(table_name).transpose()?;
    let stores = Stores::new(process, &args.store);
    let registry = stores.of(&arn)?;
    let registry = registry.as_ref();
    let version = look(registry, &arn).map_err(stop)?;
    let listed = version.listed;
    let made = description::read(&listed.description);
    let row = match &table {
        Some(table) => stores.row(table, &args.arn)?,
        None => BTreeMap::new(),
    };
    let explained = Explained {
        row,
        arn: arn.to_string(),
        created: listed.created,
        size: version.code_size,
        sha256: Sha256Sum::from_code_sha256(&version.code_sha256).map(Sha256Sum::to_hex),
        code_sha256: version.code_sha256,
        architectures: listed.architectures,
        runtimes: listed.runtimes,
        license: listed.license,
        distribution: made.map(|made| made.distribution.to_owned()),
        collector_version: made.map(|made| made.collector_version.to_owned()),
        commit: made.map(|made| made.commit.to_owned()),
        description: listed.description.clone(),
        shared_with: match policy(registry, &arn) {
            Ok(held) => Ok(held.iter().map(|held| grantee_in_words(&held.grantee)).collect()),
            Err(error) => Err(error.problem),
        },
        components: match fetch(registry, &arn) {
            Ok(fetched) => {
                contents_of(&arn.to_string(), fetched.zip).map(|held| held.lines()).map_err(|stop| stop.text)
            }
            Err(error) => Err(error.to_string()),
        },
    };
    print(&process.safe(&match process.common.output {
        OutputForm::Json => format!("{}\n", serde_json::to_string(&explained).unwrap_or_default()),
        _ => explained.text(),
    }));
    Ok(Exit::Ok)
}

impl Explained {
    fn text(&self) -> String {
        let mut lines = vec![("layer", self.arn.clone())];
        lines.extend(self.created.map(|at| ("published", format!("{} UTC", format_utc(at)))));
        lines.push(("size", format!("{} bytes", self.size)));
        lines.push(("CodeSha256", self.code_sha256.clone()));
        lines.extend(self.sha256.clone().map(|hex| ("sha256", hex)));
        let listed = |name, texts: &[String]| (!texts.is_empty()).then(|| (name, texts.join(", ")));
        lines.extend(listed("for", &self.architectures));
        lines.extend(listed("runtimes", &self.runtimes));
        let some = |name, text: &str| (!text.is_empty()).then(|| (name, text.to_owned()));
        lines.extend(some("licence", &self.license));
        match &self.distribution {
            Some(distribution) => lines.push(("distribution", distribution.clone())),
            None => lines.extend(some("description", &self.description)),
        }
        lines.extend(self.collector_version.clone().map(|version| ("collector", version)));
        lines.extend(self.commit.clone().map(|commit| ("upstream", commit)));
        lines.push((
            "shared with",
            match &self.shared_with {
                Ok(nobody) if nobody.is_empty() => "nobody else".to_owned(),
                Ok(with) => with.join(", "),
                Err(problem) => format!("not to be seen: {problem}"),
            },
        ));
        let mut text: String = lines.iter().map(|(name, value)| format!("{name:>12}  {value}\n")).collect();
        match &self.components {
            Ok(components) => {
                text.push_str(&format!("{:>12}\n", "components"));
                components.iter().for_each(|line| text.push_str(&format!("{:>12}  {line}\n", "")));
            }
            Err(problem) => text.push_str(&format!("{:>12}  not known: {}\n", "components", problem.trim_end())),
        }
        if !self.row.is_empty() {
            text.push_str(&format!("{:>12}\n", "table"));
            self.row.iter().for_each(|(name, value)| text.push_str(&format!("{:>12}  {name}: {value}\n", "")));
        }
        text
    }
}
