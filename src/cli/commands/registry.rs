//! `registry`: the metadata table.

use crate::base::aws_id::TableName;
use crate::base::code;
use crate::cli::args::RegistryCommand;
use crate::cli::commands::print;
use crate::cli::commands::versions::stop;
use crate::cli::exit::{Exit, Stop};
use crate::cli::process::Process;
use crate::exec::registries::Registries;
use crate::outside::registry::ErrorKind;
use crate::outside::registry::aws::TableState;

/// `registry`.
///
/// # Errors
/// A name that is none; what AWS says.
pub(super) fn registry(process: &Process, command: &RegistryCommand) -> Result<Exit, Stop> {
    let RegistryCommand::Init { table } = command;
    let table = table_name(table)?;
    let registries = Registries::new(&process.dir, &process.env, process.common.offline);
    let aws = registries.aws().map_err(stop)?;
    let said = match aws.table_state(&table).map_err(stop)? {
        TableState::Active => format!("{table} is there already\n"),
        TableState::NotReady => format!("{table} is being made; it takes rows in a minute\n"),
        TableState::Missing => match aws.create_table(&table) {
            Ok(()) => format!("{table} was created; it takes rows in a minute\n"),
            // Somebody else was a moment faster.
            Err(error) if error.kind == ErrorKind::Conflict => format!("{table} is being made\n"),
            Err(error) => return Err(stop(error)),
        },
    };
    print(&said);
    Ok(Exit::Ok)
}

/// A table as it is written on the command line.
///
/// # Errors
/// A name that is none.
pub(super) fn table_name(text: &str) -> Result<TableName, Stop> {
    let wrong = || {
        Stop::usage(code::BAD_ARGUMENT, format!("`{text}` names no table"))
            .hint("write NAME@REGION, such as ocelot-layers@us-east-1")
    };
    TableName::parse(text).ok_or_else(wrong)
}
