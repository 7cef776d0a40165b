//! The pages `/admin/audit` and `/account/events`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, redirect::Policy};
use sqlx::PgPool;

use super::add_rows;
use crate::support::{ADMINISTRATOR, Answer, Credentials, PLAIN, TestApp, client_builder};

const ADMIN: &str = "/admin/audit";
const OWN: &str = "/account/events";

/// The largest page, in bytes (before compression).
const LARGEST: usize = 50 * 1024;

/// Opens a page with the cookie of a session, as a navigation does.
async fn open(app: &TestApp, path: &str, session: &Credentials, language: &str) -> Answer {
    let browser: Client = client_builder().redirect(Policy::none()).build().unwrap();
    let request = browser
        .get(format!("{}{path}", app.url))
        .header("Accept", "text/html")
        .header("Accept-Language", language);
    let request = if let Credentials::Session { cookie, .. } = session {
        request.header("Cookie", format!("ASP.NET_SessionId={cookie}"))
    } else {
        session.apply_to(request)
    };
    Answer::read(request.send().await.unwrap()).await
}

/// The address of the link with that relation or text.
fn link(page: &Answer, mark: &str) -> Option<String> {
    let (before, _) = page.body.split_once(mark)?;
    let (_, address) = before.rsplit_once("href=\"")?;
    let address = address.split('"').next().unwrap();
    Some(address.replace("&amp;", "&").replace("&#38;", "&"))
}

#[sqlx::test]
async fn my_events_are_in_words_and_without_the_addresses_of_others(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_saved();
    app.ticket(&app.plain()).await;
    let session = app.session(PLAIN.1).await;
    for (language, signed_in, by_you, by_administrator) in [
        ("en", "Signed in with a browser", "by you", "by an administrator"),
        ("de", "Mit einem Browser angemeldet", "von Ihnen", "von einem Administrator"),
    ] {
        let page = open(&app, OWN, &session, language).await;
        page.assert_status(200);
        for text in [signed_in, by_you, by_administrator] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        // Those of the ticket and of the session.
        assert_eq!(page.body.matches("127.0.0.1").count(), 2, "{}", page.body);
        assert!(!page.body.contains(ADMINISTRATOR.1), "{}", page.body);
        assert!(!page.body.contains("credential_saved"), "{}", page.body);
    }
    add_rows(&app.pool, 90).await;
    let mut page = open(&app, OWN, &session, "en").await;
    let mut pages = 1;
    while let Some(older) = link(&page, "\" rel=\"next\"") {
        page = open(&app, &older, &session, "en").await;
        page.assert_status(200);
        assert!(page.body.len() < LARGEST, "{}", page.body.len());
        pages += 1;
    }
    assert_eq!(pages, 3);
    assert!(page.body.contains("Account created"), "{}", page.body);
    let newest = link(&page, "\">Newest</a>").unwrap();
    assert_eq!(newest, OWN);
    // An invalid position is the first page, not an error.
    let first = open(&app, &format!("{OWN}?after=x"), &session, "en").await;
    first.assert_status(200);
}

#[sqlx::test]
async fn the_page_of_all_events_filters_and_pages(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "<b>&\"x\u{5d0}"), &[]);
    add_rows(&app.pool, 90).await;
    let session = app.session(ADMINISTRATOR.1).await;
    let page = open(&app, ADMIN, &session, "en").await;
    page.assert_status(200);
    assert!(page.body.len() < LARGEST, "{}", page.body.len());
    assert!(page.body.contains("<bdi>&#60;b&#62;&#38;&#34;x\u{5d0}</bdi>"), "{}", page.body);
    let rows = |page: &Answer| page.body.matches("<tr role=\"row\"><td").count();
    let mut found = rows(&page);
    let mut page = page;
    while let Some(older) = link(&page, "\" rel=\"next\"") {
        page = open(&app, &older, &session, "en").await;
        found += rows(&page);
    }
    let stored: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit_events").fetch_one(&app.pool).await.unwrap();
    assert_eq!(found, usize::try_from(stored).unwrap());
    for (filter, expected) in [
        ("user=paul&kind=user_added", 1),
        ("user=278&kind=user_added&actor=&since=&until=", 1),
        ("user=PAUL&kind=user_changed&actor=anna", 1),
        ("user=anna&kind=session_started", 1),
        ("actor=1&kind=session_started", 1),
        ("since=2020-01-01&until=2020-12-31", 0),
        ("until=2999-12-31&kind=user_added", 4),
    ] {
        let page = open(&app, &format!("{ADMIN}?{filter}"), &session, "en").await;
        page.assert_status(200);
        assert_eq!(rows(&page), expected, "{filter}: {}", page.body);
    }
}

