//! What a pipeline needs to know of the files beside it, read once and remembered for the proof.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::base::code;
use crate::base::diag::{Diagnostic, SourceMap, Span};
use crate::base::suggest;
use crate::graph::kinds::Surroundings;
use crate::graph::node::{Pin, Resolve, Source};
use crate::outside::git::{LocationContext, SourceLocation};
use crate::project::last_release::{self, LastRelease};
use crate::project::lock::Lock;
use crate::project::params::Sets;
use crate::spec::config::{DependenciesFile, DistributionsFile, RegionsFile, SettingsFile};
use crate::spec::value::Texts;
use crate::spec::yaml::{Limits, parse, read};

/// Reads files of a project for the graph.
pub struct Around<'a> {
    root: &'a Path,
    lock: &'a Lock,
    sets: &'a Sets,
    layers_must_start: bool,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    sources: SourceMap,
    /// Files read, relative to the root; absent ones too.
    read: Vec<String>,
    distributions: BTreeMap<String, Found<DistributionsFile>>,
    dependencies: BTreeMap<String, Found<BTreeMap<String, Vec<String>>>>,
    regions: Option<Found<RegionsFile>>,
    settings: Option<Found<SettingsFile>>,
    last_release: LastRelease,
    /// Problems of those files, told once.
    problems: Vec<Diagnostic>,
}

/// A file that was looked for.
#[derive(Debug)]
pub enum Found<T> {
    /// It is not there.
    Absent,
    /// It has problems, which are kept: what follows from them is not told as well.
    Broken,
    /// What it says.
    Read(T),
}

impl<T> Found<T> {
    /// What it says, if that is known.
    pub fn as_ref(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Absent | Self::Broken => None,
        }
    }
}

const WRAPPER: &str = "the names of distributions stand at the top of the file: take the line `distributions:` out";

/// What was read.
pub struct ReadAround {
    /// All texts so far.
    pub sources: SourceMap,
    /// Files read, relative to the root; absent ones too.
    pub read: Vec<String>,
    /// The distributions files, by path.
    pub distributions: BTreeMap<String, DistributionsFile>,
    /// What is wrong with any of them.
    pub problems: Vec<Diagnostic>,
}

/// The file of distributions that is taken unless a node names one.
pub const DISTRIBUTIONS: &str = "config/distributions.yaml";
/// The module map that is taken unless a node names one.
pub const DEPENDENCIES: &str = "config/component_dependencies.yaml";
/// Settings that change no result.
pub const SETTINGS: &str = "config/ocelot.yaml";
/// Facts about regions.
pub const REGIONS: &str = "config/regions.yaml";

impl<'a> Around<'a> {
    /// Starts with the sources read so far.
    pub fn new(root: &'a Path, lock: &'a Lock, sets: &'a Sets, layers_must_start: bool, sources: SourceMap) -> Self {
        Self { root, lock, sets, layers_must_start, inner: RefCell::new(Inner { sources, ..Inner::default() }) }
    }

    /// Notes a file that was read for the graph elsewhere.
    pub fn note_read(&self, path: &str) {
        self.inner.borrow_mut().read.push(path.to_owned());
    }

    /// Gives back what was read.
    pub fn finish(self) -> ReadAround {
        let Inner { sources, read, distributions, problems, .. } = self.inner.into_inner();
        let whole = |(path, found)| match found {
            Found::Read(file) => Some((path, file)),
            Found::Absent | Found::Broken => None,
        };
        ReadAround { sources, read, distributions: distributions.into_iter().filter_map(whole).collect(), problems }
    }

    /// Names of a distributions file.
    pub fn distribution_names(&self, file: &str) -> Found<Vec<String>> {
        self.load_distributions(file);
        match &self.inner.borrow().distributions[file] {
            Found::Absent => Found::Absent,
            Found::Broken => Found::Broken,
            Found::Read(file) => Found::Read(file.0.keys().cloned().collect()),
        }
    }

    /// The facts about regions, if there is a file.
    pub fn with_regions<T>(&self, use_it: impl FnOnce(Option<&RegionsFile>) -> T) -> T {
        {
            let mut inner = self.inner.borrow_mut();
            if inner.regions.is_none() {
                let file = inner.read_yaml(self.root, REGIONS);
                inner.regions = Some(file);
            }
        }
        use_it(self.inner.borrow().regions.as_ref().and_then(Found::as_ref))
    }

