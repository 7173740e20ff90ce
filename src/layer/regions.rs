//! AWS partitions: which one a region belongs to, and what its addresses and ARNs look like.

/// A partition of AWS: separate accounts, addresses and ARNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The second field of ARNs: `aws`, `aws-cn`, …
    pub name: &'static str,
    /// The domain of its service endpoints.
    pub dns_suffix: &'static str,
    /// The domain of those that are reached by IPv4 and IPv6.
    pub dual_stack_suffix: &'static str,
}

/// The commercial partition, which has every region that no prefix claims.
const AWS: Partition = partition("aws", "amazonaws.com", "api.aws");

/// Region prefixes. Source: the partitions file that AWS ships with its SDKs.
const PREFIXES: &[(&str, Partition)] = &[
    ("cn-", partition("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn")),
    ("us-gov-", partition("aws-us-gov", "amazonaws.com", "api.aws")),
    ("eusc-", partition("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu")),
    ("us-iso-", partition("aws-iso", "c2s.ic.gov", "api.aws.ic.gov")),
    ("us-isob-", partition("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud")),
    ("eu-isoe-", partition("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk")),
    ("us-isof-", partition("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov")),
];

const fn partition(name: &'static str, dns_suffix: &'static str, dual_stack_suffix: &'static str) -> Partition {
    Partition { name, dns_suffix, dual_stack_suffix }
}

impl Partition {
    /// The partition of a region, by the region's prefix. A region launched tomorrow is found as well.
    pub fn of_region(region: &str) -> Self {
        PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or(AWS, |(_, partition)| *partition)
    }

    /// The audience that GitHub's OIDC token must have for STS in this partition.
    pub fn sts_audience(self) -> String {
        let suffix = if self.name == "aws-cn" { self.dns_suffix } else { AWS.dns_suffix };
        format!("sts.{suffix}")
    }

    /// The ARN of a layer, without a version.
    pub fn layer_arn(self, region: &str, account: &str, name: &str) -> String {
        format!("arn:{}:lambda:{region}:{account}:layer:{name}", self.name)
    }
}

/// Regions that every account has; each that came later is off until an account enables it. Source: the AWS guide to
/// account management, "Enable or disable AWS Regions"; the rule holds since March 2019.
const ALWAYS_ENABLED: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Whether an account has to enable a region before anything can be done there.
pub fn is_opt_in(region: &str) -> bool {
    Partition::of_region(region) == AWS && !ALWAYS_ENABLED.contains(&region)
}

/// Whether `name` has the form of a region: lower-case words and a final number, for example `ap-southeast-2`.
/// Whether it exists is for the list of regions to say.
pub fn is_region_name(name: &str) -> bool {
    let parts: Vec<_> = name.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_regions_have_to_be_enabled() {
        for region in ["ap-east-1", "il-central-1", "mx-central-1", "eu-south-2", "xx-future-1"] {
            assert!(is_opt_in(region), "{region}");
        }
        for region in ["us-east-1", "eu-west-3", "cn-north-1", "us-gov-west-1"] {
            assert!(!is_opt_in(region), "{region}");
        }
    }

    #[test]
    fn partitions_by_prefix() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-northwest-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("eu-west-1", "aws"),
            ("ap-southeast-99", "aws"),
        ] {
            assert_eq!(Partition::of_region(region).name, partition, "{region}");
        }
        assert_eq!(Partition::of_region("cn-north-1").sts_audience(), "sts.amazonaws.com.cn");
        assert_eq!(Partition::of_region("us-gov-west-1").sts_audience(), "sts.amazonaws.com");
        let arn = Partition::of_region("cn-north-1").layer_arn("cn-north-1", "123456789012", "ocel-amd64");
        assert_eq!(arn, "arn:aws-cn:lambda:cn-north-1:123456789012:layer:ocel-amd64");
    }

    #[test]
    fn region_names() {
        assert!(is_region_name("us-east-1") && is_region_name("eusc-de-east-1"));
        for bad in ["", "us", "us-east", "us-east-", "US-EAST-1", "us--1", "us-east-1a", "east-1"] {
            assert!(!is_region_name(bad), "{bad}");
        }
    }
}
