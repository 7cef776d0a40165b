//! The lists of the vendor's calls in the reference name exactly the calls that are served.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use credential_keeper::describe_routes;
use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, TestApp};

const LIST: &str = "docs/reference/agent-calls.md";

/// The number of calls of the vendor's User agent.
const CALLS: usize = 96;

const CONTRACT: &str = "docs/reference/wire-contract.md";

/// The operations of the vendor's resource of users, in the order of its documentation.
const OPERATIONS: [&str; 23] = [
    "GET /api/v1/User",
    "POST /api/v1/User",
    "GET /api/v1/User/{id}",
    "PUT /api/v1/User/{id}",
    "DELETE /api/v1/User/{id}",
    "PATCH /api/v1/User/{id}",
    "GET /api/v1/User/{id}/CustomCommand",
    "POST /api/v1/User/{id}/CustomCommand/{commandName}",
    "GET /api/v1/User/{userName}",
    "PUT /api/v1/User/{userName}",
    "DELETE /api/v1/User/{userName}",
    "GET /api/v1/User/CredentialTypes",
    "GET /api/v1/User/Default",
    "POST /api/v1/User/Validate",
    "GET /api/v1/User/{id}/UserPresenceStatus",
    "PUT /api/v1/User/{id}/UserPresenceStatus",
    "GET /api/v1/User/CustomField",
    "GET /api/v1/User/CustomField/{fieldName}",
    "GET /api/v1/User/{id}/ForeignKey",
    "GET /api/v1/User/current",
    "GET /api/v1/User/currentPrincipal",
    "GET /api/v1/User/currentAssociate",
    "GET /api/v1/User/currentToken",
];

fn read(document: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap()
}

/// The calls of the list with their status, in its order.
fn listed() -> Vec<(String, String)> {
    let text = read(LIST);
    let row = |line: &str| {
        let (name, status) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), status.strip_suffix(" |")?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn every_call_of_the_vendor_is_listed_once_with_its_status() {
    let listed = listed();
    let names: Vec<_> = listed.iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted(), "{LIST} is not sorted");
    let statuses: BTreeMap<_, _> = listed.iter().cloned().collect();
    assert_eq!((listed.len(), statuses.len()), (CALLS, CALLS));
    let prefix = agent("");
    let routes = describe_routes();
    let served: Vec<_> =
        routes.iter().filter_map(|route| route.path.strip_prefix(prefix.as_str())).collect();
    for name in &served {
        let status = statuses.get(*name).unwrap_or_else(|| panic!("{name} is missing in {LIST}"));
        assert_eq!(status, "served", "{name}");
    }
    for (name, status) in statuses {
        let is_served = served.contains(&name.as_str());
        let is_outside = status.starts_with("outside: ");
        assert!(is_served || is_outside, "{LIST} says that {name} is {status}");
    }
}

/// The operations of the resource in the tables of the reference, each with the other cells of its row.
fn operations_of_resource() -> Vec<(String, Vec<String>)> {
    let text = read(CONTRACT);
    let section = text.split("\n## Other endpoints\n").nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let mut operations = Vec::new();
    for line in section.lines() {
        let mut cells: Vec<_> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let names = cells.remove(0).split('`').skip(1).step_by(2);
        for name in names.filter(|name| name.contains(" /api/v1/User")) {
            let cells = cells.iter().map(|cell| (*cell).to_owned()).collect();
            operations.push((name.to_owned(), cells));
        }
    }
    operations
}

#[test]
fn every_operation_of_the_vendors_resource_is_listed_once_with_its_status() {
    let listed = operations_of_resource();
    let names: BTreeSet<_> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((listed.len(), names), (OPERATIONS.len(), BTreeSet::from(OPERATIONS)));
    let routes = describe_routes();
    let served: BTreeSet<_> = routes
        .iter()
        .filter(|route| route.path == "/api/v1/User" || route.path.starts_with("/api/v1/User/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let mut found = BTreeSet::new();
    for (name, cells) in &listed {
        let route = name.replace("{id}", "{user}").replace("{userName}", "{user}");
        let is_served = cells.get(2).is_some_and(|cell| cell == "yes");
        let is_outside = cells.get(1).is_some_and(|cell| cell.starts_with("outside: "));
        assert_ne!(is_served, is_outside, "{CONTRACT}: {name}: {cells:?}");
        assert_eq!(served.contains(&route), is_served, "{CONTRACT}: {name}: {cells:?}");
        found.extend(is_served.then_some(route));
    }
    assert_eq!(found, served, "a route is missing in {CONTRACT}");
}

#[sqlx::test]
async fn an_operation_outside_of_the_contract_has_the_listed_answer(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut outside = 0;
    for (name, cells) in operations_of_resource() {
        let Some((status, code)) =
            cells[0].strip_suffix('`').and_then(|text| text.split_once(" `"))
        else {
            continue;
        };
        let (method, path) = name.split_once(' ').unwrap();
        let path = path.replace("{id}", "278").replace(['{', '}'], "");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = app.request(method, &path, &app.administrator());
        let answer = Answer::read(request.send().await.unwrap()).await;
        let answered = (answer.status.as_u16().to_string(), answer.json()["Code"].clone());
        assert_eq!(answered, (status.to_owned(), Value::from(code)), "{name}: {answer:?}");
        outside += 1;
    }
    assert_eq!(outside, 8);
}
