//! Records the examples of the API documentation: sends every call of `tests/clients/calls.json` and
//! compares requests and responses with the committed ones. `UPDATE_EXAMPLES=1` writes them instead.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
};

use credential_keeper::{Effect, describe_routes};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};
use sqlx::PgPool;

use super::{
    ADMINISTRATOR, EXAMPLES, Operation, add_administrator, document, examples, operations,
};
use crate::{
    compression::assert_uncompressed,
    maintenance::written,
    support::{Answer, Credentials, TestApp},
};

/// What replaces a secret, or an id that changes with each run.
const PLACEHOLDER: &str = "…";
/// What replaces the id of a ticket, which occurs in a path, too.
const TICKET_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// The members whose values are replaced.
const REPLACED: [&str; 3] = ["RequestId", "RequestSignature", "XsrfToken"];
const JSON: &str = "application/json";

/// The members whose values depend on the machine or the moment, with those of the examples.
fn replacement(name: &str) -> Option<Value> {
    Some(match name {
        "Hour" | "Day" => json!([]),
        "AnchorsLoggedAt" => Value::Null,
        "DatabaseConnections" | "DatabaseConnectionsIdle" | "HashingThreads" => json!(2),
        "HashesPerSecond" => json!(100),
        "QueueLength" => json!(1_000),
        "Waiting" | "AnchorsWaiting" => json!(0),
        "Counted" => json!(3),
        "Database" => json!({"Version": "18.1", "Schema": 20_261_124_093_000_i64}),
        _ => return None,
    })
}

/// One case of `calls.json`, for one operation.
struct Case<'table> {
    id: &'table str,
    operation: &'table Operation,
    entry: &'table Value,
}

/// The variables of the cases.
struct Variables(HashMap<String, Value>);

impl Variables {
    fn new(kinds: &Value) -> Self {
        let unset = kinds.as_object().unwrap().iter().map(|(name, kind)| {
            let value = if kind == "integer" { json!(0) } else { json!("") };
            (name.clone(), value)
        });
        let named = [
            ("name", "kari"),
            ("password", "correct horse battery staple"),
            ("second_password", "four purple otters bake bread"),
        ];
        let named = named.map(|(name, value)| (name.to_owned(), json!(value)));
        Self(unset.chain(named).collect())
    }

    fn text(&self, name: &str) -> String {
        plain(&self.0[name])
    }

