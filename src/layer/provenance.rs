//! Where a layer came from, as an in-toto Statement v1 with the predicate SLSA provenance v1.
//!
//! The same layer made from the same inputs has the same statement: nothing in it is a time, a host or a path of a machine.
//! Sources: the `statement` page of the in-toto attestation framework, and slsa.dev/spec/v1.0/provenance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::layer::deflate::Recipe;
use crate::layer::hashes::Sha256Sum;

/// The output of a node that holds a statement.
pub const OUTPUT: &str = "provenance";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What the members of `externalParameters` and `internalParameters` mean; another meaning gets another number.
const BUILD_TYPE: &str = "https://github.com/ocelot-build/ocelot/layer/v1";
const BUILDER: &str = "https://github.com/ocelot-build/ocelot";
/// Names of dependencies that are no file of the project.
const SOURCES: &str = "sources";
const TOOLCHAIN: &str = "go";

/// The whole document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// The layer zip.
    pub subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// How it was made.
    pub predicate: Predicate,
}

/// How a layer was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    /// From what.
    pub build_definition: BuildDefinition,
    /// By whom.
    pub run_details: RunDetails,
}

/// From what, and with what settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    build_type: String,
    /// What a person chose.
    pub external_parameters: External,
    /// What follows from that.
    pub internal_parameters: Internal,
    /// Everything that the bytes depend on.
    pub resolved_dependencies: Vec<Resource>,
}

/// What a person chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// From `config/distributions.yaml`.
    pub distribution: String,
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// Sorted.
    pub build_tags: Vec<String>,
    /// Absent for sources of the machine it was built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
}

/// What a person called the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceName {
    /// The repository's URL.
    pub repository: String,
    /// Branch, tag or commit.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// What follows from the parameters and the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Internal {
    /// With its `v`.
    pub collector_version: String,
    /// The one Go command.
    pub go_command: GoCommand,
    /// How the zip was written.
    pub zip_recipe: ZipRecipe,
    /// The digest of the action that packed it. What came before is in it by content: binary, configuration, and all that
    /// stands beside it here. The digests of those actions are not, or a node that ran again and made the same would have
    /// everything below it run again.
    pub action: String,
}

/// The one `go build`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoCommand {
    /// After `go`; the output is called `collector`.
    pub arguments: Vec<String>,
    /// What is set for it.
    pub environment: BTreeMap<String, String>,
}

impl GoCommand {
    /// One line of JSON, to be passed from node to node.
    pub fn to_fact(&self) -> String {
        serde_json::to_string(self).expect("BUG: texts always encode")
    }

    /// Reads [`Self::to_fact`] back.
    pub fn of_fact(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// How a zip was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZipRecipe {
    /// As `ocelot.lock` names it.
    pub number: u32,
    /// The encoder and its exact version.
    pub encoder: String,
    /// Of zlib.
    pub level: i32,
    /// Bytes.
    pub block_size: usize,
}

/// By whom, and what came out on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    /// The program.
    pub builder: Builder,
    /// The compiled extension: tells a difference of the binary from one of the zip.
    pub byproducts: Vec<Resource>,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    id: String,
    /// By name.
    pub version: BTreeMap<String, String>,
}

/// A thing with a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// What it is here.
    pub name: String,
    /// Where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// By algorithm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
}

/// What is known of a layer when it has been packed.
#[derive(Clone, Debug)]
pub struct Made<'m> {
    /// What a person chose.
    pub external: External,
    /// With its `v`.
    pub collector_version: &'m str,
    /// The commit of the sources; of a plain folder, the digest of its files.
    pub commit: &'m str,
    /// The git tree of the wanted paths; empty for a plain folder.
    pub source_tree: &'m str,
    /// What was read of the project and of the module files: name and SHA-256.
    pub files: Vec<(String, Sha256Sum)>,
    /// `go1.26.8`.
    pub go: &'m str,
    /// The command that was run.
    pub go_command: GoCommand,
    /// Of the zip.
    pub recipe: Recipe,
    /// The digest of the action that packs it.
    pub action: String,
    /// The version of this program.
    pub ocelot: &'m str,
    /// The compiled extension.
    pub binary: Sha256Sum,
    /// The layer.
    pub zip: Sha256Sum,
}

