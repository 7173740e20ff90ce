//! What is linked into a collector, as a bill of materials in CycloneDX 1.6 and in SPDX 2.3.
//!
//! The documents are written here and not by a library: of either format a handful of members is used, and the same layer
//! has to give the same bytes, so nothing may add a time or a random number. Sources: the JSON schemas `bom-1.6` of
//! CycloneDX and `spdx-schema` 2.3, and the `golang` type of the purl specification.

use serde_json::{Value, json};

use crate::layer::build_info::{BuildInfo, Module};
use crate::layer::hashes::Sha256Sum;

/// What the documents are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// The distribution.
    pub distribution: &'s str,
    /// `amd64` or `arm64`.
    pub arch: &'s str,
    /// With its `v`.
    pub collector_version: &'s str,
    /// Of the layer zip.
    pub sha256: &'s Sha256Sum,
}

impl Subject<'_> {
    fn name(&self) -> String {
        format!("collector-{}-{}", self.arch, self.distribution)
    }
}

/// SPDX wants a time of creation; this is the one that the zip's entries have.
const CREATED: &str = "1980-01-01T00:00:00Z";

/// The module as it was really linked: what it was replaced with, if that is a published one.
fn linked(module: &Module) -> &Module {
    module.replace.as_deref().filter(|replace| !replace.version.is_empty()).unwrap_or(module)
}

/// Whether the module is a folder of the sources, so that no registry has it.
fn is_local(module: &Module) -> bool {
    module.replace.as_ref().is_some_and(|replace| replace.version.is_empty())
}

/// The package URL of a published module.
fn purl(module: &Module) -> String {
    let encode = |text: &str, kept: &[u8]| -> String {
        let keep = |byte: u8| byte.is_ascii_alphanumeric() || kept.contains(&byte);
        text.bytes().map(|byte| if keep(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
    };
    let path = encode(&module.path.to_lowercase(), b"-._~/");
    format!("pkg:golang/{path}@{}", encode(&module.version, b"-._~"))
}

/// CycloneDX 1.6, as indented JSON with a newline at its end.
pub fn cyclonedx(info: &BuildInfo, subject: &Subject<'_>) -> String {
    let root = subject.name();
    let components: Vec<Value> = info
        .deps
        .iter()
        .map(|dep| {
            let module = linked(dep);
            let mut component = json!({
                "type": "library", "bom-ref": reference(dep), "name": module.path, "version": module.version,
            });
            if is_local(dep) {
                component["properties"] = json!([{"name": "go:local", "value": "true"}]);
            } else {
                component["purl"] = purl(module).into();
            }
            if !module.sum.is_empty() {
                // The sum is over names and contents of the files, so it is no hash of an archive.
                component["properties"] = json!([{"name": "go:sum", "value": module.sum}]);
            }
            component
        })
        .collect();
    let refs: Vec<String> = info.deps.iter().map(reference).collect();
    let mut dependencies = vec![json!({"ref": root, "dependsOn": refs})];
    dependencies.extend(refs.iter().map(|reference| json!({"ref": reference})));
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(subject.sha256)),
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": root, "name": root, "version": subject.collector_version,
                "hashes": [{"alg": "SHA-256", "content": subject.sha256.to_hex()}],
                "properties": [{"name": "go:version", "value": info.go_version}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    format!("{document:#}\n")
}

/// SPDX 2.3, as indented JSON with a newline at its end.
pub fn spdx(info: &BuildInfo, subject: &Subject<'_>) -> String {
    const ROOT: &str = "SPDXRef-Layer";
    let name = subject.name();
    let mut packages = vec![json!({
        "SPDXID": ROOT, "name": name, "versionInfo": subject.collector_version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false, "primaryPackagePurpose": "APPLICATION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": subject.sha256.to_hex()}],
    })];
    let mut relationships =
        vec![json!({"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": ROOT})];
    for (number, dep) in info.deps.iter().enumerate() {
        let module = linked(dep);
        let id = format!("SPDXRef-Module-{number}");
        let mut package = json!({
            "SPDXID": id, "name": module.path, "versionInfo": module.version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
        });
        if !is_local(dep) {
            package["externalRefs"] = json!([{
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(module),
            }]);
        }
        if !module.sum.is_empty() {
            package["comment"] = format!("go.sum: {}", module.sum).into();
        }
        packages.push(package);
        relationships.push(json!({"spdxElementId": ROOT, "relationshipType": "CONTAINS", "relatedSpdxElement": id}));
    }
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("urn:uuid:{}", uuid(subject.sha256)),
        "creationInfo": {"created": CREATED, "creators": ["Tool: ocelot"]},
        "packages": packages,
        "relationships": relationships,
    });
    format!("{document:#}\n")
}

