//! The metadata table: one row for each layer version, for those who look layers up by distribution.
//!
//! A row is written by setting attributes, not by replacing: what others have added to it stays.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::base::aws_id::TableName;
use crate::layer::record::{LayerRecord, Value};
use crate::outside::registry::aws::{AwsRegistry, failure};
use crate::outside::registry::{ErrorKind, RegistryError};

/// The indexes: name, partition key, sort key and its type.
const INDEXES: [(&str, &str, &str, &str); 2] = [
    ("distribution-index", "distribution", LayerRecord::KEY, "S"),
    ("base-layer-index", "base_layer_arn", "version", "N"),
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
        match self.ask(table, "DescribeTable", format!("look at {table}"), json!({})) {
            Ok(answer) => {
                let is_active = matches!(answer["Table"]["TableStatus"].as_str(), Some("ACTIVE" | "UPDATING"));
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
        match self.ask(table, "CreateTable", format!("create {table}"), layout()) {
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
        let mut body = update(record, run_url);
        body["Key"] = key(&record.arn);
        let done = self.ask(table, "UpdateItem", format!("write the row of {} into {table}", record.arn), body);
        done.map(|_| ()).map_err(|error| missing_told(table, error))
    }

    /// Whether there is a row of this version.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without the table; else as AWS says.
    pub fn has_row(&self, table: &TableName, arn: &str) -> Result<bool, RegistryError> {
        let body = json!({ "Key": key(arn), "ProjectionExpression": LayerRecord::KEY });
        let asked = self.ask(table, "GetItem", format!("look for the row of {arn} in {table}"), body);
        asked.map(|answer| answer["Item"].is_object()).map_err(|error| missing_told(table, error))
    }

    /// The row of a version as texts by attribute; empty if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without the table; else as AWS says.
    pub fn read_row(&self, table: &TableName, arn: &str) -> Result<BTreeMap<String, String>, RegistryError> {
        let asked = self.ask(table, "GetItem", format!("read the row of {arn} in {table}"), json!({ "Key": key(arn) }));
        let answer = asked.map_err(|error| missing_told(table, error))?;
        let row = answer["Item"].as_object().into_iter().flatten();
        Ok(row.filter_map(|(name, value)| Some((name.clone(), shown(value)?))).collect())
    }

    /// Removes the row of a version. One that is gone already is fine.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without the table; else as AWS says.
    pub fn remove_row(&self, table: &TableName, arn: &str) -> Result<(), RegistryError> {
        let what = format!("remove the row of {arn} from {table}");
        let done = self.ask(table, "DeleteItem", what, json!({ "Key": key(arn) }));
        done.map(|_| ()).map_err(|error| missing_told(table, error))
    }

    /// Makes the call `action` about the table; `what` is it for people.
    fn ask(
        &self,
        table: &TableName,
        action: &'static str,
        what: String,
        mut body: Json,
    ) -> Result<Json, RegistryError> {
        body["TableName"] = table.name.as_str().into();
        let answer = self.connection.table(&table.region, action, body);
        answer.map_err(|error| failure::of(what, &table.region, &error))
    }
}

/// What a new table is made with.
fn layout() -> Json {
    let keys = |partition: &str, sort: Option<&str>| -> Json {
        let elements = [(Some(partition), "HASH"), (sort, "RANGE")];
        elements
            .into_iter()
            .filter_map(|(name, kind)| Some(json!({ "AttributeName": name?, "KeyType": kind })))
            .collect()
    };
    let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
    let (mut indexes, mut attributes) = (Vec::new(), vec![attribute(LayerRecord::KEY, "S")]);
    for (name, partition, sort, kind) in INDEXES {
        attributes.push(attribute(partition, "S"));
        if sort != LayerRecord::KEY {
            attributes.push(attribute(sort, kind));
        }
        indexes.push(json!({
            "IndexName": name,
            "KeySchema": keys(partition, Some(sort)),
            "Projection": { "ProjectionType": "ALL" },
        }));
    }
    json!({
        "KeySchema": keys(LayerRecord::KEY, None),
        "AttributeDefinitions": attributes,
        "GlobalSecondaryIndexes": indexes,
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// What sets the attributes of a row.
fn update(record: &LayerRecord, run_url: Option<&str>) -> Json {
    let mut attributes = record.attributes();
    attributes.extend(run_url.map(|url| (RUN_URL, Value::Text(url.to_owned()))));
    let (mut sets, mut names, mut values) = (Vec::new(), Map::new(), Map::new());
    for (at, (name, value)) in attributes.into_iter().enumerate() {
        // By number: some of the names are words of the language.
        sets.push(match name {
            RUN_URL => format!("#{at} = if_not_exists(#{at}, :{at})"),
            _ => format!("#{at} = :{at}"),
        });
        names.insert(format!("#{at}"), name.into());
        values.insert(format!(":{at}"), wire(value));
    }
    json!({
        "UpdateExpression": format!("SET {}", sets.join(", ")),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    })
}

fn key(arn: &str) -> Json {
    json!({ LayerRecord::KEY: { "S": arn } })
}

/// A value as a text; `None` for a form that rows do not have.
fn shown(value: &Json) -> Option<String> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match (kind.as_str(), value) {
        ("S" | "N", Json::String(text)) => Some(text.clone()),
        ("BOOL", Json::Bool(flag)) => Some(flag.to_string()),
        ("L", Json::Array(elements)) => Some(elements.iter().filter_map(shown).collect::<Vec<_>>().join(", ")),
        _ => None,
    }
}

/// A value as the service has it: under the letter of its type, and numbers as texts.
fn wire(value: Value) -> Json {
    match value {
        Value::Text(text) => json!({ "S": text }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::Flag(flag) => json!({ "BOOL": flag }),
        Value::List(texts) => json!({ "L": texts.into_iter().map(|text| json!({ "S": text })).collect::<Json>() }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_row_goes_over_the_wire_and_comes_back_as_a_text() {
        for (value, on_the_wire, text) in [
            (Value::Text("a \"b\"".into()), json!({ "S": "a \"b\"" }), "a \"b\""),
            (Value::Number(u64::MAX), json!({ "N": "18446744073709551615" }), "18446744073709551615"),
            (Value::Flag(true), json!({ "BOOL": true }), "true"),
            (Value::List(vec!["a".into(), "b".into()]), json!({ "L": [{ "S": "a" }, { "S": "b" }] }), "a, b"),
        ] {
            assert_eq!(wire(value), on_the_wire);
            assert_eq!(shown(&on_the_wire).as_deref(), Some(text));
        }
        for other in [json!({ "NULL": true }), json!({ "M": {} }), json!({ "S": 1 }), json!({}), json!("S")] {
            assert_eq!(shown(&other), None, "{other}");
        }
    }

    #[test]
    fn a_row_is_written_by_setting_and_the_first_run_stays() {
        let record = LayerRecord { version: 3, ..LayerRecord::default() };
        let body = update(&record, Some("https://example.org/1"));
        assert_eq!(body["ExpressionAttributeNames"]["#0"], "version");
        assert_eq!(body["ExpressionAttributeValues"][":0"], json!({ "N": "3" }));
        let set = body["UpdateExpression"].as_str().unwrap();
        assert!(set.starts_with("SET #0 = :0, "), "{set}");
        assert!(set.ends_with("#3 = if_not_exists(#3, :3)"), "{set}");
        assert_eq!(body["ExpressionAttributeNames"]["#3"], RUN_URL);
    }

    #[test]
    fn each_attribute_of_a_key_is_defined_once() {
        let layout = layout();
        let names = layout["AttributeDefinitions"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|attribute| attribute["AttributeName"].as_str().unwrap()).collect();
        assert_eq!(names, ["layer_arn", "distribution", "base_layer_arn", "version"]);
        assert_eq!(layout["KeySchema"], json!([{ "AttributeName": "layer_arn", "KeyType": "HASH" }]));
        assert_eq!(layout["GlobalSecondaryIndexes"][1]["KeySchema"][1]["AttributeName"], "version");
    }
}
