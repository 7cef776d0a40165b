//! Cookie sessions and their XSRF values.

use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, SAVE, TICKETS, TestApp, client_builder,
    password_of,
};

const FORM: &str = "application/x-www-form-urlencoded";

async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

/// A client that does not follow redirects, so that tests can examine them.
fn browser() -> Client {
    client_builder().redirect(Policy::none()).build().unwrap()
}

/// The value of a hidden input of a page.
fn hidden_value(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// Submits the form of the login page, as a browser does.
async fn submit_login_form(app: &TestApp, name: &str, password: &str) -> Answer {
    let page = send(browser().get(format!("{}/login", app.url))).await;
    page.assert_status(200);
    let token = hidden_value(&page.body, "LoginToken");
    let cookie = page.cookie("__Host-KEEPER-LOGIN").unwrap();
    let request = browser()
        .post(format!("{}/login", app.url))
        .header("Cookie", format!("__Host-KEEPER-LOGIN={cookie}"))
        .header("Content-Type", FORM)
        .header("Accept-Language", "nb")
        .header("Origin", &app.url)
        .body(format!("UserName={name}&Password={password}&LoginToken={token}"));
    send(request).await
}

/// The values of the session cookie and of its XSRF token.
fn session_values(session: &Credentials) -> (String, String) {
    let Credentials::Session { cookie, xsrf } = session else { panic!("no session") };
    (cookie.clone(), xsrf.clone())
}

fn request_with_cookies(
    app: &TestApp,
    method: Method,
    path: &str,
    cookies: &str,
    xsrf: Option<&str>,
) -> RequestBuilder {
    let request = browser().request(method, format!("{}{path}", app.url)).header("Cookie", cookies);
    xsrf.into_iter().fold(request, |request, xsrf| request.header("X-XSRF-TOKEN", xsrf))
}

#[sqlx::test]
async fn the_login_page_starts_a_session_that_can_save(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = submit_login_form(&app, "anna", "anna-password").await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/account");
    let cookies: Vec<_> =
        answer.headers.get_all("set-cookie").iter().map(|text| text.to_str().unwrap()).collect();
    let cookie_text = |name: &str| *cookies.iter().find(|text| text.starts_with(name)).unwrap();
    assert!(
        cookie_text("ASP.NET_SessionId=").ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"),
        "{cookies:?}"
    );
    assert!(cookie_text("XSRF-TOKEN=").ends_with("; SameSite=Lax; Secure; Path=/"), "{cookies:?}");
    assert!(
        !cookie_text("XSRF-TOKEN=").contains("HttpOnly"),
        "scripts must be able to read the XSRF cookie"
    );
    let session = Credentials::Session {
        cookie: answer.cookie("ASP.NET_SessionId").unwrap(),
        xsrf: answer.cookie("XSRF-TOKEN").unwrap(),
    };
    app.save(&session, PLAIN.0, "", "by a session").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "by a session")).await.assert_status(200);
    let scheme = sqlx::query_scalar!(
        "SELECT scheme FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1"
    );
    assert_eq!(scheme.fetch_one(&app.pool).await.unwrap(), "session");
}

#[sqlx::test]
async fn the_login_page_has_the_hidden_xsrf_input_for_the_vendor_client(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (cookie, _) = session_values(&app.session("anna").await);
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let page = send(request_with_cookies(&app, Method::GET, "/login", &cookies, None)).await;
    assert!(page.body.contains("You are signed in as anna."), "{page:?}");
    assert!(page.body.contains("<input type=\"hidden\" id=\"XSRF_TOKEN\""), "{page:?}");
    let xsrf = hidden_value(&page.body, "XSRF_TOKEN");
    send(request_with_cookies(&app, Method::GET, PRINCIPAL, &cookies, Some(&xsrf)))
        .await
        .assert_status(200);
}

