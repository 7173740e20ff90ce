//! A checkout of the original tool as a project of ours. Pure: its files as text in, files and what to say of each out.

mod config;
mod edits;
mod places;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::base::diag::{Diagnostic, SourceMap};
use crate::ci::workflow::Program;
use crate::ci::yaml::scalar;
use crate::init::{COMPONENTS, DEPENDENCIES, LAYERS_SETTINGS, REGIONS, layers_workflow, parsed};
use crate::spec::config::{DistributionsFile, RegionsFile};
use crate::spec::yaml::{Limits, read};

use places::Place;
use workflow::{Literals, literals};

// The original's own graph, with its table and its release, which the template of `init` has not.
const PIPELINE: &str = include_str!("../../../pipelines/layers.yaml");

/// The pipeline that is made.
const PIPELINE_FILE: &str = "pipelines/layers.yaml";
/// What every checkout has that can be taken over.
pub const DISTRIBUTIONS_FILE: &str = "config/distributions.yaml";
/// Of these it has one at least.
pub const PROGRAMS: [&str; 2] = ["tools/ocelot.py", "tools/scripts/build_extension_layer.py"];
/// Where its workflows are.
pub const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/r_publish.yml"];

const DEPENDENCIES_FILE: &str = "config/component_dependencies.yaml";
const REGIONS_FILE: &str = "config/regions.yaml";
const WORKFLOW_FILE: &str = ".github/workflows/layers.yml";

/// What a layer is called where nobody says.
const LAYER_NAME: &str = "ocel";

/// The files of a checkout by path: their text, or why it is not read.
pub type Checkout = BTreeMap<String, Result<String, String>>;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is the same here, at this path.
    Copied(String),
    /// It is here at this path, changed in these ways.
    Mended(String, Vec<String>),
    /// It, or a part of it, waits for a person.
    Left(String),
    /// It has no counterpart there: what it is made of.
    Made(String),
}

/// A line of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: String,
    /// What became of it.
    pub fate: Fate,
}

impl Line {
    fn new(file: &str, fate: Fate) -> Self {
        Self { file: file.to_owned(), fate }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        let to = |to: &str| if to == file { String::new() } else { format!(" to {to}") };
        match &self.fate {
            Fate::Copied(place) => write!(f, "copied {file}{}", to(place)),
            Fate::Mended(place, what) => write!(f, "mended {file}{}: {}", to(place), what.join("; ")),
            Fate::Left(why) => write!(f, "left   {file}: {why}"),
            Fate::Made(of) if of.is_empty() => write!(f, "made   {file}"),
            Fate::Made(of) => write!(f, "made   {file}: {of}"),
        }
    }
}

/// A checkout as a project.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Paths and texts.
    pub files: Vec<(String, String)>,
    /// What became of each file.
    pub lines: Vec<Line>,
    /// The distribution that is built where none is named.
    pub distribution: Option<String>,
    /// One of the regions it is published in.
    pub region: String,
}

