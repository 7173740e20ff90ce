//! AWS Lambda's limits on layers. Servers enforce them late and stand-ins not at all, so they are checked before a
//! build or an upload starts.

use crate::layer::error::LayerError;

/// A request body of the Lambda API: the server's own message says "Request must be smaller than 69905067 bytes",
/// which is 50 MiB in base64.
pub const REQUEST_LIMIT: u64 = 69_905_067;
/// Room in the request for everything but the zip: names, description, lists.
pub const REQUEST_ALLOWANCE: u64 = 4096;
/// All files of a layer, unpacked: "Unzipped size must be smaller than 262144000 bytes" (250 MiB).
pub const UNZIPPED_LIMIT: u64 = 262_144_000;
/// `LayerName` of the Lambda API: 1 to 140 of `[a-zA-Z0-9-_]`.
pub const NAME_LIMIT: usize = 140;
/// `Description` of the Lambda API.
pub const DESCRIPTION_LIMIT: usize = 256;
/// `LicenseInfo` of the Lambda API.
pub const LICENSE_LIMIT: usize = 512;
/// `CompatibleRuntimes` of the Lambda API.
pub const RUNTIMES_LIMIT: usize = 15;

/// The values of `Runtime` in the Lambda API (service model of botocore 1.44.5), without the ones that are long retired
/// and the two that are not for layers.
const RUNTIMES: &[&str] = &[
    "dotnet10",
    "dotnet6",
    "dotnet8",
    "java11",
    "java11.al2023",
    "java17",
    "java17.al2023",
    "java21",
    "java25",
    "java8.al2",
    "java8.al2023",
    "nodejs16.x",
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "nodejs26.x",
    "provided",
    "provided.al2",
    "provided.al2023",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "python3.15",
    "python3.8",
    "python3.9",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "ruby4.0",
];

/// The length of `length` bytes in base64.
pub const fn base64_length(length: u64) -> u64 {
    length.div_ceil(3) * 4
}

/// Whether a zip of `zip` bytes that unpacks to `unzipped` can be published inline. `parts` (name, bytes) are shown,
/// largest first, if not.
pub fn check_sizes(zip: u64, unzipped: u64, parts: &[(&str, u64)]) -> Result<(), LayerError> {
    let request = base64_length(zip) + REQUEST_ALLOWANCE;
    // The server says "smaller than"; a size of exactly the limit is left for it to judge.
    let checks = [
        ("the upload (the zip in base64 and 4 KiB)", request, REQUEST_LIMIT, request > REQUEST_LIMIT),
        ("its unzipped size", unzipped, UNZIPPED_LIMIT, unzipped > UNZIPPED_LIMIT),
    ];
    match checks.into_iter().find(|(.., over)| *over) {
        None => Ok(()),
        Some((what, actual, limit, _)) => Err(LayerError::TooLarge { what, actual, limit, largest: largest(parts) }),
    }
}

/// Normalises a list of compatible runtimes: known ones only, sorted, without repeats, at most 15.
pub fn check_runtimes<'r>(runtimes: impl IntoIterator<Item = &'r str>) -> Result<Vec<&'r str>, LayerError> {
    let mut sorted: Vec<_> = runtimes.into_iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    if let Some(unknown) = sorted.iter().find(|runtime| !RUNTIMES.contains(runtime)) {
        let likeness = |known: &&&str| (strsim::jaro_winkler(unknown, known) * 1e6) as u64;
        let closest = RUNTIMES.iter().max_by_key(likeness).unwrap_or(&"provided.al2023");
        return Err(LayerError::lambda(
            "runtime",
            unknown,
            format!("AWS Lambda has no such runtime; did you mean {closest}?"),
        ));
    }
    if sorted.len() > RUNTIMES_LIMIT {
        let problem = format!("{} runtimes; a layer version names at most {RUNTIMES_LIMIT}, or none", sorted.len());
        return Err(LayerError::lambda("runtimes", &sorted.join(" "), problem));
    }
    Ok(sorted)
}

/// The runtimes that are accepted, sorted.
pub fn known_runtimes() -> &'static [&'static str] {
    RUNTIMES
}

fn largest(parts: &[(&str, u64)]) -> String {
    const SHOWN: usize = 3;
    if parts.is_empty() {
        return "leave out components".to_owned();
    }
    let mut parts = parts.to_vec();
    parts.sort_by_key(|(name, bytes)| (std::cmp::Reverse(*bytes), *name));
    let shown: Vec<_> = parts.iter().take(SHOWN).map(|(name, bytes)| format!("{name} {bytes}")).collect();
    format!("largest: {}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_at_and_over_the_limits() {
        // The longest zip whose base64 and allowance still fit.
        let zip = (REQUEST_LIMIT - REQUEST_ALLOWANCE) / 4 * 3;
        assert_eq!(check_sizes(zip, UNZIPPED_LIMIT, &[]), Ok(()));
        let error = check_sizes(zip + 1, 0, &[("extensions/collector", 9), ("a", 10)]).unwrap_err().to_string();
        assert!(error.contains("the upload") && error.ends_with("largest: a 10, extensions/collector 9"), "{error}");
        let error = check_sizes(0, UNZIPPED_LIMIT + 1, &[]).unwrap_err().to_string();
        assert!(error.contains("unzipped size is 262144001 bytes, AWS Lambda takes at most 262144000"), "{error}");
        assert_eq!((base64_length(0), base64_length(1), base64_length(3), base64_length(4)), (0, 4, 4, 8));
    }

    #[test]
    fn runtimes_are_known_and_few() {
        assert_eq!(check_runtimes(["python3.13", "nodejs22.x", "python3.13"]).unwrap(), ["nodejs22.x", "python3.13"]);
        assert_eq!(check_runtimes([]).unwrap(), Vec::<&str>::new());
        let error = check_runtimes(["nodejs22"]).unwrap_err().to_string();
        assert_eq!(error, "runtime \"nodejs22\": AWS Lambda has no such runtime; did you mean nodejs22.x?");
        let sixteen = &known_runtimes()[..16];
        assert!(check_runtimes(sixteen.iter().copied()).unwrap_err().to_string().contains("16 runtimes"));
        assert!(known_runtimes().is_sorted());
    }
}
