//! Layer ARNs in the forms that infrastructure code reads: distribution → architecture → region → ARN.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::exec::kinds::report::Shown;

/// ARNs by distribution, architecture and region.
type Arns<'a> = BTreeMap<&'a str, BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>>;

fn arns<'a>(shown: &Shown<'a>) -> Arns<'a> {
    let mut arns = Arns::new();
    for one in &shown.publications {
        arns.entry(one.distribution).or_default().entry(one.architecture).or_default().insert(one.region, one.arn);
    }
    arns
}

/// A line for each layer version.
pub(super) fn csv(shown: &Shown<'_>) -> String {
    let mut text = "distribution,architecture,region,arn,version,access,collector_version,size,sha256\n".to_owned();
    for one in &shown.publications {
        let layer = shown.layers.iter().find(|layer| layer.code_sha256 == one.code_sha256);
        let size = layer.map(|layer| layer.size.to_string()).unwrap_or_default();
        let access = if one.public { "public" } else { "private" };
        let sha256 = layer.and_then(|layer| layer.sha256).unwrap_or(one.code_sha256);
        let version = one.version.to_string();
        let (distribution, architecture) = (one.distribution, one.architecture);
        let place = [distribution, architecture, one.region, one.arn, &version, access];
        let cells = place.into_iter().chain([one.collector_version, &size, sha256]);
        text.push_str(&cells.map(cell).collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

/// A cell as RFC 4180 has it; one that a spreadsheet would take for a formula is kept a text.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Terraform: a local value `ocelot_layer_arns`.
pub(super) fn terraform(shown: &Shown<'_>) -> String {
    let mut text = "locals {\n  ocelot_layer_arns = {\n".to_owned();
    // Writing to a string cannot fail.
    for (distribution, architectures) in arns(shown) {
        let _ = writeln!(text, "    {} = {{", hcl(distribution));
        for (architecture, regions) in architectures {
            let _ = writeln!(text, "      {} = {{", hcl(architecture));
            for (region, arn) in regions {
                let _ = writeln!(text, "        {} = {}", hcl(region), hcl(arn));
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
pub(super) fn cdk(shown: &Shown<'_>) -> String {
    let arns = serde_json::to_string_pretty(&arns(shown)).expect("BUG: texts always encode");
    format!("export const layerArns = {arns} as const;\n")
}

/// CloudFormation: a mapping for each distribution, region → architecture → ARN, for
/// `!FindInMap [OcelotMinimal, !Ref AWS::Region, amd64]`.
pub(super) fn cloudformation(shown: &Shown<'_>) -> String {
    let mut mappings = Map::new();
    for (distribution, architectures) in arns(shown) {
        let mut regions: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (architecture, arns) in architectures {
            for (region, arn) in arns {
                regions.entry(region).or_default().insert(architecture, arn);
            }
        }
        mappings.insert(logical(distribution), json!(regions));
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
    use crate::exec::kinds::report::tests::publication;

    fn shown() -> Shown<'static> {
        Shown {
            publications: vec![
                publication("minimal", "amd64", "us-east-1", "arn:1"),
                publication("minimal", "arm64", "eu-west-1", "arn:2"),
                publication("minimal-s3export", "amd64", "eu-west-1", "arn:${x}"),
            ],
            ..Shown::default()
        }
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
        assert_eq!(csv.lines().nth(1), Some("minimal,amd64,us-east-1,arn:1,1,public,v0.145.0,,sum"));
    }
}
