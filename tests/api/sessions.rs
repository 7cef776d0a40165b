//! The cookie session and its XSRF value (protocol.md 2 and 10.27).

use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Answer, Credentials, PLAIN, SAVE, TICKETS, TestApp, WHO, password_of,
};

const FORM: &str = "application/x-www-form-urlencoded";

async fn send(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

/// A client that shows redirections instead of following them, as what it is sent must be seen.
fn browser() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// The value of a hidden input of a page.
fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// Fills in the form of the login page.
async fn fill_in(app: &TestApp, name: &str, password: &str) -> Answer {
    let page = send(browser().get(format!("{}/login", app.url))).await;
    page.assert_status(200);
    let token = hidden(&page.body, "LoginToken");
    let cookie = page.cookie("KEEPER-LOGIN").unwrap();
    let request = browser()
        .post(format!("{}/login", app.url))
        .header("Cookie", format!("KEEPER-LOGIN={cookie}"))
        .header("Content-Type", FORM)
        .header("Accept-Language", "nb")
        .header("Origin", &app.url)
        .body(format!("UserName={name}&Password={password}&LoginToken={token}"));
    send(request).await
}

fn parts(session: &Credentials) -> (String, String) {
    let Credentials::Session { cookie, xsrf } = session else { panic!("no session") };
    (cookie.clone(), xsrf.clone())
}

fn with(
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
async fn the_page_signs_in_and_the_session_saves(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = fill_in(&app, "anna", "anna-password").await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/login");
    let cookies: Vec<_> =
        answer.headers.get_all("set-cookie").iter().map(|text| text.to_str().unwrap()).collect();
    let of = |name: &str| *cookies.iter().find(|text| text.starts_with(name)).unwrap();
    assert!(of("ASP.NET_SessionId=").ends_with("; HttpOnly; SameSite=Lax; Path=/"), "{cookies:?}");
    assert!(of("XSRF-TOKEN=").ends_with("; SameSite=Lax; Path=/"), "{cookies:?}");
    assert!(!of("XSRF-TOKEN=").contains("HttpOnly"), "a script must be able to read it");
    let session = Credentials::Session {
        cookie: answer.cookie("ASP.NET_SessionId").unwrap(),
        xsrf: answer.cookie("XSRF-TOKEN").unwrap(),
    };
    app.save(&session, PLAIN.0, "", "by a session").await.assert_saved();
    app.get(WHO, &Credentials::basic(PLAIN.1, "by a session")).await.assert_status(200);
    let scheme = sqlx::query_scalar!(
        "SELECT scheme FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1"
    );
    assert_eq!(scheme.fetch_one(&app.pool).await.unwrap(), "session");
}

#[sqlx::test]
async fn the_page_has_the_hidden_input_for_the_vendors_client(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (cookie, _) = parts(&app.session("anna").await);
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let page = send(with(&app, Method::GET, "/login", &cookies, None)).await;
    assert!(page.body.contains("You are signed in as anna."), "{page:?}");
    assert!(page.body.contains("<input type=\"hidden\" id=\"XSRF_TOKEN\""), "{page:?}");
    let xsrf = hidden(&page.body, "XSRF_TOKEN");
    send(with(&app, Method::GET, WHO, &cookies, Some(&xsrf))).await.assert_status(200);
}

#[sqlx::test]
async fn every_request_needs_the_value_of_its_own_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (anna, paul) = (parts(&app.session("anna").await), parts(&app.session("paul").await));
    let cookies = format!("ASP.NET_SessionId={}; XSRF-TOKEN={}", anna.0, anna.1);
    for method in [Method::GET, Method::POST] {
        let path = if method == Method::GET { WHO } else { SAVE };
        let answer = |xsrf| send(with(&app, method.clone(), path, &cookies, xsrf));
        answer(None).await.assert_refused(401, "ArgumentException", "xsrf_missing");
        for wrong in [paul.1.as_str(), "", "x", &anna.1[1..]] {
            answer(Some(wrong)).await.assert_refused(401, "SoSessionException", "xsrf_wrong");
        }
    }
    send(with(&app, Method::GET, WHO, &cookies, Some(&anna.1))).await.assert_status(200);
}

#[sqlx::test]
async fn a_sign_in_on_the_last_day_there_is_does_no_harm(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    let statement =
        "UPDATE tickets SET auth_time = '9999-12-31 20:00Z', expires_at = now() + '1 min'";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    app.get(WHO, &session).await.assert_status(200);
}

#[sqlx::test]
async fn two_cookies_or_values_of_one_name_are_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (cookie, xsrf) = parts(&app.session("anna").await);
    for cookies in [
        format!("ASP.NET_SessionId={cookie}; ASP.NET_SessionId={cookie}"),
        format!("ASP.NET_SessionId={cookie}; XSRF-TOKEN={xsrf}; XSRF-TOKEN={xsrf}"),
        "ASP.NET_SessionId=".to_owned(),
        "ASP.NET_SessionId=AAAA".to_owned(),
        "other=1".to_owned(),
    ] {
        send(with(&app, Method::GET, WHO, &cookies, Some(&xsrf))).await.assert_unauthenticated();
    }
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let twice = with(&app, Method::GET, WHO, &cookies, Some(&xsrf)).header("X-XSRF-TOKEN", &xsrf);
    send(twice).await.assert_unauthenticated();
    // What is no cookie of ours is nobody's business.
    let odd = format!("a=%zz; ;=; ASP.NET_SessionId={cookie}; b");
    send(with(&app, Method::GET, WHO, &odd, Some(&xsrf))).await.assert_status(200);
}