/// Takes a checkout over.
///
/// # Errors
/// In words, why it is none.
pub fn import(checkout: &Checkout, program: Program) -> Result<Imported, String> {
    if !PROGRAMS.iter().any(|file| checkout.contains_key(*file)) {
        return Err(format!("it has neither {}", PROGRAMS.join(" nor ")));
    }
    let distributions = match checkout.get(DISTRIBUTIONS_FILE) {
        Some(Ok(text)) => text,
        Some(Err(why)) => return Err(format!("{DISTRIBUTIONS_FILE} cannot be read: {why}")),
        None => return Err(format!("it has no {DISTRIBUTIONS_FILE}")),
    };
    let text = |path: &str| checkout.get(path).and_then(|text| text.as_deref().ok()).unwrap_or_default();
    let mut made = Making::default();

    let (edits, mut tags) = config::dependencies(text(DEPENDENCIES_FILE));
    let schemas = format!("https://raw.githubusercontent.com/{}/v{}/docs/schema", program.repository, program.version);
    match checkout.get(DEPENDENCIES_FILE) {
        Some(Ok(_)) => made.mended(DEPENDENCIES_FILE, edits.apply(), edits.done, edits.left),
        _ => made.made(DEPENDENCIES_FILE, DEPENDENCIES.replace("{{schemas}}", &schemas), "no component has a module"),
    }
    made.others(checkout, &mut tags);

    let there: BTreeSet<String> = made.files.keys().cloned().collect();
    let edits = config::distributions(distributions, &tags, &there);
    made.mended(DISTRIBUTIONS_FILE, edits.apply(), edits.done, edits.left);

    let mut found = literals(text(WORKFLOWS[0]), text(WORKFLOWS[1]));
    let names = names(&made.files[DISTRIBUTIONS_FILE]);
    let distribution = names.iter().find(|name| *name == "default").or(names.first()).cloned();
    let region = made.regions(&mut found, &schemas);
    made.pipeline(&found, distribution.as_deref(), &schemas);
    made.made("config/ocelot.yaml", LAYERS_SETTINGS.replace("{{schemas}}", &schemas), "");
    made.made("config/components/README.md", COMPONENTS.to_owned(), "");
    if names.is_empty() {
        let why = "its distributions cannot be read yet; `ocelot ci workflow layers` makes it when they can";
        made.lines.push(Line::new(WORKFLOW_FILE, Fate::Left(why.to_owned())));
    } else {
        let files: Vec<(String, String)> = made.files.clone().into_iter().collect();
        made.made(WORKFLOW_FILE, layers_workflow(&files, program), "as `ocelot ci workflow layers` makes it");
    }
    made.workflows(checkout, &found);
    let Making { files, lines } = made;
    Ok(Imported { files: files.into_iter().collect(), lines, distribution, region })
}

/// The names of the distributions; none if the file has problems.
fn names(text: &str) -> Vec<String> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    let source = SourceMap::default().add(DISTRIBUTIONS_FILE, text);
    let file: Option<DistributionsFile> = read(source, text, &Limits::default(), &mut problems);
    file.map(|file| file.0.keys().cloned().collect()).unwrap_or_default()
}

/// What is made so far.
#[derive(Default)]
struct Making {
    files: BTreeMap<String, String>,
    lines: Vec<Line>,
}

impl Making {
    /// A file that has no counterpart.
    fn made(&mut self, path: &str, text: String, of: &str) {
        if self.files.contains_key(path) {
            return;
        }
        self.files.insert(path.to_owned(), text);
        self.lines.push(Line::new(path, Fate::Made(of.to_owned())));
    }

    /// A file that stays where it is, as far as that could be done.
    fn mended(&mut self, path: &str, text: String, done: Vec<String>, left: Vec<String>) {
        self.files.insert(path.to_owned(), text);
        let place = path.to_owned();
        let fate = if done.is_empty() { Fate::Copied(place) } else { Fate::Mended(place, done) };
        self.lines.push(Line::new(path, fate));
        self.lines.extend(left.into_iter().map(|left| Line::new(path, Fate::Left(left))));
    }

    /// Collector configs and components; adds the tags of the components.
    fn others(&mut self, checkout: &Checkout, tags: &mut BTreeSet<String>) {
        let is_known = |path: &str| path == DISTRIBUTIONS_FILE || path == DEPENDENCIES_FILE;
        let is_other = |path: &str| path.starts_with("config/") || path.starts_with("components/");
        for (path, text) in checkout.iter().filter(|(path, _)| is_other(path) && !is_known(path)) {
            let text = match text {
                Ok(text) => text,
                Err(why) => {
                    self.lines.push(Line::new(path, Fate::Left(why.clone())));
                    continue;
                }
            };
            let fate = match places::place(path, text, tags) {
                Place::None(why) => Fate::Left(why),
                Place::At(to) if self.files.contains_key(&to) && self.files[&to] != *text => {
                    Fate::Left(format!("another file is taken over as {to}; give one of them another name"))
                }
                Place::At(to) => {
                    self.files.insert(to.clone(), text.clone());
                    Fate::Copied(to)
                }
                Place::Changed(to, text, what) => {
                    self.files.insert(to.clone(), text);
                    Fate::Mended(to, vec![what])
                }
            };
            if let Fate::Copied(to) | Fate::Mended(to, _) = &fate {
                tags.extend(places::tags(&self.files[to]));
            }
            self.lines.push(Line::new(path, fate));
        }
    }

