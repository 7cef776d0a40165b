//! Compressed responses: which ones, when the client accepts them, and never one with a secret.

use std::io::Read;

use reqwest::{
    Method,
    header::{ACCEPT_ENCODING, HeaderMap},
};
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PRINCIPAL, TestApp};

const EXPORT: &str = "/keeper/audit/export";

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
#[sqlx::test]
async fn no_response_with_a_secret_or_a_person_is_compressed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let accepting = |method: Method, path: &str, caller: &Credentials| {
        app.request(method, path, caller).header(ACCEPT_ENCODING, "gzip, br, zstd")
    };
    let session = app.session(ADMINISTRATOR.1).await;
    for (method, path, caller) in [
        (Method::GET, "/login?return_to=%2Faccount", &Credentials::Anonymous),
        (Method::GET, "/account", &session),
        (Method::GET, "/account/sessions", &session),
        (Method::GET, "/admin/users?name=tje", &session),
        (Method::GET, "/admin/users/278", &session),
        (Method::GET, "/admin/audit", &session),
        (Method::GET, PRINCIPAL, &app.administrator()),
        (Method::GET, "/api/v1/User", &app.administrator()),
        (Method::GET, "/api/v1/User/currentToken", &app.administrator()),
        (Method::GET, "/api/v1/User/CredentialTypes", &app.administrator()),
        (Method::GET, "/keeper/audit", &app.administrator()),
        (Method::GET, "/keeper/activity", &app.administrator()),
        (Method::POST, "/keeper/tickets", &app.administrator()),
        (Method::GET, "/api/v1/nothing", &app.administrator()),
    ] {
        let response = accepting(method, path, caller).send().await.unwrap();
        let status = match path {
            "/api/v1/nothing" => 404,
            "/keeper/tickets" => 201,
            _ => 200,
        };
        assert_eq!(response.status(), status, "{path}");
        assert!(!response.headers().contains_key("content-encoding"), "{path}");
    }
}
