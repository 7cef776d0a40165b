//! Descriptions of routes, the OpenAPI document, and the pages.

use std::{collections::BTreeSet, io::Read};

use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, SAVE, TestApp, keeper, run_with_input};

async fn get(app: &TestApp, path: &str, accept: &str) -> Answer {
    let request = app.request(Method::GET, path, &Credentials::Anonymous).header("Accept", accept);
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn get_on_an_agent_url_describes_the_call_without_executing_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in [SAVE.to_owned(), SAVE.to_lowercase(), format!("{SAVE}?UserId=278&Value=x")] {
        let answer = get(&app, &path, "application/json").await;
        answer.assert_status(200);
        assert_eq!(answer.json()["Name"], "SaveCredential");
        assert_eq!(answer.json()["Method"], "POST");
    }
    let version = sqlx::query_scalar!("SELECT max(version) FROM credentials WHERE user_id = 278");
    assert_eq!(version.fetch_one(&app.pool).await.unwrap(), Some(2));
}

#[sqlx::test]
async fn head_answers_like_get_without_the_body(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in [SAVE, "/api/v1", "/docs", "/api/v1/User/currentPrincipal"] {
        let head = app.request(Method::HEAD, path, &app.plain()).send().await.unwrap();
        let get = app.request(Method::GET, path, &app.plain()).send().await.unwrap();
        assert_eq!((head.status(), get.status()), (200.try_into().unwrap(), head.status()));
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"]);
        assert_eq!(head.headers()["content-length"], get.headers()["content-length"]);
        assert!(head.bytes().await.unwrap().is_empty());
    }
}

/// Constant content is answered from memory: compressed if the client accepts that, and with 304 if
/// the client has it.
#[sqlx::test]
async fn documents_have_an_etag_and_are_compressed_on_request(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in [
        "/docs",
        "/docs/post.Agents.User.SaveCredential",
        "/docs/schemas/Credential",
        "/docs/errors",
        "/api",
        "/api/v1",
        "/openapi.json",
        "/assets/keeper.css",
        "/assets/keeper.js",
        "/assets/docs.css",
        "/assets/docs.js",
        SAVE,
    ] {
        let get = async |headers: &[(&'static str, &str)]| {
            let mut request = app.request(Method::GET, path, &Credentials::Anonymous);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.send().await.unwrap()
        };
        let plain = get(&[]).await;
        assert_eq!(plain.headers()["cache-control"], "no-cache", "{path}");
        assert!(plain.headers().get("content-encoding").is_none(), "{path}");
        let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
        let text = plain.text().await.unwrap();

        let refused = get(&[("Accept-Encoding", "gzip;q=0, identity")]).await;
        assert!(refused.headers().get("content-encoding").is_none(), "{path}");
        let packed = get(&[("Accept-Encoding", "br, gzip;q=0.8")]).await;
        if text.len() > 1024 {
            assert_eq!(packed.headers()["content-encoding"], "gzip", "{path}");
            let packed_tag = packed.headers()["etag"].to_str().unwrap().to_owned();
            assert_ne!(packed_tag, tag, "{path}");
            assert!(packed.headers().get_all("vary").iter().any(|vary| vary == "accept-encoding"));
            let bytes = packed.bytes().await.unwrap();
            assert!(bytes.len() < text.len() / 2, "{path}: {} of {}", bytes.len(), text.len());
            let mut unpacked = String::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut unpacked).unwrap();
            assert_eq!(unpacked, text, "{path}");
            let not_modified =
                get(&[("Accept-Encoding", "gzip"), ("If-None-Match", &packed_tag)]).await;
            assert_eq!(not_modified.status(), 304, "{path}");
        }
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let not_modified = get(&[("If-None-Match", &known)]).await;
            assert_eq!(not_modified.status(), 304, "{path}: {known}");
            assert_eq!(not_modified.headers()["etag"], tag.as_str(), "{path}");
            assert!(not_modified.bytes().await.unwrap().is_empty(), "{path}");
        }
        assert_eq!(get(&[("If-None-Match", "\"other\"")]).await.status(), 200, "{path}");
    }
}