    /// Gives the first that is published in.
    fn regions(&mut self, found: &mut Literals, schemas: &str) -> String {
        let known: RegionsFile = parsed(REGIONS);
        let (regions, strange): (Vec<&String>, Vec<&String>) =
            found.regions.iter().partition(|region| known.regions.contains_key(*region));
        let left = strange.iter().map(|region| {
            format!("`{region}` is no region that is known; add it under `regions` and `publish` of {REGIONS_FILE}")
        });
        let left: Vec<String> = left.collect();
        let (facts, _) = REGIONS.split_once("\npublish:\n").expect("BUG: config/regions.yaml has no `publish`");
        let list: String = regions.iter().map(|region| format!("  - {region}\n")).collect();
        let (text, of) = match regions.len() {
            0 => (REGIONS.to_owned(), "the regions of the original's scripts".to_owned()),
            count => (format!("{facts}\npublish:\n{list}"), format!("`publish` has the {count} regions of ci.yml")),
        };
        self.made(REGIONS_FILE, text.replace("../docs/schema", schemas), &of);
        let first = regions.first().map(|region| (*region).clone());
        found.left.extend(left);
        first.or_else(|| known.publish.first().map(|region| region.value.clone())).unwrap_or_default()
    }

    fn pipeline(&mut self, found: &Literals, distribution: Option<&str>, schemas: &str) {
        let name = found.layer_name.as_deref().unwrap_or(LAYER_NAME);
        let list =
            |items: &[&str]| format!("[{}]", items.iter().map(|item| scalar(item)).collect::<Vec<_>>().join(", "));
        let runtimes: Vec<&str> = found.runtimes.iter().map(String::as_str).collect();
        let mut text = PIPELINE.replace("../docs/schema", schemas);
        let mut set = |param: &str, value: String| text = with_default(&text, param, &value);
        set("layer-name", scalar(name));
        set("runtimes", list(&runtimes));
        set("distribution", list(&[distribution.unwrap_or("default")]));
        if let Some(repo) = &found.upstream_repo {
            set("upstream-repo", scalar(repo));
        }
        if let Some(reference) = &found.upstream_ref {
            set("upstream-ref", scalar(reference));
        }
        let of = format!("`layer-name` is {}, `runtimes` has {}", scalar(name), runtimes.len());
        self.made(PIPELINE_FILE, text, &of);
    }

    /// What is to be said of the workflows and the table.
    fn workflows(&mut self, checkout: &Checkout, found: &Literals) {
        for path in WORKFLOWS {
            let why = match checkout.get(path) {
                Some(Ok(_)) => format!("{WORKFLOW_FILE} takes its place; delete it where both would be"),
                Some(Err(why)) => why.clone(),
                None => continue,
            };
            self.lines.push(Line::new(path, Fate::Left(why)));
        }
        let mut left = |why: String| self.lines.push(Line::new(WORKFLOWS[0], Fate::Left(why)));
        found.left.iter().for_each(|why| left(why.clone()));
        if found.is_public {
            left(
                "its layers are public unless somebody says otherwise, ours are not: give `--set public=true`"
                    .to_owned(),
            );
        }
        let region = found.table_region.as_deref().unwrap_or("us-east-1");
        let why = format!("is kept as it is; name it with `--set metadata-table=ocelot-layers@{region}`");
        self.lines.push(Line::new("the table in DynamoDB", Fate::Left(why)));
    }
}

