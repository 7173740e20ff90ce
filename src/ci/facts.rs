//! What a workflow has to know of a pipeline: its parameters as inputs, and its nodes by what they are for.

use crate::ci::model::{Input, Takes};
use crate::spec::ci::{Actions, Environments};
use crate::spec::pipeline::{NodeFile, ParamFile, PipelineFile};

/// What is asked for beside the pipeline.
pub struct Asked<'a> {
    /// The pipeline, as it is named on the command line.
    pub pipeline: &'a str,
    /// What each parameter could be, if not anything.
    pub choices: &'a dyn Fn(&str) -> Option<Vec<String>>,
    /// From `config/ocelot.yaml`.
    pub environments: &'a Environments,
    /// From `config/ocelot.yaml`.
    pub actions: &'a Actions,
    /// A job for each region, rather than one for all.
    pub per_region_jobs: bool,
    /// The program is built from the repository itself.
    pub from_source: bool,
}

/// What a workflow is made of.
#[derive(Debug)]
pub struct Facts {
    /// The pipeline, as it is named on the command line.
    pub pipeline: String,
    /// Inputs with the parameter that each sets.
    pub inputs: Vec<(Input, String)>,
    /// Boolean parameters that switch on what CI does: publishing, releasing.
    pub gates: Vec<String>,
    /// The input that names the release group.
    pub group_input: String,
    /// The input that names the layer.
    pub layer_input: Option<String>,
    /// Release groups with their environments.
    pub environments: Vec<(String, String)>,
    /// Nodes that resolve sources: all that may ask upstream.
    pub sources: Vec<String>,
    /// Nodes that compile.
    pub compiled: Vec<String>,
    /// The node whose result is published.
    pub proven: String,
    /// The axis of `proven` that is the architecture.
    pub arch_axis: &'static str,
    /// Glob of the layer zips.
    pub zips: String,
    /// The publishing node.
    pub published: String,
    /// Nodes that report, and glob of their files.
    pub reports: Vec<(String, String)>,
    /// The releasing node.
    pub release: Option<String>,
    /// Parameters that are axes and have choices: the state of all of them is kept.
    pub axes: Vec<String>,
    /// How many jobs publishing takes, at a job for each region.
    pub publish_jobs: usize,
    /// A job for each region.
    pub per_region_jobs: bool,
    /// The program is built from the repository itself.
    pub from_source: bool,
}

/// The names that people know from the original's workflow.
const KNOWN_INPUTS: [(&str, &str); 2] = [("arch", "architecture"), ("region", "aws-region")];

/// GitHub shows no more inputs.
const MOST_INPUTS: usize = 25;