#[sqlx::test]
async fn every_request_needs_the_xsrf_value_of_its_own_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (cookie, xsrf) = session_values(&app.session("anna").await);
    let (_, foreign_xsrf) = session_values(&app.session("paul").await);
    let cookies = format!("ASP.NET_SessionId={cookie}; XSRF-TOKEN={xsrf}");
    for method in [Method::GET, Method::POST] {
        let path = if method == Method::GET { PRINCIPAL } else { SAVE };
        let answer = |xsrf| send(request_with_cookies(&app, method.clone(), path, &cookies, xsrf));
        answer(None).await.assert_refused(401, "ArgumentException", "xsrf_missing");
        for wrong in [foreign_xsrf.as_str(), "", "x", &xsrf[1..]] {
            answer(Some(wrong)).await.assert_refused(401, "SoSessionException", "xsrf_wrong");
        }
    }
    send(request_with_cookies(&app, Method::GET, PRINCIPAL, &cookies, Some(&xsrf)))
        .await
        .assert_status(200);
}

#[sqlx::test]
async fn an_authentication_time_at_the_maximum_date_is_accepted(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    let statement =
        "UPDATE tickets SET auth_time = '9999-12-31 20:00Z', expires_at = now() + '1 min'";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    app.get(PRINCIPAL, &session).await.assert_status(200);
}

#[sqlx::test]
async fn repeated_cookies_and_repeated_xsrf_values_are_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (cookie, xsrf) = session_values(&app.session("anna").await);
    for cookies in [
        format!("ASP.NET_SessionId={cookie}; ASP.NET_SessionId={cookie}"),
        format!("ASP.NET_SessionId={cookie}; XSRF-TOKEN={xsrf}; XSRF-TOKEN={xsrf}"),
        "ASP.NET_SessionId=".to_owned(),
        "ASP.NET_SessionId=AAAA".to_owned(),
        "other=1".to_owned(),
    ] {
        send(request_with_cookies(&app, Method::GET, PRINCIPAL, &cookies, Some(&xsrf)))
            .await
            .assert_unauthenticated();
    }
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let twice = request_with_cookies(&app, Method::GET, PRINCIPAL, &cookies, Some(&xsrf))
        .header("X-XSRF-TOKEN", &xsrf);
    send(twice).await.assert_unauthenticated();
    // Malformed cookies with other names are ignored.
    let odd = format!("a=%zz; ;=; ASP.NET_SessionId={cookie}; b");
    send(request_with_cookies(&app, Method::GET, PRINCIPAL, &odd, Some(&xsrf)))
        .await
        .assert_status(200);
}

#[sqlx::test]
async fn logging_out_ends_the_session_and_needs_its_xsrf_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    let (cookie, xsrf) = session_values(&session);
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let log_out = |xsrf| send(request_with_cookies(&app, Method::POST, "/logout", &cookies, xsrf));
    log_out(None).await.assert_refused(401, "ArgumentException", "xsrf_missing");
    log_out(Some("x")).await.assert_refused(401, "SoSessionException", "xsrf_wrong");
    app.get(PRINCIPAL, &session).await.assert_status(200);
    let answer = log_out(Some(&xsrf)).await;
    answer.assert_status(204);
    assert_eq!(answer.cookie("ASP.NET_SessionId").unwrap(), "");
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    let session = app.session("anna").await;
    let twice = format!("ASP.NET_SessionId={0}; ASP.NET_SessionId={0}", session_values(&session).0);
    let answer = send(request_with_cookies(
        &app,
        Method::POST,
        "/logout",
        &twice,
        Some(&session_values(&session).1),
    ))
    .await;
    answer.assert_unauthenticated();
    app.get(PRINCIPAL, &session).await.assert_status(200);
    // Logging out again, or without a session, succeeds and ends nothing.
    log_out(Some(&xsrf)).await.assert_status(204);
    send(request_with_cookies(&app, Method::POST, "/logout", "a=b", None)).await.assert_status(204);
    let invalid =
        request_with_cookies(&app, Method::POST, "/logout", "ASP.NET_SessionId=zzz", Some("q"));
    send(invalid).await.assert_status(204);
    // A page of another site cannot delete the cookies.
    for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")] {
        let cross_site =
            request_with_cookies(&app, Method::POST, "/logout", "a=b", None).header(name, value);
        let answer = send(cross_site).await;
        answer.assert_forbidden();
        assert!(answer.headers.get("set-cookie").is_none());
    }
    app.get("/logout", &Credentials::Anonymous).await.assert_status(405);
}