#[sqlx::test]
async fn an_invalid_filter_keeps_what_was_typed_and_says_what_is_wrong(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session(ADMINISTRATOR.1).await;
    for (name, typed, text) in [
        ("user", "nobody", "User: is not a known user"),
        ("actor", "nobody", "Made by: is not a known user"),
        ("user", "0", "User: must be positive"),
        ("user", "99999999999", "User: is out of range"),
        ("user", "a:b", "User: must not contain"),
        ("kind", "none", "Event: must be one or more kinds"),
        ("since", "<script>", "From: must be a date and time"),
        ("until", "2027-02-30", "To: must be a date and time"),
    ] {
        let encoded = utf8_percent_encode(typed, NON_ALPHANUMERIC);
        let page = open(&app, &format!("{ADMIN}?{name}={encoded}"), &session, "en").await;
        page.assert_status(400);
        assert_eq!(
            page.body.matches(text).count(),
            2,
            "{text} in the summary and at the field: {}",
            page.body
        );
        assert!(page.body.contains("role=\"alert\""));
        assert!(!page.body.contains("<script>"), "{}", page.body);
        let value = typed.replace('<', "&#60;").replace('>', "&#62;");
        let is_kept = page.body.contains(&format!("value=\"{value}\"")) || name == "kind";
        assert!(is_kept, "{typed}: {}", page.body);
    }
    let page =
        open(&app, &format!("{ADMIN}?since=2027-01-02&until=2027-01-01"), &session, "en").await;
    page.assert_status(400);
    assert!(page.body.contains("To: ends before it begins"), "{}", page.body);
}

#[sqlx::test]
async fn the_pages_are_for_those_who_may_read_and_for_sessions_only(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((403, "ano"), &["--type", "anonymous"]);
    let (plain, anonymous) = (app.session(PLAIN.1).await, app.session("ano").await);
    for path in [ADMIN, "/admin/audit/export"] {
        open(&app, path, &plain, "en").await.assert_status(403);
        open(&app, path, &app.administrator(), "en").await.assert_status(303);
        let nobody = open(&app, path, &Credentials::Anonymous, "en").await;
        nobody.assert_status(303);
        assert!(nobody.header("location").starts_with("/login?next="), "{nobody:?}");
    }
    open(&app, OWN, &anonymous, "en").await.assert_status(403);
    // The navigation offers what the user may read.
    for (session, own, all) in [
        (&plain, true, false),
        (&anonymous, false, false),
        (&app.session(ADMINISTRATOR.1).await, true, true),
    ] {
        let page = open(&app, "/account", session, "en").await;
        page.assert_status(200);
        assert_eq!(page.body.contains("href=\"/account/events\""), own);
        assert_eq!(page.body.contains("href=\"/admin/audit\""), all);
    }
}

#[sqlx::test]
async fn a_download_has_the_events_of_the_filter(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 90).await;
    let session = app.session(ADMINISTRATOR.1).await;
    let filter = "user=paul&kind=credential_saved&actor=anna&since=2020-01-01&until=2999-01-01";
    let page = open(&app, &format!("{ADMIN}?{filter}"), &session, "en").await;
    for (text, lines, kind) in [
        ("\">Download CSV</a>", 90, "text/csv; charset=utf-8; header=present"),
        ("\">Download JSON lines</a>", 89, "application/jsonl"),
    ] {
        let file = open(&app, &link(&page, text).unwrap(), &session, "en").await;
        file.assert_status(200);
        assert_eq!(file.header("content-type"), kind);
        assert_eq!(file.body.lines().count(), lines, "{}", file.body);
        assert!(file.header("content-disposition").starts_with("attachment"));
    }
    // Another site cannot load it.
    let Credentials::Session { cookie, .. } = &session else { panic!("no session") };
    let request = app.client.request(Method::GET, format!("{}/admin/audit/export", app.url));
    let foreign = request
        .header("Cookie", format!("ASP.NET_SessionId={cookie}"))
        .header("Sec-Fetch-Site", "cross-site")
        .header("Sec-Fetch-Mode", "no-cors")
        .header("Sec-Fetch-Dest", "script");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
}

#[sqlx::test]
async fn the_sessions_page_has_device_address_and_last_use(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session(PLAIN.1).await;
    let device = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0 <script>";
    let ticket = app.request(Method::POST, "/keeper/tickets", &app.plain());
    let issued = ticket.header("User-Agent", device).send().await.unwrap();
    assert_eq!(issued.status(), 201);
    sqlx::raw_sql(
        "UPDATE tickets SET last_used_at = now(), last_used_address = '192.0.2.77'
         WHERE kind = 'ticket'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    for (language, device) in [("en", "Firefox on Linux"), ("de", "Firefox unter Linux")] {
        let page = open(&app, "/account/sessions", &session, language).await;
        page.assert_status(200);
        for text in [device, "192.0.2.77", "127.0.0.1"] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert!(!page.body.contains("<script>"), "{}", page.body);
    }
    let page = open(&app, "/account/sessions", &session, "en").await;
    assert!(page.body.contains("Unknown device"), "{}", page.body);
}
