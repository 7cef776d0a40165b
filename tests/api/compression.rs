//! Compressed responses: which ones, when the client accepts them, and never one with a secret.

use std::io::Read;

use credential_keeper::{Access, describe_routes};
use reqwest::{
    Method,
    header::{ACCEPT_ENCODING, HeaderMap},
};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, TICKETS, TestApp};

const EXPORT: &str = "/keeper/audit/export";

/// True for the responses without secrets that are compressed, besides the metrics
/// (docs/adr/0081-compressed-responses.md).
fn may_be_compressed(method: &Method, path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let is_document = ["/api", "/api/v1", "/docs", "/openapi.json"].contains(&path.as_str())
        || ["/api/v1/agents/", "/assets/", "/docs/"].iter().any(|folder| path.starts_with(folder));
    let is_export = [EXPORT, "/admin/audit/export"].contains(&path.as_str());
    (is_document || is_export) && [Method::GET, Method::HEAD].contains(method)
}

/// Asserts that a response with a secret or a person is not compressed, whatever its length: a handler
/// that compresses long content sets `Vary` for short content, too.
#[track_caller]
pub(crate) fn assert_uncompressed(method: &Method, path: &str, headers: &HeaderMap) {
    if !may_be_compressed(method, path) {
        assert!(!headers.contains_key("content-encoding"), "{method} {path}: {headers:?}");
        assert!(!varies(headers), "{method} {path}: {headers:?}");
    }
}

/// The content of gzip data.
fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn varies(headers: &HeaderMap) -> bool {
    let vary = headers.get_all("vary").iter().flat_map(|line| line.to_str().unwrap().split(','));
    vary.map(str::trim).any(|name| name.eq_ignore_ascii_case("accept-encoding"))
}

/// A GET of the metrics on the operations listener, or of a path of the API.
async fn get(
    app: &TestApp,
    path: &str,
    method: Method,
    encodings: &[&str],
) -> (HeaderMap, Vec<u8>) {
    let mut request = if path == "/metrics" {
        app.client.request(method, format!("{}{path}", app.operations))
    } else {
        app.request(method, path, &app.administrator())
    };
    for encoding in encodings {
        request = request.header(ACCEPT_ENCODING, *encoding);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    (response.headers().clone(), response.bytes().await.unwrap().into())
}

/// RFC 9110, section 12.5.3.
#[sqlx::test]
async fn documents_metrics_and_exports_are_compressed_for_clients_that_prefer_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in ["/openapi.json", "/docs", "/assets/keeper.css", "/metrics", EXPORT] {
        for (encodings, is_packed) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZip"], true),
            (&["x-gzip"], true),
            (&["deflate, gzip;q=1.0, *;q=0.5"], true),
            (&["br, zstd", "gzip"], true),
            (&["gzip, identity;q=0"], true),
            (&["gzip;q=0.5, identity;q=0.2"], true),
            (&["gzip;q=0.2, identity;q=0.9"], false),
            (&["gzip;q=0, identity"], false),
            (&["gzip;q=0, *"], false),
            (&["br, zstd, deflate"], false),
            (&["gzip2"], false),
        ] {
            let (headers, body) = get(&app, path, Method::GET, encodings).await;
            let encoding = headers.get("content-encoding").map(|value| value.to_str().unwrap());
            assert_eq!(encoding, is_packed.then_some("gzip"), "{path}: {encodings:?}");
            assert!(varies(&headers), "{path}: {encodings:?}");
            if is_packed {
                assert!(!unpacked(&body).is_empty(), "{path}");
            }
        }
        let (packed, _) = get(&app, path, Method::HEAD, &["gzip"]).await;
        assert_eq!(packed["content-encoding"], "gzip", "{path}");
        assert!(varies(&packed), "{path}");
    }
}

/// An observer of the length of a compressed response learns its secrets if it also has text that
/// the attacker chooses (BREACH). So nothing with a token, ticket or personal data is compressed.
/// Other tests assert it, too: for each call of the API with a valid body, the one that records the
/// examples; for the pages and their forms, each test with a browser.
#[sqlx::test]
async fn no_response_with_a_secret_or_a_person_is_compressed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (anonymous, administrator) = (Credentials::Anonymous, app.administrator());
    let session = app.session(ADMINISTRATOR.1).await;
    let accepting = |method: Method, path: &str, caller: &Credentials| {
        app.request(method, path, caller).header(ACCEPT_ENCODING, "gzip, br, zstd")
    };
    let id = PLAIN.0.to_string();
    let mut count = 0;
    for route in describe_routes().into_iter().filter(|route| route.method == "GET") {
        let caller = match route.access {
            Access::Anybody => &anonymous,
            Access::Authenticated | Access::Agent => &administrator,
            Access::Page => &session,
        };
        let path = route.path.replace("{id}", &id).replace("{user}", &id);
        // The root redirects to the documentation.
        if may_be_compressed(&Method::GET, &path) || path == "/" {
            continue;
        }
        let response = accepting(Method::GET, &path, caller).send().await.unwrap();
        // Without an import and a mail server, these show nothing.
        let is_other = ["/account/forgotten", "/account/password"].contains(&route.path)
            || path.contains("{import}");
        assert!(response.status() == 200 || is_other, "{path}: {}", response.status());
        assert_uncompressed(&Method::GET, &path, response.headers());
        count += 1;
    }
    assert!(count > 30, "{count}");
    for (method, path, status) in
        [(Method::POST, TICKETS, 201), (Method::GET, "/api/v1/nothing", 404)]
    {
        let response = accepting(method.clone(), path, &administrator).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_uncompressed(&method, path, response.headers());
    }
}

/// This response has secrets, texts that others choose, and any length.
#[sqlx::test]
async fn a_long_list_of_untrusted_credentials_is_not_compressed(pool: PgPool) {
    const LIST: &str = "/api/v1/Agents/User/GetUntrustedCredentials";
    let app = TestApp::spawn(pool).await;
    for number in 0..40 {
        let credentials = json!({
            "PublicValue": format!("server/{number}"), "SecretValue": format!("secret {number}"),
        });
        let body = json!({"Type": "imap", "Credentials": credentials});
        let save = "/api/v1/Agents/User/SaveUntrustedCredentials";
        app.post(save, &app.plain(), &body).await.assert_status(204);
    }
    let request = app.request(Method::POST, LIST, &app.plain()).header(ACCEPT_ENCODING, "gzip");
    let response = request.json(&json!({"Type": "imap"})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_uncompressed(&Method::POST, LIST, response.headers());
    let body = response.text().await.unwrap();
    // Shorter content is never compressed.
    assert!(body.len() > 1024 && body.contains("secret 39"), "{body}");
}
