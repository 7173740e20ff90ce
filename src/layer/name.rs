//! The name of a layer: `BASE-ARCH-DISTRIBUTION-VERSION-GROUP`, for example `ocel-amd64-minimal-0_145_0-prod`.
//!
//! The collector version is part of the name, so that the number AWS gives a layer version is normally 1 everywhere.
//! The rule is that of the tool Ocelot replaces, to the letter: consumers have these names in their templates.

use crate::layer::arch::Arch;
use crate::layer::error::LayerError;
use crate::layer::limits::NAME_LIMIT;

/// What a layer is named after. Empty strings are as good as absent ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct LayerNameParts<'n> {
    /// The first part, for example `ocel`.
    pub base: &'n str,
    /// The architecture.
    pub arch: Option<Arch>,
    /// The distribution.
    pub distribution: Option<&'n str>,
    /// A version of the user's own; kept as it is, also with a leading `v`.
    pub version: Option<&'n str>,
    /// The collector version, whose leading `v` is dropped.
    pub collector_version: Option<&'n str>,
    /// The Git reference of a CI run (`GITHUB_REF`), from which a version is taken if there is no other.
    pub git_ref: Option<&'n str>,
    /// The release group, for example `beta`; always part of the name.
    pub group: &'n str,
}

impl LayerNameParts<'_> {
    /// The name. An error if it has more characters than AWS Lambda takes.
    pub fn name(&self) -> Result<String, LayerError> {
        let arch = self.arch.map(|arch| format!("-{arch}")).unwrap_or_default();
        let distribution = present(self.distribution).map(|name| format!("-{name}")).unwrap_or_default();
        let name = clean(&format!("{}{arch}{distribution}-{}-{}", self.base, self.version_label(), self.group));
        let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("layer-{name}") } else { name };
        if name.len() > NAME_LIMIT {
            let problem = format!(
                "{} characters; AWS Lambda takes {NAME_LIMIT}: shorten --layer-name or the distribution",
                name.len()
            );
            return Err(LayerError::lambda("layer name", &name, problem));
        }
        Ok(name)
    }

    /// The version as it stands in the name, for example `0_145_0`.
    pub fn version_label(&self) -> String {
        if let Some(version) = present(self.version) {
            return clean(version);
        }
        if let Some(version) = present(self.collector_version) {
            return clean(version.strip_prefix('v').unwrap_or(version));
        }
        let from_ref = present(self.git_ref).map(version_of_ref).filter(|version| !version.is_empty());
        clean(from_ref.unwrap_or("latest"))
    }
}

/// A reference without everything up to its last `/` and the text before the first digit or dot after that.
fn version_of_ref(git_ref: &str) -> &str {
    match git_ref.rsplit_once('/') {
        Some((_, last)) => last.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.'),
        None => git_ref,
    }
}

fn present(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

/// `text` with everything that no layer name has replaced.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> LayerNameParts<'static> {
        LayerNameParts { base: "ocel", group: "beta", ..LayerNameParts::default() }
    }

    fn name(parts: LayerNameParts<'_>) -> String {
        parts.name().unwrap()
    }

    #[test]
    fn the_usual_name() {
        let full = LayerNameParts {
            arch: Some(Arch::Amd64),
            distribution: Some("minimal"),
            collector_version: Some("v0.126.0"),
            ..parts()
        };
        assert_eq!(name(full), "ocel-amd64-minimal-0_126_0-beta");
        assert_eq!(full.version_label(), "0_126_0");
        assert_eq!(name(LayerNameParts { version: Some("v1.2.3"), ..full }), "ocel-amd64-minimal-v1_2_3-beta");
        assert_eq!(
            name(LayerNameParts { version: Some(""), distribution: Some(""), ..full }),
            "ocel-amd64-0_126_0-beta"
        );
    }

    #[test]
    fn versions_from_a_reference() {
        let with_ref = |git_ref| name(LayerNameParts { git_ref: Some(git_ref), ..parts() });
        assert_eq!(with_ref("refs/tags/layer-collector/0.20.0"), "ocel-0_20_0-beta");
        assert_eq!(with_ref("refs/tags/v1.2"), "ocel-1_2-beta");
        assert_eq!(with_ref("refs/heads/main"), "ocel-latest-beta");
        assert_eq!(with_ref("main"), "ocel-main-beta");
        assert_eq!(with_ref(""), "ocel-latest-beta");
        assert_eq!(name(parts()), "ocel-latest-beta");
    }

    #[test]
    fn other_characters_and_leading_digits() {
        assert_eq!(name(LayerNameParts { base: "9 lives.é", ..parts() }), "layer-9_lives__-latest-beta");
        assert_eq!(name(LayerNameParts { group: "a/b", ..parts() }), "ocel-latest-a_b");
    }

    #[test]
    fn length_is_limited() {
        let fixed = "-latest-beta".len();
        let longest = "x".repeat(NAME_LIMIT - fixed);
        assert_eq!(name(LayerNameParts { base: &longest, ..parts() }).len(), NAME_LIMIT);
        let too_long = format!("{longest}x");
        let error = LayerNameParts { base: &too_long, ..parts() }.name().unwrap_err().to_string();
        assert!(error.contains("141 characters; AWS Lambda takes 140"), "{error}");
    }
}
