//! The metadata table: one row for each layer version, for those who look layers up by distribution.
//!
//! A row is written by setting attributes, not by replacing: what others have added to it stays.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus,
};
use aws_sdk_dynamodb::{Client, error::BuildError};

use crate::base::aws_id::TableName;
use crate::layer::record::{LayerRecord, Value};
use crate::outside::registry::aws::{AwsRegistry, failure};
use crate::outside::registry::{ErrorKind, RegistryError};

/// The indexes: name, partition key, sort key and its type.
const INDEXES: [(&str, &str, &str, ScalarAttributeType); 2] = [
    ("distribution-index", "distribution", LayerRecord::KEY, ScalarAttributeType::S),
    ("base-layer-index", "base_layer_arn", "version", ScalarAttributeType::N),
];
/// The attribute that says which run wrote a row first.
const RUN_URL: &str = "run_url";

/// What is known of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableState {
    /// It is there and takes rows.
    Active,
    /// It is being made or changed.
    NotReady,
    /// There is none of this name.
    Missing,
}

impl AwsRegistry {
    /// Whether the table is there.
    ///
    /// # Errors
    /// As AWS says.
    pub fn table_state(&self, table: &TableName) -> Result<TableState, RegistryError> {
        let asked =
            self.connection.table(&table.region, |client| client.describe_table().table_name(&table.name).send());
        match asked.map_err(|error| failure::of(format!("look at {table}"), &table.region, &error)) {
            Ok(answer) => {
                let status = answer.table().and_then(|described| described.table_status());
                let is_active = matches!(status, Some(TableStatus::Active | TableStatus::Updating));
                Ok(if is_active { TableState::Active } else { TableState::NotReady })
            }
            Err(error) if is_missing(&error) => Ok(TableState::Missing),
            Err(error) => Err(error),
        }
    }

