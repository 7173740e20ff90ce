//! Which layer store a `publish` means, and whose it is: opened once for a run, and known without a socket.
//!
//! A receipt of AWS counts for one account. Which account the caller's credentials are of is asked of AWS when something
//! is to be published, and remembered under the fingerprint of the credentials, so that a run with nothing to do finds
//! its receipts by reading files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outside::registry::aws::credentials::{endpoint, files, fingerprint};
use crate::outside::registry::aws::{Account, AwsRegistry, GithubIdentity};
use crate::outside::registry::directory::DirectoryRegistry;
use crate::outside::registry::{ErrorKind, LayerRegistry, Place, RegistryError};
use crate::store::atomic;

/// The setting that means AWS Lambda.
pub const AWS: &str = "aws";

/// How long an upload to AWS may take, in seconds, where the usual five minutes do not fit.
const UPLOAD_TIMEOUT: &str = "OCELOT_AWS_UPLOAD_TIMEOUT";

/// The caller's variables.
pub type Env = BTreeMap<String, String>;

/// The stores that a run uses.
pub struct Registries {
    root: PathBuf,
    profile: Option<String>,
    identity: Option<GithubIdentity>,
    upload_timeout: Option<Duration>,
    offline: bool,
    /// Whose the credentials of this run are, once it was asked.
    owner: OnceLock<Place>,
    aws: OnceLock<Result<Arc<AwsRegistry>, RegistryError>>,
}

impl Registries {
    /// For the project at `root`. Nothing is opened yet.
    pub fn new(root: &Path, env: &Env, offline: bool) -> Self {
        let profile = env.get("AWS_PROFILE").filter(|name| !name.is_empty()).cloned();
        let seconds = env.get(UPLOAD_TIMEOUT).and_then(|text| text.trim().parse().ok());
        let upload_timeout = seconds.map(Duration::from_secs);
        Self {
            root: root.to_owned(),
            profile,
            identity: GithubIdentity::of(&variable(env)),
            upload_timeout,
            offline,
            owner: OnceLock::new(),
            aws: OnceLock::new(),
        }
    }

    /// The store of a setting: `aws`, or `directory:PATH`.
    ///
    /// # Errors
    /// Another setting; AWS without network.
    pub fn open(&self, setting: &str) -> Result<Arc<dyn LayerRegistry>, RegistryError> {
        if setting == AWS {
            return Ok(self.aws()?);
        }
        match DirectoryRegistry::of_setting(&self.root, setting) {
            Some(registry) => Ok(Arc::new(registry)),
            None => Err(RegistryError::new(
                ErrorKind::Invalid,
                format!("open the registry `{setting}`"),
                "there is no such kind of registry; write `aws` or `directory:PATH`",
            )),
        }
    }

    /// AWS Lambda.
    ///
    /// # Errors
    /// Without network, or if the clients cannot be started.
    pub fn aws(&self) -> Result<Arc<AwsRegistry>, RegistryError> {
        if self.offline {
            let problem = "the network is not to be used (`--offline`)";
            return Err(RegistryError::new(ErrorKind::Denied, "reach AWS Lambda", problem));
        }
        let made = self.aws.get_or_init(|| {
            AwsRegistry::new(self.profile.as_deref(), self.identity.clone(), self.upload_timeout).map(Arc::new)
        });
        made.clone()
    }

    /// Asks AWS whose the credentials are, and remembers it: in the project, and for the rest of this run, whatever
    /// becomes of the files that the credentials were read from. `near` is a region of theirs, for callers that have
    /// set none.
    ///
    /// # Errors
    /// As AWS says.
    pub fn account(&self, env: &Env, near: &str) -> Result<Account, RegistryError> {
        // A name taken before the question: files that change meanwhile are those of other credentials.
        let memory = memory(&self.root, env);
        let account = self.aws()?.account(near)?;
        let place = place_of(env, account.partition.clone(), account.id.clone());
        let problem = |error: io::Error| {
            RegistryError::new(ErrorKind::Io, format!("write {}", memory.display()), error.to_string())
        };
        remember(&memory, &account).map_err(problem)?;
        self.owner.get_or_init(|| place);
        Ok(account)
    }

    /// Where a setting leads in this run: for AWS the account that was asked for, else the one that is remembered.
    pub fn place(&self, env: &Env, setting: &str) -> Option<Place> {
        match self.owner.get() {
            Some(owner) if setting == AWS => Some(owner.clone()),
            _ => place(&self.root, env, setting),
        }
    }
}

/// The account of an ARN, if it has one.
pub fn account_of_arn(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}

