//! Onsite and online installations: which schemes and applications each of them accepts.

use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PRINCIPAL, SAVE, TICKETS, TOKEN, TestApp};

const SETTINGS: &str = r#"
    [installation]
    applications = [
        { name = "trusted", token_sha256 = "TRUSTED", trusted = true },
        { name = "known", token_sha256 = "KNOWN" },
    ]
"#;

/// Values of `SO-AppToken`: none, unknown, of an untrusted application, of a trusted one.
const APP_TOKENS: [Option<&str>; 4] =
    [None, Some("unknown"), Some("the secret of two"), Some("the secret of one")];

async fn app_of_type(pool: PgPool, installation: &str) -> TestApp {
    let file = settings("the secret of one", "the secret of two");
    TestApp::spawn_with(pool, &[("KEEPER__INSTALLATION__TYPE", installation)], &file).await
}

async fn call(
    app: &TestApp,
    method: Method,
    path: &str,
    credentials: &Credentials,
    app_token: Option<&str>,
) -> Answer {
    let is_save = method == Method::POST;
    let mut request = app.request(method, path, credentials);
    if let Some(token) = app_token {
        request = request.header("SO-AppToken", token);
    }
    if is_save {
        request = request.json(&json!({ "UserId": 300, "Credential": { "Value": "x" } }));
    }
    Answer::read(request.send().await.unwrap()).await
}

/// A token that the service issues for these credentials and that application.
async fn token_from(
    app: &TestApp,
    credentials: &Credentials,
    app_token: Option<&str>,
) -> Credentials {
    let answer = call(app, Method::GET, TOKEN, credentials, app_token).await;
    Credentials::Bearer(answer.json().as_str().unwrap().to_owned())
}

/// Issues a ticket and a token for the administrator, then makes the installation an online one.
async fn issue_then_go_online(app: &mut TestApp) -> (Credentials, Credentials) {
    let ticket = app.ticket(&app.administrator()).await;
    let token = app.token(&app.administrator()).await;
    app.reconfigure(&[("KEEPER__INSTALLATION__TYPE", "online")]).await;
    (Credentials::Ticket(ticket), Credentials::Bearer(token))
}

