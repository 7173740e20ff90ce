//! Before anything is built for AWS or GitHub: are there credentials, and are they of an account that may be published to?
//!
//! A build takes minutes, and nobody wants to learn at its end that a login has expired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::action::verdict::{Decision, Verdict};
use crate::base::aws_id::TableName;
use crate::base::code;
use crate::cli::commands::plan::verdicts;
use crate::cli::exit::Stop;
use crate::cli::process::Process;
use crate::cli::settings::settings;
use crate::cli::workspace::Workspace;
use crate::exec::registries::{AWS, Registries};
use crate::graph::node::{Kind, Publish, Release};
use crate::layer::limits::check_runtimes;
use crate::layer::regions::Partition;
use crate::outside::github;
use crate::outside::registry::aws::{Account, TableState};
use crate::outside::registry::{ErrorKind, RegistryError};

/// Looks at the wanted `publish` and `release` nodes, and if one of AWS has something to do, asks whose the credentials
/// are.
///
/// # Errors
/// Runtimes that Lambda does not take; no credentials, or those of another account or partition than is wanted; a release
/// without a repository or a token.
pub(in crate::cli) fn check(process: &Process, workspace: &mut Workspace, registries: &Registries) -> Result<(), Stop> {
    let graph = Arc::clone(&workspace.session.graph);
    let wanted = workspace.wanted.clone();
    let publishes = || {
        graph.ids().filter(|id| wanted[id.index()]).filter_map(|id| match &graph.node(id).kind {
            Kind::Publish(publish) => Some((id, publish.as_ref())),
            _ => None,
        })
    };
    for (id, publish) in publishes() {
        check_runtimes(publish.runtimes.iter().map(String::as_str))
            .map_err(|error| Stop::usage(code::BAD_ARGUMENT, format!("`{}`: {error}", graph.node(id).name)))?;
    }
    let releases = || {
        graph.ids().filter(|id| wanted[id.index()]).filter_map(|id| match &graph.node(id).kind {
            Kind::Release(release) => Some((id, release.as_ref())),
            _ => None,
        })
    };
    if releases().next().is_none() && !publishes().any(|(_, publish)| publish.registry == AWS) {
        return Ok(());
    }
    let plan = verdicts(process, workspace)?;
    let is_due = |decision: &Decision| !matches!(decision.verdict, Verdict::Fresh | Verdict::Skip);
    for (id, release) in releases().filter(|(id, _)| plan.decisions[id.index()].as_ref().is_some_and(is_due)) {
        can_release(&graph.node(id).name, release, &process.env, process.common.offline)?;
    }
    let due: Vec<&Publish> = publishes()
        .filter(|(id, publish)| publish.registry == AWS && plan.decisions[id.index()].as_ref().is_some_and(is_due))
        .map(|(_, publish)| publish)
        .collect();
    let Some(first) = due.first() else { return Ok(()) };
    let root = &workspace.selection.pipeline.root;
    let allowed: Vec<String> =
        settings(process, root)?.accounts.items.into_iter().map(|account| account.value).collect();
    let account = registries.account(&process.env, &first.region).map_err(no_account)?;
    fits(&account, &allowed, &due)?;
    let tables: BTreeSet<&str> = due.iter().map(|publish| publish.table.as_str()).collect();
    tables.into_iter().filter_map(TableName::parse).try_for_each(|table| is_ready(registries, &table))
}

/// Whether the metadata table takes rows: learnt now, not after the layers are public.
fn is_ready(registries: &Registries, table: &TableName) -> Result<(), Stop> {
    let problem = match registries.aws().and_then(|aws| aws.table_state(table)) {
        Ok(TableState::Active) => return Ok(()),
        Ok(TableState::NotReady) => format!("the {table} is not ready; run again in a minute"),
        Ok(TableState::Missing) => format!("there is no {table}"),
        Err(error) => return Err(no_account(error)),
    };
    let hint = format!("make it with `ocelot registry init {}@{}`, or leave `table:` out", table.name, table.region);
    Err(Stop::environment(code::METADATA_TABLE, problem).hint(hint))
}

fn no_account(error: RegistryError) -> Stop {
    let hint = match error.kind {
        ErrorKind::Denied => {
            "set AWS_PROFILE, or log in again (`aws sso login`, `aws login`); `--skip-publish` builds without publishing"
        }
        _ => "nothing was built or published; run again when AWS can be reached, or build with `--skip-publish`",
    };
    Stop::environment(code::CREDENTIALS, error).hint(hint)
}