/// What names a module within the document; a local one has no purl.
fn reference(dep: &Module) -> String {
    if is_local(dep) { dep.path.clone() } else { purl(linked(dep)) }
}

/// A UUID of version 8 (RFC 9562: of the maker's own making) out of the layer's hash.
fn uuid(sum: &Sha256Sum) -> String {
    let hex = sum.to_hex();
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str, version: &str, sum: &str, replace: Option<Module>) -> Module {
        Module { path: path.into(), version: version.into(), sum: sum.into(), replace: replace.map(Box::new) }
    }

    fn info() -> BuildInfo {
        let deps = vec![
            module("github.com/Azure/x", "v1.2.0+incompatible", "h1:a=", None),
            module("example.com/local", "v0.0.0", "", Some(module("./local", "", "", None))),
            module("example.com/old", "v1.0.0", "", Some(module("example.com/fork", "v2.0.0", "h1:b=", None))),
        ];
        BuildInfo { go_version: "go1.26.8".into(), deps, ..BuildInfo::default() }
    }

    fn both() -> [Value; 2] {
        let sha256 = Sha256Sum::of(b"zip");
        let subject =
            Subject { distribution: "minimal", arch: "arm64", collector_version: "v0.145.0", sha256: &sha256 };
        let texts = [cyclonedx(&info(), &subject), spdx(&info(), &subject)];
        assert_eq!(texts, [cyclonedx(&info(), &subject), spdx(&info(), &subject)], "the same bytes each time");
        texts.map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn every_linked_module_is_listed_as_it_was_linked() {
        let [cyclonedx, spdx] = both();
        let purls: Vec<_> = cyclonedx["components"].as_array().unwrap().iter().map(|c| c["purl"].as_str()).collect();
        let azure = "pkg:golang/github.com/azure/x@v1.2.0%2Bincompatible";
        let fork = "pkg:golang/example.com/fork@v2.0.0";
        assert_eq!(purls, [Some(azure), None, Some(fork)]);
        let refs =
            spdx["packages"].as_array().unwrap().iter().map(|p| p["externalRefs"][0]["referenceLocator"].as_str());
        assert_eq!(refs.collect::<Vec<_>>(), [None, Some(azure), None, Some(fork)]);
        assert_eq!(cyclonedx["dependencies"][0]["dependsOn"].as_array().unwrap().len(), 3);
        assert_eq!(cyclonedx["components"][2]["properties"][0]["value"], "h1:b=");
    }

    #[test]
    fn the_documents_are_of_the_layers_bytes() {
        let [cyclonedx, spdx] = both();
        let hex = Sha256Sum::of(b"zip").to_hex();
        assert_eq!(cyclonedx["metadata"]["component"]["hashes"][0]["content"], hex);
        assert_eq!(spdx["packages"][0]["checksums"][0]["checksumValue"], hex);
        let serial = cyclonedx["serialNumber"].as_str().unwrap();
        assert_eq!((serial.len(), &serial[23..24]), (45, "8"), "{serial}");
    }
}