#[sqlx::test]
async fn the_form_of_the_login_page_logs_out(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    let (cookie, xsrf) = session_values(&session);
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let form = request_with_cookies(&app, Method::POST, "/logout", &cookies, None)
        .header("Content-Type", FORM)
        .body(format!("XSRF_TOKEN={xsrf}"));
    let answer = send(form).await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/login");
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_new_session_ends_the_previous_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let previous = app.session("anna").await;
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let cookies = format!("ASP.NET_SessionId={}", session_values(&previous).0);
    let answer =
        send(request_with_cookies(&app, Method::POST, "/login", &cookies, None).json(&body)).await;
    answer.assert_status(200);
    assert_ne!(answer.cookie("ASP.NET_SessionId"), Some(session_values(&previous).0));
    assert_eq!(answer.json()["XsrfToken"], answer.cookie("XSRF-TOKEN").unwrap());
    assert_eq!(answer.json()["AssociateId"], ADMINISTRATOR.0);
    app.get(PRINCIPAL, &previous).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_wrong_password_answers_in_the_format_and_language_of_the_caller(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for name in ["anna", "nobody", "rita"] {
        let page = submit_login_form(&app, name, "wrong").await;
        page.assert_status(401);
        page.header("www-authenticate");
        assert!(page.body.contains("Feil brukernavn eller passord."), "{page:?}");
        let body = json!({ "UserName": name, "Password": "wrong" });
        app.post("/login", &Credentials::Anonymous, &body).await.assert_unauthenticated();
    }
    let rows = sqlx::query_scalar!("SELECT count(*) FROM tickets");
    assert_eq!(rows.fetch_one(&app.pool).await.unwrap(), Some(0));
    app.post("/login", &Credentials::Anonymous, &json!({})).await.assert_field_refused("UserName");
}

#[sqlx::test]
async fn two_open_login_pages_both_work(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let first = send(browser().get(format!("{}/login", app.url))).await;
    let cookies = format!("__Host-KEEPER-LOGIN={}", first.cookie("__Host-KEEPER-LOGIN").unwrap());
    let second = send(request_with_cookies(&app, Method::GET, "/login", &cookies, None)).await;
    assert_eq!(second.cookie("__Host-KEEPER-LOGIN"), first.cookie("__Host-KEEPER-LOGIN"));
    for page in [&first, &second] {
        let token = hidden_value(&page.body, "LoginToken");
        let form = request_with_cookies(&app, Method::POST, "/login", &cookies, None)
            .header("Content-Type", FORM)
            .body(format!("UserName=anna&Password=anna-password&LoginToken={token}"));
        send(form).await.assert_status(303);
    }
}

#[sqlx::test]
async fn only_a_same_origin_page_can_log_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let request = || browser().post(format!("{}/login", app.url)).json(&body);
    for (name, value, is_same_origin) in [
        ("Sec-Fetch-Site", "same-origin", true),
        ("Sec-Fetch-Site", "none", true),
        ("Sec-Fetch-Site", "same-site", false),
        ("Sec-Fetch-Site", "cross-site", false),
        ("Origin", app.url.as_str(), true),
        ("Origin", "http://evil.example", false),
        ("Origin", "null", false),
    ] {
        let answer = send(request().header(name, value)).await;
        if is_same_origin {
            answer.assert_status(200);
        } else {
            answer.assert_forbidden();
            assert!(answer.headers.get("set-cookie").is_none());
        }
    }
    // A form needs the token of a page that was sent to the same browser.
    let fields = "UserName=anna&Password=anna-password";
    for (cookie, token) in [
        ("", ""),
        ("__Host-KEEPER-LOGIN=x", "&LoginToken=x"),
        ("__Host-KEEPER-LOGIN=x; __Host-KEEPER-LOGIN=y", "&LoginToken=x"),
    ] {
        let form = request_with_cookies(&app, Method::POST, "/login", cookie, None)
            .header("Content-Type", FORM)
            .body(format!("{fields}{token}"));
        let answer = send(form).await;
        answer.assert_status(403);
        assert!(answer.body.contains("This page has expired."), "{answer:?}");
        assert!(answer.cookie("ASP.NET_SessionId").is_none());
    }
}