impl Facts {
    /// From a pipeline.
    ///
    /// # Errors
    /// What a workflow cannot be made of, each in words with what to do.
    pub fn of(file: &PipelineFile, asked: &Asked<'_>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let nodes = |is: &dyn Fn(&NodeFile) -> bool| -> Vec<String> {
            file.nodes.iter().filter(|(_, node)| is(node)).map(|(name, _)| name.clone()).collect()
        };
        let one = |what: &str, found: &[String]| match found {
            [one] => Ok(Some(one.clone())),
            [] => Ok(None),
            many => Err(format!("a workflow takes one node that {what}, and there are {}", many.join(", "))),
        };
        let published = one("publishes", &nodes(&|node| node.publish.is_some())).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let release = one("releases", &nodes(&|node| node.release.is_some())).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let Some(published) = published else {
            problems.push("the pipeline publishes nothing; a workflow is made of a node with `publish:`".to_owned());
            return Err(problems);
        };
        let publish = file.nodes.get(&published).and_then(|node| node.publish.as_deref());
        let proven = publish.map(|publish| publish.layer.node.value.clone()).unwrap_or_default();
        let group = publish.and_then(|publish| publish.group.as_ref()).and_then(|group| parameter(&group.value));
        let Some(group) = group else {
            problems
                .push(format!("`{published}` has no `group: \"${{PARAMETER}}\"`: the group decides the environment"));
            return Err(problems);
        };
        if asked.environments.0.is_empty() {
            problems.push(
                "config/ocelot.yaml has no `environments:`; name the environment of GitHub for each release group, for \
                 example `environments: {beta: layers-beta}`"
                    .to_owned(),
            );
        }
        let zips = file.nodes.values().filter_map(|node| node.package.as_ref()?.output.as_ref());
        let zips = zips.map(|output| as_glob(&output.value)).next();
        if zips.is_none() {
            problems.push("no `package` node has an `output:`, so there are no zips to attest".to_owned());
        }
        let mut gates: Vec<String> =
            file.nodes.values().filter_map(|node| Some(node.when.as_ref()?.value.clone())).collect();
        gates.sort();
        gates.dedup();
        let layer = publish.and_then(|publish| parameter(&publish.name.value));
        let inputs = inputs(file, asked, &gates, &group);
        let input_of = |param: &str| inputs.iter().find(|(_, of)| of == param).map(|(input, _)| input.name.clone());
        let (group_input, layer_input) = (input_of(&group), layer.and_then(|layer| input_of(&layer)));
        let axes = file.params.keys().filter(|name| {
            (asked.choices)(name).is_some()
                && file.nodes.values().any(|node| node.axes.items.iter().any(|axis| axis.value == **name))
        });
        let count = |name: &str| (asked.choices)(name).map_or(1, |choices| choices.len());
        let facts = Self {
            pipeline: asked.pipeline.to_owned(),
            gates,
            group_input: group_input.unwrap_or_default(),
            layer_input,
            environments: asked.environments.0.iter().map(|(g, e)| (g.clone(), e.value.clone())).collect(),
            sources: nodes(&|node| node.overlay.is_some() || node.resolve.is_some() || node.clone.is_some()),
            compiled: nodes(&|node| node.build.is_some()),
            proven,
            arch_axis: "arch",
            zips: zips.unwrap_or_default(),
            published,
            reports: file
                .nodes
                .iter()
                .filter_map(|(name, node)| Some((name.clone(), as_glob(&node.report.as_ref()?.output.value))))
                .collect(),
            release,
            axes: axes.cloned().collect(),
            publish_jobs: count("arch") * count("region"),
            per_region_jobs: asked.per_region_jobs,
            from_source: asked.from_source,
            inputs,
        };
        problems.extend(facts.unspeakable());
        if problems.is_empty() { Ok(facts) } else { Err(problems) }
    }

    /// What cannot stand in a workflow: names that would be something else in a script, and texts that GitHub would
    /// evaluate.
    fn unspeakable(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let names = [&self.proven, &self.published].into_iter().chain(&self.sources).chain(&self.compiled);
        let names = names.chain(&self.release).chain(self.reports.iter().map(|(name, _)| name)).chain(&self.gates);
        let names = names.chain(self.inputs.iter().map(|(_, param)| param)).chain(&self.axes);
        for name in names.filter(|name| !is_name(name)) {
            problems
                .push(format!("{name:?} cannot stand in a workflow; use letters, digits, `-` and `_`, a letter first"));
        }
        let paths = [&self.zips].into_iter().chain(self.reports.iter().map(|(_, path)| path)).chain([&self.pipeline]);
        let texts = self.inputs.iter().flat_map(|(input, _)| match &input.takes {
            Takes::Choice(options, default) => options.iter().chain([default]).collect::<Vec<_>>(),
            Takes::Text(default) => vec![default],
            Takes::Flag(_) => Vec::new(),
        });
        for text in paths.chain(texts).filter(|text| text.contains("${{") || text.contains(char::is_control)) {
            problems.push(format!("{text:?} cannot stand in a workflow: GitHub would take `${{{{` for an expression"));
        }
        if self.inputs.len() + 1 > MOST_INPUTS {
            problems.push(format!(
                "GitHub takes {MOST_INPUTS} inputs, and the pipeline has {} parameters",
                self.inputs.len()
            ));
        }
        problems.sort();
        problems.dedup();
        problems
    }
}

/// Whether a name is safe wherever it stands.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 100
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// The parameter of a text that is only `${parameter}`.
fn parameter(text: &str) -> Option<String> {
    Some(text.strip_prefix("${")?.strip_suffix('}')?.to_owned())
}

/// A path with its parameters as stars; a folder as all that is in it.
fn as_glob(path: &str) -> String {
    let mut glob = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("${") {
        glob.push_str(before);
        glob.push('*');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    glob.push_str(rest);
    if glob.ends_with('/') { format!("{glob}**") } else { glob }
}

/// An input for each parameter that a person chooses. What only says how, such as the registry, stays as the pipeline has
/// it; lists without choices are no fields of a form.
fn inputs(file: &PipelineFile, asked: &Asked<'_>, gates: &[String], group: &str) -> Vec<(Input, String)> {
    let takes = |name: &String, param: &ParamFile| -> Option<Takes> {
        let default = param.default.items.first().map(|text| text.value.clone()).unwrap_or_default();
        if name == group {
            let groups: Vec<String> = asked.environments.0.keys().cloned().collect();
            let default = groups.iter().find(|group| **group == default).or(groups.first()).cloned();
            return Some(Takes::Choice(groups, default.unwrap_or_default()));
        }
        let is_axis = param.default.is_list || default == "session";
        match (asked.choices)(name) {
            Some(choices) if is_axis => {
                // A distribution is chosen; architectures and regions are mostly all wanted.
                let all = name == "arch" || name == "region";
                let default = if all { "all".to_owned() } else { default };
                Some(Takes::Choice([vec!["all".to_owned()], choices].concat(), default))
            }
            Some(choices) => Some(Takes::Choice(choices, default)),
            None if is_axis => None,
            None if default == "true" || default == "false" => Some(Takes::Flag(default == "true")),
            None => Some(Takes::Text(default)),
        }
    };
    let chosen = file.params.iter().filter(|(name, _)| !gates.contains(name) && name.as_str() != "registry");
    let found = chosen.filter_map(|(param, of)| {
        let known = KNOWN_INPUTS.iter().find(|(name, _)| name == param).map(|(_, known)| (*known).to_owned());
        let written = of.description.as_ref().map(|text| text.value.replace("${{", "$ {{"));
        let description = written.unwrap_or_else(|| param.replace('-', " "));
        Some((
            Input { name: known.unwrap_or_else(|| param.clone()), description, takes: takes(param, of)? },
            param.clone(),
        ))
    });
    found.collect()
}
