//! The page on which somebody who forgot their password asks for a mail.

use std::time::Duration;

use reqwest::RequestBuilder;
use rustix::process::Signal;
use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::{
    MAILED, assert_last_events, events, open, path_of, requests::statements, spawn, spawn_with,
    submit, token_of, wait_for_event,
};
use crate::{
    pages::{
        browser::Browser,
        contents::{LANGUAGES, assert_well_formed},
    },
    support::{
        ADMINISTRATOR, Answer, MailServer, PLAIN, RETIRED, Server, TestApp, keeper, wait_for,
    },
};

const PAGE: &str = "/account/forgotten";
const ASKED: (&str, &str) = ("password_mail_requested", "anonymous");
const SENT: (&str, &str) = ("password_mail_sent", "service");

/// Fills in the form of the page.
pub(super) async fn ask(app: &TestApp, name: &str) -> Answer {
    let mut browser = Browser::new(app);
    let page = browser.open(PAGE).await;
    page.assert_status(200);
    browser.submit(&page, PAGE, &[("UserName", name)]).await
}

/// Adds the form of the page to a request.
fn with_name(request: RequestBuilder, name: &str) -> RequestBuilder {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("UserName", name);
    request.header("Content-Type", "application/x-www-form-urlencoded").body(form.finish())
}

#[sqlx::test]
async fn a_forgotten_password_is_replaced_with_the_link_of_a_mail(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let mut browser = Browser::new(&app);
    let login = browser.open("/login").await;
    assert!(login.body.contains("href=\"/account/forgotten\">Forgotten your password?</a>"));
    let page = browser.open(PAGE).await;
    // The name in another spelling, with the blank that a telephone adds.
    let answer = browser.submit(&page, PAGE, &[("UserName", "Anna.Berg@Example.COM ")]).await;
    answer.assert_status(303);
    let page = browser.follow(&answer).await;
    page.assert_status(200);
    assert!(page.body.contains("role=\"status\">If there is a user with this name"), "{page:?}");
    let mail = server.wait_for_mail(1).await;
    let opened = open(&app, &path_of(&mail)).await;
    opened.assert_status(200);
    submit(&app, &token_of(&opened), "remembered this time").await.assert_status(200);
    let mut browser = Browser::new(&app);
    browser.sign_in("/login", MAILED.1, "remembered this time").await.assert_status(303);
    let saved = ("credential_saved", "password_link");
    let begun = ("session_started", "session");
    wait_for_event(&app, "sent", 1).await;
    let events = super::events(&app, MAILED.0).await;
    assert!(events.contains(&(saved.0.into(), saved.1.into())), "{events:?}");
    assert!(events.contains(&(ASKED.0.into(), ASKED.1.into())), "{events:?}");
    assert!(events.iter().any(|event| event.0 == begun.0), "{events:?}");
    assert_last_events(&app, MAILED.0, &[]).await;
}

#[sqlx::test]
async fn a_request_for_a_mail_is_shown_as_made_by_somebody_who_was_not_signed_in(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask(&app, MAILED.1).await.assert_status(303);
    wait_for_event(&app, "sent", 1).await;
    let page = Browser::signed_in(&app, MAILED.1).await.open("/account/events").await;
    page.assert_status(200);
    for (event, by) in [
        ("Email for a new password requested", "by somebody who was not signed in"),
        ("Email for a new password sent", "by the service"),
    ] {
        let row = page.body.split("<tr role=\"row\">").find(|row| row.contains(event));
        assert!(row.is_some_and(|row| row.contains(by)), "{event}: {page:?}");
    }
}

#[sqlx::test]
async fn the_page_does_not_exist_without_mail_settings(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::new(&app);
    browser.open(PAGE).await.assert_status(404);
    let fields = [("UserName".to_owned(), "anna".to_owned())];
    browser.submit_fields(PAGE, &fields).await.assert_status(404);
    assert!(!browser.open("/login").await.body.contains("forgotten"));
}

