//! `log.md` and `log.schema.json`: the fields of log lines in JSON.

use serde_json::{Map, Value, json};

use super::markdown::{Document, code};
use crate::{
    cli::output::Failure,
    telemetry::log_fields::{COMMON, ECS_VERSION, FIELDS, FieldType, LABELS, LogField},
};

const INTRODUCTION: &str = "\
    With `log.format` `json`, or `auto` and no terminal, the service writes one JSON object per line to \
    standard error. The names are those of the Elastic Common Schema (ECS), with dots and without \
    nested objects. What ECS has no name for is below `keeper`.\n\n\
    A name never changes its type or meaning. New names may be added; ignore those that you do not \
    know. [log.schema.json](log.schema.json) is the JSON Schema of a line; a test checks every line \
    that the service writes in tests.";

/// Writes the document.
pub(super) fn document() -> String {
    let mut document = Document::new("Log", INTRODUCTION);
    document.section("Every line");
    let columns = ["Name", "Type", "Description"];
    document.table(columns, &COMMON.iter().map(row).collect::<Vec<_>>());
    document.section("Other fields");
    document.paragraph(
        "A line has those that apply. The lines of a request have the fields of the request, too. \
         Identifiers are strings, also if they are digits.",
    );
    document.table(columns, &fields().into_iter().map(row).collect::<Vec<_>>());
    document.paragraph(&format!(
        "Libraries log at the levels `debug` and `trace`, with few exceptions: sqlx warns of each \
         statement that takes longer than a second, with the statement but without its values. \
         Other fields of libraries are strings below `{LABELS}`, with underscores in the place of \
         dots. These names are not stable.",
        LABELS = LABELS.trim_end_matches('.'),
    ));
    document.finish()
}

/// The fields of [`FIELDS`], each name once, in the order of the names.
fn fields() -> Vec<&'static LogField> {
    let mut fields: Vec<_> = FIELDS.iter().collect();
    fields.sort_by_key(|field| field.name);
    fields.dedup_by_key(|field| field.name);
    fields
}

fn row(field: &LogField) -> [String; 3] {
    [code(field.name), type_name(field.field_type).to_owned(), field.description.to_owned()]
}

fn type_name(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Keyword | FieldType::Text => "string",
        FieldType::Integer => "integer",
        FieldType::Float => "number",
        FieldType::Boolean => "boolean",
    }
}

/// Writes the JSON Schema of a line.
pub(super) fn schema() -> Result<String, Failure> {
    let mut properties = Map::new();
    for field in COMMON.iter().chain(fields()) {
        properties.insert(
            field.name.to_owned(),
            json!({ "type": type_name(field.field_type), "description": field.description }),
        );
    }
    for (name, keyword, value) in [
        ("@timestamp", "format", json!("date-time")),
        ("log.level", "enum", json!(["error", "warn", "info", "debug", "trace"])),
        ("ecs.version", "const", json!(ECS_VERSION)),
    ] {
        if let Some(Value::Object(property)) = properties.get_mut(name) {
            property.insert(keyword.to_owned(), value);
        }
    }
    let required: Vec<_> = COMMON.iter().map(|field| field.name).collect();
    let labels = format!("^{}[A-Za-z0-9_]+$", LABELS.replace('.', "\\."));
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A log line of Credential Keeper",
        "type": "object",
        "properties": properties,
        "patternProperties": { labels: { "type": "string" } },
        "additionalProperties": false,
        "required": required,
    });
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}
