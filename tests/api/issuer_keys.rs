//! Fetching the key set of an issuer: rarely, only from the configured URL, and with 503 instead of
//! 401 while it is unavailable.

use std::time::Duration;

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{
    Answer, Credentials, Instance, KeyServer, PLAIN, PRINCIPAL, TestApp, TestAuthority, TestIssuer,
    replace, wait_until,
};

const SUBJECT: &str = "subject-4711";

async fn app(pool: PgPool, server: &KeyServer) -> TestApp {
    let keys = format!(r#"jwks_url = "{}""#, server.url());
    let app = TestApp::spawn_with(pool, &[], &TestIssuer::settings_with_keys(&keys)).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    app
}

async fn login(app: &TestApp, token: String) -> Answer {
    app.get(PRINCIPAL, &Credentials::Bearer(token)).await
}

#[sqlx::test]
async fn a_key_set_is_fetched_once_for_many_tokens_and_unknown_keys(pool: PgPool) {
    let issuer = TestIssuer::new();
    let server = KeyServer::start("200 OK", &issuer.key_set().to_string());
    let app = app(pool, &server).await;
    assert_eq!(server.request_count(), 0, "the start must not fetch the key set");
    let claims = TestIssuer::claims(SUBJECT);
    let logins = join_all((0..50).map(|_| login(&app, issuer.token(&claims)))).await;
    assert!(logins.iter().all(|answer| answer.status == 200));
    let unknown = (0..50).map(|number| {
        let header = TestIssuer::header(Algorithm::ES256, &format!("unknown-{number}"));
        login(&app, issuer.token_with(&header, &claims))
    });
    for answer in join_all(unknown).await {
        answer.assert_unauthenticated();
    }
    assert_eq!(server.request_count(), 1);
}

#[sqlx::test]
async fn a_token_answers_503_while_the_key_set_of_its_issuer_is_unavailable(pool: PgPool) {
    let issuer = TestIssuer::new();
    let elsewhere = KeyServer::start("200 OK", &issuer.key_set().to_string());
    let too_long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    let redirect = format!("302 Found\r\nLocation: {}", elsewhere.url());
    let server = KeyServer::start("500 Internal Server Error", "");
    let mut app = app(pool, &server).await;
    let token = || issuer.token(&TestIssuer::claims(SUBJECT));
    for (number, (status, body)) in [
        ("500 Internal Server Error", ""),
        ("200 OK", "no key set"),
        // Without a key that can verify a token.
        ("200 OK", r#"{"keys":[]}"#),
        ("200 OK", r#"{"keys":[{"kty":"oct","kid":"elliptic","k":"AAAA"}]}"#),
        ("200 OK", too_long.as_str()),
        (redirect.as_str(), ""),
    ]
    .into_iter()
    .enumerate()
    {
        server.set_answer(status, body);
        app.restart().await;
        for _ in 0..3 {
            let answer = login(&app, token()).await;
            answer.assert_refused(503, "SoServiceUnavailableException", "key_unavailable");
            answer.header("retry-after");
        }
        assert_eq!(
            server.request_count(),
            number + 1,
            "a failed fetch must not be repeated at once"
        );
    }
    assert_eq!(elsewhere.request_count(), 0, "a redirect must not be followed");
    // Passwords keep working, and tokens work again once the key set is available.
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    server.set_answer("200 OK", &issuer.key_set().to_string());
    tokio::time::sleep(Duration::from_secs(5)).await;
    login(&app, token()).await.assert_status(200);
}

/// Otherwise, clients that leave early could keep all others from logging in.
#[sqlx::test]
async fn a_fetch_goes_on_when_its_client_leaves(pool: PgPool) {
    let issuer = TestIssuer::new();
    let server = KeyServer::start("200 OK", &issuer.key_set().to_string());
    // Less than the time limit of a fetch.
    server.set_delay(Duration::from_secs(2));
    let app = app(pool, &server).await;
    let token = Credentials::Bearer(issuer.token(&TestIssuer::claims(SUBJECT)));
    let leaving = tokio::spawn(app.request(Method::GET, PRINCIPAL, &token).send());
    wait_until("the key set is requested", async || server.request_count() == 1).await;
    leaving.abort();
    app.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    // It waits for the fetch, and needs no other one.
    app.get(PRINCIPAL, &token).await.assert_status(200);
    assert_eq!(server.request_count(), 1);
}

#[sqlx::test]
async fn a_key_set_comes_only_from_a_server_with_a_trusted_certificate(pool: PgPool) {
    let issuer = TestIssuer::new();
    let (authority, foreign) = (TestAuthority::new(), TestAuthority::new());
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("ca.crt");
    replace(&trusted, &authority.certificate(), 0o444);
    let unused = KeyServer::start("200 OK", "");
    let app = app(pool, &unused).await;
    for (certificate, is_trusted) in [
        (authority.issue(&["localhost"]), true),
        (foreign.issue(&["localhost"]), false),
        (authority.issue(&["other.example.com"]), false),
        (authority.issue_expired(&["localhost"]), false),
    ] {
        let server = KeyServer::start_with_tls(&certificate, &issuer.key_set().to_string());
        let keys = format!(r#"jwks_url = "{}""#, server.url());
        app.rewrite_settings(&TestIssuer::settings_with_keys(&keys));
        // The system's authorities: of this process only.
        let instance = Instance::start(&app, &[("SSL_CERT_FILE", trusted.to_str().unwrap())]);
        let token = Credentials::Bearer(issuer.token(&TestIssuer::claims(SUBJECT)));
        let answer = instance.get(PRINCIPAL, &token).await;
        if is_trusted {
            answer.assert_status(200);
        } else {
            answer.assert_refused(503, "SoServiceUnavailableException", "key_unavailable");
        }
        assert_eq!(server.request_count(), usize::from(is_trusted));
        instance.stop();
    }
}

#[sqlx::test]
async fn a_changed_key_set_file_is_read_again(pool: PgPool) {
    let (issuer, successor) = (TestIssuer::new(), TestIssuer::new());
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let claims = TestIssuer::claims(SUBJECT);
    let failed = r#"keeper_reload_failed{setting="authentication.issuers"}"#;
    issuer.publish(&json!({ "keys": [] }));
    app.wait_for_metric(failed, 1.0).await;
    login(&app, issuer.token(&claims)).await.assert_status(200);
    // The keys of the successor have the same ids.
    issuer.publish(&successor.key_set());
    app.wait_for_metric(failed, 0.0).await;
    login(&app, successor.token(&claims)).await.assert_status(200);
    login(&app, issuer.token(&claims)).await.assert_unauthenticated();
}