#[sqlx::test]
async fn signing_out_ends_the_session_and_needs_its_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    let (cookie, xsrf) = parts(&session);
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let out = |xsrf| send(with(&app, Method::POST, "/logout", &cookies, xsrf));
    out(None).await.assert_refused(401, "ArgumentException", "xsrf_missing");
    out(Some("x")).await.assert_refused(401, "SoSessionException", "xsrf_wrong");
    app.get(WHO, &session).await.assert_status(200);
    let answer = out(Some(&xsrf)).await;
    answer.assert_status(204);
    assert_eq!(answer.cookie("ASP.NET_SessionId").unwrap(), "");
    app.get(WHO, &session).await.assert_unauthenticated();
    let session = app.session("anna").await;
    let twice = format!("ASP.NET_SessionId={0}; ASP.NET_SessionId={0}", parts(&session).0);
    let answer = send(with(&app, Method::POST, "/logout", &twice, Some(&parts(&session).1))).await;
    answer.assert_unauthenticated();
    app.get(WHO, &session).await.assert_status(200);
    // Again, and without any session: there is nothing to end.
    out(Some(&xsrf)).await.assert_status(204);
    send(with(&app, Method::POST, "/logout", "a=b", None)).await.assert_status(204);
    let dead = with(&app, Method::POST, "/logout", "ASP.NET_SessionId=zzz", Some("q"));
    send(dead).await.assert_status(204);
    // A page of another site cannot take the cookies away.
    for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")] {
        let foreign = with(&app, Method::POST, "/logout", "a=b", None).header(name, value);
        let answer = send(foreign).await;
        answer.assert_forbidden();
        assert!(answer.headers.get("set-cookie").is_none());
    }
    app.get("/logout", &Credentials::Anonymous).await.assert_status(405);
}

