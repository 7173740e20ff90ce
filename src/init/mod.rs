//! A new project as text. Pure: names and texts in, files out.

pub mod import;
pub mod makefile;

use crate::base::diag::{Diagnostic, SourceMap};
use crate::ci::facts::{Asked, Facts};
use crate::ci::workflow::{Program, plain, workflow};
use crate::ci::yaml::scalar;
use crate::init::makefile::{TooLarge, Tree};
use crate::spec::config::{DistributionsFile, RegionsFile, SettingsFile};
use crate::spec::pipeline::PipelineFile;
use crate::spec::yaml::{Limits, read};

/// Names under which make finds its file, in its order.
pub const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// What is never a source: state of ours, and what is built.
const IGNORED: [&str; 2] = [".ocelot/", "/build/"];

const LAYERS: &str = include_str!("templates/layers.yaml");
const LAYERS_SETTINGS: &str = include_str!("templates/layers-settings.yaml");
const DISTRIBUTIONS: &str = include_str!("templates/distributions.yaml");
const DEPENDENCIES: &str = include_str!("templates/component_dependencies.yaml");
const COMPONENTS: &str = include_str!("templates/components.md");
const COMMANDS: &str = include_str!("templates/commands.yaml");
const NAMES: &str = include_str!("templates/names.txt");
const SETTINGS: &str = include_str!("templates/settings.yaml");
// Facts and an example that this repository's own layers are made with: a copy would fall behind.
const REGIONS: &str = include_str!("../../config/regions.yaml");
const MINIMAL: &str = include_str!("../../config/examples/minimal.yaml");

/// What a new project does.
#[derive(Clone, Copy, Debug)]
pub enum Template<'a> {
    /// Collector layers for AWS Lambda.
    CollectorLayers,
    /// An example of plain commands.
    Commands,
    /// What a Makefile does.
    Makefile {
        /// Its name.
        file: &'a str,
        /// Its text.
        text: &'a str,
        /// The files of the project.
        tree: &'a Tree,
    },
}

/// A project to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Paths and texts; none of them may be there already.
    pub files: Vec<(String, String)>,
    /// What to tell the person who asked for it.
    pub remarks: Vec<String>,
    /// The command to go on with.
    pub next: &'static str,
}

/// The files of a new project called `name`.
///
/// # Errors
/// If a Makefile comes to more than is read.
///
/// # Panics
/// If a template of ours is wrong; a test makes each.
pub fn draft(template: Template<'_>, name: &str, program: Program) -> Result<Draft, TooLarge> {
    let name = layer_name(name);
    let schemas = format!("https://raw.githubusercontent.com/{}/v{}/docs/schema", program.repository, program.version);
    let filled = |text: &str| text.replace("{{schemas}}", &schemas).replace("{{name}}", &scalar(&name));
    let ours = |text: &str| text.replace("../docs/schema", &schemas);
    let file = |path: &str, text: String| (path.to_owned(), text);
    Ok(match template {
        Template::CollectorLayers => {
            let files = vec![
                file("pipelines/layers.yaml", filled(LAYERS)),
                file("config/ocelot.yaml", filled(LAYERS_SETTINGS)),
                file("config/distributions.yaml", filled(DISTRIBUTIONS)),
                file("config/component_dependencies.yaml", filled(DEPENDENCIES)),
                file("config/components/README.md", COMPONENTS.to_owned()),
                file("config/regions.yaml", ours(REGIONS)),
                file("config/examples/minimal.yaml", ours(MINIMAL)),
            ];
            let workflow = layers_workflow(&files, program);
            let files = files.into_iter().chain([file(".github/workflows/layers.yml", workflow)]).collect();
            Draft { files, remarks: Vec::new(), next: "ocelot build --skip-publish" }
        }
        Template::Commands => Draft {
            files: vec![
                file("pipeline.yaml", filled(COMMANDS)),
                file("src/names.txt", NAMES.to_owned()),
                file("config/ocelot.yaml", filled(SETTINGS)),
                file(".github/workflows/ocelot.yml", plain(program)),
            ],
            remarks: Vec::new(),
            next: "ocelot run",
        },
        Template::Makefile { file: makefile, text, tree } => {
            let made = makefile::convert(makefile, &name, text, tree)?;
            let head = format!("# yaml-language-server: $schema={schemas}/pipeline.json\n#\n");
            let remark = match made.left_out {
                0 => format!("{makefile}: {} nodes, everything was carried over", made.nodes),
                count => format!(
                    "{makefile}: {} nodes; {count} things are not as make has them: see the comments of pipeline.yaml",
                    made.nodes
                ),
            };
            Draft {
                files: vec![
                    file("pipeline.yaml", head + &made.text),
                    file("config/ocelot.yaml", filled(SETTINGS)),
                    file(".github/workflows/ocelot.yml", plain(program)),
                ],
                remarks: vec![remark],
                next: "ocelot plan",
            }
        }
    })
}