#[sqlx::test]
async fn a_description_refers_to_its_operation_in_the_openapi_document(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let description = get(&app, SAVE, "*/*").await.json();
    let (path, pointer) = description["Reference"].as_str().unwrap().split_once('#').unwrap();
    let document = get(&app, path, "*/*").await.json();
    assert_eq!(document.pointer(pointer).unwrap()["summary"], description["Description"]);
}

#[sqlx::test]
async fn api_is_an_html_page_unless_another_format_is_preferred(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for accept in ["", "*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"] {
        let answer = get(&app, "/api", accept).await;
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{accept}");
    }
    for accept in ["text/html;q=0, */*", "text/html;q=0", "*/*;q=0"] {
        let answer = get(&app, "/api", accept).await;
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8", "{accept}");
    }
    let version = get(&app, "/API", "application/json").await.json();
    assert_eq!(version["v1"], format!("{}/api/v1", app.url));
    for member in [
        "NetServerVersion",
        "NetServerAssembly",
        "NetServerDate",
        "NetServerLabel",
        "NetServer",
        "Services",
        "ServicesCurrent",
        "Version",
    ] {
        assert!(version[member].is_string(), "{member}");
    }
    let xml = get(&app, "/api", "text/xml").await;
    assert!(xml.body.starts_with("<ApiVersion>"), "{xml:?}");
}

#[sqlx::test]
async fn api_v1_maps_each_url_to_its_methods(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let urls = get(&app, "/api/v1", "*/*").await.json();
    assert!(urls[SAVE]["POST"].as_str().unwrap().starts_with("Adds"));
    assert_eq!(urls[SAVE]["GET"], "Describes the call.");
    assert!(urls["/api/v1/User/currentPrincipal"]["GET"].is_string());
    let answer = get(&app, "/Api/V1", "application/json").await;
    answer.assert_status(200);
}

#[sqlx::test]
async fn the_openapi_document_describes_every_route_except_pages_and_assets(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let document = get(&app, "/openapi.json", "*/*").await.json();
    assert_eq!(document["openapi"].as_str().unwrap()[..3], *"3.1");
    for route in credential_keeper::describe_routes() {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let is_described = operation["responses"].is_object();
        // Pages are for people, and `/` leads to the first of them.
        let is_asset = ["/assets/", "/docs/"].iter().any(|folder| route.path.starts_with(folder));
        let is_page = ["/", "/account/forgotten"].contains(&route.path)
            || route.access == credential_keeper::Access::Page;
        assert_eq!(is_described, !(is_asset || is_page), "{route:?}");
    }
    let body = &document["paths"][SAVE]["post"]["requestBody"]["content"];
    assert_eq!(body.as_object().unwrap().len(), 7);
}

/// The operations of the document that the binary prints, by method and path.
fn operations() -> Vec<(String, Value)> {
    let document = run_with_input(keeper(&["openapi"]), "").assert_success();
    let document: Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation.clone()))
    });
    methods.collect()
}

/// Generators make the name of a method from the id: in one case or another, without punctuation.
#[test]
fn operation_ids_are_unique_names_for_code_generators() {
    let mut names = BTreeSet::new();
    for (call, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'), "{call}: {id}");
        let name = id.replace('.', "").to_lowercase();
        assert!(names.insert(name), "{call}: another operation has the name {id}");
    }
    assert!(names.len() > 90, "only {} operations", names.len());
}

/// Without a schema, a generated client drops the body of the response.
#[test]
fn every_body_of_a_response_has_a_schema() {
    for (call, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = response["content"].as_object().into_iter().flatten();
            for (media_type, body) in content {
                assert!(body["schema"].is_object(), "{call}: {status} has no schema: {media_type}");
            }
        }
    }
}

/// A generated client sends only the credentials that the operation declares.
#[test]
fn an_operation_about_a_session_declares_its_cookie() {
    let operations = operations();
    let logout = operations.iter().find(|(call, _)| call == "post /logout");
    let security = &logout.unwrap().1["security"];
    assert_eq!(*security, serde_json::json!([{ "Session": [], "Xsrf": [] }, {}]));
}

