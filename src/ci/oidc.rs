//! Roles in AWS that GitHub's tokens may take, as a template of CloudFormation or Terraform.
//!
//! Two roles: one that looks, for the default branch; one that publishes, for the environments of the release groups and
//! nothing else. Both trust the subjects of one repository, compared as a whole: no pattern lets a pull request or a
//! branch in. Since July 2026 the subjects of new, renamed and moved repositories have the ids of owner and repository
//! in them, so both forms are trusted where the ids are known.

use serde_json::{Value, json};

use crate::ci::yaml::Yaml;

/// What is set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Who owns the repository.
    pub owner: String,
    /// The repository.
    pub repository: String,
    /// The numeric ids of both.
    pub ids: Option<(u64, u64)>,
    /// The branch whose runs may look.
    pub branch: String,
    /// Environments whose jobs may publish.
    pub environments: Vec<String>,
    /// Base of the layer names.
    pub layer: String,
    /// The account has GitHub as an identity provider already.
    pub existing_provider: bool,
    /// Whether versions may be deleted.
    pub with_prune: bool,
    /// Whether sharing may be taken back.
    pub with_unshare: bool,
    /// The table of published layers, if it may be written.
    pub table: Option<String>,
}

const HOST: &str = "token.actions.githubusercontent.com";

/// Places in a policy that each format fills in its own way.
const PARTITION: &str = "{partition}";
const ACCOUNT: &str = "{account}";
const AUDIENCE: &str = "{audience}";
const PROVIDER: &str = "{provider}";

/// A role: its logical name, what it is for, and its two policies.
struct Role {
    name: &'static str,
    description: &'static str,
    trust: Value,
    policy: Value,
}

impl Setup {
    /// The subjects of GitHub's tokens that end so.
    fn subjects(&self, ends: &[String]) -> Vec<String> {
        let Self { owner, repository, .. } = self;
        let mut forms = vec![format!("repo:{owner}/{repository}")];
        forms.extend(self.ids.map(|(owner_id, id)| format!("repo:{owner}@{owner_id}/{repository}@{id}")));
        ends.iter().flat_map(|end| forms.iter().map(move |form| format!("{form}:{end}"))).collect()
    }

