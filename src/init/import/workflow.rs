//! What the workflows of the original have as literals: regions, runtimes, the layer's name, the sources.

use crate::init::import::edits::tree;
use crate::spec::yaml::Tree;

/// Lambda takes no more for one layer.
const MOST_RUNTIMES: usize = 15;

/// Literals of `ci.yml` and `r_publish.yml`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Literals {
    /// The regions of its choices, without `all`.
    pub(super) regions: Vec<String>,
    /// The runtimes that layers are offered for.
    pub(super) runtimes: Vec<String>,
    /// The first part of the layers' names.
    pub(super) layer_name: Option<String>,
    /// The repository of the sources.
    pub(super) upstream_repo: Option<String>,
    /// The branch, tag or commit of the sources.
    pub(super) upstream_ref: Option<String>,
    /// The region of the table in DynamoDB.
    pub(super) table_region: Option<String>,
    /// Whether a layer was public unless somebody said otherwise.
    pub(super) is_public: bool,
    /// What was not taken over, and why.
    pub(super) left: Vec<String>,
}

/// Reads them; an absent file is an empty text.
pub(super) fn literals(ci: &str, publish: &str) -> Literals {
    let mut found = Literals::default();
    let ci = read(ci, "ci.yml", &mut found.left);
    let publish = read(publish, "r_publish.yml", &mut found.left);
    let at = |tree: &Option<Tree<'_>>, path: &[&str]| -> Option<String> {
        let found = path.iter().try_fold(tree.as_ref()?, |tree, key| tree.get(key))?;
        found.as_str().map(str::to_owned).filter(|text| is_literal(text))
    };
    let input = |name: &str| at(&ci, &["on", "workflow_dispatch", "inputs", name, "default"]);
    let called = |name: &str| at(&publish, &["on", "workflow_call", "inputs", name, "default"]);
    // The job that calls the other workflow has what is passed to it.
    let jobs = ci.as_ref().and_then(|ci| ci.get("jobs")).map_or(&[][..], Tree::entries);
    let passed = |name: &str| {
        let given = jobs.iter().find_map(|job| job.value.get("with")?.get(name)?.as_str());
        given.map(str::to_owned).filter(|text| is_literal(text))
    };
    let literal = |name: &str| passed(name).or_else(|| called(name));
    let inputs = ci.as_ref().and_then(|ci| ci.get("on")?.get("workflow_dispatch")?.get("inputs"));
    let regions =
        inputs.and_then(|inputs| inputs.get("aws-region").or_else(|| inputs.get("aws_region"))?.get("options"));
    let regions = regions.map_or(&[][..], Tree::items).iter().filter_map(Tree::as_str);
    found.regions = regions.filter(|region| *region != "all").map(str::to_owned).collect();
    let words = literal("runtimes").unwrap_or_default();
    found.runtimes = words.split([' ', ',', '\n']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if found.runtimes.len() > MOST_RUNTIMES {
        let count = found.runtimes.len();
        found.left.push(format!(
            "it has {count} runtimes, and Lambda takes {MOST_RUNTIMES}: set `runtimes` of pipelines/layers.yaml"
        ));
        found.runtimes.clear();
    }
    found.layer_name = literal("layer-name");
    found.upstream_repo = input("upstream-repo");
    found.upstream_ref = input("upstream-ref");
    found.table_region = literal("dynamodb-region");
    found.is_public = input("set-to-public").is_some_and(|value| value == "true");
    found
}

/// A workflow as a tree; one that cannot be read is told.
fn read<'t>(text: &'t str, file: &str, left: &mut Vec<String>) -> Option<Tree<'t>> {
    let told =
        |problem| left.push(format!("{file} cannot be read: {problem}; set the parameters of pipelines/layers.yaml"));
    tree(text).map_err(told).ok()
}

/// Whether a value is what it says: one that GitHub fills in is known in a run alone.
fn is_literal(text: &str) -> bool {
    !text.is_empty() && !text.contains("${{")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CI: &str = "\
on:
  workflow_dispatch:
    inputs:
      aws-region: {type: choice, options: [all, eu-west-1, us-east-1], default: all}
      upstream-repo: {default: 'o/r'}
      upstream-ref: {default: 'main'}
      set-to-public: {default: true}
jobs:
  build: {runs-on: ubuntu-latest}
  release:
    uses: ./.github/workflows/r_publish.yml
    with:
      layer-name: mine
      architecture: ${{ matrix.architecture }}
      runtimes: \"python3.12 java21\"
      dynamodb-region: \"us-east-1\"
";

    #[test]
    fn literals_are_found_where_they_stand() {
        let found = literals(CI, "");
        assert_eq!(found.regions, ["eu-west-1", "us-east-1"]);
        assert_eq!(found.runtimes, ["python3.12", "java21"]);
        assert_eq!(found.layer_name.as_deref(), Some("mine"));
        assert_eq!(found.upstream_repo.as_deref(), Some("o/r"));
        assert_eq!(found.upstream_ref.as_deref(), Some("main"));
        assert_eq!(found.table_region.as_deref(), Some("us-east-1"));
        assert!(found.is_public && found.left.is_empty(), "{found:?}");
    }

    #[test]
    fn a_default_of_the_called_workflow_counts_where_nothing_is_passed() {
        let publish = "on: {workflow_call: {inputs: {layer-name: {default: theirs}, runtimes: {default: ruby3.4}}}}\n";
        assert_eq!(literals("", publish).layer_name.as_deref(), Some("theirs"));
        let ci = CI.replace("layer-name: mine", "layer-name: ${{ vars.NAME }}");
        assert_eq!(literals(&ci, publish).layer_name.as_deref(), Some("theirs"));
        assert_eq!(literals(&ci, publish).runtimes.len(), 2);
    }

    #[test]
    fn what_cannot_be_taken_over_is_told() {
        assert_eq!(literals("", ""), Literals::default());
        assert!(literals("a: [\n", "").left[0].starts_with("ci.yml cannot be read: line "));
        let many: String = (0..16).map(|number| format!("r{number} ")).collect();
        let found = literals(&CI.replace("python3.12 java21", many.trim()), "");
        assert!(found.runtimes.is_empty() && found.left[0].contains("16 runtimes"), "{found:?}");
    }
}