    /// A template with the values of its variables. A text that is one variable gets its type.
    fn fill(&self, template: &Value) -> Value {
        match template {
            Value::Object(members) => {
                let filled = members.iter().map(|(name, value)| (name.clone(), self.fill(value)));
                Value::Object(filled.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::String(text) => {
                let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
                if let Some(value) = whole.and_then(|name| self.0.get(name)) {
                    return value.clone();
                }
                let fill = |text: String, (name, value): (&String, &Value)| {
                    text.replace(&format!("${{{name}}}"), &plain(value))
                };
                json!(self.0.iter().fold(text.clone(), fill))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
        }
    }

    /// Sets the variables that a case keeps.
    fn keep(&mut self, entry: &Value, answer: &Value) {
        for (name, source) in entry["keep"].as_object().into_iter().flatten() {
            let source = source.as_str().unwrap();
            let value = if let Some(text) = source.strip_prefix('=') {
                self.fill(&json!(text))
            } else {
                let steps = source.split('.').filter(|step| !step.is_empty());
                let pointer = steps.fold(String::new(), |path, step| path + "/" + step);
                answer.pointer(&pointer).unwrap_or_else(|| panic!("{source}: {answer}")).clone()
            };
            self.0.insert(name.clone(), value);
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The cases in their order. A `*` at the end of an id means every operation that begins so.
fn cases<'table>(
    table: &'table Value,
    operations: &'table BTreeMap<String, Operation>,
) -> Vec<Case<'table>> {
    let entries = table["cases"].as_array().unwrap().iter();
    entries
        .flat_map(|entry| {
            let wanted = entry["operation"].as_str().unwrap();
            let is_wanted = move |id: &str| {
                wanted.strip_suffix('*').map_or(id == wanted, |beginning| id.starts_with(beginning))
            };
            let found = operations.iter().filter(move |(id, _)| is_wanted(id));
            found.map(move |(id, operation)| Case { id, operation, entry })
        })
        .collect()
}

async fn credentials(app: &TestApp, caller: &str, variables: &Variables) -> Credentials {
    match caller {
        "administrator" => Credentials::basic(ADMINISTRATOR.0, ADMINISTRATOR.1),
        "user" => Credentials::basic(&variables.text("name"), &variables.text("password")),
        "ticket" => Credentials::Ticket(variables.text("ticket")),
        "session" => {
            let (name, password) = (variables.text("name"), variables.text("password"));
            let body = json!({ "UserName": name, "Password": password });
            let answer = app.post("/login", &Credentials::Anonymous, &body).await;
            Credentials::Session {
                cookie: answer.cookie("ASP.NET_SessionId").unwrap(),
                xsrf: answer.cookie("XSRF-TOKEN").unwrap(),
            }
        }
        "anonymous" => Credentials::Anonymous,
        other => panic!("unknown caller {other}"),
    }
}

/// The first media type of a content, or JSON if it has that.
fn media_type(content: &Value) -> Option<&str> {
    let content = content.as_object()?;
    if content.contains_key(JSON) { Some(JSON) } else { content.keys().next().map(String::as_str) }
}

/// Sends the request of a case, and returns the example.
async fn record(app: &TestApp, case: &Case<'_>, variables: &mut Variables) -> Value {
    let Case { operation, entry, .. } = case;
    let caller = entry["caller"].as_str().unwrap_or("administrator");
    let arguments = |name: &str| variables.fill(entry.get(name).unwrap_or(&json!({})));
    let (path, query) = (arguments("path"), arguments("query"));
    let fill = |path: String, (name, value): (&String, &Value)| {
        let value = utf8_percent_encode(&plain(value), NON_ALPHANUMERIC).to_string();
        path.replace(&format!("{{{name}}}"), &value)
    };
    let url = path.as_object().unwrap().iter().fold(operation.path.clone(), fill);
    let method: Method = operation.method.parse().unwrap();
    let responses = operation.described["responses"].as_object().unwrap();
    // The last one: before it may be the page that a form gets.
    let success = responses.iter().rfind(|(status, _)| status.starts_with('2')).unwrap().1;
    let credentials = credentials(app, caller, variables).await;
    let mut request = app
        .request(method.clone(), &with_query(&url, &query), &credentials)
        .header("Accept", media_type(&success["content"]).unwrap_or("*/*"));
    let mut example = Map::new();
    example.insert("caller".to_owned(), json!(caller));
    for (name, value) in [("path", &path), ("query", &query)] {
        if value.as_object().is_some_and(|members| !members.is_empty()) {
            example.insert(name.to_owned(), stable(app, "", value));
        }
    }
    if let Some(body) = entry.get("body") {
        let body = variables.fill(body);
        let media_type = media_type(&operation.described["requestBody"]["content"]).unwrap();
        let is_json = media_type == JSON;
        let text = if is_json { body.to_string() } else { plain(&body) };
        request = request.header("Content-Type", media_type).body(text);
        example.insert("body_type".to_owned(), json!(media_type));
        example.insert("body".to_owned(), stable(app, "", &body));
    }
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_uncompressed(&method, &url, &answer.headers);
    let expected = entry["refused"]["Status"].as_u64();
    let status = u64::from(answer.status.as_u16());
    assert!(
        expected.map_or(status < 400, |expected| status == expected),
        "{}: {answer:?}",
        case.id
    );
    example.insert("status".to_owned(), json!(status));
    let content = record_answer(app, case, &answer, &mut example);
    variables.keep(entry, &content);
    Value::Object(example)
}

fn with_query(path: &str, query: &Value) -> String {
    let pairs = query.as_object().unwrap().iter().map(|(name, value)| (name, plain(value)));
    let url = Url::parse_with_params("http://x/", pairs).unwrap();
    url.query().filter(|query| !query.is_empty()).map_or(path.to_owned(), |q| format!("{path}?{q}"))
}

/// Adds the response to an example, and returns its content as it is.
fn record_answer(
    app: &TestApp,
    case: &Case<'_>,
    answer: &Answer,
    example: &mut Map<String, Value>,
) -> Value {
    if answer.body.is_empty() {
        return Value::Null;
    }
    let media_type = answer.header("content-type").split(';').next().unwrap();
    let is_json = media_type == JSON;
    let content = if is_json { answer.json() } else { json!(answer.body) };
    let is_password = content.is_string() && case.id.contains("Generate");
    let recorded = if is_password { json!(PLACEHOLDER) } else { stable(app, "", &content) };
    let is_message = case.id.starts_with("post.Remote");
    let shortened = if is_message { recorded.clone() } else { shortened(&recorded, is_json) };
    example.insert("answer_type".to_owned(), json!(media_type));
    if shortened != recorded {
        example.insert("is_shortened".to_owned(), json!(true));
    }
    example.insert("answer".to_owned(), shortened);
    content
}

/// The beginning of a long response.
fn shortened(value: &Value, is_json: bool) -> Value {
    if let Some(items) = value.as_array().filter(|items| items.len() > 3) {
        return items.iter().take(2).cloned().collect();
    }
    if let Some(members) = value.as_object().filter(|_| value.to_string().len() > 8_000) {
        let first = members.iter().take(3);
        return first.map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    match value.as_str().and_then(|text| text.split_once('\n')) {
        Some((line, _)) if !is_json => json!(format!("{line}\n{PLACEHOLDER}")),
        _ => value.clone(),
    }
}

/// A value in which everything that changes from run to run has a placeholder.
fn stable(app: &TestApp, name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let stable = |name: &String, value| {
                replacement(name).unwrap_or_else(|| stable(app, name, value))
            };
            let members = members.iter().map(|(name, value)| (name.clone(), stable(name, value)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(|item| stable(app, name, item)).collect(),
        Value::String(text) => json!(stable_text(app, name, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn stable_text(app: &TestApp, name: &str, text: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    if text.is_empty() {
        String::new()
    } else if REPLACED.contains(&name) {
        PLACEHOLDER.to_owned()
    } else if ["Id", "ticket"].contains(&name) {
        TICKET_ID.to_owned()
    } else if text.starts_with("7T:") || text.starts_with("8A:") {
        format!("{}{PLACEHOLDER}", &text[..3])
    } else if text == version {
        "1.0.0".to_owned()
    } else if is_recent_time(text) {
        let zone = text[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
        // An end is after the beginning.
        let hour = if name.contains("Expire") { "15" } else { "09" };
        format!("2026-11-24T{hour}:30:00{zone}")
    } else {
        text.replace(&app.url, "https://keeper.example").replace(&format!(">{version}<"), ">1.0.0<")
    }
}

/// True for the text of a time, except the first and the last one of the vendor.
fn is_recent_time(text: &str) -> bool {
    let is_time = text.get(..19).is_some_and(|time| {
        time.bytes().enumerate().all(|(i, byte)| match i {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        })
    });
    is_time && text.starts_with("20")
}

/// What the route of a case does.
fn effect(case: &Case<'_>) -> Effect {
    let Operation { method, path, .. } = case.operation;
    let routes = describe_routes();
    let route = routes
        .iter()
        .find(|route| route.method.eq_ignore_ascii_case(method) && route.path == path.as_str());
    // GET on the URL of a call only describes it, and is not in the table.
    route.map_or(Effect::Reads, |route| route.effect)
}

#[sqlx::test]
async fn the_examples_are_what_the_service_answers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_administrator(&app);
    let table: Value =
        serde_json::from_str(&fs::read_to_string("tests/clients/calls.json").unwrap()).unwrap();
    let document = document();
    let operations = operations(&document);
    let mut variables = Variables::new(&table["variables"]);
    let mut recorded: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for case in cases(&table, &operations) {
        let before = written(&app).await;
        let example = record(&app, &case, &mut variables).await;
        if effect(&case) != Effect::Changes {
            assert_eq!(written(&app).await, before, "{}: works while read-only", case.id);
        }
        let list = recorded.entry(case.id).or_default();
        if !list.contains(&example) {
            list.push(example);
        }
    }
    let text = format!("{}\n", serde_json::to_string_pretty(&recorded).unwrap());
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(EXAMPLES, &text).unwrap();
    }
    let committed = fs::read_to_string(EXAMPLES).unwrap();
    let differs = committed.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = differs.map(|index| {
        let shown = |text: &str| text.lines().nth(index).unwrap_or_default().to_owned();
        format!("line {}: {} is now {}", index + 1, shown(&committed), shown(&text))
    });
    assert!(
        committed == text,
        "{EXAMPLES} is outdated; run this test with UPDATE_EXAMPLES=1. {line:?}"
    );
}

/// Also in the OpenAPI document, if its response is not shortened.
#[test]
fn every_operation_has_an_example() {
    let (document, examples) = (document(), examples());
    let operations = operations(&document);
    for (id, operation) in &operations {
        let Some(recorded) = examples[id].as_array().filter(|list| !list.is_empty()) else {
            panic!("{id}: add a case to tests/clients/calls.json, then set UPDATE_EXAMPLES=1");
        };
        for example in recorded.iter().filter(|example| example["status"].as_u64() < Some(400)) {
            if let (Some(media_type), None) =
                (example["answer_type"].as_str(), example.get("is_shortened"))
            {
                let status = example["status"].to_string();
                let content = &operation.described["responses"][status]["content"][media_type];
                let shown = content["examples"].as_object().unwrap_or_else(|| panic!("{id}"));
                assert!(shown.values().any(|shown| shown["value"] == example["answer"]), "{id}");
            }
            if let Some(media_type) = example["body_type"].as_str() {
                let content = &operation.described["requestBody"]["content"][media_type];
                let shown = content["examples"].as_object().unwrap_or_else(|| panic!("{id}"));
                assert!(shown.values().any(|shown| shown["value"] == example["body"]), "{id}");
            }
        }
    }
    let unknown: Vec<_> =
        examples.as_object().unwrap().keys().filter(|id| !operations.contains_key(*id)).collect();
    assert!(unknown.is_empty(), "examples of operations that do not exist: {unknown:?}");
}

/// The status and the media type of every response, errors and pages included.
#[test]
fn every_recorded_response_is_documented() {
    let (document, examples) = (document(), examples());
    for (id, operation) in &operations(&document) {
        for example in examples[id].as_array().unwrap() {
            let status = example["status"].to_string();
            let mut response = &operation.described["responses"][&status];
            if let Some(reference) = response["$ref"].as_str() {
                response = document.pointer(reference.trim_start_matches('#')).unwrap();
            }
            assert!(response.is_object(), "{id}: {status}");
            if let Some(media_type) = example["answer_type"].as_str() {
                assert!(response["content"][media_type].is_object(), "{id}: {status} {media_type}");
            }
        }
    }
}

#[test]
fn no_example_has_a_secret() {
    let text = examples().to_string();
    for (beginning, allowed) in [("\"7T:", "\"7T:…\""), ("\"8A:", "\"8A:…\"")] {
        assert_eq!(text.matches(beginning).count(), text.matches(allowed).count(), "{beginning}");
        assert!(text.contains(allowed), "{allowed}");
    }
    for foreign in ["127.0.0.1:", "\"XsrfToken\":\"A", "\"Password\":\"Tje0\""] {
        assert!(!text.contains(foreign), "{foreign}");
    }
}