#[sqlx::test]
async fn revoking_everything_issued_to_a_user_ends_their_sessions(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("paul").await;
    app.save(&app.administrator(), PLAIN.0, "", "new").await.assert_saved();
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    // The session that the caller uses for the save continues.
    let own = app.session("anna").await;
    let other = app.session("anna").await;
    app.save(&own, ADMINISTRATOR.0, "", "new").await.assert_saved();
    app.get(PRINCIPAL, &own).await.assert_status(200);
    app.get(PRINCIPAL, &other).await.assert_unauthenticated();
    app.command(&["ticket", "revoke", "--user", "anna"], "").assert_success();
    app.get(PRINCIPAL, &own).await.assert_unauthenticated();
}

#[sqlx::test]
async fn use_extends_a_session_up_to_twelve_hours(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("paul").await;
    let set_age = |hours: f64| {
        sqlx::query!(
            "UPDATE tickets SET auth_time = now() - make_interval(secs => $1),
                 created_at = now() - make_interval(secs => $1),
                 expires_at = now() + interval '1 minute'",
            hours * 3600.0
        )
    };
    let minutes_left = || {
        sqlx::query_scalar!(
            r#"SELECT (extract(epoch FROM expires_at - now()) / 60)::float8 AS "left!" FROM tickets"#
        )
    };
    for (hours, minimum, maximum) in [(1.0, 59.0, 60.0), (11.5, 29.0, 30.0)] {
        set_age(hours).execute(&app.pool).await.unwrap();
        app.get(PRINCIPAL, &session).await.assert_status(200);
        let left = minutes_left().fetch_one(&app.pool).await.unwrap();
        assert!((minimum..=maximum).contains(&left), "{hours} hours: {left} minutes");
    }
    sqlx::query!("UPDATE tickets SET expires_at = now()").execute(&app.pool).await.unwrap();
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_session_does_not_count_as_proof_of_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("paul").await;
    app.save(&session, PLAIN.0, "", "x").await.assert_forbidden();
    // The ticket would outlive the logout.
    app.post(TICKETS, &session, &Value::Null).await.assert_forbidden();
    let token = app.token(&session).await;
    app.get(PRINCIPAL, &Credentials::Bearer(token)).await.assert_status(200);
}

#[sqlx::test]
async fn sessions_can_be_disabled(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__AUTHENTICATION__SESSION", "false")], "").await;
    let body = json!({ "UserName": "anna", "Password": password_of("anna") });
    app.post("/login", &Credentials::Anonymous, &body).await.assert_status(404);
    app.get("/login", &Credentials::Anonymous).await.assert_status(404);
}

/// The new session is stored by then, so the answer must not say that nothing was changed.
#[sqlx::test]
async fn a_sign_in_that_cannot_end_the_former_session_has_an_unknown_outcome(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let former = app.session(PLAIN.1).await;
    let Credentials::Session { cookie, .. } = &former else { panic!("no session") };
    let sign_in = || {
        let body = json!({"UserName": ADMINISTRATOR.1, "Password": password_of(ADMINISTRATOR.1)});
        let request = app.request(Method::POST, "/login", &Credentials::Anonymous);
        send(request.header("Cookie", format!("ASP.NET_SessionId={cookie}")).json(&body))
    };
    let mut held = app.pool.begin().await.unwrap();
    let lock = "SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut *held).await.unwrap();
    let lose_connection = async {
        app.wait_for_blocked_sessions(1).await;
        let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::raw_sql(statement).execute(&app.pool).await.unwrap();
    };
    let (answer, ()) = tokio::join!(sign_in(), lose_connection);
    answer.assert_refused(503, "SoServiceUnavailableException", "outcome_unknown");
    assert_eq!(answer.cookie("ASP.NET_SessionId"), None);
    held.rollback().await.unwrap();
    app.get(PRINCIPAL, &former).await.assert_status(200);
    // The browser still has the former session, which the next attempt ends.
    sign_in().await.assert_status(200);
    app.get(PRINCIPAL, &former).await.assert_unauthenticated();
}
