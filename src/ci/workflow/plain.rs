//! The workflow of a pipeline of plain commands: run it for each change, with what earlier runs have made.

use crate::ci::model::{Job, Step, Workflow};
use crate::ci::workflow::Program;
use crate::ci::workflow::steps::{checkout, download};
use crate::spec::ci::Actions;

/// The text of the workflow, which is its reader's own from then on.
pub fn plain(program: Program) -> String {
    let cache = vec![
        ("path", "~/.cache/ocelot".to_owned()),
        ("key", "ocelot-${{ runner.os }}-${{ github.run_id }}-${{ github.run_attempt }}".to_owned()),
        ("restore-keys", "ocelot-${{ runner.os }}-".to_owned()),
    ];
    let job = Job {
        id: "run".to_owned(),
        permissions: &[("contents", "read")],
        runs_on: "ubuntu-24.04".to_owned(),
        timeout_minutes: 60,
        steps: vec![
            checkout(),
            download(),
            Step::uses("Restore and keep what was made", "actions/cache", cache),
            Step::run("Check the pipeline", "ocelot validate\n"),
            Step::run("Run it", "ocelot run\n"),
        ],
        ..Job::default()
    };
    let workflow = Workflow {
        name: "ocelot".to_owned(),
        inputs: Vec::new(),
        secrets: Vec::new(),
        cron: None,
        on_changes: true,
        concurrency: "ocelot-${{ github.ref }}".to_owned(),
        env: vec![
            ("OCELOT_REPOSITORY".to_owned(), program.repository.to_owned()),
            ("OCELOT_VERSION".to_owned(), program.version.to_owned()),
        ],
        jobs: vec![job],
    };
    format!("# Runs the pipeline for each change.\n{}", workflow.render(&Actions::default()))
}