#[sqlx::test]
async fn the_form_of_the_page_signs_out(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    let (cookie, xsrf) = parts(&session);
    let cookies = format!("ASP.NET_SessionId={cookie}");
    let form = with(&app, Method::POST, "/logout", &cookies, None)
        .header("Content-Type", FORM)
        .body(format!("XSRF_TOKEN={xsrf}"));
    let answer = send(form).await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/login");
    app.get(WHO, &session).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_new_session_ends_the_one_before(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let former = app.session("anna").await;
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let cookies = format!("ASP.NET_SessionId={}", parts(&former).0);
    let answer = send(with(&app, Method::POST, "/login", &cookies, None).json(&body)).await;
    answer.assert_status(200);
    assert_ne!(answer.cookie("ASP.NET_SessionId"), Some(parts(&former).0));
    assert_eq!(answer.json()["XsrfToken"], answer.cookie("XSRF-TOKEN").unwrap());
    assert_eq!(answer.json()["AssociateId"], ADMINISTRATOR.0);
    app.get(WHO, &former).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_wrong_password_is_told_in_the_format_and_language_of_the_caller(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for name in ["anna", "nobody", "rita"] {
        let page = fill_in(&app, name, "wrong").await;
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
async fn one_page_goes_on_working_beside_another(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let first = send(browser().get(format!("{}/login", app.url))).await;
    let cookies = format!("KEEPER-LOGIN={}", first.cookie("KEEPER-LOGIN").unwrap());
    let second = send(with(&app, Method::GET, "/login", &cookies, None)).await;
    assert_eq!(second.cookie("KEEPER-LOGIN"), first.cookie("KEEPER-LOGIN"));
    for page in [&first, &second] {
        let token = hidden(&page.body, "LoginToken");
        let form = with(&app, Method::POST, "/login", &cookies, None)
            .header("Content-Type", FORM)
            .body(format!("UserName=anna&Password=anna-password&LoginToken={token}"));
        send(form).await.assert_status(303);
    }
}

#[sqlx::test]
async fn only_the_own_page_signs_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({ "UserName": "anna", "Password": "anna-password" });
    let request = || browser().post(format!("{}/login", app.url)).json(&body);
    for (name, value, is_own) in [
        ("Sec-Fetch-Site", "same-origin", true),
        ("Sec-Fetch-Site", "none", true),
        ("Sec-Fetch-Site", "same-site", false),
        ("Sec-Fetch-Site", "cross-site", false),
        ("Origin", app.url.as_str(), true),
        ("Origin", "http://evil.example", false),
        ("Origin", "null", false),
    ] {
        let answer = send(request().header(name, value)).await;
        if is_own {
            answer.assert_status(200);
        } else {
            answer.assert_forbidden();
            assert!(answer.headers.get("set-cookie").is_none());
        }
    }
    // A form must come from a page that this browser was shown.
    let good = "UserName=anna&Password=anna-password";
    for (cookie, token) in [
        ("", ""),
        ("KEEPER-LOGIN=x", "&LoginToken=x"),
        ("KEEPER-LOGIN=x; KEEPER-LOGIN=y", "&LoginToken=x"),
    ] {
        let form = with(&app, Method::POST, "/login", cookie, None)
            .header("Content-Type", FORM)
            .body(format!("{good}{token}"));
        let answer = send(form).await;
        answer.assert_status(403);
        assert!(answer.body.contains("This page is out of date."), "{answer:?}");
        assert!(answer.cookie("ASP.NET_SessionId").is_none());
    }
}

#[sqlx::test]
async fn what_ends_everything_derived_ends_sessions(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("paul").await;
    app.save(&app.administrator(), PLAIN.0, "", "new").await.assert_saved();
    app.get(WHO, &session).await.assert_unauthenticated();
    // The caller's own session goes on.
    let own = app.session("anna").await;
    let other = app.session("anna").await;
    app.save(&own, ADMINISTRATOR.0, "", "new").await.assert_saved();
    app.get(WHO, &own).await.assert_status(200);
    app.get(WHO, &other).await.assert_unauthenticated();
    app.command(&["ticket", "revoke", "--user", "anna"], "").succeeded();
    app.get(WHO, &own).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_session_slides_and_ends_after_twelve_hours(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("paul").await;
    let age = |hours: f64| {
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
    for (hours, least, most) in [(1.0, 59.0, 60.0), (11.5, 29.0, 30.0)] {
        age(hours).execute(&app.pool).await.unwrap();
        app.get(WHO, &session).await.assert_status(200);
        let left = minutes_left().fetch_one(&app.pool).await.unwrap();
        assert!((least..=most).contains(&left), "{hours} hours: {left} minutes");
    }
    sqlx::query!("UPDATE tickets SET expires_at = now()").execute(&app.pool).await.unwrap();
    app.get(WHO, &session).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_session_proves_no_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("paul").await;
    app.save(&session, PLAIN.0, "", "x").await.assert_forbidden();
    // It would outlive signing out.
    app.post(TICKETS, &session, &Value::Null).await.assert_forbidden();
    let token = app.token(&session).await;
    app.get(WHO, &Credentials::Bearer(token)).await.assert_status(200);
}

#[sqlx::test]
async fn sessions_can_be_switched_off(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__AUTHENTICATION__SESSION", "false")], "").await;
    let body = json!({ "UserName": "anna", "Password": password_of("anna") });
    app.post("/login", &Credentials::Anonymous, &body).await.assert_status(404);
    app.get("/login", &Credentials::Anonymous).await.assert_status(404);
}
