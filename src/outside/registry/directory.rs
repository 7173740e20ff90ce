//! A folder that behaves like Lambda's layer store: the whole pipeline runs with no account.
//!
//! `ROOT/REGION/NAME/NUMBER/{layer.zip,version.json,policy.json}`, and beside the numbers a file `last-number`, so that
//! a number is never given twice. A version appears by one rename, synced, and is never changed afterwards; its policy is
//! replaced as a whole. Writers of one layer take turns by a file lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::layer::hashes::Sha256Sum;
use crate::outside::registry::rules::{POLICY_LIMIT, check_layer, check_statement, check_version};
use crate::outside::registry::{
    ErrorKind, LayerId, LayerRegistry, LayerVersion, ListedVersion, NewVersion, Place, RegistryError, Statement,
    Storage,
};

const ZIP: &str = "layer.zip";
const VERSION: &str = "version.json";
const POLICY: &str = "policy.json";
const LAST_NUMBER: &str = "last-number";
const LOCK: &str = ".lock";
/// Where a version is put together before it appears.
const STAGING: &str = ".new";

/// A layer store in a folder.
#[derive(Clone, Debug)]
pub struct DirectoryRegistry {
    root: PathBuf,
    written: String,
}

/// `version.json`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct VersionFile {
    code_sha256: String,
    code_size: u64,
    description: String,
    architectures: Vec<String>,
    runtimes: Vec<String>,
    license: String,
}

impl DirectoryRegistry {
    /// The store in the folder that the user wrote as `written`, relative to `project`. The folder is made when
    /// something is published.
    pub fn new(project: &Path, written: &str) -> Self {
        Self { root: project.join(written), written: written.to_owned() }
    }

    /// What `registry: directory:PATH` names; `None` for another kind of registry.
    pub fn of_setting(project: &Path, setting: &str) -> Option<Self> {
        setting.strip_prefix("directory:").filter(|path| !path.is_empty()).map(|path| Self::new(project, path))
    }

    /// What tells this store from another.
    pub fn place(&self) -> Place {
        Place { kind: "directory", endpoint: self.written.clone(), partition: None, account: None }
    }

    /// The files of one version, whether they are there or not: what they hold is what the store says of it.
    pub fn files(&self, layer: &LayerId, number: u64) -> Vec<PathBuf> {
        let folder = self.folder(layer).join(number.to_string());
        [ZIP, VERSION, POLICY].into_iter().map(|name| folder.join(name)).collect()
    }

    fn folder(&self, layer: &LayerId) -> PathBuf {
        self.root.join(&layer.region).join(&layer.name)
    }

    fn version_folder(&self, layer: &LayerId, number: u64, what: &str) -> Result<PathBuf, RegistryError> {
        check_layer(layer, what)?;
        let folder = self.folder(layer).join(number.to_string());
        if folder.join(VERSION).exists() {
            return Ok(folder);
        }
        Err(RegistryError::new(
            ErrorKind::NotFound,
            what,
            format!("there is no such version in {}", self.root.display()),
        ))
    }

    fn read_version(
        &self,
        layer: &LayerId,
        number: u64,
        folder: &Path,
        what: &str,
    ) -> Result<LayerVersion, RegistryError> {
        let path = folder.join(VERSION);
        let file: VersionFile = read_json(&path, what)?.ok_or_else(|| gone(what, &path))?;
        // Written once and never changed, so that its time is that of the version.
        let written = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let created = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
        Ok(LayerVersion {
            arn: arn(layer, number),
            code_sha256: file.code_sha256,
            code_size: file.code_size,
            listed: ListedVersion {
                number,
                description: file.description,
                architectures: file.architectures,
                runtimes: file.runtimes,
                license: file.license,
                created,
            },
        })
    }

    /// Waits for the layer's other writers, and keeps them out until the returned file is dropped.
    fn lock(&self, layer: &LayerId, what: &str) -> Result<File, RegistryError> {
        let folder = self.folder(layer);
        make_folder(&folder).map_err(|error| failed(what, &folder, &error))?;
        let path = folder.join(LOCK);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|error| failed(what, &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => file.lock().map_err(|error| failed(what, &path, &error))?,
            Err(TryLockError::Error(error)) => return Err(failed(what, &path, &error)),
        }
        Ok(file)
    }