/// What is remembered of an account.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Remembered {
    account: String,
    partition: String,
}

fn variable(env: &Env) -> impl Fn(&str) -> Option<String> + '_ {
    |name| env.get(name).cloned()
}

/// Where the account is remembered of the credentials that would be used now.
fn memory(root: &Path, env: &Env) -> PathBuf {
    let fingerprint = fingerprint(&variable(env), &|file| std::fs::read_to_string(file).ok());
    root.join(".ocelot/receipts/accounts").join(format!("{fingerprint}.json"))
}

fn remember(memory: &Path, account: &Account) -> io::Result<()> {
    let remembered = Remembered { account: account.id.clone(), partition: account.partition.clone() };
    atomic::write(memory, &serde_json::to_vec_pretty(&remembered)?, true)
}

fn place_of(env: &Env, partition: String, account: String) -> Place {
    Place { kind: AWS, endpoint: endpoint(&variable(env)), partition: Some(partition), account: Some(account) }
}

/// The store of a setting, told without opening it; `None` for one that is not known, and for AWS while nobody has asked
/// whose the credentials are.
pub fn place(root: &Path, env: &Env, setting: &str) -> Option<Place> {
    if setting != AWS {
        return Some(DirectoryRegistry::of_setting(root, setting)?.place());
    }
    let known: Remembered = serde_json::from_slice(&std::fs::read(memory(root, env)).ok()?).ok()?;
    Some(place_of(env, known.partition, known.account))
}

/// Files whose change may make another account of the same setting.
pub fn watched(root: &Path, env: &Env, setting: &str) -> Vec<PathBuf> {
    if setting != AWS {
        return Vec::new();
    }
    let mut watched = files(&variable(env));
    watched.push(memory(root, env));
    watched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_account_is_known_while_the_credentials_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (env(&[("AWS_ACCESS_KEY_ID", "AKIAA")]), env(&[("AWS_ACCESS_KEY_ID", "AKIAB")]));
        let account = |id: &str| Account { id: id.into(), partition: "aws".into(), arn: String::new() };
        assert_eq!(place(dir.path(), &a, AWS), None);
        remember(&memory(dir.path(), &a), &account("111111111111")).unwrap();
        remember(&memory(dir.path(), &b), &account("222222222222")).unwrap();
        let known = |env: &Env| place(dir.path(), env, AWS).unwrap().account.unwrap();
        assert_eq!((known(&a), known(&b)), ("111111111111".to_owned(), "222222222222".to_owned()));
        // Other credentials, or the same at another address, are not known.
        assert_eq!(place(dir.path(), &env(&[("AWS_ACCESS_KEY_ID", "AKIAC")]), AWS), None);
        let moved = env(&[("AWS_ACCESS_KEY_ID", "AKIAA"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]);
        assert_eq!(place(dir.path(), &moved, AWS), None);
        // A run keeps the account that it asked for, also while the files say another.
        let registries = Registries::new(dir.path(), &a, true);
        assert_eq!(registries.place(&b, AWS).unwrap().account.unwrap(), "222222222222");
        registries.owner.set(place_of(&a, "aws".into(), "111111111111".into())).unwrap();
        assert_eq!(registries.place(&b, AWS).unwrap().account.unwrap(), "111111111111");
        assert_eq!(registries.place(&b, "directory:layers").unwrap().account, None);
        // What cannot be read is not known.
        std::fs::write(memory(dir.path(), &a), "{").unwrap();
        assert_eq!(place(dir.path(), &a, AWS), None);
    }

    #[test]
    fn an_arn_of_aws_tells_its_account_and_that_of_a_folder_has_none() {
        assert_eq!(account_of_arn("arn:aws-cn:lambda:cn-north-1:111111111111:layer:x:1"), Some("111111111111"));
        assert_eq!(account_of_arn("layer:eu-west-1:x:1"), None);
        assert_eq!(account_of_arn("arn:aws:s3:::x"), None);
    }

    #[test]
    fn a_folder_is_known_at_once_and_other_settings_never() {
        let dir = tempfile::tempdir().unwrap();
        let registries = Registries::new(dir.path(), &Env::new(), true);
        assert_eq!(place(dir.path(), &Env::new(), "directory:layers").unwrap().endpoint, "layers");
        assert!(registries.open("directory:layers").is_ok());
        assert_eq!(place(dir.path(), &Env::new(), "s3"), None);
        let refused = |setting| registries.open(setting).err().expect("an error").to_string();
        assert!(refused("s3").contains("directory:PATH"));
        assert!(refused(AWS).contains("--offline"));
    }
}