#[sqlx::test]
async fn online_each_scheme_requires_its_kind_of_application(pool: PgPool) {
    let mut app = app_of_type(pool, "onsite").await;
    let (ticket, token) = issue_then_go_online(&mut app).await;
    let session = app.session("anna").await;
    let unauthenticated = (401, "unauthenticated");
    let not_trusted = (403, "application_not_trusted");
    let saved = (200, "");
    for (credentials, expected) in [
        (&app.administrator(), [unauthenticated; 4]),
        (&ticket, [unauthenticated, unauthenticated, not_trusted, saved]),
        (&token, [not_trusted, not_trusted, not_trusted, saved]),
        (&session, [saved; 4]),
    ] {
        for (app_token, (status, code)) in APP_TOKENS.into_iter().zip(expected) {
            let answer = call(&app, Method::POST, SAVE, credentials, app_token).await;
            assert_eq!(answer.status, status, "{credentials:?} {app_token:?} {answer:?}");
            if status != 200 {
                assert_eq!(answer.json()["Code"], code, "{credentials:?} {app_token:?}");
            }
        }
    }
    // Routes that return data of users have the same rule as the agents.
    for path in [
        "/api/v1/User",
        "/api/v1/User/current",
        "/api/v1/User/278",
        "/api/v1/User/paul",
        "/api/v1/User/Default",
        "/keeper/users/278/tickets",
        "/keeper/users/278/audit",
        "/keeper/audit",
        "/keeper/audit/export",
        "/keeper/activity",
    ] {
        call(&app, Method::GET, path, &token, None).await.assert_status(403);
        call(&app, Method::GET, path, &token, Some("the secret of one")).await.assert_status(200);
    }
    for (method, path) in [
        (Method::DELETE, "/keeper/users/278/tickets"),
        (Method::POST, "/api/v1/User"),
        (Method::POST, "/api/v1/User/Validate"),
        (Method::PUT, "/api/v1/User/278"),
        (Method::DELETE, "/api/v1/User/278"),
    ] {
        call(&app, method, path, &token, None).await.assert_status(403);
    }
    // Other routes accept an untrusted application.
    call(&app, Method::GET, PRINCIPAL, &token, None).await.assert_status(200);
    call(&app, Method::GET, PRINCIPAL, &ticket, Some("the secret of two")).await.assert_status(200);
    call(&app, Method::GET, PRINCIPAL, &ticket, None).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_untrusted_application_is_refused_before_the_body_is_read(pool: PgPool) {
    let mut app = app_of_type(pool, "onsite").await;
    let (_, token) = issue_then_go_online(&mut app).await;
    let request =
        app.request(Method::POST, SAVE, &token).header("Content-Type", "image/png").body("x");
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_refused(403, "SoIllegalOperationException", "application_not_trusted");
    assert!(answer.headers.get("www-authenticate").is_none());
}

#[sqlx::test]
async fn a_token_carries_the_application_it_was_issued_to(pool: PgPool) {
    let mut app = app_of_type(pool, "onsite").await;
    let (ticket, _) = issue_then_go_online(&mut app).await;
    let trusted = token_from(&app, &ticket, Some("the secret of one")).await;
    let known = token_from(&app, &ticket, Some("the secret of two")).await;
    call(&app, Method::POST, SAVE, &trusted, None).await.assert_saved();
    call(&app, Method::POST, SAVE, &known, None).await.assert_status(403);
    // The header takes precedence over the token, even if its application is unknown.
    call(&app, Method::POST, SAVE, &trusted, Some("unknown")).await.assert_status(403);
    for lines in [&[&b"\xff"[..]][..], &[b""], &[b"the secret of one", b"the secret of one"]] {
        let body = json!({ "UserId": 300, "Credential": { "Value": "x" } });
        let request = app.request(Method::POST, SAVE, &trusted).json(&body);
        let request = lines.iter().fold(request, |request, line| {
            request.header("SO-AppToken", HeaderValue::from_bytes(line).unwrap())
        });
        Answer::read(request.send().await.unwrap()).await.assert_status(403);
    }
    call(&app, Method::POST, SAVE, &known, Some("the secret of one")).await.assert_saved();
}

/// [`SETTINGS`] with the digests of these secrets for `trusted` and `known`.
pub(crate) fn settings(trusted: &str, known: &str) -> String {
    let digest = |secret: &str| {
        let mut command = crate::support::keeper(&["application", "digest"]);
        command.env_remove("KEEPER_CONFIG");
        crate::support::run_with_input(command, secret).assert_success()
    };
    SETTINGS.replace("TRUSTED", &digest(trusted)).replace("KNOWN", &digest(known))
}

#[sqlx::test]
async fn changing_an_application_secret_ends_only_tokens_issued_to_it(pool: PgPool) {
    let mut app = app_of_type(pool, "onsite").await;
    let (ticket, without_application) = issue_then_go_online(&mut app).await;
    let trusted = token_from(&app, &ticket, Some("the secret of one")).await;
    let known = token_from(&app, &ticket, Some("the secret of two")).await;
    let renewed = token_from(&app, &trusted, None).await;
    app.rewrite_settings(&settings("a newer secret of one", "the secret of two"));
    for installation in ["online", "onsite"] {
        app.reconfigure(&[("KEEPER__INSTALLATION__TYPE", installation)]).await;
        for ended in [&trusted, &renewed] {
            call(&app, Method::GET, PRINCIPAL, ended, None).await.assert_unauthenticated();
            // The new secret does not make a token valid that was issued under the old one.
            let newer = Some("a newer secret of one");
            call(&app, Method::POST, SAVE, ended, newer).await.assert_unauthenticated();
        }
        for valid in [&known, &without_application] {
            call(&app, Method::GET, PRINCIPAL, valid, None).await.assert_status(200);
        }
    }
    app.rewrite_settings("");
    app.reconfigure(&[]).await;
    call(&app, Method::GET, PRINCIPAL, &known, None).await.assert_unauthenticated();
    call(&app, Method::GET, PRINCIPAL, &without_application, None).await.assert_status(200);
}

#[sqlx::test]
async fn online_external_and_anonymous_administrators_have_no_session(pool: PgPool) {
    let mut app = app_of_type(pool, "onsite").await;
    let before = app.session("anna").await;
    app.reconfigure(&[("KEEPER__INSTALLATION__TYPE", "online")]).await;
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    for (user_type, may_log_in) in
        [("internal", true), ("external", false), ("anonymous", false), ("system", true)]
    {
        sqlx::query!("UPDATE users SET user_type = $1 WHERE user_id = 1", user_type)
            .execute(&app.pool)
            .await
            .unwrap();
        let answer = app.post("/login", &Credentials::Anonymous, &body).await;
        let page = app.request(Method::GET, "/login", &before).send().await.unwrap();
        let page = Answer::read(page).await;
        assert_eq!(page.body.contains("You are signed in as anna."), may_log_in, "{user_type}");
        if may_log_in {
            answer.assert_status(200);
            app.get(PRINCIPAL, &before).await.assert_status(200);
        } else {
            answer.assert_forbidden();
            assert!(answer.headers.get("set-cookie").is_none());
            app.get(PRINCIPAL, &before).await.assert_forbidden();
        }
    }
}

#[sqlx::test]
async fn online_only_administrators_have_a_session(pool: PgPool) {
    let mut app = app_of_type(pool, "onsite").await;
    let before = app.session("paul").await;
    app.reconfigure(&[("KEEPER__INSTALLATION__TYPE", "online")]).await;
    app.get(PRINCIPAL, &before).await.assert_forbidden();
    let body = json!({ "UserName": "paul", "Password": "paul-password" });
    let answer = app.post("/login", &Credentials::Anonymous, &body).await;
    answer.assert_forbidden();
    assert!(answer.headers.get("set-cookie").is_none());
    app.post(TICKETS, &app.administrator(), &Value::Null).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_ticket_sent_as_the_basic_user_name_is_treated_as_a_ticket(pool: PgPool) {
    let mut app = app_of_type(pool, "onsite").await;
    let (ticket, _) = issue_then_go_online(&mut app).await;
    let Credentials::Ticket(text) = &ticket else { panic!("no ticket") };
    let basic = Credentials::basic(text, "");
    call(&app, Method::GET, PRINCIPAL, &basic, None).await.assert_unauthenticated();
    call(&app, Method::POST, SAVE, &basic, Some("the secret of one")).await.assert_saved();
}

#[test]
fn an_application_secret_needs_at_least_16_bytes() {
    for secret in ["", "short", "fifteen bytes!!"] {
        let finished = crate::support::run_with_input(
            crate::support::keeper(&["application", "digest"]),
            secret,
        );
        finished.assert_error("at least 16 bytes");
    }
}

#[sqlx::test]
async fn online_installations_do_not_offer_basic(pool: PgPool) {
    let settings = [
        ("KEEPER__INSTALLATION__TYPE", "online"),
        ("KEEPER__AUTHENTICATION__BASIC_CHALLENGE", "true"),
    ];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    let answer = app.get(PRINCIPAL, &Credentials::Anonymous).await;
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["SOTicket", r#"Bearer realm="Credential Keeper""#]);
}

#[sqlx::test]
async fn onsite_installations_ignore_applications(pool: PgPool) {
    let app = app_of_type(pool, "onsite").await;
    let session = app.session("anna").await;
    let schemes = [
        app.administrator(),
        Credentials::Ticket(app.ticket(&app.administrator()).await),
        Credentials::Bearer(app.token(&app.administrator()).await),
        session,
    ];
    for credentials in &schemes {
        for app_token in APP_TOKENS {
            call(&app, Method::POST, SAVE, credentials, app_token).await.assert_saved();
        }
    }
}