    fn trust(&self, ends: &[String]) -> Value {
        let (audience, subject) = (format!("{HOST}:aud"), format!("{HOST}:sub"));
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {audience: AUDIENCE, subject: self.subjects(ends)}},
        }]})
    }

    fn roles(&self) -> [Role; 2] {
        let layers = format!("arn:{PARTITION}:lambda:*:{ACCOUNT}:layer:{}-*", self.layer);
        let versions = format!("{layers}:*");
        let allow =
            |actions: &[&str], resources: &[&str]| json!({"Effect": "Allow", "Action": actions, "Resource": resources});
        let look = vec![
            allow(
                &["lambda:GetLayerVersion", "lambda:GetLayerVersionPolicy", "lambda:ListLayerVersions"],
                &[&layers, &versions],
            ),
            // These know no narrower resource.
            allow(&["ec2:DescribeRegions", "lambda:GetAccountSettings", "lambda:ListLayers"], &["*"]),
        ];
        let mut act = look.clone();
        act.push(allow(&["lambda:PublishLayerVersion"], &[&layers]));
        let mut of_versions = vec!["lambda:AddLayerVersionPermission"];
        of_versions.extend(self.with_prune.then_some("lambda:DeleteLayerVersion"));
        of_versions.extend(self.with_unshare.then_some("lambda:RemoveLayerVersionPermission"));
        act.push(allow(&of_versions, &[&versions]));
        if let Some(table) = &self.table {
            let table = format!("arn:{PARTITION}:dynamodb:*:{ACCOUNT}:table/{table}");
            let actions = [
                "dynamodb:DeleteItem",
                "dynamodb:DescribeTable",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:Scan",
                "dynamodb:UpdateItem",
            ];
            act.push(allow(&actions, &[&table, &format!("{table}/index/*")]));
        }
        let policy = |statements: Vec<Value>| json!({"Version": "2012-10-17", "Statement": statements});
        let environments: Vec<String> = self.environments.iter().map(|name| format!("environment:{name}")).collect();
        [
            Role {
                name: "Read",
                description: "Looks at the layers that are published, for plans and status",
                trust: self.trust(&[format!("ref:refs/heads/{}", self.branch)]),
                policy: policy(look),
            },
            Role {
                name: "Publish",
                description: "Publishes layers, for the jobs of these environments",
                trust: self.trust(&environments),
                policy: policy(act),
            },
        ]
    }

    /// A template of CloudFormation.
    pub fn cloudformation(&self) -> String {
        let mut resources = Vec::new();
        if !self.existing_provider {
            let properties = Yaml::map([
                ("Url", Yaml::text(format!("https://{HOST}"))),
                ("ClientIdList", Yaml::List(vec![self.cfn(&json!(AUDIENCE))])),
            ]);
            resources.push((
                "Provider",
                Yaml::map([("Type", Yaml::text("AWS::IAM::OIDCProvider")), ("Properties", properties)]),
            ));
        }
        let mut outputs = Vec::new();
        for role in self.roles() {
            let policy = Yaml::map([("PolicyName", Yaml::text("layers")), ("PolicyDocument", self.cfn(&role.policy))]);
            let properties = Yaml::map([
                ("Description", Yaml::text(role.description)),
                ("AssumeRolePolicyDocument", self.cfn(&role.trust)),
                ("Policies", Yaml::List(vec![policy])),
            ]);
            resources
                .push((role.name, Yaml::map([("Type", Yaml::text("AWS::IAM::Role")), ("Properties", properties)])));
            let arn = Yaml::map([("Fn::GetAtt", Yaml::texts([role.name, "Arn"]))]);
            outputs.push((
                variable(role.name),
                Yaml::map([("Description", Yaml::text(role.description)), ("Value", arn)]),
            ));
        }
        let china = Yaml::map([(
            "Fn::Equals",
            Yaml::List(vec![Yaml::map([("Ref", Yaml::text("AWS::Partition"))]), Yaml::text("aws-cn")]),
        )]);
        let outputs = outputs.into_iter().map(|(name, output)| (name.replace('_', ""), output));
        let description =
            format!("What GitHub Actions of {}/{} may do with Lambda layers", self.owner, self.repository);
        Yaml::map([
            ("AWSTemplateFormatVersion", Yaml::text("2010-09-09")),
            ("Description", Yaml::text(description)),
            ("Conditions", Yaml::map([("InChina", china)])),
            ("Resources", Yaml::map(resources)),
            ("Outputs", Yaml::map(outputs)),
        ])
        .render()
    }

    /// A part of a policy as CloudFormation has it.
    fn cfn(&self, value: &Value) -> Yaml {
        match value {
            Value::String(text) if text == AUDIENCE => {
                Yaml::map([("Fn::If", Yaml::texts(["InChina", "sts.amazonaws.com.cn", "sts.amazonaws.com"]))])
            }
            Value::String(text) if text == PROVIDER && !self.existing_provider => {
                Yaml::map([("Ref", Yaml::text("Provider"))])
            }
            Value::String(text) if text == PROVIDER => self.cfn(&json!(provider_arn())),
            Value::String(text) if text.contains(PARTITION) => {
                let text = text.replace(PARTITION, "${AWS::Partition}").replace(ACCOUNT, "${AWS::AccountId}");
                Yaml::map([("Fn::Sub", Yaml::Text(text))])
            }
            Value::String(text) => Yaml::text(text.as_str()),
            Value::Array(items) => Yaml::List(items.iter().map(|item| self.cfn(item)).collect()),
            Value::Object(entries) => Yaml::map(entries.iter().map(|(key, value)| (key.clone(), self.cfn(value)))),
            Value::Bool(_) | Value::Number(_) | Value::Null => unreachable!("BUG: a policy has texts only"),
        }
    }

    /// A file of Terraform.
    pub fn terraform(&self) -> String {
        let mut out = "data \"aws_caller_identity\" \"current\" {}\n\ndata \"aws_partition\" \"current\" {}\n\nlocals {\n  audience = data.aws_partition.current.partition == \"aws-cn\" ? \"sts.amazonaws.com.cn\" : \"sts.amazonaws.com\"\n}\n".to_owned();
        if !self.existing_provider {
            out.push_str(&format!(
                "\nresource \"aws_iam_openid_connect_provider\" \"github\" {{\n  url            = \"https://{HOST}\"\n  client_id_list = [local.audience]\n}}\n"
            ));
        }
        for role in self.roles() {
            let name = role.name.to_lowercase();
            let (trust, policy) = (self.hcl(&role.trust), self.hcl(&role.policy));
            out.push_str(&format!(
                "\nresource \"aws_iam_role\" \"{name}\" {{\n  name_prefix        = \"ocelot-{name}-\"\n  description        = \"{}\"\n  assume_role_policy = jsonencode({trust})\n}}\n\n\
                 resource \"aws_iam_role_policy\" \"{name}\" {{\n  role   = aws_iam_role.{name}.id\n  policy = jsonencode({policy})\n}}\n\n\
                 output \"{}\" {{\n  value = aws_iam_role.{name}.arn\n}}\n",
                role.description,
                variable(role.name).to_lowercase()
            ));
        }
        out
    }

    /// A policy as an object of HCL, which takes JSON as it is but for its own `${` and `%{`.
    fn hcl(&self, policy: &Value) -> String {
        let text = serde_json::to_string_pretty(policy).expect("BUG: a policy always encodes");
        let text = text.replace("${", "$${").replace("%{", "%%{").replace('\n', "\n  ");
        let provider = match self.existing_provider {
            true => provider_arn(),
            false => "${aws_iam_openid_connect_provider.github.arn}".to_owned(),
        };
        text.replace(PROVIDER, &provider)
            .replace(PARTITION, "${data.aws_partition.current.partition}")
            .replace(ACCOUNT, "${data.aws_caller_identity.current.account_id}")
            .replace(AUDIENCE, "${local.audience}")
    }
}