/// The pipeline with another default of a parameter.
fn with_default(text: &str, param: &str, value: &str) -> String {
    let head = format!("\n  {param}: {{default: ");
    let (before, rest) = text.split_once(&head).unwrap_or_else(|| panic!("BUG: the pipeline has no `{param}`"));
    let end = ["}\n", ", choices"].iter().filter_map(|end| rest.find(end)).min().unwrap_or_default();
    format!("{before}{head}{value}{}", &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::LAYERS;

    const PROGRAM: Program = Program { repository: "o/r", version: "1.2.3" };
    const SMALL: &str = "small:\n  buildtags: [receiver.otlp]\n";

    fn checkout(files: &[(&str, &str)]) -> Checkout {
        files.iter().map(|(path, text)| ((*path).to_owned(), Ok((*text).to_owned()))).collect()
    }

    fn text<'a>(imported: &'a Imported, path: &str) -> &'a str {
        imported.files.iter().find(|(file, _)| file == path).map(|(_, text)| text.as_str()).unwrap_or_default()
    }

    fn lines(imported: &Imported) -> String {
        imported.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn what_is_no_checkout_is_told() {
        for (files, told) in [
            (&[(DISTRIBUTIONS_FILE, SMALL)][..], "neither tools/ocelot.py"),
            (&[(PROGRAMS[0], "")], "no config/distributions.yaml"),
        ] {
            assert!(import(&checkout(files), PROGRAM).unwrap_err().contains(told));
        }
        let mut unreadable = checkout(&[(PROGRAMS[1], "")]);
        unreadable.insert(DISTRIBUTIONS_FILE.to_owned(), Err("it is no text".to_owned()));
        assert!(import(&unreadable, PROGRAM).unwrap_err().contains("it is no text"));
    }

    #[test]
    fn the_least_checkout_gives_a_whole_project() {
        let imported = import(&checkout(&[(PROGRAMS[0], ""), (DISTRIBUTIONS_FILE, SMALL)]), PROGRAM).unwrap();
        assert_eq!(text(&imported, DISTRIBUTIONS_FILE), SMALL);
        assert!(text(&imported, PIPELINE_FILE).contains("distribution: {default: [small], choices: distributions}\n"));
        assert!(text(&imported, WORKFLOW_FILE).contains("- small"));
        assert!(lines(&imported).contains("copied config/distributions.yaml\n"), "{}", lines(&imported));
        assert!(lines(&imported).contains("metadata-table=ocelot-layers@us-east-1`"), "{}", lines(&imported));
        for (path, text) in &imported.files {
            assert!(!text.contains("{{schemas") && !text.contains("../docs/schema") && text.ends_with('\n'), "{path}");
        }
    }

    #[test]
    fn literals_become_defaults() {
        let ci = "on: {workflow_dispatch: {inputs: {aws-region: {options: [all, eu-west-1, xx-moon-1]}, \
                  upstream-ref: {default: main}, set-to-public: {default: true}}}}\n\
                  jobs: {r: {with: {layer-name: mine, runtimes: java21 provided.al2023, dynamodb-region: eu-west-1}}}\n";
        let files = [(PROGRAMS[0], ""), (DISTRIBUTIONS_FILE, SMALL), (WORKFLOWS[0], ci)];
        let imported = import(&checkout(&files), PROGRAM).unwrap();
        assert!(text(&imported, REGIONS_FILE).ends_with("\npublish:\n  - eu-west-1\n"));
        let pipeline = text(&imported, PIPELINE_FILE);
        for line in [
            "layer-name: {default: mine}",
            "runtimes: {default: [java21, provided.al2023]}",
            "upstream-ref: {default: main}",
        ] {
            assert!(pipeline.contains(&format!("\n  {line}\n")), "{line}: {pipeline}");
        }
        let told = lines(&imported);
        for part in ["`xx-moon-1` is no region", "public=true", "ocelot-layers@eu-west-1"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn distributions_that_cannot_be_read_make_no_workflow() {
        let imported = import(&checkout(&[(PROGRAMS[0], ""), (DISTRIBUTIONS_FILE, "a: [\n")]), PROGRAM).unwrap();
        assert_eq!(text(&imported, WORKFLOW_FILE), "");
        assert!(imported.distribution.is_none() && lines(&imported).contains("left   .github/workflows/layers.yml: "));
    }

    #[test]
    fn two_files_for_one_place_are_not_one_file() {
        let config = "receivers: {}\nservice: {}\n";
        let files = [
            (PROGRAMS[0], ""),
            (DISTRIBUTIONS_FILE, SMALL),
            ("config/collector-configs/a.yaml", config),
            ("config/examples/a.yaml", "service: {}\n"),
        ];
        let imported = import(&checkout(&files), PROGRAM).unwrap();
        let told = lines(&imported);
        assert!(told.contains("copied config/collector-configs/a.yaml to config/examples/a.yaml\n"), "{told}");
        assert!(told.contains("left   config/examples/a.yaml: another file"), "{told}");
    }

    #[test]
    fn the_template_of_init_has_no_other_parameters() {
        // Both are pipelines for layers: one who knows the one knows the other.
        let params = |text: &str| -> BTreeSet<String> {
            let inside = text.lines().skip_while(|line| *line != "params:").take_while(|line| !line.is_empty());
            inside.filter_map(|line| line.trim().split_once(": {").map(|(name, _)| name.to_owned())).collect()
        };
        assert!(params(LAYERS).is_subset(&params(PIPELINE)));
    }
}