impl Statement {
    /// The statement about a layer.
    pub fn of(made: Made<'_>) -> Self {
        let name = format!("{}.zip", layer_name(&made.external.architecture, &made.external.distribution));
        let mut dependencies = vec![sources(&made)];
        dependencies.push(Resource {
            name: TOOLCHAIN.to_owned(),
            uri: Some(format!("pkg:golang/stdlib@{}", made.go.trim_start_matches("go"))),
            digest: BTreeMap::new(),
        });
        dependencies.extend(made.files.iter().map(|(name, sum)| Resource::sha256(name, sum)));
        let internal_parameters = Internal {
            collector_version: made.collector_version.to_owned(),
            go_command: made.go_command,
            zip_recipe: ZipRecipe {
                number: made.recipe.number,
                encoder: made.recipe.encoder.to_owned(),
                level: made.recipe.level,
                block_size: made.recipe.block_size,
            },
            action: made.action,
        };
        let builder =
            Builder { id: BUILDER.to_owned(), version: [("ocelot".to_owned(), made.ocelot.to_owned())].into() };
        Self {
            kind: STATEMENT.to_owned(),
            subject: vec![Resource::sha256(&name, &made.zip)],
            predicate_type: PREDICATE.to_owned(),
            predicate: Predicate {
                build_definition: BuildDefinition {
                    build_type: BUILD_TYPE.to_owned(),
                    external_parameters: made.external,
                    internal_parameters,
                    resolved_dependencies: dependencies,
                },
                run_details: RunDetails {
                    builder,
                    byproducts: vec![Resource::sha256("extensions/collector", &made.binary)],
                },
            },
        }
    }

    /// Reads a statement.
    ///
    /// # Errors
    /// If it is none of ours; the text says why.
    pub fn read(text: &str) -> Result<Self, String> {
        let statement: Self =
            serde_json::from_str(text).map_err(|error| format!("no provenance of a layer: {error}"))?;
        let held = [&statement.kind, &statement.predicate_type, &statement.predicate.build_definition.build_type];
        if let Some((held, wanted)) = held.into_iter().zip([STATEMENT, PREDICATE, BUILD_TYPE]).find(|(a, b)| a != b) {
            return Err(format!("it says `{held}` where a provenance of a layer says `{wanted}`"));
        }
        Ok(statement)
    }

    /// Indented JSON with a newline at its end.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("BUG: text and numbers always encode");
        text.push('\n');
        text
    }

    /// The SHA-256 of the layer, as hexadecimal digits.
    pub fn layer(&self) -> &str {
        self.subject.first().and_then(|layer| layer.digest.get("sha256")).map_or("", String::as_str)
    }
}

/// The stem of every file about a layer.
pub fn layer_name(arch: &str, distribution: &str) -> String {
    format!("collector-{arch}-{distribution}")
}

fn sources(made: &Made<'_>) -> Resource {
    let mut digest = BTreeMap::new();
    if made.source_tree.is_empty() {
        digest.insert("ocelotFolder".to_owned(), made.commit.to_owned());
    } else {
        digest.insert("gitCommit".to_owned(), made.commit.to_owned());
        digest.insert("gitTree".to_owned(), made.source_tree.to_owned());
    }
    let uri = made.external.source.as_ref().map(|source| format!("git+{}@{}", source.repository, source.reference));
    Resource { name: SOURCES.to_owned(), uri, digest }
}

impl Resource {
    fn sha256(name: &str, sum: &Sha256Sum) -> Self {
        Self { name: name.to_owned(), uri: None, digest: [("sha256".to_owned(), sum.to_hex())].into() }
    }

    /// What it is, for comparing and for people. A commit is the same wherever it was fetched: its address is not compared.
    fn compared(&self) -> String {
        let address = self.uri.iter().filter(|_| self.digest.is_empty()).cloned();
        let digests = self.digest.iter().map(|(algorithm, value)| format!("{algorithm} {value}"));
        address.chain(digests).collect::<Vec<_>>().join(", ")
    }
}

/// An input that was another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub input: String,
    /// What the provenance says; empty if it has none.
    pub then: String,
    /// What the rebuild had; empty if it had none.
    pub now: String,
}

