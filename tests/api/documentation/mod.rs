//! The API documentation: `/docs`, the pages below it, and the examples they show.

mod curl;
mod pages;
mod recording;

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::support::{TestApp, keeper, run_with_input};

/// The recorded examples, by the id of their operation.
const EXAMPLES: &str = "assets/examples.json";

/// The administrator of the examples, as in the demo.
const ADMINISTRATOR: (&str, &str) = ("tje0", "Tje0");

/// An operation of the OpenAPI document.
struct Operation {
    method: String,
    path: String,
    described: Value,
}

/// The OpenAPI document that the binary prints.
fn document() -> Value {
    let document = run_with_input(keeper(&["openapi"]), "").assert_success();
    serde_json::from_str(&document).unwrap()
}

/// The operations of a document by id.
fn operations(document: &Value) -> BTreeMap<String, Operation> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, described)| {
            let id = described["operationId"].as_str().unwrap().to_owned();
            let (method, path) = (method.to_uppercase(), path.clone());
            (id, Operation { method, path, described: described.clone() })
        })
    });
    operations.collect()
}

/// The committed examples.
fn examples() -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(folder.join(EXAMPLES)).unwrap()).unwrap()
}

/// Adds the administrator of the examples.
fn add_administrator(app: &TestApp) {
    let (name, password) = ADMINISTRATOR;
    app.command(&["user", "add", name, "--id", "2", "--administrator"], password).assert_success();
}