/// Without the parameter, a generated client cannot call the operation in an online installation.
#[test]
fn every_authenticated_operation_takes_the_token_of_an_application() {
    let mut authenticated = 0;
    for (call, operation) in operations() {
        let requirements = operation["security"].as_array().into_iter().flatten();
        if requirements.into_iter().all(|requirement| requirement.get("Basic").is_none()) {
            continue;
        }
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        assert!(parameters.any(|parameter| parameter["name"] == "SO-AppToken"), "{call}");
        authenticated += 1;
    }
    assert!(authenticated > 50, "only {authenticated} operations");
}

/// A generated client sends a body that the document requires, and may leave out any other one.
#[sqlx::test]
async fn the_document_requires_a_body_where_a_request_without_one_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut called = 0;
    for (call, operation) in operations() {
        let requirements = operation["security"].as_array().into_iter().flatten();
        let mut requirements = requirements.into_iter();
        let takes_body = operation["requestBody"].is_object();
        if !takes_body || requirements.all(|requirement| requirement.get("Basic").is_none()) {
            continue;
        }
        let (method, path) = call.split_once(' ').unwrap();
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = path.replace("{user}", "278").replace("{id}", "278");
        let request = app.request(method, &path, &app.administrator());
        let status = request.send().await.unwrap().status();
        let is_required = operation["requestBody"]["required"] == true;
        assert_eq!(status == 400, is_required, "{call}: {status}");
        assert!(is_required || status.is_success(), "{call}: {status}");
        called += 1;
    }
    assert!(called > 50, "only {called} operations");
}

/// A generated client chooses the format by the type of the body. If a form had the type of the JSON,
/// the client would send JSON members as a form, which has no nested members.
#[test]
fn a_form_has_a_type_of_its_own() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let mut forms = 0;
    for (call, operation) in operations() {
        let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
        let Some(form) = content.get(FORM) else { continue };
        assert_eq!(form["schema"]["type"], "object", "{call}");
        assert!(form["schema"]["properties"].is_object(), "{call}");
        assert_ne!(form["schema"], content["application/json"]["schema"], "{call}");
        forms += 1;
    }
    assert!(forms > 25, "only {forms} forms");
}

/// Generated clients choose the media type of a list among those they know, and cannot with more than
/// one of JSON.
#[test]
fn a_list_is_neither_a_form_nor_a_patch() {
    let mut lists = 0;
    for (call, operation) in operations() {
        let content = &operation["requestBody"]["content"];
        let json = &content["application/json"]["schema"];
        if json["type"] == "array" || json["oneOf"][0]["type"] == "array" {
            let types: Vec<_> = content.as_object().unwrap().keys().collect();
            assert!(!types.iter().any(|name| name.contains("patch")), "{call}: {types:?}");
            lists += 1;
        }
    }
    assert!(lists > 0, "no list was found");
}

/// A client that selects members gets null for all others.
#[test]
fn every_member_that_can_be_left_out_may_be_null() {
    let document = run_with_input(keeper(&["openapi"]), "").assert_success();
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut carriers = BTreeSet::new();
    for (_, operation) in operations() {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        if !parameters.into_iter().any(|parameter| parameter["name"] == "$select") {
            continue;
        }
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        for schema in [schema, &schema["items"], &schema["oneOf"][0]] {
            carriers.extend(schema["$ref"].as_str().map(|name| name[1..].to_owned()));
        }
    }
    // The envelope of a page is always whole.
    carriers.remove("/components/schemas/UserList");
    assert!(carriers.len() > 8, "only {carriers:?}");
    for name in carriers {
        let members = document.pointer(&name).unwrap()["properties"].as_object();
        for (member, schema) in members.into_iter().flatten() {
            let types = [&schema["type"], &schema["oneOf"]].map(ToString::to_string);
            assert!(types.concat().contains("\"null\""), "{name}: {member} is never null");
        }
    }
}

