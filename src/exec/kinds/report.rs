//! `report`: what was built and published, for people and for machines. Content facts and recorded measurements only, so
//! that unchanged input gives the same bytes.

mod attached;
mod index;
mod markdown;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::action::result::{ActionResult, Content, FileContent, Listing, Output};
use crate::exec::api::{Dep, Job, Produced, WorkError, World};
use crate::exec::kinds::package::BUILD_MS;
use crate::exec::outputs;
use crate::exec::receipt;
use crate::exec::receipt::PASSED_OVER;
use crate::graph::node::Report;
use crate::layer::release::index::Index;
use crate::layer::release::maps;
use crate::layer::release::notes::notes;

/// The form of `report.json`; rises when a field changes its meaning.
const FORMAT: u32 = 1;

/// Everything that a report shows.
#[derive(Debug, Default, Serialize)]
struct Shown<'a> {
    format: u32,
    pipeline: &'a str,
    layers: Vec<Layer<'a>>,
    publications: Vec<Publication<'a>>,
    passed_over: Vec<PassedOver<'a>>,
    others: Vec<Other<'a>>,
    failed: Vec<Failed<'a>>,
}

/// A layer zip.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer<'a> {
    node: &'a str,
    distribution: &'a str,
    architecture: &'a str,
    collector_version: &'a str,
    /// Bytes.
    size: u64,
    /// Bytes.
    unzipped_size: u64,
    sha256: Option<&'a str>,
    code_sha256: &'a str,
    commit: &'a str,
    components: Vec<&'a str>,
    /// How long the compiler took when the binary was made, in milliseconds.
    build_ms: Option<u64>,
    /// What the check has to say, if it was checked.
    verdict: Option<&'a str>,
    findings: Vec<&'a str>,
}

/// A layer version in a region.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Publication<'a> {
    node: &'a str,
    distribution: &'a str,
    architecture: &'a str,
    collector_version: &'a str,
    region: &'a str,
    arn: &'a str,
    layer_name: &'a str,
    version: u64,
    /// Seconds since 1970, where the registry says so.
    created: Option<u64>,
    public: bool,
    code_sha256: &'a str,
    registry: &'a str,
}

/// A region in which a layer is not, and that is in order for now.
#[derive(Debug, Serialize)]
struct PassedOver<'a> {
    node: &'a str,
    distribution: &'a str,
    architecture: &'a str,
    region: &'a str,
    reason: &'a str,
}

/// What some other node left.
#[derive(Debug, Serialize)]
struct Other<'a> {
    node: &'a str,
    kind: &'a str,
    outputs: Vec<OtherOutput<'a>>,
    facts: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct OtherOutput<'a> {
    name: &'a str,
    /// Bytes.
    size: u64,
}

/// An instance without a result.
#[derive(Debug, Serialize)]
struct Failed<'a> {
    node: &'a str,
    kind: &'a str,
    axes: &'a BTreeMap<String, String>,
    reason: &'a str,
}

/// The index of what a job's dependencies published, and of what they did not.
pub(in crate::exec::kinds) fn index_of(job: &Job) -> Index {
    index::of(&Shown::of(job))
}

/// Writes the files of the report.
pub(in crate::exec) fn run(world: &World, job: &Job, report: &Report) -> Result<Produced, WorkError> {
    let mut entries = attached::of(job, &report.formats)?;
    let shown = Shown::of(job);
    let index = index::of(&shown);
    let mut files = BTreeMap::new();
    for format in &report.formats {
        let (name, text) = match format.as_str() {
            "markdown" => ("report.md", shown.markdown()),
            "json" => ("report.json", shown.json()),
            "index" => ("index.json", index.text()),
            "csv" => ("layers.csv", maps::csv(&index)),
            "terraform" => ("layers.tf", maps::terraform(&index)),
            "cdk" => ("layers.ts", maps::cdk(&index)),
            "cloudformation" => ("mappings.json", maps::cloudformation(&index)),
            "notes" => ("notes.md", notes(&index)),
            "sbom" | "provenance" => continue,
            other => {
                return Err(WorkError::Invalid(format!(
                    "format `{other}` is not written yet; take it out of `formats:`"
                )));
            }
        };
        files.insert(name, text);
    }
    entries.extend(files.into_iter().map(|(name, text)| {
        let put = world.cache.put_bytes(text.as_bytes());
        let file = FileContent { digest: put.digest, size: put.size, executable: false };
        (name.to_owned(), Content::File(file))
    }));
    let content = outputs::store_listing(world, Listing::new(entries))?;
    let mut outputs = vec![Output { name: report.output.clone(), path: None, content }];
    outputs::publish_outputs(world, &mut outputs, &[(&report.output, &report.output)])?;
    Ok(Produced { outputs, ..Produced::default() })
}