    /// Reads every file of `config/`, and every collector config that a distribution names, whether the pipeline uses
    /// it or not; their problems are kept.
    pub fn read_everything(&self) {
        self.load_distributions(DISTRIBUTIONS);
        self.with_regions(|_| ());
        self.load_settings();
        // Only the file itself is asked for here: that it may be absent is no problem.
        self.dependencies(None, Span::default()).ok();
        let mut inner = self.inner.borrow_mut();
        let settings = inner.settings.as_ref().and_then(Found::as_ref);
        let mut problems = settings.map(SettingsFile::problems).unwrap_or_default();
        problems.extend(inner.regions.iter().filter_map(Found::as_ref).flat_map(RegionsFile::problems));
        // Each once: bases hand theirs down.
        let mut configs: BTreeSet<(String, Span)> = BTreeSet::new();
        for file in inner.distributions.values().filter_map(Found::as_ref) {
            problems.extend(file.problems());
            let folded = file.0.keys().filter_map(|name| file.resolve(name, Span::default()).ok());
            configs.extend(
                folded.flat_map(|folded| folded.config_file.zip(folded.config_span).into_iter().chain(folded.examples)),
            );
        }
        let mut last = None;
        for (config, at) in configs {
            if self.root.join(&config).is_file() {
                if last.as_ref() != Some(&config) {
                    inner.read_config(self.root, &config);
                }
                last = Some(config);
            } else {
                problems.push(missing_config(&config, at));
            }
        }
        inner.problems.extend(problems);
    }

    /// Budgets are wanted wherever there are layers; whatever else is wrong with the settings is told by those who want it.
    fn load_settings(&self) {
        let mut inner = self.inner.borrow_mut();
        if inner.settings.is_none() {
            let file: Found<SettingsFile> = inner.read_yaml(self.root, SETTINGS);
            inner.problems.extend(file.as_ref().map(|file| file.budgets.problems()).unwrap_or_default());
            if let Some(named) = file.as_ref().and_then(|file| file.budgets.last_release.as_ref()) {
                inner.read.push(named.value.clone());
                match last_release::read(self.root, named) {
                    Ok(layers) => inner.last_release = layers,
                    Err(problem) => inner.problems.push(problem),
                }
            }
            inner.settings = Some(file);
        }
    }

    fn load_distributions(&self, file: &str) {
        let inner = &mut *self.inner.borrow_mut();
        if !inner.distributions.contains_key(file) {
            let before = inner.problems.len();
            let read = inner.read_yaml(self.root, file);
            let wrapper = |problem: &&mut Diagnostic| {
                let text = problem.span().and_then(|at| inner.sources.get(at.source)).map_or("", |source| &source.text);
                problem.help.is_empty() && text.lines().any(|line| line.trim_end() == "distributions:")
            };
            if let Some(problem) = inner.problems[before..].first_mut().filter(wrapper) {
                problem.help.push(WRAPPER.to_owned());
            }
            inner.distributions.insert(file.to_owned(), read);
        }
    }
}

impl Inner {
    /// Reads a file; its problems are kept.
    fn read_yaml<T: serde::de::DeserializeOwned>(&mut self, root: &Path, name: &str) -> Found<T> {
        self.read.push(name.to_owned());
        let bytes = match std::fs::read(root.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::Absent,
            Err(error) => {
                self.problems
                    .push(Diagnostic::error(code::UNREADABLE_CONFIG, format!("cannot read `{name}`: {error}")));
                return Found::Broken;
            }
        };
        let value = match self.sources.add_bytes(name, bytes) {
            Ok(source) => {
                let text = self.sources.get(source).map(|source| source.text.clone()).unwrap_or_default();
                read(source, &text, &Limits::default(), &mut self.problems)
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        };
        value.map_or(Found::Broken, Found::Read)
    }
}

impl Inner {
    /// Reads a collector config: what it means is the collector's business, but it has to be YAML.
    fn read_config(&mut self, root: &Path, name: &str) {
        let Ok(bytes) = std::fs::read(root.join(name)) else { return };
        match self.sources.add_bytes(name, bytes) {
            Ok(source) => {
                let text = self.sources.get(source).map(|source| source.text.clone()).unwrap_or_default();
                parse(source, &text, &Limits::default(), &mut self.problems);
            }
            Err(problem) => self.problems.push(problem),
        }
    }
}

fn missing_config(config: &str, at: Span) -> Diagnostic {
    Diagnostic::error(code::MISSING_CONFIG, format!("the collector config `{config}` does not exist"))
        .label(at, "no such file")
        .help("a bare name is a file of config/examples")
}

impl Surroundings for Around<'_> {
    fn layers_must_start(&self) -> bool {
        self.layers_must_start
    }

