//! Layer ARNs in the forms that infrastructure code reads: distribution → architecture → region → ARN.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::layer::release::index::Index;

/// ARNs by distribution, architecture and region; of several versions the newest.
type Arns = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

fn arns(index: &Index) -> Arns {
    let mut arns = Arns::new();
    for one in index.newest() {
        arns.entry(one.distribution).or_default().entry(one.architecture).or_default().insert(one.region, one.arn);
    }
    arns
}

/// A comment for each layer that is missing, so that its absence from a map is no riddle.
fn missing(index: &Index, mark: &str) -> String {
    let line = |node: &str, reason: &str| {
        let words: Vec<_> = reason.split_whitespace().collect();
        format!("{mark} missing: {node}: {}\n", words.join(" "))
    };
    index.missing().iter().map(|one| line(&one.node, &one.reason)).collect()
}

/// A line for each layer version, and for each that is missing, with the reason in the last column.
pub fn csv(index: &Index) -> String {
    const HEADER: &str = "distribution,architecture,region,arn,version,access,collector_version,size,sha256,missing\n";
    let mut text = HEADER.to_owned();
    let mut line = |cells: [&str; 10]| {
        text.push_str(&cells.map(cell).join(","));
        text.push('\n');
    };
    for one in index.versions() {
        let (version, size) = (one.number.to_string(), one.size.map(|size| size.to_string()).unwrap_or_default());
        let access = if one.public { "public" } else { "private" };
        let sha256 = one.sha256.as_deref().unwrap_or(&one.code_sha256);
        let place = (one.distribution.as_str(), one.architecture.as_str(), one.region.as_str());
        line([place.0, place.1, place.2, &one.arn, &version, access, &one.collector_version, &size, sha256, ""]);
    }
    for one in index.missing() {
        let [distribution, architecture, region] =
            [&one.distribution, &one.architecture, &one.region].map(|part| part.as_deref().unwrap_or_default());
        line([distribution, architecture, region, "", "", "", "", "", "", &one.reason]);
    }
    text
}

/// A cell as RFC 4180 has it; one that a spreadsheet would take for a formula is kept a text.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Terraform: a local value `ocelot_layer_arns`.
pub fn terraform(index: &Index) -> String {
    let mut text = missing(index, "#") + "locals {\n  ocelot_layer_arns = {\n";
    // Writing to a string cannot fail.
    for (distribution, architectures) in arns(index) {
        let _ = writeln!(text, "    {} = {{", hcl(&distribution));
        for (architecture, regions) in architectures {
            let _ = writeln!(text, "      {} = {{", hcl(&architecture));
            for (region, arn) in regions {
                let _ = writeln!(text, "        {} = {}", hcl(&region), hcl(&arn));
            }
            text.push_str("      }\n");
        }
        text.push_str("    }\n");
    }
    text.push_str("  }\n}\n");
    text
}

/// A text of Terraform's language, in which `${` and `%{` begin templates.
fn hcl(text: &str) -> String {
    Value::from(text).to_string().replace("${", "$${").replace("%{", "%%{")
}

/// CDK: a TypeScript constant `layerArns`.
pub fn cdk(index: &Index) -> String {
    let arns = serde_json::to_string_pretty(&arns(index)).expect("BUG: texts always encode");
    missing(index, "//") + &format!("export const layerArns = {arns} as const;\n")
}

/// CloudFormation: a mapping for each distribution, region → architecture → ARN, for
/// `!FindInMap [OcelotMinimal, !Ref AWS::Region, amd64]`.
pub fn cloudformation(index: &Index) -> String {
    let mut mappings = Map::new();
    for (distribution, architectures) in arns(index) {
        let mut regions: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (architecture, arns) in architectures {
            for (region, arn) in arns {
                regions.entry(region).or_default().insert(architecture.clone(), arn);
            }
        }
        mappings.insert(logical(&distribution), json!(regions));
    }
    serde_json::to_string_pretty(&json!({ "Mappings": mappings })).expect("BUG: texts always encode") + "\n"
}

/// A logical name: letters and digits only.
fn logical(distribution: &str) -> String {
    let words = distribution.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    words.fold("Ocelot".to_owned(), |name, word| name + &capital(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::release::index::Version;
    use crate::layer::release::testing::{missing as gone, version};

    fn shown() -> Index {
        let at = |distribution, architecture, region, arn: &str| Version {
            arn: arn.into(),
            ..version(distribution, architecture, region, "v0.145.0", 1)
        };
        let versions = vec![
            at("minimal", "amd64", "us-east-1", "arn:1"),
            at("minimal", "arm64", "eu-west-1", "arn:2"),
            at("minimal-s3export", "amd64", "eu-west-1", "arn:${x}"),
        ];
        Index::new("layers", versions, vec![])
    }

    #[test]
    fn what_is_missing_is_shown() {
        let index = Index::new("layers", vec![], vec![gone("amd64", "me-south-1")]);
        let line = " missing: published[minimal,amd64,me-south-1]: connection refused | retry\n";
        assert!(terraform(&index).starts_with(&format!("#{line}locals")));
        assert!(cdk(&index).starts_with(&format!("//{line}export")));
        let text = csv(&index);
        let row = text.split_once('\n').unwrap().1;
        assert_eq!(row, "minimal,amd64,me-south-1,,,,,,,\"connection\nrefused | retry\"\n");
    }

    #[test]
    fn terraform_has_each_arn_once_and_no_template() {
        let expected = "locals {\n  ocelot_layer_arns = {\n    \"minimal\" = {\n      \"amd64\" = {\n        \
                        \"us-east-1\" = \"arn:1\"\n      }\n      \"arm64\" = {\n        \"eu-west-1\" = \"arn:2\"\n      \
                        }\n    }\n    \"minimal-s3export\" = {\n      \"amd64\" = {\n        \"eu-west-1\" = \
                        \"arn:$${x}\"\n      }\n    }\n  }\n}\n";
        assert_eq!(terraform(&shown()), expected);
    }

    #[test]
    fn cdk_and_cloudformation_are_json_with_what_they_need_around_it() {
        let script = cdk(&shown());
        let json = script.strip_prefix("export const layerArns = ").unwrap().strip_suffix(" as const;\n").unwrap();
        let arns: Value = serde_json::from_str(json).unwrap();
        assert_eq!(arns["minimal"]["arm64"]["eu-west-1"], "arn:2");
        let template: Value = serde_json::from_str(&cloudformation(&shown())).unwrap();
        assert_eq!(template["Mappings"]["OcelotMinimal"]["us-east-1"]["amd64"], "arn:1");
        assert_eq!(template["Mappings"]["OcelotMinimalS3export"]["eu-west-1"]["amd64"], "arn:${x}");
    }

    #[test]
    fn cells_stay_cells_and_texts() {
        for (text, expected) in
            [("a", "a"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("=1+1", "'=1+1"), ("a\nb", "\"a\nb\"")]
        {
            assert_eq!(cell(text), expected);
        }
        let csv = csv(&shown());
        assert_eq!(csv.lines().count(), 4);
        assert_eq!(
            csv.lines().nth(1),
            Some("minimal,amd64,us-east-1,arn:1,1,public,v0.145.0,12149999,sum of ocel-amd64-minimal-0_145_0-prod,")
        );
    }
}
