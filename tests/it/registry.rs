//! What every layer registry has to do, as one suite over the trait: a folder, and AWS as a stand-in plays it.

use std::num::NonZeroUsize;
use std::process::Command;

use ocelot::layer::deflate::Recipe;
use ocelot::layer::hashes::Sha256Sum;
use ocelot::layer::zip_write::{collector_layer, write_zip};
use ocelot::outside::registry::aws::AwsRegistry;
use ocelot::outside::registry::directory::DirectoryRegistry;
use ocelot::outside::registry::{ErrorKind, Grantee, LayerId, LayerRegistry, NewVersion, RegistryError, Statement};

use crate::aws::KEY;
use crate::support::proxy::Proxy;

/// A small layer zip that differs with `binary`.
fn layer_zip(binary: &[u8]) -> Vec<u8> {
    write_zip(&collector_layer(binary, b"receivers:\n"), Recipe::CURRENT, NonZeroUsize::MIN).unwrap()
}

fn kind<T>(result: Result<T, RegistryError>) -> ErrorKind {
    result.err().expect("an error").kind
}

/// The regions of the suite: no other test publishes there.
const REGION: &str = "cn-north-1";
const OTHER_REGION: &str = "cn-northwest-1";
/// Set for the process in which the suite runs over AWS: the SDK reads its settings from the environment.
const IN_CHILD: &str = "OCELOT_TEST_REGISTRY_SUITE";

/// Runs the suite; the registry has to be empty.
fn run(registry: &dyn LayerRegistry) {
    let layer = LayerId { region: REGION.into(), name: "suite-layer".into() };
    versions(registry, &layer);
    policies(registry, &layer);
    numbers_are_never_reused(registry, &layer);
    limits(registry);
    whole_regions(registry, &layer);
}

#[test]
fn a_folder_does_what_every_store_has_to() {
    let dir = tempfile::tempdir().unwrap();
    run(&DirectoryRegistry::new(dir.path(), "layers"));
}

#[test]
fn aws_does_what_every_store_has_to() {
    let proxy = Proxy::start();
    let home = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "registry::the_suite_over_aws", "--nocapture"])
        .env_clear()
        .env(IN_CHILD, "1")
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_ENDPOINT_URL", proxy.url())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert!(proxy.calls().contains_key("zip"), "the suite ran: {:?}", proxy.calls());
}

/// Does its work only in the process of the test above.
#[test]
fn the_suite_over_aws() {
    if std::env::var_os(IN_CHILD).is_some() {
        run(&AwsRegistry::new(None, None, None).unwrap());
    }
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
    assert!(first.arn.ends_with(":suite-layer:1"), "{}", first.arn);
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
        [LayerId { region: OTHER_REGION.into(), ..layer.clone() }, LayerId { name: "suite".into(), ..layer.clone() }]
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
    let layer = LayerId { region: REGION.into(), name: "limits".into() };
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
        ocelot::layer::limits::known_runtimes().iter().take(16).map(|name| (*name).to_owned()).collect();
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
    let names = registry.list_layers(REGION).unwrap();
    assert_eq!(names, [layer.name.clone(), "x".repeat(140)], "sorted, and none of what was refused");
    assert!(registry.list_layers(OTHER_REGION).unwrap().is_empty());
    assert_eq!(kind(registry.list_layers("europe")), ErrorKind::Invalid);
    assert_eq!(registry.read_zip(layer, 1).unwrap(), layer_zip(b"one"));
    assert_eq!(kind(registry.read_zip(layer, 99)), ErrorKind::NotFound);
}
