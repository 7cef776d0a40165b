//! The pages: every operation and every schema has one, in the budget, with valid links.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use sqlx::PgPool;

use super::{document, operations};
use crate::support::{Answer, Credentials, TestApp};

/// The maximum size of a page, in bytes before compression.
const PAGE_BUDGET: usize = 50 * 1024;
const ASSETS: [&str; 4] =
    ["/assets/favicon.svg", "/assets/keeper.css", "/assets/docs.css", "/assets/docs.js"];
const BASE: &str = "/SuperOffice";

async fn get(app: &TestApp, path: &str) -> Answer {
    let request = app.request(Method::GET, path, &Credentials::Anonymous);
    Answer::read(request.send().await.unwrap()).await
}

/// The values of an attribute in a page.
fn attributes<'page>(page: &'page str, name: &str) -> Vec<&'page str> {
    let opening = format!(" {name}=\"");
    let values = page.split(opening.as_str()).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Every page by its path.
async fn pages(app: &TestApp, base: &str) -> BTreeMap<String, String> {
    let document = document();
    let ids = operations(&document).into_keys().map(|id| format!("{base}/docs/{id}"));
    let schemas = document["components"]["schemas"].as_object().unwrap().keys();
    let schemas = schemas.map(|name| format!("{base}/docs/schemas/{name}"));
    let others = ["/docs", "/docs/errors"].map(|path| format!("{base}{path}"));
    let mut pages = BTreeMap::new();
    for path in ids.chain(schemas).chain(others) {
        let page = get(app, &path).await;
        page.assert_status(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
        pages.insert(path, page.body);
    }
    pages
}

#[sqlx::test]
async fn every_operation_and_every_schema_has_a_page_in_the_budget(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__BASE_PATH", BASE)], "").await;
    let pages = pages(&app, BASE).await;
    let known: BTreeSet<_> = ["/login", "/openapi.json"]
        .iter()
        .chain(&ASSETS)
        .map(|path| format!("{BASE}{path}"))
        .collect();
    let ids: BTreeMap<_, BTreeSet<_>> = pages
        .iter()
        .map(|(path, page)| (path.as_str(), attributes(page, "id").into_iter().collect()))
        .collect();
    for (path, page) in &pages {
        assert!(page.len() <= PAGE_BUDGET, "{path} has {} bytes", page.len());
        let (own, unique) = (attributes(page, "id"), &ids[path.as_str()]);
        assert_eq!(own.len(), unique.len(), "{path} has a duplicate id");
        let links = attributes(page, "href").into_iter().chain(attributes(page, "src"));
        for link in links {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { path.as_str() } else { target };
            let is_known = ids.contains_key(target) || known.contains(target);
            assert!(is_known, "{path} links to {link}");
            assert!(anchor.is_empty() || ids[target].contains(anchor), "{path} links to {link}");
        }
        for inline in ["<script>", "<style", " style=\"", " onclick", "javascript:"] {
            assert!(!page.contains(inline), "{path}: {inline}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{path}");
        assert_eq!(page.matches("<h1>").count(), 1, "{path}");
    }
    let page = &pages[&format!("{BASE}/docs/post.Agents.User.GetUser")];
    assert!(
        page.contains("<code>POST /SuperOffice/api/v1/Agents/User/GetUser?userId=1000"),
        "{page}"
    );
    let largest = pages.iter().max_by_key(|(_, page)| page.len()).unwrap();
    println!("{} pages, the largest is {}: {} bytes", pages.len(), largest.0, largest.1.len());
}

#[sqlx::test]
async fn the_page_of_an_operation_has_all_its_parts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let document = document();
    for (id, operation) in operations(&document) {
        let page = get(&app, &format!("/docs/{id}")).await.body;
        let call = format!("<h1><code>{} {}</code></h1>", operation.method, operation.path);
        assert!(page.contains(&call), "{id}: {call}");
        for part in ["responses", "examples", "curl", "try", "errors"] {
            assert!(attributes(&page, "id").contains(&part), "{id}: {part}");
        }
        let statuses = operation.described["responses"].as_object().unwrap().keys();
        for status in statuses {
            let refused = format!("<li><p><strong>{status}</strong>");
            let success = format!("<h3>{status}</h3>");
            assert!(page.contains(&refused) || page.contains(&success), "{id}: {status}");
        }
        let parameters = operation.described["parameters"].as_array().into_iter().flatten();
        for parameter in parameters {
            let name = format!("<code>{}</code>", parameter["name"].as_str().unwrap());
            assert!(page.contains(&name), "{id}: {name}");
        }
        let takes_session = page.contains("data-needs-session");
        let requires = page.contains("<p>Requires authentication: ");
        let is_without = page.contains("A session does not authenticate this call.");
        assert_eq!(requires, takes_session || is_without, "{id}");
        let of_tickets = ["post.keeper.tickets", "delete.keeper.tickets.current"];
        assert_eq!(is_without, of_tickets.contains(&id.as_str()), "{id}");
    }
}

/// Nested carriers are unfolded with their ranges.
#[sqlx::test]
async fn the_page_of_a_call_unfolds_its_schemas(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let page = get(&app, "/docs/post.Agents.User.SaveCredential").await.body;
    for part in [
        "<details><summary>Members of Credential</summary>",
        "<details><summary>Members of Type</summary>",
        "<code>UserId</code> <span class=\"kind\">integer</span> <strong class=\"badge\">required",
        "at least 1, int32",
        "at most 254 characters",
        "1 to 1024 characters",
        "string or null",
        "<code>unknown_user</code>",
        "<code>password_refused</code>",
        "404 Not Found",
        "200 OK, for an administrator",
        "data-asks-first",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let read = get(&app, "/docs/post.Agents.User.GetUser").await.body;
    assert!(!read.contains("data-asks-first"), "{read}");
    let schema = get(&app, "/docs/schemas/Credential").await.body;
    assert!(schema.contains("<code>DisplayValue</code>"), "{schema}");
    let request = get(&app, "/docs/schemas/SaveCredentialRequest").await.body;
    assert!(request.contains("href=\"/docs/post.Agents.User.SaveCredential\""), "{request}");
}

/// Links of earlier releases name an operation, a schema or the errors with an anchor of `/docs`.
#[sqlx::test]
async fn the_index_has_a_line_for_everything_with_the_anchors_of_earlier_releases(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (index, document) = (get(&app, "/docs").await.body, document());
    let ids: BTreeSet<_> = attributes(&index, "id").into_iter().collect();
    let links: BTreeSet<_> = attributes(&index, "href").into_iter().collect();
    for (id, operation) in operations(&document) {
        assert!(ids.contains(id.as_str()), "{id}");
        assert!(links.contains(format!("/docs/{id}").as_str()), "{id}");
        let is_description = id.starts_with("get.Agents.");
        let summary = operation.described["summary"].as_str().unwrap().split('`').next().unwrap();
        assert!(is_description || index.contains(summary.split('\'').next().unwrap()), "{id}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(ids.contains(name.as_str()), "{name}");
        assert!(links.contains(format!("/docs/schemas/{name}").as_str()), "{name}");
    }
    assert!(ids.contains("errors"));
    for tag in ["User agent", "User", "Additions of this service", "SOAP", "Pages and documents"] {
        assert!(index.contains(&format!(">{tag}</h2>")), "{tag}");
    }
}

#[sqlx::test]
async fn a_page_is_found_in_every_case_and_an_unknown_one_is_not_found(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let page = get(&app, "/docs/post.Agents.User.GetUser").await;
    for path in ["/DOCS/POST.AGENTS.USER.GETUSER", "/docs/post.agents.user.getuser/"] {
        let same = get(&app, path).await;
        same.assert_status(200);
        assert_eq!(same.body, page.body, "{path}");
        assert_eq!(same.header("etag"), page.header("etag"), "{path}");
    }
    get(&app, "/docs/SCHEMAS/credential").await.assert_status(200);
    for path in [
        "/docs/post.Agents.User.Nothing",
        "/docs/schemas/Nothing",
        "/docs/schemas",
        "/docs/%3Cscript%3E",
        "/docs/schemas%2FCredential",
        "/docs/..%2Ferrors",
        "/docs/post.Agents.User.GetUser%00",
    ] {
        let unknown = get(&app, path).await;
        unknown.assert_status(404);
        assert_eq!(unknown.header("content-type"), "text/html; charset=utf-8", "{path}");
        assert_eq!(unknown.header("cache-control"), "no-store", "{path}");
        assert!(unknown.body.contains("href=\"/docs\""), "{path}");
        assert!(!unknown.body.contains("<script>"), "{path}");
    }
}

#[test]
fn the_script_and_the_styles_of_the_documentation_are_small() {
    for (file, budget) in [("assets/docs.css", 8 * 1024), ("assets/docs.js", 12 * 1024)] {
        let size = std::fs::metadata(file).unwrap().len();
        assert!(size <= budget, "{file} has {size} bytes");
    }
}
