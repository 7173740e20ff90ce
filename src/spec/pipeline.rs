//! A pipeline file exactly as written: the types that are read, checked and described by the JSON Schema.
//!
//! Nothing is expanded here. Values keep the place they were read from, for every later error.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::spec::value::{Duration, Reference, References, Text, Texts};

/// One pipeline file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Ocelot pipeline")]
pub struct PipelineFile {
    /// Name shown to people.
    pub name: Option<Text>,
    /// Free text.
    pub description: Option<Text>,
    /// Parameters, set with `--set NAME=VALUE` or by the flag of `ocelot build` of the same name.
    #[serde(default)]
    pub params: IndexMap<String, ParamFile>,
    /// Targets of a run that names none; absent means every node.
    #[serde(default)]
    pub default: Texts,
    /// Further pipeline files, relative to the project root, whose params, pools and nodes are added.
    #[serde(default)]
    pub include: Texts,
    /// Named limits: how many nodes of a pool run at once.
    #[serde(default)]
    pub pools: IndexMap<String, u32>,
    /// The nodes by name.
    #[serde(default)]
    pub nodes: IndexMap<String, NodeFile>,
}

/// A parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ParamFile {
    /// Its value unless set; a list makes it usable as an axis. `session` (with `choices: regions`) is the region of
    /// the environment.
    pub default: Texts,
    /// What it may be: a list, or `distributions` or `regions` for the names in `config/`.
    #[serde(default)]
    pub choices: Texts,
    /// Free text.
    pub description: Option<Text>,
}

/// A node: exactly one kind, and the fields that all kinds share.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NodeFile {
    /// One instance per combination of these list parameters.
    #[serde(rename = "for")]
    pub axes: Texts,
    /// Nodes that must have succeeded first; nothing of them enters the digest.
    pub after: Vec<Reference>,
    /// The pool that limits it.
    pub pool: Option<Text>,
    /// Limit on each attempt: `90s`, `10m`, `1h`, or a number of seconds.
    pub timeout: Option<Duration>,
    /// Further attempts after a failure, with growing pauses.
    pub retries: Option<u32>,
    /// A boolean parameter; false means that the node has no instance in the run.
    pub when: Option<Text>,
    /// Free text.
    pub description: Option<Text>,

    /// Runs a command.
    pub exec: Option<Box<ExecFile>>,
    /// Takes sources from a repository or directory at one commit.
    pub clone: Option<Box<CloneFile>>,
    /// Turns a distribution into build tags, components and versions.
    pub resolve: Option<Box<ResolveFile>>,
    /// Lays the selected component files over a source tree.
    pub overlay: Option<Box<OverlayFile>>,
    /// Compiles the collector for one architecture.
    pub build: Option<Box<BuildFile>>,
    /// Makes the layer zip, byte-reproducible.
    pub package: Option<Box<PackageFile>>,
    /// Proves a layer before it ships.
    pub check: Option<Box<CheckFile>>,
    /// Publishes one layer in one region.
    pub publish: Option<Box<PublishFile>>,
    /// Writes files that show results.
    pub report: Option<Box<ReportFile>>,
    /// Creates or updates a GitHub Release.
    pub release: Option<Box<ReleaseFile>>,
    /// Names a set of targets; does nothing itself.
    pub group: Option<Vec<Reference>>,
}

/// `exec`: any command.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExecFile {
    /// Program and arguments. There is no shell unless the program is one.
    pub command: Vec<Text>,
    /// Files, folders and globs that the command reads; `!` excludes.
    #[serde(default)]
    pub inputs: Texts,
    /// Files that the command writes; directories end in `/`.
    #[serde(default)]
    pub outputs: Texts,
    /// The output that receives standard output.
    pub stdout: Option<Text>,
    /// Environment variables with their values.
    #[serde(default)]
    pub env: IndexMap<String, Text>,
    /// Variables taken from the caller; their values enter the digest.
    #[serde(default)]
    pub pass_env: Texts,
    /// Variables taken from the caller whose values are secret: only the names enter the digest.
    #[serde(default)]
    pub secret_env: Texts,
    /// Further programs that the command uses, keyed by content.
    #[serde(default)]
    pub tools: Texts,
    /// Working directory, relative to the project root.
    pub dir: Option<Text>,
    /// Make-style dependency file that the command writes.
    pub depfile: Option<Text>,
    /// `pure` (default), `volatile` (runs every time) or `effect` (changes the world).
    #[serde(default)]
    pub class: ExecClass,
    /// Run in a fresh directory that has only the declared inputs.
    #[serde(default)]
    pub sandbox: bool,
}

