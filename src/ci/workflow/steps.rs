//! Steps that several jobs have, and the scripts in them.

use crate::ci::facts::Facts;
use crate::ci::model::Step;

/// The secret of the original's workflow that names the role; a variable of the repository is asked first.
pub(super) const ROLE_SECRET: &str = "OTEL_LAMBDA_LAYER_PUBLISH_ROLE_ARN";

/// Whether this is the branch whose caches every other may read.
pub(super) const ON_DEFAULT_BRANCH: &str =
    "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)";

/// The variable that holds `param=value`.
pub(super) fn variable(param: &str) -> String {
    format!("SET_{}", param.replace('-', "_").to_ascii_uppercase())
}

/// A line that makes the pipeline and its parameters the arguments of the script. `all` are axes of which every value is
/// wanted rather than those that were chosen.
pub(super) fn arguments(facts: &Facts, all: &[String], locked: bool) -> String {
    let mut line = "set -- \"$PIPELINE\"".to_owned();
    for (_, param) in facts.inputs.iter().filter(|(_, param)| !all.contains(param)) {
        line.push_str(&format!(" \\\n  --set \"${}\"", variable(param)));
    }
    for param in all {
        line.push_str(&format!(" \\\n  --set {param}=all"));
    }
    line.push_str(&constants(facts));
    if locked {
        line.push_str(" \\\n  --lock plan/ocelot.lock --locked");
    }
    line + "\n"
}

/// What is the same in every job: nodes that a gate switches off on a laptop are there.
pub(super) fn constants(facts: &Facts) -> String {
    facts.gates.iter().map(|gate| format!(" \\\n  --set {gate}=true")).collect()
}

/// `--as-is` for everything that other jobs do.
pub(super) fn as_is(nodes: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    nodes.into_iter().map(|node| format!(" --as-is {}", node.as_ref())).collect()
}

pub(super) fn checkout() -> Step {
    let with = vec![("persist-credentials", "false".to_owned())];
    Step::uses("Check out the project", "actions/checkout", with)
}

/// The program: from the job that built it, or from the release that generated the workflow.
pub(super) fn install(facts: &Facts) -> Vec<Step> {
    if facts.from_source {
        let with =
            vec![("name", "ocelot-${{ runner.arch }}".to_owned()), ("path", "${{ runner.temp }}/ocelot".to_owned())];
        return vec![
            Step::uses("Get ocelot", "actions/download-artifact", with),
            // Artifacts lose the modes of files.
            Step::run(
                "Install ocelot",
                "chmod +x \"$RUNNER_TEMP/ocelot/ocelot\"\necho \"$RUNNER_TEMP/ocelot\" >> \"$GITHUB_PATH\"\n",
            ),
        ];
    }
    vec![download()]
}

/// The released program, verified.
pub(super) fn download() -> Step {
    let script = r#"mkdir -p "$RUNNER_TEMP/ocelot"
cd "$RUNNER_TEMP/ocelot"
file="ocelot-$(uname -m)-unknown-linux-musl.tar.gz"
from="https://github.com/$OCELOT_REPOSITORY/releases/download/v$OCELOT_VERSION"
curl --proto '=https' --tlsv1.2 -fsSL --retry 3 -O "$from/$file" -O "$from/$file.sha256"
sha256sum --check "$file.sha256"
gh attestation verify "$file" --repo "$OCELOT_REPOSITORY"
tar -xzf "$file"
echo "$PWD" >> "$GITHUB_PATH"
./ocelot --version
"#;
    Step::run("Install ocelot", script).env("GH_TOKEN", "${{ github.token }}")
}

/// The lock and the sources that the plan job resolved.
pub(super) fn get_plan() -> Step {
    let with = vec![("name", "plan".to_owned()), ("path", "plan".to_owned())];
    Step::uses("Get the plan", "actions/download-artifact", with)
}

/// What other jobs of this run left, beside what was known before it.
pub(super) fn get_state() -> Vec<Step> {
    let with =
        vec![("pattern", "state-*".to_owned()), ("path", "state".to_owned()), ("merge-multiple", "true".to_owned())];
    let import =
        "shopt -s nullglob\nfor file in plan/*.state state/*.state; do\n  ocelot cache import \"$file\"\ndone\n";
    vec![
        Step::uses("Get what other jobs have done", "actions/download-artifact", with),
        Step::run("Take it over", import),
    ]
}

/// Hands a file on to later jobs, whatever became of the work.
pub(super) fn upload(name: &str, path: &str) -> Step {
    let with = vec![
        ("name", name.to_owned()),
        ("path", path.to_owned()),
        ("if-no-files-found", "error".to_owned()),
        ("retention-days", "5".to_owned()),
    ];
    Step::uses("Hand it on", "actions/upload-artifact", with).when("!cancelled()")
}

/// A step that takes a role in AWS: ocelot exchanges the job's identity token for it by itself.
pub(super) fn with_role(step: Step, role: &str) -> Step {
    step.env("OCELOT_PUBLISH_ROLE_ARN", role)
}

/// The state of earlier runs.
pub(super) fn restore_state(facts: &Facts) -> Step {
    let key = state_key(facts);
    let with = vec![
        ("path", "known".to_owned()),
        ("key", format!("{key}${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}")),
        ("restore-keys", key),
    ];
    Step::uses("Restore what earlier runs have done", "actions/cache/restore", with)
}

pub(super) fn state_key(facts: &Facts) -> String {
    format!("ocelot-state-{}-", facts.published)
}