#[sqlx::test]
async fn the_page_says_the_same_for_everybody(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let mut found = Vec::new();
    // A user with an address, an unknown name, users without an address, and a retired user.
    for name in [MAILED.1, "nobody@example.com", PLAIN.1, ADMINISTRATOR.1, RETIRED.1] {
        let answer = ask(&app, name).await;
        let mut headers: Vec<_> = answer.headers.iter().collect();
        headers.retain(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
        let mut headers: Vec<_> =
            headers.into_iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.sort();
        found.push((answer.status, headers, answer.body.clone()));
    }
    assert_eq!(found[0].0, 303);
    for answer in &found {
        assert_eq!(answer, &found[0]);
    }
    server.wait_for_mail(1).await;
    // The row of an unknown name has ended at once, so only three deliveries find nobody.
    wait_for_event(&app, "dropped", 3).await;
    wait_for_event(&app, "sent", 1).await;
    assert_last_events(&app, MAILED.0, &[ASKED, SENT]).await;
    assert_last_events(&app, PLAIN.0, &[ASKED, ("password_mail_failed", "service")]).await;
    let rows: Vec<(i32, Option<String>)> =
        sqlx::query_as("SELECT user_id, outcome FROM password_mails WHERE user_id < 0")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert!(matches!(rows.as_slice(), [(_, Some(outcome))] if outcome == "dropped"), "{rows:?}");
}

#[sqlx::test]
async fn the_same_statements_run_for_every_name(pool: PgPool) {
    let mail_server = MailServer::start();
    let app = spawn(pool, &mail_server).await;
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "info,sqlx=debug");
    command.env("KEEPER__MAIL__MAXIMUM_PER_HOUR", "1");
    let server = Server::start(command).unwrap();
    let names = [MAILED.1, "nobody@example.com", PLAIN.1, RETIRED.1];
    let mut begun = Vec::new();
    // The second request for each name is beyond the limit.
    for (index, name) in [ADMINISTRATOR.1].into_iter().chain(names).chain(names).enumerate() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        begun.push(OffsetDateTime::now_utc());
        let request = app.client.post(format!("{}{PAGE}", server.ready));
        let request = request.header("X-Request-Id", format!("name-{index}"));
        let answer = with_name(request, name).send().await.unwrap();
        assert!(answer.url().query().unwrap_or_default().contains("notice"), "{answer:?}");
    }
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = (1..=2 * names.len())
        .map(|index| statements(&log, &format!("name-{index}"), begun[index]))
        .collect();
    let (queued, refused) = found.split_at(names.len());
    assert!(queued[0].iter().any(|text| text.contains("Queues a mail")), "{queued:?}");
    assert!(
        refused[0].iter().any(|text| text.contains("INSERT INTO password_mails")),
        "{refused:?}"
    );
    for (index, name) in names.iter().enumerate() {
        assert_eq!(queued[index], queued[0], "{name}");
        assert_eq!(refused[index], refused[0], "{name} beyond the limit");
    }
}

#[sqlx::test]
async fn a_form_that_is_refused_keeps_the_name_and_changes_nothing(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    for (name, shown, status) in [
        ("", "value=\"\"", 400),
        ("  ", "value=\"  \"", 400),
        ("<b>a:b</b>", "value=\"&#60;b&#62;a:b&#60;/b&#62;\"", 400),
        (&"x".repeat(240), "value=\"xxx", 400),
    ] {
        let answer = ask(&app, name).await;
        answer.assert_status(status);
        assert!(answer.body.contains(shown), "{name}: {answer:?}");
        assert!(answer.body.contains("role=\"alert\" tabindex=\"-1\" autofocus"), "{answer:?}");
        assert!(answer.body.contains("aria-describedby=\"UserName-error\""), "{answer:?}");
    }
    let mut browser = Browser::new(&app);
    for (header, value) in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")] {
        let request = browser.request(reqwest::Method::POST, PAGE).header(header, value);
        let answer = browser.send(with_name(request, MAILED.1)).await;
        answer.assert_status(403);
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM password_mails")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

#[sqlx::test]
async fn a_form_that_is_sent_twice_is_limited_like_the_call(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(pool, &server, &[("KEEPER__MAIL__MAXIMUM_PER_HOUR", "1")]).await;
    let (one, other) = tokio::join!(ask(&app, MAILED.1), ask(&app, MAILED.1));
    one.assert_status(303);
    assert_eq!(one.header("location"), other.header("location"));
    server.wait_for_mail(1).await;
    wait_for_event(&app, "throttled", 1).await;
    wait_for_event(&app, "sent", 1).await;
    assert_last_events(&app, MAILED.0, &[ASKED, SENT]).await;
    assert_eq!(server.mails().len(), 1);
}

#[sqlx::test]
async fn one_network_cannot_ask_for_the_mails_of_everybody(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    for number in 0..60 {
        ask(&app, &format!("nobody-{number}")).await.assert_status(303);
    }
    for name in [MAILED.1, "nobody-60"] {
        let answer = ask(&app, name).await;
        answer.assert_status(429);
        assert_eq!(answer.header("retry-after"), "3600");
        assert!(answer.body.contains("Too many emails were requested"), "{answer:?}");
        assert!(answer.body.contains(&format!("value=\"{name}\"")), "{answer:?}");
    }
    // Callers who signed in are not counted.
    super::ask_for(&app, MAILED.0).await;
    server.wait_for_mail(1).await;
    let change = "UPDATE password_mails SET requested_at = requested_at - interval '61 minutes'";
    sqlx::raw_sql(change).execute(&app.pool).await.unwrap();
    ask(&app, MAILED.1).await.assert_status(303);
    server.wait_for_mail(2).await;
}

#[sqlx::test]
async fn requests_beyond_the_limit_of_a_user_write_and_count_as_for_an_unknown_name(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let rows = async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM password_mails");
        count.fetch_one(&app.pool).await.unwrap()
    };
    let mut expected = 0;
    for name in [MAILED.1, "nobody"] {
        for _ in 0..10 {
            ask(&app, name).await.assert_status(303);
            expected += 1;
            assert_eq!(rows().await, expected, "{name}");
        }
    }
    for _ in 20..60 {
        ask(&app, MAILED.1).await.assert_status(303);
    }
    ask(&app, MAILED.1).await.assert_status(429);
    wait_for_event(&app, "sent", 3).await;
    assert_eq!(server.mails().len(), 3);
    let events = events(&app, MAILED.0).await;
    assert_eq!(events.iter().filter(|(kind, _)| kind == ASKED.0).count(), 3, "{events:?}");
}