    fn source(&self, repo: &str, reference: &str, paths: &[String], at: Span) -> Result<Source, Diagnostic> {
        // `file://` is a remote only if the person who runs the command said so.
        let given = self.sets.get("upstream-repo").is_some_and(|values| values.iter().any(|value| value == repo));
        let context = LocationContext { project_root: self.root, allow_file_url: given };
        let location = SourceLocation::parse(repo, context).map_err(|error| {
            Diagnostic::error(code::SOURCE_LOCATION, error.to_string())
                .label(at, "no source can be taken from here")
                .help("a source is `owner/name` on GitHub, a URL such as `https://...`, or a folder: `./path`")
        })?;
        let shown = |path: &Path| match path.strip_prefix(self.root) {
            Ok(inside) if !inside.as_os_str().is_empty() => inside.to_string_lossy().into_owned(),
            _ => path.to_string_lossy().into_owned(),
        };
        Ok(match location {
            SourceLocation::Repository(path) => Source::Local(shown(&path)),
            SourceLocation::Directory(path) => Source::Plain(shown(&path)),
            SourceLocation::Remote(url) => {
                let known = self
                    .lock
                    .file
                    .source(repo, reference, paths)
                    .or_else(|| self.lock.local.source(repo, reference, paths));
                let pin = known.map(|source| Pin {
                    commit: source.commit.clone(),
                    tree: source.tree.clone(),
                    date: source.date.clone(),
                    branch: source.branch,
                });
                Source::Remote { url: url.as_str().to_owned(), pin }
            }
        })
    }

    fn distribution(&self, file: &str, file_at: Span, name: &str, at: Span) -> Result<Resolve, Diagnostic> {
        self.load_distributions(file);
        self.load_settings();
        let inner = self.inner.borrow();
        let distributions = match &inner.distributions[file] {
            Found::Read(distributions) => distributions,
            // The file's own problems end the load; whatever stands here is not used.
            Found::Broken => return Ok(Resolve { distribution: name.to_owned(), ..Resolve::default() }),
            Found::Absent => {
                return Err(Diagnostic::error(
                    code::MISSING_CONFIG,
                    format!("the distributions file `{file}` does not exist"),
                )
                .label(file_at, "needed for this distribution")
                .help("create it, or name another one with `distributions:` of the `resolve` node"));
            }
        };
        let folded = distributions.resolve(name, at)?;
        if let Some(config) = &folded.config_file
            && !self.root.join(config).is_file()
        {
            return Err(missing_config(config, folded.config_span.unwrap_or(at)));
        }
        if let Some((config, at)) = folded.examples.iter().find(|(config, _)| !self.root.join(config).is_file()) {
            return Err(missing_config(config, *at));
        }
        let budgets = inner.settings.as_ref().and_then(Found::as_ref).map(|settings| &settings.budgets);
        let known = distributions.0.keys().map(String::as_str);
        let unknown = budgets.filter(|_| file == DISTRIBUTIONS).and_then(|budgets| budgets.unknown(known));
        if let Some(problem) = unknown {
            return Err(problem);
        }
        let mut budgets = budgets.map(|budgets| budgets.of(name)).unwrap_or_default();
        budgets.last = inner.last_release.get(name).cloned().unwrap_or_default();
        Ok(Resolve {
            distribution: name.to_owned(),
            description: folded.description,
            tags: folded.tags,
            config_file: folded.config_file,
            smoke: folded.smoke,
            budgets,
            components: None,
            output: None,
        })
    }

    fn dependencies(&self, file: Option<&str>, at: Span) -> Result<BTreeMap<String, Vec<String>>, Diagnostic> {
        let name = file.unwrap_or(DEPENDENCIES);
        let mut inner = self.inner.borrow_mut();
        if !inner.dependencies.contains_key(name) {
            let found = match inner.read_yaml::<DependenciesFile>(self.root, name) {
                Found::Read(map) => {
                    let list = |texts: Texts| texts.items.into_iter().map(|text| text.value).collect();
                    Found::Read(map.dependencies.into_iter().map(|(tag, modules)| (tag, list(modules))).collect())
                }
                // Without a file of its own an overlay simply adds no modules; naming one that is absent is a mistake.
                Found::Absent if file.is_none() => Found::Read(BTreeMap::new()),
                Found::Absent => Found::Absent,
                Found::Broken => Found::Broken,
            };
            inner.dependencies.insert(name.to_owned(), found);
        }
        match &inner.dependencies[name] {
            Found::Read(map) => Ok(map.clone()),
            Found::Broken => Ok(BTreeMap::new()),
            Found::Absent => {
                Err(Diagnostic::error(code::MISSING_CONFIG, format!("the module map `{name}` does not exist"))
                    .label(at, "needed by this node")
                    .help("create it, or correct the path"))
            }
        }
    }

    fn region(&self, name: &str, at: Span) -> Result<(), Diagnostic> {
        self.with_regions(|regions| match regions {
            Some(file) if !file.regions.contains_key(name) => {
                Err(Diagnostic::error(code::UNKNOWN_REGION, format!("unknown region `{name}`"))
                    .label(at, format!("not in {REGIONS}"))
                    .did_you_mean(suggest::closest(name, file.regions.keys().map(String::as_str))))
            }
            _ => Ok(()),
        })
    }
}
