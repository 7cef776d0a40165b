//! Key sets that are fetched: seldom, from nowhere else than where the operator said, and told from a
//! wrong token when they cannot be had.

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, KeyServer, PLAIN, TestApp, TestIssuer, WHO};

const SUBJECT: &str = "subject-4711";

async fn app(pool: PgPool, server: &KeyServer) -> TestApp {
    let keys = format!(r#"jwks_url = "{}""#, server.url());
    let app = TestApp::spawn_with(pool, &[], &TestIssuer::settings_with(&keys)).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    app
}

async fn login(app: &TestApp, token: String) -> Answer {
    app.get(WHO, &Credentials::Bearer(token)).await
}

#[sqlx::test]
async fn a_key_set_is_fetched_once_however_many_tokens_and_unknown_keys_there_are(pool: PgPool) {
    let issuer = TestIssuer::new();
    let server = KeyServer::start("200 OK", &issuer.key_set().to_string());
    let app = app(pool, &server).await;
    assert_eq!(server.asked(), 0, "nobody waits for it at start");
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
    assert_eq!(server.asked(), 1);
}

#[sqlx::test]
async fn without_keys_nobody_knows_whether_a_token_is_right(pool: PgPool) {
    let issuer = TestIssuer::new();
    let elsewhere = KeyServer::start("200 OK", &issuer.key_set().to_string());
    let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    let redirect = format!("302 Found\r\nLocation: {}", elsewhere.url());
    let server = KeyServer::start("500 Internal Server Error", "");
    let mut app = app(pool, &server).await;
    let token = || issuer.token(&TestIssuer::claims(SUBJECT));
    for (number, (head, body)) in [
        ("500 Internal Server Error", ""),
        ("200 OK", "no key set"),
        ("200 OK", long.as_str()),
        (redirect.as_str(), ""),
    ]
    .into_iter()
    .enumerate()
    {
        server.answer(head, body);
        app.restart().await;
        for _ in 0..3 {
            let answer = login(&app, token()).await;
            answer.assert_refused(503, "SoServiceUnavailableException", "key_unavailable");
            answer.header("retry-after");
        }
        assert_eq!(server.asked(), number + 1, "a failure is not repeated at once");
    }
    assert_eq!(elsewhere.asked(), 0, "the operator named another place");
    // It works again by itself, and passwords never stopped working.
    app.get(WHO, &app.plain()).await.assert_status(200);
    server.answer("200 OK", &issuer.key_set().to_string());
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    login(&app, token()).await.assert_status(200);
}