/// The class of an `exec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExecClass {
    /// A function of its inputs.
    #[default]
    Pure,
    /// Runs every time; dependents rerun only if its outputs changed.
    Volatile,
    /// Changes the world; runs once per digest.
    Effect,
}

/// `clone`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CloneFile {
    /// `owner/name` on GitHub, a URL, a local repository or a plain directory.
    pub repo: Text,
    /// Branch, tag, or full or short commit id; not used for a plain directory.
    #[serde(rename = "ref")]
    pub reference: Option<Text>,
    /// The only paths wanted; absent means everything.
    #[serde(default)]
    pub paths: Texts,
    /// Keep the sources in this folder of the project (ends in `/`).
    pub output: Option<Text>,
}

/// `resolve`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResolveFile {
    /// The `clone` node whose build constraints the tags are checked against.
    pub source: Reference,
    /// The distribution's name.
    pub distribution: Text,
    /// The file that defines it; `config/distributions.yaml` unless given.
    pub distributions: Option<Text>,
    /// The folder of component files whose tags are valid too; as in the `overlay` node.
    pub components: Option<Text>,
    /// Keep the chosen collector config at this path.
    pub output: Option<Text>,
}

/// `overlay`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OverlayFile {
    /// The `clone` node.
    pub source: Reference,
    /// The `resolve` node whose tags select the files.
    pub resolution: Reference,
    /// Folder of component files, in the tree's own layout.
    pub components: Option<Text>,
    /// Module map; `config/component_dependencies.yaml` unless given.
    pub dependencies: Option<Text>,
    /// Keep the tree in this folder of the project (ends in `/`).
    pub output: Option<Text>,
}

/// `build`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildFile {
    /// The `overlay` node.
    pub tree: Reference,
    /// `amd64` or `arm64`.
    pub arch: Text,
    /// Keep the binary at this path.
    pub output: Option<Text>,
}

/// `package`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageFile {
    /// The `build` node.
    pub binary: Reference,
    /// The `resolve` node whose collector config is packed.
    pub config: Reference,
    /// Keep the zip at this path, with its checksum in `<path>.sha256`.
    pub output: Option<Text>,
}

/// `check`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CheckFile {
    /// The `package` node.
    pub layer: Reference,
    /// Whether a layer that could not be started is refused: `required` or `optional` (default).
    pub smoke: Option<Text>,
}

/// `publish`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PublishFile {
    /// The `check` or `package` node.
    pub layer: Reference,
    /// The region to publish in.
    pub region: Text,
    /// Base of the layer's name.
    pub name: Text,
    /// Release group; `local` unless given.
    pub group: Option<Text>,
    /// Version in the layer's name; empty means the collector's.
    pub version: Option<Text>,
    /// Compatible runtimes, at most 15.
    #[serde(default)]
    pub runtimes: Texts,
    /// Whether everybody may use the layer.
    pub public: Option<Text>,
    /// Accounts that may use the layer, each as its 12 digits in quotes.
    #[serde(default)]
    pub accounts: Texts,
    /// Organisations whose accounts may use the layer, for example `o-a1b2c3d4e5`.
    #[serde(default)]
    pub organizations: Texts,
    /// `aws` (default), or `directory:PATH`.
    pub registry: Option<Text>,
    /// SPDX licence expression; `Apache-2.0` unless given.
    pub license: Option<Text>,
    /// A DynamoDB table for a row of each version in AWS, as `NAME@REGION`; none unless given.
    pub table: Option<Text>,
}

/// `report`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReportFile {
    /// Nodes to show; a failed one is shown as failed.
    pub of: References,
    /// `markdown`, `json`, `index`, `csv`, `terraform`, `cdk`, `cloudformation`, `notes`, `html`.
    pub formats: Texts,
    /// Folder for the files (ends in `/`).
    pub output: Text,
}

/// `release`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReleaseFile {
    /// The `publish` nodes it lists.
    pub of: References,
    /// Nodes whose files it has: layers with checksums and SBOMs, reports.
    pub assets: References,
    /// The `report` nodes whose forms of the index it has too, over all that it offers.
    pub notes: References,
    /// `owner/name`; the repository that runs unless given.
    pub repo: Option<Text>,
}
