//! The jobs, one function each.

use crate::ci::facts::Facts;
use crate::ci::matrix::{LARGEST, runner};
use crate::ci::model::{Job, Matrix, Permissions, Step};
use crate::ci::workflow::steps::{
    ON_DEFAULT_BRANCH, ROLE_SECRET, arguments, as_is, checkout, constants, get_plan, get_state, install, restore_state,
    state_key, upload, with_role,
};
use crate::layer::arch::Arch;

/// Reads the repository, and no more.
const READ: Permissions = &[("contents", "read")];
/// Takes a role in AWS.
const TAKE_ROLE: Permissions = &[("contents", "read"), ("id-token", "write")];

/// The role of jobs that only look; empty where there is none.
const READ_ROLE: &str = "${{ vars.OCELOT_READ_ROLE_ARN }}";

/// After a plan that succeeded, whatever was skipped since.
const PLANNED: &str = "!cancelled() && needs.plan.result == 'success'";

pub(super) fn jobs(facts: &Facts) -> Vec<Job> {
    let publish = publish_ids(facts);
    let mut jobs = Vec::new();
    if facts.from_source {
        jobs.push(program("ocelot", Arch::Amd64));
    }
    jobs.push(plan(facts));
    if facts.from_source {
        jobs.push(Job {
            needs: vec!["plan".to_owned()],
            condition: Some("contains(needs.plan.outputs.build, 'arm64')".to_owned()),
            ..program("ocelot-arm64", Arch::Arm64)
        });
    }
    jobs.push(build(facts));
    jobs.extend(publish.iter().enumerate().map(|(number, id)| publish_job(facts, id, number)));
    jobs.push(report(facts, &publish));
    jobs.push(attest(facts, &publish));
    jobs.extend(facts.release.as_ref().map(|release| release_job(facts, release, &publish)));
    jobs.push(state(facts, &publish));
    jobs.push(status(facts));
    jobs
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// One publishing job, or as many as have matrices that GitHub takes.
fn publish_ids(facts: &Facts) -> Vec<String> {
    let waves = if facts.per_region_jobs { facts.publish_jobs.div_ceil(LARGEST).max(1) } else { 1 };
    (0..waves).map(|n| if n == 0 { "publish".to_owned() } else { format!("publish-{}", n + 1) }).collect()
}

/// Whether anything at all is to be done and published.
fn has_work(facts: &Facts) -> String {
    let names = ["build", "publish"].into_iter().chain(facts.release.as_ref().map(|_| "release"));
    let open: Vec<String> = names.map(|name| format!("needs.plan.outputs.{name}-empty == 'false'")).collect();
    format!("needs.plan.result == 'success' && !inputs.dry-run && ({})", open.join(" || "))
}

/// The program, built once for each processor, from sources that its cache is keyed by.
fn program(id: &str, arch: Arch) -> Job {
    let key =
        "ocelot-program-${{ runner.os }}-${{ runner.arch }}-${{ hashFiles('Cargo.lock', 'Cargo.toml', 'src/**') }}";
    let cache = || vec![("path", "target/release/ocelot".to_owned()), ("key", key.to_owned())];
    let missed = "steps.cache.outputs.cache-hit != 'true'";
    Job {
        id: id.to_owned(),
        permissions: READ,
        runs_on: runner(Some(arch)).to_owned(),
        timeout_minutes: 60,
        steps: vec![
            checkout(),
            Step::uses("Restore ocelot", "actions/cache/restore", cache()).id("cache"),
            Step::run(
                "Build ocelot",
                "rustup toolchain install stable --profile minimal\ncargo +stable build --release --locked\n",
            )
            .when(missed),
            Step::uses("Keep ocelot", "actions/cache/save", cache()).when(format!("{missed} && {ON_DEFAULT_BRANCH}")),
            upload("ocelot-${{ runner.arch }}", "target/release/ocelot"),
        ],
        ..Job::default()
    }
}

/// Resolves the sources for all jobs, and says which of them there will be.
fn plan(facts: &Facts) -> Job {
    let sources = facts.sources.join(" ");
    let resolve = format!(
        "{}mkdir -p plan\nif [ -f known/ocelot.state ]; then cp known/ocelot.state plan/known.state; ocelot cache import plan/known.state; fi\n\
         ocelot --version > plan/version\nocelot update \"$@\" --out plan/ocelot.lock\n\
         set -- \"$@\" --lock plan/ocelot.lock\nocelot run \"$@\" {sources}\n\
         ocelot cache export --state --out plan/sources.state \"$@\" {sources}\n",
        arguments(facts, &[], false)
    );
    let mut matrices = arguments(facts, &[], true);
    for (name, node) in [("build", &facts.proven), ("publish", &facts.published)] {
        matrices.push_str(&format!("ocelot ci matrix \"$@\" {node} --name {name}\n"));
    }
    if let Some(release) = &facts.release {
        // Whether a release is as it should be is known once it is known what it shows; what fails here, fails there.
        let reports: Vec<&str> = facts.reports.iter().map(|(node, _)| node.as_str()).collect();
        let reports = reports.join(" ");
        matrices.push_str(&format!("ocelot run \"$@\" {reports}{} || true\n", taken(facts)));
        matrices.push_str(&format!("ocelot ci matrix \"$@\" {release} --name release\n"));
    }
    let groups: Vec<String> =
        facts.environments.iter().map(|(group, name)| format!("\"{group}\":\"{name}\"")).collect();
    let environment = format!("${{{{ fromJSON('{{{}}}')[inputs.{}] }}}}", groups.join(","), facts.group_input);
    let known = "if [ -z \"$ENVIRONMENT\" ]; then\n  echo \"::error::this release group has no environment in config/ocelot.yaml\"\n  exit 2\nfi\necho \"environment=$ENVIRONMENT\" >> \"$GITHUB_OUTPUT\"\n";
    let mut steps = vec![
        Step::run("Find the environment of the release group", known).id("group").env("ENVIRONMENT", environment),
        checkout(),
    ];
    steps.extend(install(facts));
    let go = vec![("go-version", "stable".to_owned()), ("cache", "false".to_owned())];
    steps.extend([
        Step::uses("Install Go", "actions/setup-go", go),
        restore_state(facts),
        Step::run("Resolve the sources, once for all jobs", resolve),
        with_role(Step::run("Find out what has to run", matrices).id("matrix"), READ_ROLE),
        upload("plan", "plan"),
    ]);
    let mut outputs = vec![
        ("environment", "group.outputs.environment"),
        ("build", "matrix.outputs.build"),
        ("build-empty", "matrix.outputs.build-empty"),
        ("publish-empty", "matrix.outputs.publish-empty"),
    ];
    if facts.per_region_jobs {
        outputs.push(("publish", "matrix.outputs.publish"));
        let more = [("publish-2", "matrix.outputs.publish-2"), ("publish-3", "matrix.outputs.publish-3")];
        outputs.extend(more.into_iter().take(publish_ids(facts).len() - 1));
    }
    outputs.extend(facts.release.as_ref().map(|_| ("release-empty", "matrix.outputs.release-empty")));
    Job {
        id: "plan".to_owned(),
        needs: names(facts.from_source.then_some("ocelot")),
        condition: Some("github.event_name != 'schedule'".to_owned()),
        permissions: TAKE_ROLE,
        runs_on: runner(None).to_owned(),
        outputs,
        timeout_minutes: 30,
        steps,
        ..Job::default()
    }
}

/// Compiles, packs and proves the layers of one architecture, on its own processor.
fn build(facts: &Facts) -> Job {
    let cache = |key: &str| {
        let paths = "~/.cache/ocelot\n~/.cache/go-build\n~/go/pkg/mod\n";
        vec![("path", paths.to_owned()), ("key", key.to_owned())]
    };
    const KEY: &str = "ocelot-build-${{ runner.arch }}-";
    let whole = format!("{KEY}${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}");
    let mut restore = cache(&whole);
    restore.push(("restore-keys", KEY.to_owned()));
    let script = format!(
        "ocelot cache import plan/sources.state\n{}ocelot run \"$@\" \"{}[{}=$ARCHITECTURE]\"\n",
        arguments(facts, &[], true),
        facts.proven,
        facts.arch_axis
    );
    let export = format!(
        "{}ocelot cache export --state --out \"state/build-$ARCHITECTURE.state\" \"$@\" \"{}[{}=$ARCHITECTURE]\"\n",
        arguments(facts, &[], true),
        facts.proven,
        facts.arch_axis
    );
    let architecture = |step: Step| step.env("ARCHITECTURE", "${{ matrix.architecture }}");
    let mut steps = vec![checkout()];
    steps.extend(install(facts));
    let go = vec![("go-version", "stable".to_owned()), ("cache", "false".to_owned())];
    steps.extend([
        get_plan(),
        Step::uses("Install Go", "actions/setup-go", go),
        Step::uses("Restore what was compiled before", "actions/cache/restore", restore),
        architecture(Step::run("Build and check", script)),
        architecture(Step::run("Gather what others need", format!("mkdir -p state\n{export}"))).when("!cancelled()"),
        upload("state-build-${{ matrix.architecture }}", "state"),
        Step::uses("Keep what was compiled", "actions/cache/save", cache(&whole)).when(ON_DEFAULT_BRANCH),
    ]);
    Job {
        id: "build".to_owned(),
        needs: names(["plan"].into_iter().chain(facts.from_source.then_some("ocelot-arm64"))),
        condition: Some(format!("{PLANNED} && needs.plan.outputs.build-empty == 'false'")),
        permissions: READ,
        runs_on: "${{ matrix.runs-on }}".to_owned(),
        matrix: Some(Matrix::From("${{ fromJSON(needs.plan.outputs.build) }}".to_owned())),
        timeout_minutes: 60,
        steps,
        ..Job::default()
    }
}

/// Publishes: the only job that may change anything in AWS.
fn publish_job(facts: &Facts, id: &str, number: usize) -> Job {
    let output = if number == 0 { "publish".to_owned() } else { format!("publish-{}", number + 1) };
    let (target, file) = match facts.per_region_jobs {
        true => (
            format!("\"{}[{}=$ARCHITECTURE,region=$REGION]\"", facts.published, facts.arch_axis),
            "publish-$ARCHITECTURE-$REGION",
        ),
        false => (facts.published.clone(), "publish"),
    };
    let work = arguments(facts, &[], true);
    // An architecture that could not be built is no reason to build it here.
    let run = format!("{work}ocelot run \"$@\" {target}{}\n", as_is(&facts.compiled));
    let export =
        format!("{work}mkdir -p out\nocelot cache export --state --out \"out/{file}.state\" \"$@\" {target}\n");
    let about = |step: Step| match facts.per_region_jobs {
        true => step.env("ARCHITECTURE", "${{ matrix.architecture }}").env("REGION", "${{ matrix.aws-region }}"),
        false => step,
    };
    let artifact = match facts.per_region_jobs {
        true => "state-publish-${{ matrix.architecture }}-${{ matrix.aws-region }}",
        false => "state-publish",
    };
    let role = format!("${{{{ vars.OCELOT_PUBLISH_ROLE_ARN || secrets.{ROLE_SECRET} }}}}");
    let mut steps = vec![checkout()];
    steps.extend(install(facts));
    steps.push(get_plan());
    steps.extend(get_state());
    steps.extend([
        with_role(about(Step::run("Publish", run)), &role),
        about(Step::run("Gather what others need", export)).when("!cancelled()"),
        upload(artifact, "out"),
    ]);
    let matrix = format!("${{{{ fromJSON(needs.plan.outputs.{output}) }}}}");
    let wave = if number == 0 { String::new() } else { format!(" && needs.plan.outputs.{output} != ''") };
    Job {
        id: id.to_owned(),
        needs: names(["plan", "build"]),
        condition: Some(format!("{PLANNED} && !inputs.dry-run && needs.plan.outputs.publish-empty == 'false'{wave}")),
        permissions: TAKE_ROLE,
        runs_on: runner(None).to_owned(),
        environment: Some("${{ needs.plan.outputs.environment }}".to_owned()),
        matrix: facts.per_region_jobs.then_some(Matrix::From(matrix)),
        timeout_minutes: 60,
        steps,
        ..Job::default()
    }
}

/// A job that shows or hands on what others have done: it builds and publishes nothing, whatever is missing.
fn after_all(facts: &Facts, id: &str, publish: &[String], more: &[&str], script: &str) -> Job {
    let mut steps = vec![checkout()];
    steps.extend(install(facts));
    steps.push(get_plan());
    steps.extend(get_state());
    steps.push(Step::run("Work on it", format!("{}{script}", arguments(facts, &[], true))));
    Job {
        id: id.to_owned(),
        needs: [names(["plan", "build"]), publish.to_vec(), names(more.iter().copied())].concat(),
        condition: Some(format!("!cancelled() && {}", has_work(facts))),
        permissions: READ,
        runs_on: runner(None).to_owned(),
        timeout_minutes: 20,
        steps,
        ..Job::default()
    }
}

fn taken(facts: &Facts) -> String {
    as_is(facts.compiled.iter().chain([&facts.published]))
}

fn report(facts: &Facts, publish: &[String]) -> Job {
    let (nodes, files): (Vec<&str>, Vec<&str>) =
        facts.reports.iter().map(|(node, files)| (node.as_str(), files.as_str())).unzip();
    let script = format!("ocelot run \"$@\" {}{}\n", nodes.join(" "), taken(facts));
    let mut job = after_all(facts, "report", publish, &[], &script);
    let mut upload = upload("lambda-layers-report", &files.join("\n"));
    if let Some((_, days)) = upload.with.iter_mut().find(|(name, _)| *name == "retention-days") {
        "90".clone_into(days);
    }
    job.steps.push(upload);
    job
}

fn attest(facts: &Facts, publish: &[String]) -> Job {
    let script = format!("ocelot run \"$@\" {}{}\n", facts.proven, as_is(&facts.compiled));
    let mut job = after_all(facts, "attest", publish, &[], &script);
    job.permissions = &[("attestations", "write"), ("contents", "read"), ("id-token", "write")];
    let with = vec![("subject-path", facts.zips.clone())];
    job.steps.push(Step::uses("Attest where the layers come from", "actions/attest", with).when("!cancelled()"));
    job
}

fn release_job(facts: &Facts, release: &str, publish: &[String]) -> Job {
    let script = format!("ocelot run \"$@\" {release}{}\n", taken(facts));
    let mut job = after_all(facts, "release", publish, &["report"], &script);
    job.permissions = &[("contents", "write")];
    job.timeout_minutes = 30;
    if let Some(step) = job.steps.last_mut() {
        *step = step.clone().env("GITHUB_TOKEN", "${{ github.token }}");
    }
    let export = format!(
        "{}mkdir -p out\nocelot cache export --state --out out/release.state \"$@\" {release}\n",
        arguments(facts, &[], true)
    );
    job.steps.push(Step::run("Gather what others need", export).when("!cancelled()"));
    job.steps.push(upload("state-release", "out"));
    job
}

/// Keeps what is known for the next run. It has no credentials, and writes only where every branch may read.
fn state(facts: &Facts, publish: &[String]) -> Job {
    let export = format!(
        "mkdir -p known\nocelot cache export --state --out known/ocelot.state \"$@\" {}\n",
        [&facts.proven, &facts.published].into_iter().chain(&facts.release).cloned().collect::<Vec<_>>().join(" ")
    );
    let script = arguments(facts, &facts.axes, true) + &export;
    let more = facts.release.as_ref().map(|_| "release");
    let mut job = after_all(facts, "state", publish, more.as_slice(), "");
    if let Some(step) = job.steps.last_mut() {
        step.run = Some(script);
    }
    let key = format!("{}${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}", state_key(facts));
    let with = vec![("path", "known".to_owned()), ("key", key)];
    job.steps.push(Step::uses("Keep it for the next run", "actions/cache/save", with));
    job.condition = Some(format!(
        "always() && {} && github.event_name == 'workflow_dispatch' && {ON_DEFAULT_BRANCH}",
        has_work(facts)
    ));
    job
}

/// Compares by itself what is declared with what is there.
fn status(facts: &Facts) -> Job {
    let mut script = "shopt -s nullglob\nfor file in known/*.state; do\n  ocelot cache import \"$file\"\ndone\nocelot status \"$PIPELINE\" --exit-code".to_owned();
    let group = facts.inputs.iter().find(|(input, _)| input.name == facts.group_input).map(|(_, param)| param);
    script.extend(group.map(|param| format!(" \\\n  --set \"{param}=$GROUP\"")));
    script.extend(facts.axes.iter().map(|param| format!(" \\\n  --set {param}=all")));
    script.push_str(&constants(facts));
    script.push('\n');
    let mut steps = vec![checkout()];
    steps.extend(install(facts));
    steps.extend([
        restore_state(facts),
        with_role(Step::run("Compare", script).env("GROUP", "${{ matrix.group }}"), READ_ROLE),
    ]);
    Job {
        id: "status".to_owned(),
        needs: names(facts.from_source.then_some("ocelot")),
        condition: Some("github.event_name == 'schedule' && vars.OCELOT_READ_ROLE_ARN != ''".to_owned()),
        permissions: TAKE_ROLE,
        runs_on: runner(None).to_owned(),
        matrix: Some(Matrix::Axis("group", facts.environments.iter().map(|(group, _)| group.clone()).collect())),
        timeout_minutes: 30,
        steps,
        ..Job::default()
    }
}
