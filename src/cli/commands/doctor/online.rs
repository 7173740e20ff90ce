//! Credentials and regions, asked of AWS.

use crate::cli::commands::doctor::Finding;
use crate::cli::commands::list::read_file;
use crate::cli::live::each_region;
use crate::cli::process::Process;
use crate::exec::registries::Registries;
use crate::outside::registry::{ErrorKind, LayerId};
use crate::project::around::REGIONS;
use crate::project::params::session_region;
use crate::spec::config::RegionsFile;

/// A name that nobody publishes under: only whether there is an answer matters.
const NO_LAYER: &str = "ocelot-doctor";

pub(super) fn ask(process: &Process) -> Vec<Finding> {
    let registries = Registries::new(&process.dir, &process.env, false);
    let aws = match registries.aws() {
        Ok(aws) => aws,
        Err(error) => return vec![Finding::wrong("credentials", error.to_string(), "see docs/publishing.md")],
    };
    let (env, read) = (|name: &str| process.env.get(name).cloned(), |file: &str| std::fs::read_to_string(file).ok());
    // Another partition knows nothing of these credentials.
    let near = session_region(&env, &read).unwrap_or_else(|_| "us-east-1".to_owned());
    let account = match aws.account(&near) {
        Ok(account) => account,
        Err(error) => {
            let fix = "sign in as for any AWS tool, or name a profile with `--profile`";
            // What was tried one by one is on further lines.
            let problem =
                error.to_string().lines().next().unwrap_or_default().trim_end_matches(" Attempted:").to_owned();
            return vec![Finding::wrong("credentials", problem, fix)];
        }
    };
    let mut findings = vec![Finding::ok("credentials", format!("{} (account {})", account.arn, account.id))];
    let regions = match read_file::<RegionsFile>(process, REGIONS) {
        Ok((file, _)) => file.published_in(&account.partition),
        Err(_) => {
            findings.push(Finding::note("regions", format!("{REGIONS} cannot be read"), "`ocelot validate` says why"));
            Vec::new()
        }
    };
    let answers = each_region(&regions, String::as_str, |region| {
        registries.open("aws")?.list_versions(&LayerId { region: region.clone(), name: NO_LAYER.to_owned() })
    });
    findings.extend(regions.iter().zip(answers).map(|(region, answer)| match answer {
        Ok(_) => Finding::ok(region.as_str(), "answers"),
        Err(error) if error.kind == ErrorKind::NotEnabled => {
            Finding::note(region.as_str(), "the account has not enabled it", "it is left out of `--region all`")
        }
        Err(error) => Finding::wrong(
            region.as_str(),
            error.to_string(),
            "take it off `publish:` of config/regions.yaml, or allow lambda:ListLayerVersions there",
        ),
    }));
    findings
}
