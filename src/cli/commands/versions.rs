//! What the commands about single layer versions share: which store a name means, and what its errors mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::aws_id::TableName;
use crate::base::code;
use crate::cli::args::StoreArgs;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::exec::registries::{AWS, Registries};
use crate::layer::arn::VersionArn;
use crate::outside::registry::{ErrorKind, LayerRegistry, RegistryError};

/// The stores of a command.
pub(super) struct Stores {
    registries: Registries,
    folder: Option<String>,
}

impl Stores {
    pub(super) fn new(process: &Process, args: &StoreArgs) -> Self {
        let registries = Registries::new(&process.dir, &process.env, process.common.offline);
        Self { registries, folder: args.registry.clone().filter(|setting| setting != AWS) }
    }

    /// The store that has a version.
    ///
    /// # Errors
    /// A version of a folder without that folder; a store that cannot be opened.
    pub(super) fn of(&self, arn: &VersionArn) -> Result<Arc<dyn LayerRegistry>, Stop> {
        let setting = match (&arn.owner, &self.folder) {
            (Some(_), _) => AWS,
            (None, Some(folder)) => folder,
            (None, None) => {
                return Err(Stop::usage(code::UNSUITABLE_TARGET, format!("`{arn}` is in a folder, and none is named"))
                    .hint("name it with `--registry directory:PATH`"));
            }
        };
        self.registries.open(setting).map_err(stop)
    }
}

impl Stores {
    /// What a metadata table has of a version.
    ///
    /// # Errors
    /// As AWS says.
    pub(super) fn row(&self, table: &TableName, arn: &str) -> Result<BTreeMap<String, String>, Stop> {
        self.registries.aws().and_then(|aws| aws.read_row(table, arn)).map_err(stop)
    }
}

/// A version's name as given on the command line.
///
/// # Errors
/// One that names no version.
pub(super) fn parse(text: &str) -> Result<VersionArn, Stop> {
    VersionArn::parse(text).map_err(|error| Stop::usage(code::BAD_ARGUMENT, error))
}

/// Whether a word names a layer version, right or wrong.
pub(super) fn is_arn(word: &str) -> bool {
    word.starts_with("arn:") || word.starts_with("layer:")
}

/// How a command ends that a store refuses.
pub(super) fn stop(error: RegistryError) -> Stop {
    let hint = match error.kind {
        ErrorKind::Denied => Some("are these the credentials of an account that may do this? see `--profile`"),
        ErrorKind::Throttled | ErrorKind::Refused | ErrorKind::Ambiguous => Some("try again"),
        _ => None,
    };
    let exit = match error.kind {
        ErrorKind::NotFound | ErrorKind::Conflict => Exit::Failure,
        ErrorKind::Invalid => Exit::Usage,
        _ => Exit::Environment,
    };
    let stop = Stop::new(code::REGISTRY, exit, &error);
    match hint {
        Some(hint) => stop.hint(hint),
        None => stop,
    }
}