/// Whether there is what a release on GitHub needs: a repository, a token, and a network.
fn can_release(name: &str, release: &Release, env: &BTreeMap<String, String>, offline: bool) -> Result<(), Stop> {
    let stop = |problem: &str| Stop::environment(code::RELEASE_ACCESS, format!("`{name}`: {problem}"));
    if offline {
        return Err(stop("a release is on GitHub, and the network is not to be used (`--offline`)")
            .hint("leave the release out of the targets, or the option"));
    }
    github::Place::of(env, &release.repo).map_err(|problem| stop(&problem))?;
    match env.get(github::TOKEN).is_some_and(|token| !token.trim().is_empty()) {
        true => Ok(()),
        false => Err(stop("GITHUB_TOKEN is not set, and a release on GitHub needs it")
            .hint("set it to a token with `contents: write` for the repository; nothing was built or published")),
    }
}

/// Whether the account may be published to, and has the regions that are due.
fn fits(account: &Account, allowed: &[String], due: &[&Publish]) -> Result<(), Stop> {
    if !allowed.is_empty() && !allowed.contains(&account.id) {
        let problem = format!("the credentials are of account {} ({})", account.id, account.arn);
        let hint = format!("`accounts:` in config/ocelot.yaml allows {}; use their profile", allowed.join(", "));
        return Err(Stop::environment(code::CREDENTIALS, problem).hint(hint));
    }
    let foreign = |region: &&str| Partition::of_region(region).name != account.partition;
    let foreign: BTreeSet<&str> = due.iter().map(|publish| publish.region.as_str()).filter(foreign).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let regions = foreign.into_iter().collect::<Vec<_>>().join(", ");
    let problem =
        format!("account {} is in partition `{}`, which does not have {regions}", account.id, account.partition);
    Err(Stop::environment(code::CREDENTIALS, problem)
        .hint("publish to each partition with its own credentials and `--region`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    fn publish(region: &str) -> Publish {
        Publish {
            region: region.into(),
            name: "ocel".into(),
            group: "local".into(),
            version: String::new(),
            runtimes: Vec::new(),
            public: false,
            accounts: Vec::new(),
            organizations: Vec::new(),
            registry: AWS.into(),
            license: "Apache-2.0".into(),
            table: String::new(),
        }
    }

    #[test]
    fn a_release_needs_a_repository_a_token_and_a_network() {
        let env = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let release = Release { repo: String::new() };
        let (repository, token) = (("GITHUB_REPOSITORY", "o/n"), ("GITHUB_TOKEN", "x"));
        let error =
            |env: &BTreeMap<String, String>, offline| can_release("release", &release, env, offline).unwrap_err();
        assert!(can_release("release", &release, &env(&[repository, token]), false).is_ok());
        for (env, offline, text) in [
            (env(&[repository, token]), true, "--offline"),
            (env(&[token]), false, "GITHUB_REPOSITORY"),
            (env(&[repository]), false, "GITHUB_TOKEN"),
            (env(&[repository, ("GITHUB_TOKEN", " ")]), false, "GITHUB_TOKEN"),
        ] {
            let stop = error(&env, offline);
            assert!(stop.text.contains(text) && stop.exit == Exit::Environment, "{}", stop.text);
        }
    }

    #[test]
    fn the_account_and_its_partition_have_to_fit() {
        let account = Account { id: "111111111111".into(), partition: "aws".into(), arn: "arn:aws:sts::1:x".into() };
        let (here, china) = (publish("eu-west-1"), publish("cn-north-1"));
        let fits = |allowed: &[&str], due: &[&Publish]| {
            let allowed: Vec<String> = allowed.iter().map(|id| (*id).to_owned()).collect();
            fits(&account, &allowed, due).map_err(|stop| stop.text)
        };
        assert_eq!(fits(&[], &[&here]), Ok(()));
        assert_eq!(fits(&["222222222222", "111111111111"], &[&here]), Ok(()));
        assert!(fits(&["222222222222"], &[&here]).unwrap_err().contains("allows 222222222222"));
        assert!(fits(&[], &[&here, &china]).unwrap_err().contains("does not have cn-north-1"));
    }
}