impl<'a> Shown<'a> {
    fn of(job: &'a Job) -> Self {
        let mut shown = Self {
            format: FORMAT,
            pipeline: &job.pipeline,
            layers: Vec::new(),
            publications: Vec::new(),
            passed_over: Vec::new(),
            others: Vec::new(),
            failed: Vec::new(),
        };
        for dep in &job.deps {
            shown.add(dep);
        }
        shown
    }

    fn add(&mut self, dep: &'a Dep) {
        let Some(result) = dep.result.as_deref() else {
            let reason = dep.failure.as_deref().unwrap_or("not run");
            self.failed.push(Failed { node: &dep.name, kind: dep.kind, axes: &dep.axes, reason });
            return;
        };
        match dep.kind {
            "package" | "check" => self.layers.extend(Layer::of(dep, result)),
            "publish" if result.fact(PASSED_OVER).is_some() => self.passed_over.extend(PassedOver::of(dep, result)),
            "publish" => self.publications.extend(Publication::of(dep, result)),
            _ => self.others.push(Other {
                node: &dep.name,
                kind: dep.kind,
                outputs: result
                    .outputs
                    .iter()
                    .map(|output| OtherOutput { name: &output.name, size: output.content.size() })
                    .collect(),
                facts: &result.facts,
            }),
        }
    }

    fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("BUG: text and numbers always encode");
        text.push('\n');
        text
    }
}

impl<'a> Layer<'a> {
    fn of(dep: &'a Dep, result: &'a ActionResult) -> Option<Self> {
        let number = |name| result.fact(name)?.parse().ok();
        Some(Self {
            node: &dep.name,
            distribution: result.fact("distribution")?,
            architecture: result.fact("arch")?,
            collector_version: result.fact("collector-version")?,
            size: number("zip-size")?,
            unzipped_size: number("unzipped-size")?,
            sha256: result.fact("sha256"),
            code_sha256: result.fact("code-sha256")?,
            commit: result.fact("commit")?,
            components: result.fact("components")?.split(',').filter(|name| !name.is_empty()).collect(),
            build_ms: result.measurements.get(BUILD_MS).copied(),
            verdict: result.fact("verdict"),
            findings: result.fact("findings").unwrap_or_default().lines().collect(),
        })
    }
}

impl<'a> PassedOver<'a> {
    fn of(dep: &'a Dep, result: &'a ActionResult) -> Option<Self> {
        Some(Self {
            node: &dep.name,
            distribution: result.fact("distribution")?,
            architecture: result.fact("arch")?,
            region: result.fact("region")?,
            reason: result.fact(PASSED_OVER)?,
        })
    }
}