    /// The next number: one more than any that was ever given. It is noted before it is used.
    fn take_number(&self, layer: &LayerId, what: &str) -> Result<u64, RegistryError> {
        let folder = self.folder(layer);
        let path = folder.join(LAST_NUMBER);
        let noted = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| {
                let problem =
                    format!("{} does not hold a number; write the highest one ever given into it", path.display());
                RegistryError::new(ErrorKind::Invalid, what, problem)
            })?,
            Err(error) if error.kind() == IoKind::NotFound => 0,
            Err(error) => return Err(failed(what, &path, &error)),
        };
        let there = numbers(&folder).map_err(|error| failed(what, &folder, &error))?;
        let next = there.into_iter().max().unwrap_or(0).max(noted) + 1;
        replace(&path, format!("{next}\n").as_bytes()).map_err(|error| failed(what, &path, &error))?;
        Ok(next)
    }
}

impl LayerRegistry for DirectoryRegistry {
    fn list_versions(&self, layer: &LayerId) -> Result<Vec<ListedVersion>, RegistryError> {
        let what = format!("list the versions of {layer}");
        check_layer(layer, &what)?;
        let folder = self.folder(layer);
        let mut numbers = numbers(&folder).map_err(|error| failed(&what, &folder, &error))?;
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let mut versions = Vec::with_capacity(numbers.len());
        for number in numbers {
            match self.read_version(layer, number, &folder.join(number.to_string()), &what) {
                Ok(version) => versions.push(version.listed),
                // Deleted since the folder was listed.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(versions)
    }

    fn get_version(&self, layer: &LayerId, number: u64) -> Result<LayerVersion, RegistryError> {
        let what = format!("get version {number} of {layer}");
        let folder = self.version_folder(layer, number, &what)?;
        self.read_version(layer, number, &folder, &what)
    }

    fn publish(&self, layer: &LayerId, version: &NewVersion<'_>) -> Result<LayerVersion, RegistryError> {
        let what = format!("publish {layer}");
        check_layer(layer, &what)?;
        let (architectures, runtimes) =
            check_version(version).map_err(|problem| RegistryError::new(ErrorKind::Invalid, &what, problem))?;
        let _lock = self.lock(layer, &what)?;
        let number = self.take_number(layer, &what)?;
        let file = VersionFile {
            code_sha256: Sha256Sum::of(version.zip).to_code_sha256(),
            code_size: version.zip.len() as u64,
            description: version.description.to_owned(),
            architectures,
            runtimes,
            license: version.license.to_owned(),
        };
        let folder = self.folder(layer);
        let (staging, target) = (folder.join(STAGING), folder.join(number.to_string()));
        let written = (|| {
            // Left behind by a writer that was killed; the lock says that it is gone.
            if staging.exists() {
                fs::remove_dir_all(&staging)?;
            }
            fs::create_dir(&staging)?;
            write_synced(&staging.join(ZIP), version.zip)?;
            write_synced(&staging.join(VERSION), &to_json(&file))?;
            sync_folder(&staging)?;
            fs::rename(&staging, &target)?;
            sync_folder(&folder)
        })();
        written.map_err(|error: io::Error| failed(&what, &target, &error))?;
        self.read_version(layer, number, &target, &what)
    }

    fn read_policy(&self, layer: &LayerId, number: u64) -> Result<Vec<Statement>, RegistryError> {
        let what = format!("read the policy of version {number} of {layer}");
        let folder = self.version_folder(layer, number, &what)?;
        Ok(read_json(&folder.join(POLICY), &what)?.unwrap_or_default())
    }

    fn add_permission(&self, layer: &LayerId, number: u64, statement: &Statement) -> Result<(), RegistryError> {
        let what = format!("add permission `{}` to version {number} of {layer}", statement.id);
        check_statement(statement).map_err(|problem| RegistryError::new(ErrorKind::Invalid, &what, problem))?;
        let folder = self.version_folder(layer, number, &what)?;
        let _lock = self.lock(layer, &what)?;
        let path = folder.join(POLICY);
        let mut policy: Vec<Statement> = read_json(&path, &what)?.unwrap_or_default();
        if policy.iter().any(|held| held.id == statement.id) {
            return Err(RegistryError::new(ErrorKind::Conflict, what, "the policy has a statement of this id already"));
        }
        policy.push(statement.clone());
        let bytes = to_json(&policy);
        if bytes.len() > POLICY_LIMIT {
            let problem = format!("the policy would be over {POLICY_LIMIT} bytes; remove statements");
            return Err(RegistryError::new(ErrorKind::Invalid, what, problem));
        }
        replace(&path, &bytes).map_err(|error| failed(&what, &path, &error))
    }

    fn delete_version(&self, layer: &LayerId, number: u64) -> Result<(), RegistryError> {
        let what = format!("delete version {number} of {layer}");
        check_layer(layer, &what)?;
        let folder = self.folder(layer);
        if !folder.exists() {
            return Ok(());
        }
        let _lock = self.lock(layer, &what)?;
        let target = folder.join(number.to_string());
        let (gone, staging) = (!target.exists(), folder.join(STAGING));
        if gone {
            return Ok(());
        }
        let removed = (|| {
            // The name is kept first, in case this is the newest version and its number was never noted.
            let noted = fs::read_to_string(folder.join(LAST_NUMBER)).ok().and_then(|text| text.trim().parse().ok());
            if noted.unwrap_or(0) < number {
                replace(&folder.join(LAST_NUMBER), format!("{number}\n").as_bytes())?;
            }
            if staging.exists() {
                fs::remove_dir_all(&staging)?;
            }
            fs::rename(&target, &staging)?;
            fs::remove_dir_all(&staging)?;
            sync_folder(&folder)
        })();
        removed.map_err(|error: io::Error| failed(&what, &target, &error))
    }

    fn list_layers(&self, region: &str) -> Result<Vec<String>, RegistryError> {
        let what = format!("list the layers in {region}");
        // The name is only there to be checked with the region.
        check_layer(&LayerId { region: region.to_owned(), name: "any".to_owned() }, &what)?;
        let folder = self.root.join(region);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == IoKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| failed(&what, &folder, &error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| failed(&what, &folder, &error))?.file_name();
            let Some(name) = name.to_str() else { continue };
            let layer = LayerId { region: region.to_owned(), name: name.to_owned() };
            // As on AWS, a layer without versions is none.
            if check_layer(&layer, &what).is_ok() && !self.list_versions(&layer)?.is_empty() {
                names.push(layer.name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read_zip(&self, layer: &LayerId, number: u64) -> Result<Vec<u8>, RegistryError> {
        let what = format!("read the zip of version {number} of {layer}");
        let path = self.version_folder(layer, number, &what)?.join(ZIP);
        fs::read(&path).map_err(|error| failed(what, &path, &error))
    }

    fn remove_permission(&self, layer: &LayerId, number: u64, id: &str) -> Result<(), RegistryError> {
        let what = format!("remove permission `{id}` from version {number} of {layer}");
        let folder = self.version_folder(layer, number, &what)?;
        let _lock = self.lock(layer, &what)?;
        let path = folder.join(POLICY);
        let mut policy: Vec<Statement> = read_json(&path, &what)?.unwrap_or_default();
        let held = policy.len();
        policy.retain(|statement| statement.id != id);
        if policy.len() == held {
            return Ok(());
        }
        replace(&path, &to_json(&policy)).map_err(|error| failed(&what, &path, &error))
    }

    fn storage(&self, _region: &str) -> Result<Option<Storage>, RegistryError> {
        Ok(None)
    }
}

/// Names a version. No AWS ARN looks like this.
fn arn(layer: &LayerId, number: u64) -> String {
    format!("layer:{}:{}:{number}", layer.region, layer.name)
}

/// The numbers of the versions in a layer's folder.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == IoKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        // `007` is not the folder of version 7.
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| Some((name, name.parse::<u64>().ok()?)));
        numbers.extend(number.filter(|(name, number)| *number > 0 && number.to_string() == *name).map(|(_, n)| n));
    }
    Ok(numbers)
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("BUG: text and numbers always encode");
    bytes.push(b'\n');
    bytes
}

fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<Option<T>, RegistryError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
        other => other.map_err(|error| failed(what, path, &error))?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let problem = format!("{} is damaged ({error}); remove its folder", path.display());
        RegistryError::new(ErrorKind::Invalid, what, problem)
    })
}

