//! The name of one layer version: an ARN on AWS, `layer:REGION:NAME:NUMBER` in a folder.

use std::fmt;

use crate::base::aws_id::is_account;
use crate::layer::regions::is_region_name;

/// Which version of which layer, where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionArn {
    /// Partition and account, on AWS.
    pub owner: Option<Owner>,
    /// For example `eu-west-1`.
    pub region: String,
    /// The whole layer name.
    pub name: String,
    /// From 1.
    pub number: u64,
}

/// Whose a layer on AWS is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// For example `aws`.
    pub partition: String,
    /// 12 digits.
    pub account: String,
}

impl VersionArn {
    /// Reads `arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:NUMBER` or `layer:REGION:NAME:NUMBER`.
    ///
    /// # Errors
    /// What is wrong with it, and what it should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split(':').collect();
        let (owner, region, name, number) = match fields[..] {
            ["arn", partition, "lambda", region, account, "layer", name, number] if is_account(account) => {
                let owner = Owner { partition: partition.to_owned(), account: account.to_owned() };
                (Some(owner), region, name, number)
            }
            ["arn", _, "lambda", _, _, "layer", _] => {
                return Err(format!("`{text}` names a layer and no version of it; add `:` and the version's number"));
            }
            ["layer", region, name, number] => (None, region, name, number),
            _ => {
                return Err(format!(
                    "`{text}` names no layer version; write arn:aws:lambda:REGION:ACCOUNT:layer:NAME:NUMBER, or \
                     layer:REGION:NAME:NUMBER for a folder"
                ));
            }
        };
        let number = number.parse().ok().filter(|number| *number > 0);
        let Some(number) = number.filter(|_| is_region_name(region) && !name.is_empty()) else {
            return Err(format!("`{text}` names no layer version: region, name or number is missing or wrong"));
        };
        Ok(Self { owner, region: region.to_owned(), name: name.to_owned(), number })
    }

    /// The name by which everybody who may read the version finds it: on AWS the layer's ARN, since a bare name is one of
    /// the caller's own account.
    pub fn layer(&self) -> String {
        match &self.owner {
            Some(Owner { partition, account }) => {
                format!("arn:{partition}:lambda:{}:{account}:layer:{}", self.region, self.name)
            }
            None => self.name.clone(),
        }
    }
}

impl fmt::Display for VersionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(_) => write!(f, "{}:{}", self.layer(), self.number),
            None => write!(f, "layer:{}:{}:{}", self.region, self.name, self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_back() {
        for text in [
            "arn:aws-cn:lambda:cn-north-1:123456789012:layer:ocel-amd64-minimal-0_145_0-prod:12",
            "layer:eu-west-1:ocel:1",
        ] {
            assert_eq!(VersionArn::parse(text).unwrap().to_string(), text);
        }
        let aws = VersionArn::parse("arn:aws:lambda:eu-west-1:123456789012:layer:x:7").unwrap();
        assert_eq!((aws.number, aws.layer().as_str()), (7, "arn:aws:lambda:eu-west-1:123456789012:layer:x"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |text: &str| VersionArn::parse(text).unwrap_err();
        assert!(said("arn:aws:lambda:eu-west-1:123456789012:layer:x").contains("no version"));
        assert!(said("arn:aws:s3:::bucket").contains("names no layer version; write"));
        for text in ["layer:eu-west-1:x:0", "layer:eu-west-1:x:one", "layer:nowhere:x:1", "layer:eu-west-1::1"] {
            assert!(said(text).contains("missing or wrong"), "{text}");
        }
        assert!(said("arn:aws:lambda:eu-west-1:me:layer:x:1").contains("write"));
    }
}
