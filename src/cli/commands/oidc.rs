//! `oidc setup`: what an account in AWS needs before GitHub Actions can publish into it.

use crate::base::code;
use crate::ci::oidc::Setup;
use crate::cli::args::{OidcCommand, OidcFormat, OidcSetupArgs};
use crate::cli::commands::print;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::cli::settings::settings;
use crate::cli::sink;
use crate::event::Event;

/// `oidc`.
///
/// # Errors
/// A name that cannot stand in a trust policy, or no environments.
pub(in crate::cli) fn oidc(process: &Process, command: OidcCommand) -> Result<Exit, Stop> {
    let OidcCommand::Setup(args) = command;
    let format = args.format;
    let setup = setup(process, args)?;
    if setup.ids.is_none() {
        let message = format!(
            "only the older form of subjects is trusted; tokens of new, renamed and moved repositories have numbers in \
             them: add --owner-id and --repo-id (`gh api repos/{}/{} --jq '.owner.id, .id'`)",
            setup.owner, setup.repository
        );
        sink::of(process).event(&Event::Warning { code: code::OLD_SUBJECTS, node: None, message });
    }
    print(&match format {
        OidcFormat::Cloudformation => setup.cloudformation(),
        OidcFormat::Terraform => setup.terraform(),
    });
    Ok(Exit::Ok)
}

fn setup(process: &Process, args: OidcSetupArgs) -> Result<Setup, Stop> {
    let wrong = |flag: &str, value: &str, help: &str| {
        Stop::usage(code::BAD_ARGUMENT, format!("`{flag} {value}` cannot stand in a policy")).hint(help.to_owned())
    };
    let is_name = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let named = args.repo.split_once('/').filter(|(owner, repo)| is_name(owner, "-_") && is_name(repo, "-_."));
    let (owner, repository) =
        named.ok_or_else(|| wrong("--repo", &args.repo, "write OWNER/REPO, as in its address"))?;
    if !is_name(&args.default_branch, "-_./") {
        return Err(wrong("--default-branch", &args.default_branch, "write the name of one branch, without patterns"));
    }
    if !is_name(&args.layer_name, "-_") {
        return Err(wrong("--layer-name", &args.layer_name, "write letters, digits, `-` and `_`, without patterns"));
    }
    if let Some(table) = args.with_table.as_deref().filter(|table| !is_name(table, "-_.")) {
        return Err(wrong("--with-table", table, "write letters, digits, `-`, `_` and `.`"));
    }
    let mut environments: Vec<String> =
        settings(process, &process.dir)?.environments.0.into_values().map(|name| name.value).collect();
    environments.sort();
    environments.dedup();
    if environments.is_empty() {
        return Err(Stop::usage(
            code::NOT_GENERATED,
            "config/ocelot.yaml has no `environments:`, so no job could publish",
        )
        .hint("name the environment of GitHub for each release group: `environments: {beta: layers-beta}`"));
    }
    Ok(Setup {
        owner: owner.to_owned(),
        repository: repository.to_owned(),
        ids: args.owner_id.zip(args.repo_id),
        branch: args.default_branch,
        environments,
        layer: args.layer_name,
        existing_provider: args.existing_provider,
        with_prune: args.with_prune,
        with_unshare: args.with_unshare,
        table: args.with_table,
    })
}