fn gone(what: &str, path: &Path) -> RegistryError {
    RegistryError::new(ErrorKind::NotFound, what, format!("{} is not there", path.display()))
}

fn failed(what: impl Into<String>, path: &Path, error: &io::Error) -> RegistryError {
    let kind = match error.kind() {
        IoKind::PermissionDenied | IoKind::ReadOnlyFilesystem => ErrorKind::Denied,
        IoKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Io,
    };
    RegistryError::new(kind, what, format!("{}: {error}", path.display()))
}

/// Makes a folder and its parents, so that they survive a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    folder.ancestors().skip(1).take(3).filter(|parent| !parent.as_os_str().is_empty()).try_for_each(sync_folder)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Replaces a file as a whole. The layer's lock is held, so one temporary name is enough.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != IoKind::NotFound => return Err(error),
        _ => {}
    }
    write_synced(&temporary, bytes)?;
    fs::rename(&temporary, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::registry::sample::layer_zip;

    fn registry(dir: &Path) -> DirectoryRegistry {
        DirectoryRegistry::new(dir, "layers")
    }

    fn layer() -> LayerId {
        LayerId { region: "eu-west-1".into(), name: "ocel-amd64-minimal-0_145_0-local".into() }
    }

    fn version(zip: &[u8]) -> NewVersion<'_> {
        NewVersion { zip, description: "", architectures: &[], runtimes: &[], license: "" }
    }

    #[test]
    fn names_are_not_those_of_aws_and_the_setting_is_recognised() {
        assert_eq!(arn(&layer(), 3), "layer:eu-west-1:ocel-amd64-minimal-0_145_0-local:3");
        assert!(DirectoryRegistry::of_setting(Path::new("/p"), "aws").is_none());
        assert!(DirectoryRegistry::of_setting(Path::new("/p"), "directory:").is_none());
        let found = DirectoryRegistry::of_setting(Path::new("/p"), "directory:build/layers").unwrap();
        assert_eq!(found.place().endpoint, "build/layers");
        assert_eq!(found.files(&layer(), 3)[0], found.folder(&layer()).join("3/layer.zip"));
        assert!(found.folder(&layer()).starts_with("/p/build/layers/eu-west-1"));
    }

    #[test]
    fn a_version_removed_by_hand_does_not_free_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, zip) = (registry(dir.path()), layer_zip(b"x"));
        registry.publish(&layer(), &version(&zip)).unwrap();
        fs::remove_dir_all(registry.folder(&layer()).join("1")).unwrap();
        assert_eq!(registry.publish(&layer(), &version(&zip)).unwrap().listed.number, 2);
        fs::remove_file(registry.folder(&layer()).join(LAST_NUMBER)).unwrap();
        assert_eq!(registry.publish(&layer(), &version(&zip)).unwrap().listed.number, 3);
        assert_eq!(fs::read(&registry.files(&layer(), 3)[0]).unwrap(), zip);
        assert_eq!(registry.read_zip(&layer(), 3).unwrap(), zip);
    }

    #[test]
    fn what_a_killed_publisher_left_is_neither_listed_nor_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, zip) = (registry(dir.path()), layer_zip(b"x"));
        let staging = registry.folder(&layer()).join(STAGING);
        fs::create_dir_all(&staging).unwrap();
        fs::write(staging.join(ZIP), b"half").unwrap();
        fs::create_dir_all(registry.folder(&layer()).join("007")).unwrap();
        assert!(registry.list_versions(&layer()).unwrap().is_empty());
        assert_eq!(registry.publish(&layer(), &version(&zip)).unwrap().listed.number, 1);
        assert!(!staging.exists());
    }

    #[test]
    fn damage_is_an_error_and_never_an_empty_list() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, zip) = (registry(dir.path()), layer_zip(b"x"));
        registry.publish(&layer(), &version(&zip)).unwrap();
        let [_, file, policy] = &registry.files(&layer(), 1)[..] else { panic!() };
        fs::write(policy, b"[").unwrap();
        assert_eq!(registry.read_policy(&layer(), 1).unwrap_err().kind, ErrorKind::Invalid);
        fs::write(file, b"{}").unwrap();
        let error = registry.list_versions(&layer()).unwrap_err();
        assert!(error.kind == ErrorKind::Invalid && error.to_string().contains("version.json is damaged"), "{error}");
        fs::write(registry.folder(&layer()).join(LAST_NUMBER), b"x").unwrap();
        assert!(registry.publish(&layer(), &version(&zip)).unwrap_err().to_string().contains("last-number"));
    }

    #[test]
    fn concurrent_publishers_get_distinct_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, zip) = (registry(dir.path()), layer_zip(b"x"));
        let mut numbers: Vec<u64> = std::thread::scope(|scope| {
            let publish = || registry.publish(&layer(), &version(&zip)).unwrap().listed.number;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(publish)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    }
}