impl<'a> Publication<'a> {
    fn of(dep: &'a Dep, result: &'a ActionResult) -> Option<Self> {
        Some(Self {
            node: &dep.name,
            distribution: result.fact("distribution")?,
            architecture: result.fact("arch")?,
            collector_version: result.fact("collector-version")?,
            region: result.fact("region")?,
            arn: result.fact("arn")?,
            layer_name: result.fact("layer-name")?,
            version: result.fact("version")?.parse().ok()?,
            created: result.fact(receipt::CREATED).and_then(|at| at.parse().ok()),
            public: result.fact("public") == Some("true"),
            code_sha256: result.fact("code-sha256")?,
            registry: result.fact("registry")?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::exec::publication::tests::publish;
    use crate::exec::testing::{dep, facts, job, node, world};
    use crate::graph::node::{Check, Class, Kind};

    fn with(mut facts: BTreeMap<String, String>, more: &[(&str, &str)]) -> ActionResult {
        facts.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        ActionResult { facts, measurements: [(BUILD_MS.to_owned(), 61_240)].into(), ..ActionResult::default() }
    }

    fn deps() -> Vec<Dep> {
        let checked = node(
            "checked[minimal,amd64]",
            Kind::Check(Box::new(Check { smoke: "optional".into(), ..Check::default() })),
            Class::Pure,
        );
        let published = |name: &str| node(name, Kind::Publish(Box::new(publish())), Class::Effect);
        let layer = with(
            facts(),
            &[
                ("code-sha256", "abc="),
                ("sha256", "00ff"),
                ("zip-size", "12149999"),
                ("unzipped-size", "37000000"),
                ("verdict", "passed"),
                ("findings", "config.yaml:3: a | b: c"),
            ],
        );
        let version = with(
            facts(),
            &[
                ("arn", "layer:eu-west-1:x:1"),
                ("version", "1"),
                ("layer-name", "x"),
                ("region", "eu-west-1"),
                ("code-sha256", "abc="),
                ("registry", "directory:layers"),
                ("public", "true"),
            ],
        );
        vec![
            dep("of", checked, Ok(layer)),
            dep("of", published("published[minimal,amd64,eu-west-1]"), Ok(version)),
            dep("of", published("published[minimal,amd64,me-south-1]"), Err("connection\nrefused | retry")),
            dep("of", node("other", Kind::Group, Class::Pure), Ok(ActionResult::default())),
        ]
    }

    fn report(formats: &[&str]) -> Report {
        Report { formats: formats.iter().map(|format| (*format).to_owned()).collect(), output: "build/report/".into() }
    }

    pub(in crate::exec::kinds::report) fn publication(
        distribution: &'static str,
        architecture: &'static str,
        region: &'static str,
        arn: &'static str,
    ) -> Publication<'static> {
        Publication {
            node: "published",
            distribution,
            architecture,
            collector_version: "v0.145.0",
            region,
            arn,
            layer_name: "ocel",
            version: 1,
            created: Some(951_782_400),
            public: true,
            code_sha256: "sum",
            registry: "aws",
        }
    }

    #[test]
    fn tables_of_layers_publications_and_failures() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let report = report(&["json", "markdown"]);
        let job = job(&world, node("report", Kind::Report(Box::new(report.clone())), Class::Sink), deps());
        let produced = run(&world, &job, &report).unwrap();
        let read = |name: &str| std::fs::read_to_string(world.root.join("build/report").join(name)).unwrap();
        assert_eq!(
            read("report.md"),
            "# Report of `layers`\n\n## Layers\n\n\
             | Distribution | Architecture | Version | Size | Unpacked | Components | SHA-256 | Compiled in |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n\
             | minimal | amd64 | v0.145.0 | 12.1 MB | 37.0 MB | 2 | `00ff` | 61.2 s |\n\
             \n## Published\n\n\
             | Distribution | Architecture | Region | ARN | Version | Published | Access | Size | SHA-256 |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n\
             | minimal | amd64 | eu-west-1 | `layer:eu-west-1:x:1` | 1 | – | public | 12.1 MB | `00ff` |\n\
             \n## Failed\n\n| Node | Reason |\n| --- | --- |\n\
             | `published[minimal,amd64,me-south-1]` | connection<br>refused \\| retry |\n\
             \n## Worth a look\n\n| Layer | Finding |\n| --- | --- |\n\
             | `checked[minimal,amd64]` | config.yaml:3: a \\| b: c |\n"
        );
        let json: serde_json::Value = serde_json::from_str(&read("report.json")).unwrap();
        assert_eq!(json["layers"][0]["size"], 12_149_999);
        assert_eq!(json["layers"][0]["components"][1], "receiver.otlp");
        assert_eq!(json["publications"][0]["arn"], "layer:eu-west-1:x:1");
        assert_eq!(json["failed"][0]["node"], "published[minimal,amd64,me-south-1]");
        assert_eq!(produced.outputs[0].path.as_deref(), Some("build/report/"));
        assert!(produced.facts.is_empty());
    }

    #[test]
    fn unchanged_input_gives_the_same_bytes_in_another_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let report = report(&["markdown", "json"]);
        let node = node("report", Kind::Report(Box::new(report.clone())), Class::Sink);
        let first = run(&world, &job(&world, node.clone(), deps()), &report).unwrap();
        world.run = "another".into();
        let mut later = deps();
        for dep in &mut later {
            if let Some(result) = &mut dep.result {
                std::sync::Arc::make_mut(result).run = "another".into();
                std::sync::Arc::make_mut(result).ended_at = 5;
            }
        }
        let second = run(&world, &job(&world, node, later), &report).unwrap();
        assert_eq!(first.outputs, second.outputs);
    }

    #[test]
    fn a_format_of_later_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let world = world(dir.path());
        let report = report(&["html"]);
        let job = job(&world, node("report", Kind::Report(Box::new(report.clone())), Class::Sink), deps());
        assert!(run(&world, &job, &report).unwrap_err().to_string().contains("`html`"));
    }
}
