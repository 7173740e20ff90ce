//! Names of regions and the part of the world they are in, for people. Built in, so that a page of a release needs no
//! other source; a test holds them to `config/regions.yaml`.

/// What regions without an entry are filed under: those launched after this version.
pub const ELSEWHERE: &str = "Other regions";

/// Region, its place, its geography. Source: AWS's page of regions.
const REGIONS: &[(&str, &str, &str)] = &[
    ("af-south-1", "Cape Town", "Africa"),
    ("ap-east-1", "Hong Kong", "Asia Pacific"),
    ("ap-east-2", "Taipei", "Asia Pacific"),
    ("ap-northeast-1", "Tokyo", "Asia Pacific"),
    ("ap-northeast-2", "Seoul", "Asia Pacific"),
    ("ap-northeast-3", "Osaka", "Asia Pacific"),
    ("ap-south-1", "Mumbai", "Asia Pacific"),
    ("ap-south-2", "Hyderabad", "Asia Pacific"),
    ("ap-southeast-1", "Singapore", "Asia Pacific"),
    ("ap-southeast-2", "Sydney", "Asia Pacific"),
    ("ap-southeast-3", "Jakarta", "Asia Pacific"),
    ("ap-southeast-4", "Melbourne", "Asia Pacific"),
    ("ap-southeast-5", "Malaysia", "Asia Pacific"),
    ("ap-southeast-6", "New Zealand", "Asia Pacific"),
    ("ap-southeast-7", "Thailand", "Asia Pacific"),
    ("ca-central-1", "Canada Central", "North America"),
    ("ca-west-1", "Calgary", "North America"),
    ("cn-north-1", "Beijing", "China"),
    ("cn-northwest-1", "Ningxia", "China"),
    ("eu-central-1", "Frankfurt", "Europe"),
    ("eu-central-2", "Zurich", "Europe"),
    ("eu-north-1", "Stockholm", "Europe"),
    ("eu-south-1", "Milan", "Europe"),
    ("eu-south-2", "Spain", "Europe"),
    ("eu-west-1", "Ireland", "Europe"),
    ("eu-west-2", "London", "Europe"),
    ("eu-west-3", "Paris", "Europe"),
    ("eusc-de-east-1", "Brandenburg", "Europe"),
    ("il-central-1", "Tel Aviv", "Middle East"),
    ("me-central-1", "UAE", "Middle East"),
    ("me-south-1", "Bahrain", "Middle East"),
    ("mx-central-1", "Mexico Central", "North America"),
    ("sa-east-1", "São Paulo", "South America"),
    ("us-east-1", "N. Virginia", "North America"),
    ("us-east-2", "Ohio", "North America"),
    ("us-gov-east-1", "GovCloud US-East", "North America"),
    ("us-gov-west-1", "GovCloud US-West", "North America"),
    ("us-west-1", "N. California", "North America"),
    ("us-west-2", "Oregon", "North America"),
];

/// The place of a region, for example `Ireland` of `eu-west-1`; `None` if this version does not know it.
pub fn place(region: &str) -> Option<&'static str> {
    REGIONS.iter().find(|(known, ..)| *known == region).map(|(_, place, _)| *place)
}

/// The geography of a region, for example `Europe`; [`ELSEWHERE`] if this version does not know it.
pub fn geography(region: &str) -> &'static str {
    REGIONS.iter().find(|(known, ..)| *known == region).map_or(ELSEWHERE, |(.., geography)| *geography)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_the_configuration() {
        let config = include_str!("../../config/regions.yaml");
        let written: Vec<_> = config.lines().filter(|line| line.contains("geography:")).map(str::trim).collect();
        let ours: Vec<_> = REGIONS
            .iter()
            .map(|(region, place, geography)| format!("{region}: {{name: {place}, geography: {geography}}}"))
            .collect();
        assert_eq!(ours, written);
    }

    #[test]
    fn a_region_of_tomorrow_is_filed_elsewhere() {
        assert_eq!((place("eu-west-1"), geography("eu-west-1")), (Some("Ireland"), "Europe"));
        assert_eq!((place("eu-west-9"), geography("eu-west-9")), (None, ELSEWHERE));
    }
}
