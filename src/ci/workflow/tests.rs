//! What every workflow keeps to, whatever the pipeline.

use std::collections::BTreeSet;

use crate::base::diag::SourceMap;
use crate::ci::facts::{Asked, Facts};
use crate::ci::workflow::{Program, made, workflow};
use crate::spec::ci::{Actions, Environments};
use crate::spec::pipeline::PipelineFile;
use crate::spec::yaml::{Limits, read};

const PIPELINE: &str = "
params:
  arch: {default: [amd64], choices: [amd64, arm64]}
  region: {default: session, choices: regions}
  layer-name: {default: ocel}
  release-group: {default: beta}
  runtimes: {default: []}
  publish: {default: true}
  release: {default: false}
  registry: {default: aws}
nodes:
  upstream: {clone: {repo: a/b, ref: main}}
  tree: {overlay: {source: upstream, resolution: upstream}}
  collector: {for: [arch], build: {tree: tree, arch: '${arch}'}}
  layer: {for: [arch], package: {binary: collector, config: tree, output: 'build/${arch}.zip'}}
  published: {for: [arch, region], when: publish, publish: {layer: layer, region: '${region}', name: '${layer-name}', group: '${release-group}'}}
  report: {report: {of: published, formats: [json], output: build/report/}}
  release: {when: release, release: {of: published, assets: layer, notes: report}}
";

fn parse<T: for<'de> serde::Deserialize<'de>>(text: &str) -> T {
    let source = SourceMap::default().add("x.yaml", text);
    let mut problems = Vec::new();
    let file = read(source, text, &Limits::default(), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    file.unwrap()
}

fn facts(
    pipeline: &str,
    environments: &str,
    regions: usize,
    per_region_jobs: bool,
    from_source: bool,
) -> Result<Facts, Vec<String>> {
    let (environments, actions): (Environments, _) = (parse(environments), Actions::default());
    let asked = Asked {
        pipeline: "layers",
        choices: &|name| match name {
            "arch" => Some(vec!["amd64".into(), "arm64".into()]),
            "region" => Some((0..regions).map(|n| format!("eu-west-{n}")).collect()),
            _ => None,
        },
        environments: &environments,
        actions: &actions,
        per_region_jobs,
        from_source,
    };
    Facts::of(&parse::<PipelineFile>(pipeline), &asked)
}

fn every_form() -> Vec<Facts> {
    let forms = [(3, false, false), (3, true, false), (3, false, true), (200, true, true)];
    forms
        .map(|(regions, per_region, source)| {
            facts(PIPELINE, "{beta: layers-beta}", regions, per_region, source).unwrap()
        })
        .into()
}

const PROGRAM: Program = Program { repository: "a/ocelot", version: "1.2.3" };

#[test]
fn no_script_has_an_expression_and_every_job_has_a_limit() {
    for facts in every_form() {
        let workflow = made(&facts, PROGRAM);
        assert!(workflow.jobs.iter().all(|job| (1..=60).contains(&job.timeout_minutes)));
        for step in workflow.jobs.iter().flat_map(|job| &job.steps) {
            assert!(step.run.as_ref().is_none_or(|script| !script.contains("${{")), "{step:?}");
            assert_ne!(step.run.is_some(), step.uses.is_some(), "{step:?}");
        }
    }
}

#[test]
fn only_publish_changes_aws_and_only_release_writes_here() {
    for facts in every_form() {
        let workflow = made(&facts, PROGRAM);
        let may = |scope: &str, access: &str| -> Vec<&str> {
            let fits = |job: &&crate::ci::model::Job| job.permissions.contains(&(scope, access));
            workflow
                .jobs
                .iter()
                .filter(fits)
                .map(|job| job.id.trim_end_matches("-2"))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect()
        };
        assert_eq!(may("contents", "write"), ["release"]);
        assert_eq!(may("id-token", "write"), ["attest", "plan", "publish", "status"]);
        assert_eq!(may("attestations", "write"), ["attest"]);
        for job in &workflow.jobs {
            assert_eq!(job.environment.is_some(), job.id.starts_with("publish"), "{}", job.id);
        }
    }
}

#[test]
fn a_job_behind_one_that_may_be_skipped_says_when_it_runs() {
    for facts in every_form() {
        for job in made(&facts, PROGRAM)
            .jobs
            .iter()
            .filter(|job| job.needs.iter().any(|need| need != "plan" && need != "ocelot"))
        {
            let condition = job.condition.as_deref().unwrap_or_default();
            let lasts = condition.starts_with("!cancelled() && needs.plan.result == 'success'")
                || condition.starts_with("always() && needs.plan.result == 'success'");
            assert!(lasts, "{}: {condition:?} has an implicit `success()`", job.id);
        }
    }
}

#[test]
fn many_regions_are_several_matrices() {
    let facts = facts(PIPELINE, "{beta: b}", 200, true, false).unwrap();
    let ids: Vec<String> = made(&facts, PROGRAM).jobs.into_iter().map(|job| job.id).collect();
    assert_eq!(ids, ["plan", "build", "publish", "publish-2", "report", "attest", "release", "state", "status"]);
}

#[test]
fn what_a_workflow_cannot_be_made_of_is_said() {
    let refused = |from: &str, to: &str, environments: &str| {
        let text = PIPELINE.replace(from, to);
        facts(&text, environments, 1, false, false).unwrap_err().join("\n")
    };
    let group = "{beta: b}";
    assert!(refused("", "", "{}").contains("has no `environments:`"));
    assert!(refused(", group: '${release-group}'", ", group: beta", group).contains("the group decides"));
    for hostile in ["a b", "$(touch x)", "${{ secrets.X }}", "a\\\"", "1a"] {
        let name = refused("collector", &format!("\"{hostile}\""), group);
        assert!(name.contains("cannot stand in a workflow"), "{name}");
    }
    assert!(refused("ocel}", "'${{ secrets.X }}'}", group).contains("for an expression"));
}

#[test]
fn a_hostile_default_stays_a_text() {
    let hostile = "'\\\"; $(touch x) `y` # \\u2028 '";
    let text = PIPELINE.replace("default: ocel", &format!("default: \"{hostile}\""));
    let facts = facts(&text, "{beta: b}", 1, false, false).unwrap();
    let text = workflow(&facts, &Actions::default(), PROGRAM);
    let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let default = &read["on"]["workflow_dispatch"]["inputs"]["layer-name"]["default"];
    assert_eq!(default, "'\"; $(touch x) `y` # \u{2028} '");
}