/// The carriers that answers have; those of requests have only the members that are read.
const CARRIERS: [&str; 14] = [
    "Associate",
    "CredentialType",
    "CredentialUser",
    "CredentialsGroup",
    "CredentialsGroupUsers",
    "ResolvedUser",
    "StoredCredential",
    "UntrustedCredentials",
    "User",
    "UserInfo",
    "UserPerson",
    "UserRole",
    "UserValidationResult",
    "UserWithLinks",
];

/// Clients of the vendor read both members of every carrier but `OperationResult`.
#[test]
fn every_carrier_of_the_vendor_has_its_common_members() {
    let document = run_with_input(keeper(&["openapi"]), "").assert_success();
    let document: Value = serde_json::from_str(&document).unwrap();
    let schemas = &document["components"]["schemas"];
    let has = |name: &str, member: &str| {
        let schema = &schemas[name];
        assert!(schema.is_object(), "{name} has no schema");
        // A carrier with links refers to the carrier without them.
        let base = schema["allOf"][0]["$ref"].as_str();
        let schema = base.map_or(schema, |name| document.pointer(&name[1..]).unwrap());
        schema["properties"][member].is_object()
    };
    for member in ["TableRight", "FieldProperties"] {
        for name in CARRIERS {
            assert!(has(name, member), "{name} has no {member}");
        }
        assert!(!has("OperationResult", member), "{member}");
    }
}