/// The inputs in which two statements differ, those first from which others follow. Action digests, which follow from the
/// rest, and the version of this program, which need not change a byte, are not among them.
pub fn differences(then: &Statement, now: &Statement) -> Vec<Difference> {
    let (before, after) = (&then.predicate.build_definition, &now.predicate.build_definition);
    let mut found = Vec::new();
    let mut compare = |input: &str, then: String, now: String| {
        if then != now {
            found.push(Difference { input: input.to_owned(), then, now });
        }
    };
    let (one, two) = (&before.external_parameters, &after.external_parameters);
    compare("distribution", one.distribution.clone(), two.distribution.clone());
    compare("architecture", one.architecture.clone(), two.architecture.clone());
    let resources = |definition: &BuildDefinition| -> BTreeMap<String, String> {
        let shown =
            definition.resolved_dependencies.iter().map(|resource| (resource.name.clone(), resource.compared()));
        shown.collect()
    };
    let (held, made) = (resources(before), resources(after));
    let shown = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned().unwrap_or_default();
    for (name, input) in [(SOURCES, "commit of the sources"), (TOOLCHAIN, "Go toolchain")] {
        compare(input, shown(&held, name), shown(&made, name));
    }
    for tag in one.build_tags.iter().filter(|tag| !two.build_tags.contains(tag)) {
        compare("build tag", tag.clone(), String::new());
    }
    for tag in two.build_tags.iter().filter(|tag| !one.build_tags.contains(tag)) {
        compare("build tag", String::new(), tag.clone());
    }
    let mut names: Vec<&String> =
        held.keys().chain(made.keys()).filter(|name| ![SOURCES, TOOLCHAIN].contains(&name.as_str())).collect();
    names.sort();
    names.dedup();
    for name in names {
        compare(name, shown(&held, name), shown(&made, name));
    }
    let (one, two) = (&before.internal_parameters, &after.internal_parameters);
    compare("collector version", one.collector_version.clone(), two.collector_version.clone());
    compare("Go flags", before.flags(), after.flags());
    let environment = |internal: &Internal| {
        let set = internal.go_command.environment.iter().filter(|(name, _)| name.as_str() != "GOTOOLCHAIN");
        set.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    compare("Go environment", environment(one), environment(two));
    let recipe = |internal: &Internal| {
        let ZipRecipe { number, encoder, level, block_size } = &internal.zip_recipe;
        format!("{number} ({encoder}, level {level}, blocks of {block_size} bytes)")
    };
    compare("zip recipe", recipe(one), recipe(two));
    found
}

impl BuildDefinition {
    /// The arguments of Go without what is compared by itself: commit, version and tags.
    fn flags(&self) -> String {
        let commit = self.resolved_dependencies.iter().filter(|resource| resource.name == SOURCES);
        let commit = commit.flat_map(|sources| sources.digest.values().cloned());
        let tags = self.external_parameters.build_tags.join(",");
        let mut named: Vec<(String, &str)> = commit.map(|commit| (commit, "COMMIT")).collect();
        named.push((tags, "TAGS"));
        named.push((self.internal_parameters.collector_version.clone(), "VERSION"));
        let flags = self.internal_parameters.go_command.arguments.join(" ");
        named
            .iter()
            .filter(|(value, _)| !value.is_empty())
            .fold(flags, |flags, (value, name)| flags.replace(value, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn made() -> Made<'static> {
        let arguments =
            ["build", "-tags", "a,b", "-ldflags", "-X main.GitHash=0123456789abcdef0123456789abcdef01234567"];
        Made {
            external: External {
                distribution: "minimal".into(),
                architecture: "arm64".into(),
                build_tags: vec!["a".into(), "b".into()],
                source: Some(SourceName { repository: "https://example.org/o/n".into(), reference: "v1".into() }),
            },
            collector_version: "v0.145.0",
            commit: COMMIT,
            source_tree: "89abcdef0123456789abcdef0123456789abcdef",
            files: vec![("config/components/a.go".into(), Sha256Sum::of(b"a")), ("go.mod".into(), Sha256Sum::of(b"m"))],
            go: "go1.26.8",
            go_command: GoCommand {
                arguments: arguments.map(str::to_owned).into(),
                environment: [("GOTOOLCHAIN", "go1.26.8"), ("CGO_ENABLED", "0")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
            },
            recipe: Recipe::CURRENT,
            action: "0e".into(),
            ocelot: "0.1.0",
            binary: Sha256Sum::of(b"binary"),
            zip: Sha256Sum::of(b"zip"),
        }
    }

    /// What `differences` says of a layer that was made otherwise, as `input: then > now`.
    fn changed(change: impl FnOnce(&mut Made<'static>)) -> Vec<String> {
        let mut other = made();
        change(&mut other);
        let found = differences(&Statement::of(made()), &Statement::of(other));
        found.iter().map(|found| format!("{}: {} > {}", found.input, found.then, found.now)).collect()
    }

    #[test]
    fn it_is_a_statement_of_in_toto_with_a_predicate_of_slsa() {
        let text = Statement::of(made()).text();
        assert_eq!(text, Statement::of(made()).text(), "the same bytes each time");
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(json["predicateType"], "https://slsa.dev/provenance/v1");
        assert_eq!(json["subject"][0]["name"], "collector-arm64-minimal.zip");
        assert_eq!(json["subject"][0]["digest"]["sha256"], Sha256Sum::of(b"zip").to_hex());
        let definition = &json["predicate"]["buildDefinition"];
        assert_eq!(definition["externalParameters"]["source"]["ref"], "v1");
        let sources = &definition["resolvedDependencies"][0];
        assert_eq!(sources["uri"], "git+https://example.org/o/n@v1");
        assert_eq!(sources["digest"]["gitCommit"], COMMIT);
        assert_eq!(definition["resolvedDependencies"][1]["uri"], "pkg:golang/stdlib@1.26.8");
        assert_eq!(definition["internalParameters"]["zipRecipe"]["number"], Recipe::CURRENT.number);
        assert_eq!(json["predicate"]["runDetails"]["builder"]["version"]["ocelot"], "0.1.0");
        assert_eq!(Statement::read(&text).unwrap(), Statement::of(made()));
    }

    #[test]
    fn what_is_no_provenance_of_a_layer_is_refused() {
        let text = Statement::of(made()).text();
        assert!(Statement::read("{}").unwrap_err().starts_with("no provenance of a layer: "));
        for (from, to) in [(STATEMENT, "x"), (PREDICATE, "y"), (BUILD_TYPE, "z")] {
            let error = Statement::read(&text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(&format!("`{to}`")), "{error}");
        }
    }

    #[test]
    fn every_input_that_differs_is_named_once() {
        assert_eq!(changed(|_| {}), <[&str; 0]>::default());
        let other = "89abcdef0123456789abcdef0123456789abcdef";
        let found = changed(|made| {
            made.commit = other;
            made.go_command.arguments[4] = format!("-X main.GitHash={other}");
        });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("commit of the sources: gitCommit 0123456789ab"), "{found:?}");
        let found = changed(|made| {
            made.go = "go1.26.9";
            made.go_command.environment.insert("GOTOOLCHAIN".into(), "go1.26.9".into());
        });
        assert_eq!(found, ["Go toolchain: pkg:golang/stdlib@1.26.8 > pkg:golang/stdlib@1.26.9"]);
        let found = changed(|made| {
            made.external.build_tags = vec!["a".into(), "c".into()];
            made.go_command.arguments[2] = "a,c".into();
        });
        assert_eq!(found, ["build tag: b > ", "build tag:  > c"]);
        let found = changed(|made| made.files[0].1 = Sha256Sum::of(b"b"));
        assert!(found.len() == 1 && found[0].starts_with("config/components/a.go: sha256 "), "{found:?}");
        let found = changed(|made| drop(made.files.remove(0)));
        assert!(found.len() == 1 && found[0].ends_with(" > "), "{found:?}");
        let found = changed(|made| made.go_command.arguments.push("-race".into()));
        assert!(found.len() == 1 && found[0].starts_with("Go flags: ") && found[0].ends_with("-race"), "{found:?}");
        let found = changed(|made| drop(made.go_command.environment.insert("CGO_ENABLED".into(), "1".into())));
        assert_eq!(found, ["Go environment: CGO_ENABLED=0 > CGO_ENABLED=1"]);
        let found = changed(|made| made.recipe.level = 6);
        assert!(found[0].starts_with("zip recipe: 1 (zlib-rs"), "{found:?}");
        // What needs not change a byte.
        let found = changed(|made| {
            made.ocelot = "9.0.0";
            made.action.clear();
            made.external.source = None;
        });
        assert_eq!(found, <[&str; 0]>::default());
    }
}