fn provider_arn() -> String {
    format!("arn:{PARTITION}:iam::{ACCOUNT}:oidc-provider/{HOST}")
}

/// The variable of the repository that takes a role's ARN.
fn variable(role: &str) -> String {
    format!("OCELOT_{}_ROLE_ARN", role.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        Setup {
            owner: "o".into(),
            repository: "r".into(),
            ids: Some((1, 2)),
            branch: "main".into(),
            environments: vec!["beta".into(), "prod".into()],
            layer: "ocel".into(),
            ..Setup::default()
        }
    }

    #[test]
    fn subjects_are_whole_and_of_both_forms() {
        let [read, publish] = setup().roles();
        let of = |role: &Role| role.trust["Statement"][0]["Condition"]["StringEquals"][format!("{HOST}:sub")].clone();
        assert_eq!(of(&read), json!(["repo:o/r:ref:refs/heads/main", "repo:o@1/r@2:ref:refs/heads/main"]));
        let expected = json!([
            "repo:o/r:environment:beta",
            "repo:o@1/r@2:environment:beta",
            "repo:o/r:environment:prod",
            "repo:o@1/r@2:environment:prod"
        ]);
        assert_eq!(of(&publish), expected);
        assert_eq!(of(&Setup { ids: None, ..setup() }.roles()[0]), json!(["repo:o/r:ref:refs/heads/main"]));
    }

    #[test]
    fn nothing_is_allowed_that_was_not_asked_for() {
        let may = |setup: &Setup, action: &str| setup.roles().map(|role| role.policy.to_string().contains(action));
        let plain = setup();
        assert_eq!(may(&plain, "lambda:PublishLayerVersion"), [false, true]);
        assert_eq!(may(&plain, "lambda:AddLayerVersionPermission"), [false, true]);
        for action in ["lambda:DeleteLayerVersion", "lambda:RemoveLayerVersionPermission", "dynamodb:PutItem"] {
            assert_eq!(may(&plain, action), [false, false], "{action}");
        }
        let wide = Setup { with_prune: true, with_unshare: true, table: Some("t".into()), ..setup() };
        for action in ["lambda:DeleteLayerVersion", "lambda:RemoveLayerVersionPermission", "dynamodb:PutItem"] {
            assert_eq!(may(&wide, action), [false, true], "{action}");
        }
    }

    #[test]
    fn both_formats_say_the_same_and_a_known_provider_is_not_made_again() {
        for existing_provider in [false, true] {
            let setup = Setup { existing_provider, ..setup() };
            let (cfn, terraform) = (setup.cloudformation(), setup.terraform());
            assert_eq!(cfn.contains("AWS::IAM::OIDCProvider"), !existing_provider);
            assert_eq!(terraform.contains("\"aws_iam_openid_connect_provider\""), !existing_provider);
            for text in ["repo:o@1/r@2:environment:prod", "lambda:PublishLayerVersion"] {
                assert!(cfn.contains(text) && terraform.contains(text), "{text}");
            }
            for place in [PARTITION, ACCOUNT, AUDIENCE, PROVIDER] {
                let left = terraform.replace(&format!("${place}"), "");
                assert!(!cfn.replace(&format!("${place}"), "").contains(place) && !left.contains(place), "{place}");
            }
        }
    }
}