/// `script/acceptance` calls every operation with every client and writes the rows.
#[test]
fn every_operation_has_a_case_and_a_row_in_the_table_of_clients() {
    let table = std::fs::read_to_string("tests/clients/calls.json").unwrap();
    let table: Value = serde_json::from_str(&table).unwrap();
    let cases: Vec<_> =
        table["cases"].as_array().unwrap().iter().map(|case| &case["operation"]).collect();
    let page = std::fs::read_to_string("docs/reference/clients.md").unwrap();
    let mut missing = Vec::new();
    for (call, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        if !cases.iter().any(|case| is_of_case(id, case.as_str().unwrap())) {
            missing.push(format!("{call}: add a case to tests/clients/calls.json"));
        }
        let (method, path) = call.split_once(' ').unwrap();
        let path =
            if id.starts_with("get.Agents.User.") { "/api/v1/Agents/User/…" } else { path };
        if !page.contains(&format!("\n| `{} {path}`", method.to_uppercase())) {
            let command = "ACCEPTANCE_UPDATE=1 script/acceptance 'every client'";
            missing.push(format!("{call}: no row in docs/reference/clients.md; run {command}"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// True for the operation of a case. A `*` at its end means every operation that begins so.
fn is_of_case(id: &str, case: &str) -> bool {
    case.strip_suffix('*').map_or(id == case, |beginning| id.starts_with(beginning))
}

#[test]
fn the_committed_openapi_document_is_up_to_date() {
    let fresh = run_with_input(keeper(&["openapi"]), "").assert_success();
    let committed = std::fs::read_to_string("docs/openapi.json").unwrap();
    // Not assert_eq, which would print both documents.
    let is_up_to_date = serde_json::from_str::<Value>(&committed).unwrap()
        == serde_json::from_str::<Value>(&fresh).unwrap();
    assert!(is_up_to_date, "run: credential-keeper openapi > docs/openapi.json");
}

#[test]
fn the_generated_reference_documents_are_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    run_with_input(keeper(&["reference", folder.path().to_str().unwrap()]), "").assert_success();
    let mut count = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name();
        let generated = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        let committed = std::path::Path::new("docs/reference").join(&name);
        let committed = std::fs::read_to_string(committed).unwrap_or_default();
        assert!(
            committed == generated,
            "docs/reference/{name:?} is outdated; run script/reference"
        );
        count += 1;
    }
    assert_eq!(count, 9);
}

#[sqlx::test]
async fn pages_need_no_inline_script_and_no_other_host(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (path, is_documentation) in [("/docs", true), ("/login", false), ("/api", true)] {
        let page = get(&app, path, "text/html").await;
        page.assert_status(200);
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let script = if is_documentation { "docs" } else { "keeper" };
        let script = format!("<script src=\"/assets/{script}.js\" defer></script>");
        assert!(page.body.contains(&script), "{path}");
        // The only address is the example of one, in a line for the shell.
        let body = page.body.replace(&script, "").replace("KEEPER=https://keeper.example", "");
        for foreign in ["<script", "http://", "https://", "style=\"", " onclick", "javascript:"] {
            assert!(!body.contains(foreign), "{path}: {foreign}");
        }
    }
    let Credentials::Session { cookie, .. } = app.session("anna").await else {
        panic!("no session")
    };
    let signed_in = app
        .request(Method::GET, "/login", &Credentials::Anonymous)
        .header("Cookie", format!("ASP.NET_SessionId={cookie}"))
        .header("SO-Language", "x");
    let signed_in = Answer::read(signed_in.send().await.unwrap()).await;
    assert!(signed_in.body.contains("You are signed in as anna."), "{signed_in:?}");
    assert!(!signed_in.body.contains("SR_"), "a page must not show raw resource names");
    let docs = get(&app, "/docs", "text/html").await;
    for part in ["SaveCredentialRequest", "/docs/post.Agents.User.SaveCredential", "/docs/errors"] {
        assert!(docs.body.contains(part), "{part}");
    }
    let errors = get(&app, "/docs/errors", "text/html").await;
    for part in ["duplicate_member", "outcome_unknown"] {
        assert!(errors.body.contains(part), "{part}");
    }
}

/// True if a Rust source has a test with this name that runs, or a Python source a check that it uses.
fn has_test(source: &str, extension: &str, name: &str) -> bool {
    if extension == "py" {
        return source.contains(&format!("def {name}(")) && source.matches(name).count() > 1;
    }
    let declaration = format!("fn {name}(");
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let is_test = |index: usize| {
        let above = lines[..index].iter().rev();
        let above: Vec<_> =
            above.take_while(|line| line.starts_with("#[") || line.starts_with("//")).collect();
        let has = |start: &str| above.iter().any(|line| line.starts_with(start));
        ["#[test]", "#[sqlx::test", "#[tokio::test"].into_iter().any(has) && !has("#[ignore")
    };
    (0..lines.len()).any(|index| lines[index].contains(&declaration) && is_test(index))
}

#[test]
fn only_a_test_that_runs_is_found_as_one() {
    let source = "
        #[sqlx::test(migrations = false)]
        // A comment.
        async fn a_test(pool: PgPool) {}
        #[tokio::test]
        #[ignore]
        async fn an_ignored_test() {}
        fn a_helper() {}";
    let found = |name| has_test(source, "rs", name);
    assert!(found("a_test"));
    assert!(!found("an_ignored_test") && !found("a_helper") && !found("test"));
    assert!(has_test("def used():\nCHECKS = [used]", "py", "used"));
    assert!(!has_test("def unused():", "py", "unused"));
}

#[test]
fn every_test_that_the_security_claims_cite_exists() {
    let text = std::fs::read_to_string("docs/reference/security-claims.md").unwrap();
    let (mut source, mut language) = (String::new(), String::new());
    let mut cited = 0;
    // Every second part is in backticks; `::name` alone refers to the file cited before it.
    for code in text.split('`').skip(1).step_by(2) {
        let (path, name) = code.split_once("::").unwrap_or((code, ""));
        let extension = std::path::Path::new(path).extension().and_then(|text| text.to_str());
        let extension = extension.filter(|extension| ["rs", "py", "mjs"].contains(extension));
        if let Some(extension) = extension {
            extension.clone_into(&mut language);
            source =
                std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{path} does not exist"));
        }
        let is_name = name.len() > 4
            && name.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c));
        if (path.is_empty() || extension.is_some()) && is_name {
            assert!(has_test(&source, &language, name), "{code} is not a test that runs");
            cited += 1;
        }
    }
    assert!(cited > 600, "only {cited} tests are cited");
}