/// What the sessions of the database wait for while `count` requests for one name, each from another
/// network, cannot store their rows.
async fn waits_of_requests(app: &TestApp, name: &str, count: usize) -> Vec<String> {
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE password_mails IN SHARE MODE")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let asking = (0..count).map(|number| {
        let request = app.client.post(format!("{}{PAGE}", app.url));
        with_name(request.header("X-Forwarded-For", format!("198.51.{number}.1")), name).send()
    });
    let asking = tokio::spawn(futures_util::future::join_all(asking.collect::<Vec<_>>()));
    // Not the delivery, which waits for the same table.
    let query = "SELECT wait_event FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'
                   AND (query LIKE '-- Queues a mail%'
                        OR query LIKE '%hashtextextended(''password_mails''%')
                 ORDER BY wait_event";
    let waits = wait_for("every request waits", async || {
        let waits: Vec<String> = sqlx::query_scalar(query).fetch_all(&app.pool).await.unwrap();
        (waits.len() == count).then_some(waits)
    })
    .await;
    transaction.rollback().await.unwrap();
    for answer in asking.await.unwrap() {
        assert!(answer.unwrap().url().query().unwrap_or_default().contains("notice"));
    }
    waits
}

#[sqlx::test]
async fn requests_at_the_same_time_wait_alike_for_every_name(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(pool, &server, &[("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let known = waits_of_requests(&app, MAILED.1, 3).await;
    assert_eq!(known, ["advisory", "advisory", "relation"]);
    assert_eq!(waits_of_requests(&app, "nobody@example.com", 3).await, known);
}

#[sqlx::test]
async fn requests_beyond_the_limit_of_a_user_do_not_wait_for_changes_of_that_user(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(pool, &server, &[("KEEPER__MAIL__MAXIMUM_PER_HOUR", "1")]).await;
    ask(&app, MAILED.1).await.assert_status(303);
    wait_for_event(&app, "sent", 1).await;
    let mut transaction = app.pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE").bind(MAILED.0);
    lock.execute(&mut *transaction).await.unwrap();
    ask(&app, MAILED.1).await.assert_status(303);
    transaction.rollback().await.unwrap();
    wait_for_event(&app, "throttled", 1).await;
}

#[sqlx::test]
async fn requests_of_one_network_at_the_same_time_do_not_exceed_its_limit(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let other = app.spawn_instance(&[]).await;
    let asking = (0..120).map(|number| {
        let instance = if number % 2 == 0 { &app } else { &other };
        let request = instance.client.post(format!("{}{PAGE}", instance.url));
        with_name(request, &format!("parallel-{number}")).send()
    });
    let answers = futures_util::future::join_all(asking).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap().status()).collect();
    let refused = statuses.iter().filter(|status| status.as_u16() == 429).count();
    assert_eq!((statuses.len(), refused), (120, 60), "{statuses:?}");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM password_mails")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(rows, 60);
}

#[sqlx::test]
async fn the_page_and_its_mail_are_in_the_language_of_the_browser(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    for language in LANGUAGES {
        let mut browser = Browser::new(&app).in_language(language);
        for path in [PAGE, "/account/forgotten?notice=password-mail", "/login"] {
            let page = browser.open(path).await;
            assert_well_formed(&format!("{path} in {language}"), &page, language);
        }
    }
    let mut browser = Browser::new(&app).in_language("nb");
    let page = browser.open(PAGE).await;
    browser.submit(&page, PAGE, &[("UserName", MAILED.1)]).await.assert_status(303);
    let mail = server.wait_for_mail(1).await;
    assert!(mail["text"].as_str().unwrap().contains("Lenken virker én gang"), "{mail}");
}