/// The lines that `.gitignore` lacks; `there` is its text.
pub fn ignore_lines(there: &str) -> Vec<&'static str> {
    let bare = |line: &str| line.trim().trim_matches('/').to_owned();
    IGNORED.into_iter().filter(|wanted| !there.lines().any(|line| bare(line) == bare(wanted))).collect()
}

/// A name as that of a layer may be: it stands in the pipeline, and in AWS.
fn layer_name(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = name.chars().map(fits).take(40).collect();
    let name = name.trim_matches('-');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts_well { name.to_owned() } else { format!("project-{name}").trim_end_matches('-').to_owned() }
}

/// As `ocelot ci workflow layers` writes it.
fn layers_workflow(files: &[(String, String)], program: Program) -> String {
    let text = |path: &str| files.iter().find(|(file, _)| file == path).map_or("", |(_, text)| text.as_str());
    let pipeline: PipelineFile = parsed(text("pipelines/layers.yaml"));
    let distributions: DistributionsFile = parsed(text("config/distributions.yaml"));
    let regions: RegionsFile = parsed(text("config/regions.yaml"));
    let settings: SettingsFile = parsed(text("config/ocelot.yaml"));
    let choices = |name: &str| {
        let items = &pipeline.params.get(name)?.choices.items;
        match items.first()?.value.as_str() {
            "distributions" => Some(distributions.0.keys().cloned().collect()),
            "regions" => Some(regions.regions.keys().cloned().collect()),
            _ => Some(items.iter().map(|item| item.value.clone()).collect()),
        }
    };
    let asked = Asked {
        pipeline: "layers",
        choices: &choices,
        environments: &settings.environments,
        actions: &settings.actions,
        per_region_jobs: false,
        from_source: false,
    };
    let facts = Facts::of(&pipeline, &asked).expect("BUG: the template makes no workflow");
    workflow(&facts, &settings.actions, program)
}

/// A file of our own.
fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let mut problems: Vec<Diagnostic> = Vec::new();
    let source = SourceMap::default().add("template", text);
    read(source, text, &Limits::default(), &mut problems).unwrap_or_else(|| panic!("BUG: a template: {problems:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_any_name_gives_a_name_that_aws_takes() {
        for (folder, name) in
            [("my layers!", "my-layers"), ("1st", "project-1st"), ("", "project"), ("a_b-c", "a_b-c"), ("Ö", "project")]
        {
            assert_eq!(layer_name(folder), name);
        }
    }

    #[test]
    fn lines_that_ignore_the_same_are_not_added_again() {
        assert_eq!(ignore_lines(""), [".ocelot/", "/build/"]);
        assert_eq!(ignore_lines("target\n/.ocelot\n"), ["/build/"]);
        assert!(ignore_lines("build\n.ocelot/").is_empty());
    }

    #[test]
    fn no_placeholder_is_left() {
        let program = Program { repository: "o/r", version: "1.2.3" };
        let tree = Tree::new();
        let makefile = Template::Makefile { file: "Makefile", text: "a:\n\techo\n", tree: &tree };
        for template in [Template::CollectorLayers, Template::Commands, makefile] {
            for (path, text) in draft(template, "p", program).unwrap().files {
                assert!(!text.contains("{{name") && !text.contains("{{schemas") && text.ends_with('\n'), "{path}");
                let has_schema = path.ends_with(".yaml") && !path.contains("/examples/");
                let names = text.starts_with("# yaml-language-server: $schema=https://");
                assert!(!has_schema || names, "{path}: {text}");
            }
        }
    }
}
