//! What every layer registry has to do, as one test over the trait.

use std::num::NonZeroUsize;

use crate::layer::deflate::Recipe;
use crate::layer::hashes::Sha256Sum;
use crate::layer::zip_write::{collector_layer, write_zip};
use crate::outside::registry::{ErrorKind, Grantee, LayerId, LayerRegistry, NewVersion, RegistryError, Statement};

/// A small layer zip that differs with `binary`.
pub(crate) fn layer_zip(binary: &[u8]) -> Vec<u8> {
    write_zip(&collector_layer(binary, b"receivers:\n"), Recipe::CURRENT, NonZeroUsize::MIN).unwrap()
}

fn kind<T>(result: Result<T, RegistryError>) -> ErrorKind {
    result.err().expect("an error").kind
}

/// Runs the suite; the registry has to be empty.
pub(crate) fn run(registry: &dyn LayerRegistry) {
    let layer = LayerId { region: "us-east-1".into(), name: "suite-layer".into() };
    versions(registry, &layer);
    policies(registry, &layer);
    numbers_are_never_reused(registry, &layer);
    limits(registry);
    whole_regions(registry, &layer);
}

fn versions(registry: &dyn LayerRegistry, layer: &LayerId) {
    assert!(registry.list_versions(layer).unwrap().is_empty());
    assert_eq!(kind(registry.get_version(layer, 1)), ErrorKind::NotFound);
    let zip = layer_zip(b"one");
    let (architectures, runtimes) = (["x86_64".to_owned()], ["python3.13".to_owned(), "nodejs22.x".to_owned()]);
    let new = NewVersion {
        zip: &zip,
        description: "first",
        architectures: &architectures,
        runtimes: &runtimes,
        license: "Apache-2.0",
    };
    let first = registry.publish(layer, &new).unwrap();
    assert_eq!(first.listed.number, 1);
    assert_eq!(first.code_sha256, Sha256Sum::of(&zip).to_code_sha256());
    assert_eq!(first.code_size, zip.len() as u64);
    assert!(first.arn.ends_with("layer:us-east-1:suite-layer:1") || first.arn.ends_with("layer:suite-layer:1"));
    assert_eq!(registry.get_version(layer, 1).unwrap(), first);
    // The same once more is a new version.
    assert_eq!(registry.publish(layer, &NewVersion { description: "second", ..new }).unwrap().listed.number, 2);
    let listed = registry.list_versions(layer).unwrap();
    assert_eq!(listed.iter().map(|version| version.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(listed[1], first.listed);
    assert_eq!(listed[0].description, "second");
    assert_eq!(listed[0].runtimes, ["nodejs22.x", "python3.13"]);
    assert_eq!((listed[0].architectures[0].as_str(), listed[0].license.as_str()), ("x86_64", "Apache-2.0"));
    // Neither another region nor another name sees it.
    for other in
        [LayerId { region: "eu-west-1".into(), ..layer.clone() }, LayerId { name: "suite".into(), ..layer.clone() }]
    {
        assert!(registry.list_versions(&other).unwrap().is_empty());
        assert_eq!(kind(registry.get_version(&other, 1)), ErrorKind::NotFound);
    }
}

fn policies(registry: &dyn LayerRegistry, layer: &LayerId) {
    assert!(registry.read_policy(layer, 1).unwrap().is_empty());
    assert_eq!(kind(registry.read_policy(layer, 99)), ErrorKind::NotFound);
    let everyone = Statement { id: "ocelot-public".into(), grantee: Grantee::Everyone };
    let account = Statement { id: "partner".into(), grantee: Grantee::Account("123456789012".into()) };
    registry.add_permission(layer, 1, &everyone).unwrap();
    registry.add_permission(layer, 1, &account).unwrap();
    assert_eq!(registry.read_policy(layer, 1).unwrap(), [everyone.clone(), account]);
    assert!(registry.read_policy(layer, 2).unwrap().is_empty());
    assert_eq!(kind(registry.add_permission(layer, 1, &everyone)), ErrorKind::Conflict);
    assert_eq!(kind(registry.add_permission(layer, 99, &everyone)), ErrorKind::NotFound);
    // What is taken away may be added again; the other statement stays.
    for _ in 0..2 {
        registry.remove_permission(layer, 1, "ocelot-public").unwrap();
        assert_eq!(registry.read_policy(layer, 1).unwrap().len(), 1);
    }
    assert_eq!(kind(registry.remove_permission(layer, 99, "ocelot-public")), ErrorKind::NotFound);
    registry.add_permission(layer, 1, &everyone).unwrap();
    for (id, grantee) in [
        ("a b", Grantee::Everyone),
        ("a", Grantee::Account("12".into())),
        ("a", Grantee::Organisation("x".into())),
        ("a", Grantee::Other("{}".into())),
    ] {
        assert_eq!(kind(registry.add_permission(layer, 1, &Statement { id: id.into(), grantee })), ErrorKind::Invalid);
    }
}

fn numbers_are_never_reused(registry: &dyn LayerRegistry, layer: &LayerId) {
    registry.delete_version(layer, 2).unwrap();
    registry.delete_version(layer, 2).unwrap();
    assert_eq!(kind(registry.get_version(layer, 2)), ErrorKind::NotFound);
    assert_eq!(kind(registry.read_policy(layer, 2)), ErrorKind::NotFound);
    let zip = layer_zip(b"one");
    let new = NewVersion { zip: &zip, description: "", architectures: &[], runtimes: &[], license: "" };
    assert_eq!(registry.publish(layer, &new).unwrap().listed.number, 3);
    let listed = registry.list_versions(layer).unwrap();
    assert_eq!(listed.iter().map(|version| version.number).collect::<Vec<_>>(), [3, 1]);
}

fn limits(registry: &dyn LayerRegistry) {
    let layer = LayerId { region: "us-east-1".into(), name: "limits".into() };
    let zip = layer_zip(b"x");
    let good = NewVersion { zip: &zip, description: "", architectures: &[], runtimes: &[], license: "" };
    let refused = |layer: &LayerId, new: NewVersion<'_>| {
        assert_eq!(kind(registry.publish(layer, &new)), ErrorKind::Invalid, "{layer} {}", new.description);
    };
    for name in ["", "a b", "../x", "a/b", "é", &"x".repeat(141)] {
        refused(&LayerId { name: name.to_owned(), ..layer.clone() }, good);
    }
    for region in ["", "..", "europe", "eu-west-1/.."] {
        refused(&LayerId { region: region.to_owned(), ..layer.clone() }, good);
    }
    refused(&layer, NewVersion { description: &"d".repeat(257), ..good });
    refused(&layer, NewVersion { license: &"l".repeat(513), ..good });
    refused(&layer, NewVersion { architectures: &["amd64".to_owned()], ..good });
    refused(&layer, NewVersion { runtimes: &["cobol".to_owned()], ..good });
    let many: Vec<String> =
        crate::layer::limits::known_runtimes().iter().take(16).map(|name| (*name).to_owned()).collect();
    refused(&layer, NewVersion { runtimes: &many, ..good });
    for zip in [b"".as_slice(), b"no zip", &zip[1..]] {
        refused(&layer, NewVersion { zip, ..good });
    }
    // What was refused left nothing, and what is just within the limits is taken.
    assert!(registry.list_versions(&layer).unwrap().is_empty());
    let name = "x".repeat(140);
    registry.publish(&LayerId { name, ..layer }, &NewVersion { runtimes: &many[..15], ..good }).unwrap();
}

fn whole_regions(registry: &dyn LayerRegistry, layer: &LayerId) {
    let names = registry.list_layers("us-east-1").unwrap();
    assert_eq!(names, [layer.name.clone(), "x".repeat(140)], "sorted, and none of what was refused");
    assert!(registry.list_layers("eu-west-1").unwrap().is_empty());
    assert_eq!(kind(registry.list_layers("europe")), ErrorKind::Invalid);
    assert_eq!(registry.read_zip(layer, 1).unwrap(), layer_zip(b"one"));
    assert_eq!(kind(registry.read_zip(layer, 99)), ErrorKind::NotFound);
}
