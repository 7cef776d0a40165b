//! Settings of requests: hosts, proxies, CORS, schemes, applications, issuers, the log.

use reqwest::Method;
use sqlx::PgPool;

use super::{get_with, save_of_paul, status};
use crate::support::{
    Answer, Credentials, KeyServer, PLAIN, PRINCIPAL, Reloading, SAVE, TICKETS, TestApp,
    TestIssuer, assert_becomes,
};

/// The settings whose effect the tests of this module prove.
pub(super) const SETTINGS: &[&str] = &[
    "http.allowed_hosts",
    "http.trusted_proxies",
    "http.cors_origins",
    "installation.applications",
    "authentication.basic",
    "authentication.so_ticket",
    "authentication.bearer",
    "authentication.session",
    "authentication.basic_challenge",
    "authentication.issuers",
    "log.level",
    "maintenance.read_only",
];

async fn audited_address(app: &TestApp) -> String {
    let request = app.request(Method::POST, SAVE, &app.administrator());
    let request = request.header("X-Forwarded-For", "203.0.113.7");
    let saved = request.json(&save_of_paul("paul-password")).send().await.unwrap();
    assert_eq!(saved.status(), 200);
    let last =
        "SELECT address FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1";
    sqlx::query_scalar(last).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn hosts_proxies_origins_and_the_log_level_change_while_the_service_runs(pool: PgPool) {
    let no_policy = ("passwords.policy", "'none'");
    let reloading = Reloading::start(pool, &[no_policy, ("log.level", "'error'")]).await;
    let app = &reloading.app;
    let plain = app.plain();
    let other_host = ("Host", "other.example");
    let origin = ("Origin", "https://app.example");
    let allowed_origin = async || {
        let answer = get_with(app, PRINCIPAL, &plain, origin).await;
        answer
            .headers
            .get("access-control-allow-origin")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    get_with(app, PRINCIPAL, &plain, other_host).await.assert_status(200);
    assert_eq!(allowed_origin().await, None);
    assert_eq!(audited_address(app).await, "127.0.0.1");
    let settings = [
        no_policy,
        ("log.level", "'error,credential_keeper::telemetry=info'"),
        ("http.allowed_hosts", "['127.0.0.1']"),
        ("http.trusted_proxies", "['127.0.0.1']"),
        ("http.cors_origins", "['https://app.example']"),
    ];
    reloading.set(&settings).await;
    get_with(app, PRINCIPAL, &plain, other_host).await.assert_status(421);
    assert_eq!(allowed_origin().await.as_deref(), Some("https://app.example"));
    assert_eq!(audited_address(app).await, "203.0.113.7");
    // Preflights are answered without a login, and only for these origins.
    for (origin, expected) in [("https://app.example", 200), ("https://b.example", 403)] {
        let preflight = app.request(Method::OPTIONS, SAVE, &Credentials::Anonymous);
        let preflight = preflight.header("Origin", origin);
        let preflight = preflight.header("Access-Control-Request-Method", "POST");
        assert_eq!(preflight.send().await.unwrap().status(), expected, "{origin}");
    }
    reloading.set(&[no_policy, ("log.level", "'error'")]).await;
    get_with(app, PRINCIPAL, &plain, other_host).await.assert_status(200);
    assert_eq!(allowed_origin().await, None);
    let log = reloading.instance.stop();
    // Requests are logged only between the two reloads: two GETs, a save and two preflights.
    let requests = log.matches("\"log.logger\":\"credential_keeper::telemetry\"").count();
    assert_eq!(requests, 5, "{log}");
}

#[sqlx::test]
async fn schemes_change_while_the_service_runs(pool: PgPool) {
    let reloading = Reloading::start(pool, &[]).await;
    let app = &reloading.app;
    let credentials = [
        app.plain(),
        Credentials::Ticket(app.ticket(&app.plain()).await),
        Credentials::Bearer(app.token(&app.plain()).await),
        app.session(PLAIN.1).await,
    ];
    let statuses = async || {
        let mut statuses = Vec::new();
        for credentials in &credentials {
            statuses.push(status(app, credentials).await);
        }
        statuses
    };
    let challenges = async || {
        let answer = app.get(PRINCIPAL, &Credentials::Anonymous).await;
        let challenges = answer.headers.get_all("www-authenticate").iter();
        challenges.map(|text| text.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(statuses().await, [200; 4]);
    assert!(!challenges().await.contains("Basic"));
    reloading.set(&[("authentication.basic_challenge", "true")]).await;
    assert!(challenges().await.contains("Basic"));
    let names = ["basic", "so_ticket", "bearer", "session"];
    for (off, name) in names.iter().enumerate() {
        reloading.set(&[(&format!("authentication.{name}"), "false")]).await;
        let expected: Vec<_> = (0..4).map(|index| if index == off { 401 } else { 200 }).collect();
        assert_eq!(statuses().await, expected, "{name}");
    }
    reloading.set(&[]).await;
    assert_eq!(statuses().await, [200; 4]);
}

#[sqlx::test]
async fn applications_change_while_the_service_runs(pool: PgPool) {
    let online = ("installation.type", "'online'");
    let reloading = Reloading::start(pool, &[online]).await;
    let app = &reloading.app;
    let digest = app.command(&["application", "digest"], "the secret of one").assert_success();
    let application =
        format!("[{{ name = 'one', token_sha256 = '{}', trusted = true }}]", digest.trim());
    // Online, only an application may issue tickets.
    let issue = app.client.post(format!("{}{TICKETS}", reloading.other));
    let issued = Answer::read(app.administrator().apply_to(issue).send().await.unwrap()).await;
    let ticket = Credentials::Ticket(issued.json()["Ticket"].as_str().unwrap().to_owned());
    let read = async || {
        let token = ("SO-AppToken", "the secret of one");
        get_with(app, "/api/v1/User/278", &ticket, token).await.status.as_u16()
    };
    assert_eq!(read().await, 401);
    reloading.set(&[online, ("installation.applications", &application)]).await;
    assert_eq!(read().await, 200);
    reloading.set(&[online]).await;
    assert_eq!(read().await, 401);
}

#[sqlx::test]
async fn issuers_change_while_the_service_runs(pool: PgPool) {
    let types = ("credentials.additional_types", "[{ name = 'OpenId', kind = 'identifier' }]");
    let reloading = Reloading::start(pool, &[types]).await;
    let app = &reloading.app;
    app.save(&app.administrator(), PLAIN.0, "OpenId", "subject-1").await.assert_saved();
    let issuer = TestIssuer::new();
    let token = || Credentials::Bearer(issuer.token(&TestIssuer::claims("subject-1")));
    assert_eq!(status(app, &token()).await, 401);
    let issuers = issuer.settings();
    let (_, issuers) = issuers.split_once("issuers = ").unwrap();
    let issuers = issuers.replace('\n', " ");
    let issuers = ("authentication.issuers", issuers.trim());
    reloading.set(&[types, issuers]).await;
    assert_eq!(status(app, &token()).await, 200);
    // The file of the new issuer is watched from now on.
    let reloads = r#"keeper_reloads_total{setting="authentication.issuers",outcome="success"}"#;
    let before = reloading.instance.metric(reloads).await.unwrap();
    issuer.publish(&TestIssuer::new().key_set());
    reloading.instance.wait_for_more(reloads, before).await;
    assert_becomes(401, async || status(app, &token()).await).await;
    reloading.set(&[types]).await;
    issuer.publish(&issuer.key_set());
    assert_eq!(status(app, &token()).await, 401);
}

#[sqlx::test]
async fn the_keys_of_an_issuer_that_does_not_answer_outlive_a_change_of_the_issuers(pool: PgPool) {
    let types = ("credentials.additional_types", "[{ name = 'OpenId', kind = 'identifier' }]");
    let reloading = Reloading::start(pool, &[types]).await;
    let app = &reloading.app;
    app.save(&app.administrator(), PLAIN.0, "OpenId", "subject-1").await.assert_saved();
    let issuer = TestIssuer::new();
    let token = || Credentials::Bearer(issuer.token(&TestIssuer::claims("subject-1")));
    let server = KeyServer::start("200 OK", &issuer.key_set().to_string());
    let change_issuers = async |options: &str| {
        let keys = format!("jwks_url = \"{}\"{options}", server.url());
        let settings = TestIssuer::settings_with_keys(&keys).replace('\n', " ");
        let (_, issuers) = settings.split_once("issuers = ").unwrap();
        reloading.set(&[types, ("authentication.issuers", issuers.trim())]).await;
    };
    change_issuers("").await;
    assert_eq!(status(app, &token()).await, 200);
    server.set_answer("500 Internal Server Error", "");
    change_issuers(", maximum_age_seconds = 600").await;
    assert_eq!(status(app, &token()).await, 200);
    // At another URL, there may be other keys.
    let elsewhere = KeyServer::start("500 Internal Server Error", "");
    let keys = format!("jwks_url = \"{}\"", elsewhere.url());
    let settings = TestIssuer::settings_with_keys(&keys).replace('\n', " ");
    let (_, issuers) = settings.split_once("issuers = ").unwrap();
    reloading.set(&[types, ("authentication.issuers", issuers.trim())]).await;
    assert_eq!(status(app, &token()).await, 503);
}