    /// Makes the table with its indexes, paid by request.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] if it is there; else as AWS says.
    pub fn create_table(&self, table: &TableName) -> Result<(), RegistryError> {
        let what = format!("create {table}");
        let bug = |error: BuildError| RegistryError::new(ErrorKind::Invalid, &what, error.to_string());
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
        let attribute = |name: &str, kind: &ScalarAttributeType| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(kind.clone()).build()
        };
        let mut indexes = Vec::new();
        let mut attributes = vec![attribute(LayerRecord::KEY, &ScalarAttributeType::S).map_err(bug)?];
        for (name, partition, sort, kind) in &INDEXES {
            attributes.push(attribute(partition, &ScalarAttributeType::S).map_err(bug)?);
            if *sort != LayerRecord::KEY {
                attributes.push(attribute(sort, kind).map_err(bug)?);
            }
            let index = GlobalSecondaryIndex::builder()
                .index_name(*name)
                .key_schema(key(partition, KeyType::Hash).map_err(bug)?)
                .key_schema(key(sort, KeyType::Range).map_err(bug)?)
                .projection(Projection::builder().projection_type(ProjectionType::All).build());
            indexes.push(index.build().map_err(bug)?);
        }
        let hash = key(LayerRecord::KEY, KeyType::Hash).map_err(bug)?;
        let made = self.connection.table(&table.region, |client| {
            client
                .create_table()
                .table_name(&table.name)
                .key_schema(hash)
                .set_attribute_definitions(Some(attributes))
                .set_global_secondary_indexes(Some(indexes))
                .billing_mode(BillingMode::PayPerRequest)
                .send()
        });
        match made.map_err(|error| failure::of(&what, &table.region, &error)) {
            Ok(_) => Ok(()),
            Err(error) if error.problem.starts_with("ResourceInUseException") => {
                Err(RegistryError { kind: ErrorKind::Conflict, ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a row, whatever was there of it. `run_url` is where to read about the run, and stays as the first one set it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without the table; else as AWS says.
    pub fn write_row(
        &self,
        table: &TableName,
        record: &LayerRecord,
        run_url: Option<&str>,
    ) -> Result<(), RegistryError> {
        let mut sets = Vec::new();
        let mut attributes = record.attributes();
        attributes.extend(run_url.map(|url| (RUN_URL, Value::Text(url.to_owned()))));
        let done = self.connection.table(&table.region, |client| {
            let mut call = client.update_item().table_name(&table.name);
            call = call.key(LayerRecord::KEY, AttributeValue::S(record.arn.clone()));
            for (at, (name, value)) in attributes.into_iter().enumerate() {
                // By number: some of the names are words of the language.
                sets.push(match name {
                    RUN_URL => format!("#{at} = if_not_exists(#{at}, :{at})"),
                    _ => format!("#{at} = :{at}"),
                });
                call = call.expression_attribute_names(format!("#{at}"), name);
                call = call.expression_attribute_values(format!(":{at}"), wire(value));
            }
            call.update_expression(format!("SET {}", sets.join(", "))).send()
        });
        let what = format!("write the row of {} into {table}", record.arn);
        done.map(|_| ()).map_err(|error| missing_told(table, failure::of(what, &table.region, &error)))
    }

    /// Whether there is a row of this version.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without the table; else as AWS says.
    pub fn has_row(&self, table: &TableName, arn: &str) -> Result<bool, RegistryError> {
        let asked = self.connection.table(&table.region, |client| {
            client
                .get_item()
                .table_name(&table.name)
                .key(LayerRecord::KEY, AttributeValue::S(arn.to_owned()))
                .projection_expression(LayerRecord::KEY)
                .send()
        });
        let what = format!("look for the row of {arn} in {table}");
        asked
            .map(|answer| answer.item().is_some())
            .map_err(|error| missing_told(table, failure::of(what, &table.region, &error)))
    }

    /// The row of a version as texts by attribute; empty if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without the table; else as AWS says.
    pub fn read_row(&self, table: &TableName, arn: &str) -> Result<BTreeMap<String, String>, RegistryError> {
        let asked = self.connection.table(&table.region, |client| {
            client.get_item().table_name(&table.name).key(LayerRecord::KEY, AttributeValue::S(arn.to_owned())).send()
        });
        let what = format!("read the row of {arn} in {table}");
        let answer = asked.map_err(|error| missing_told(table, failure::of(what, &table.region, &error)))?;
        let row = answer.item().into_iter().flatten();
        Ok(row.filter_map(|(name, value)| Some((name.clone(), shown(value)?))).collect())
    }

    /// Removes the row of a version. One that is gone already is fine.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without the table; else as AWS says.
    pub fn remove_row(&self, table: &TableName, arn: &str) -> Result<(), RegistryError> {
        let done = self.connection.table(&table.region, |client| {
            client.delete_item().table_name(&table.name).key(LayerRecord::KEY, AttributeValue::S(arn.to_owned())).send()
        });
        let what = format!("remove the row of {arn} from {table}");
        done.map(|_| ()).map_err(|error| missing_told(table, failure::of(what, &table.region, &error)))
    }
}

/// A value as a text; `None` for a form that rows do not have.
fn shown(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text.clone()),
        AttributeValue::Bool(flag) => Some(flag.to_string()),
        AttributeValue::L(elements) => Some(elements.iter().filter_map(shown).collect::<Vec<_>>().join(", ")),
        _ => None,
    }
}

fn wire(value: Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Flag(flag) => AttributeValue::Bool(flag),
        Value::List(texts) => AttributeValue::L(texts.into_iter().map(AttributeValue::S).collect()),
    }
}

/// DynamoDB answers 400 where Lambda answers 404.
fn is_missing(error: &RegistryError) -> bool {
    error.problem.starts_with("ResourceNotFoundException")
}

fn missing_told(table: &TableName, error: RegistryError) -> RegistryError {
    if !is_missing(&error) {
        return error;
    }
    let problem = format!("there is no {table}; make it with `ocelot registry init {}@{}`", table.name, table.region);
    RegistryError::new(ErrorKind::NotFound, error.what, problem)
}

/// A client of its own: the calls are few.
pub(super) fn client(config: &aws_config::SdkConfig, region: &str) -> Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config).region(aws_config::Region::new(region.to_owned()));
    Client::from_conf(config.build())
}
