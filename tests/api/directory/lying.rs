//! A directory that sends something other than LDAP, or too much of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use super::{FIND_GROUPS, FIND_USERS, IN_GROUP, display_values, find, instance, spawn};
use crate::support::{
    Answer, Instance, PRINCIPAL, RawDirectory, SEARCH, TestApp, done, element, entry, message,
    page_done, result,
};

/// Time limits that a busy machine does not reach.
const PATIENT: [(&str, &str); 2] =
    [("CONNECT_TIMEOUT_SECONDS", "30"), ("SEARCH_TIMEOUT_SECONDS", "30")];

const SID: &[u8] = b"\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x20\x02\0\0";

/// An entry of a user.
pub(super) fn user(id: u8) -> Vec<u8> {
    entry(id, "cn=ola", &[("OBJECTSID", SID), ("samaccountname", b"ola")])
}

/// An application, and the answer that its directory gives to each search.
async fn spawn_with_answer(
    pool: PgPool,
    start: impl Fn(Arc<Mutex<Vec<u8>>>) -> RawDirectory,
) -> (TestApp, Arc<Mutex<Vec<u8>>>, RawDirectory) {
    let answer = Arc::default();
    let server = start(Arc::clone(&answer));
    (spawn(pool, &server.variables(), &PATIENT).await, answer, server)
}

/// Asserts that `count` messages were invalid, the last one in the answer to this search.
async fn assert_invalid(app: &TestApp, count: u32, name: &str) {
    let answer = find(app, FIND_USERS, "").await;
    answer.assert_refused(503, "SoServiceUnavailableException", "directory_unavailable");
    let found = app.metric("keeper_directory_searches_total{outcome=\"invalid_message\"}").await;
    assert!((found - f64::from(count)).abs() < f64::EPSILON, "{name}: {found}");
}

#[sqlx::test]
async fn an_invalid_message_is_refused(pool: PgPool) {
    let mut deep = Vec::new();
    for _ in 0..2000 {
        deep = element(0x30, &deep);
    }
    let cases: [(&str, Vec<u8>); 16] = [
        ("a length of four gigabytes", b"\x30\x84\xff\xff\xff\xff\x02\x01\x02".to_vec()),
        ("a length of eight bytes", b"\x30\x88\0\0\0\0\0\0\0\x01\x02".to_vec()),
        ("an indefinite length", b"\x30\x80\x02\x01\x02\0\0".to_vec()),
        ("elements without an end", b"\x30\x80".repeat(50_000)),
        ("elements in elements", message(2, &element(0x64, &deep))),
        ("a message of a megabyte", message(2, &element(0x64, &vec![4; 1 << 20]))),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("no operation", element(0x30, &[2, 1, 2])),
        ("no message id", element(0x30, &element(0x64, b""))),
        ("an empty message", element(0x30, b"")),
        ("an entry without a name", message(2, &element(0x64, b""))),
        ("an entry that is cut", message(2, b"\x64\x7f\x04\x01x")),
        ("a name that is not UTF-8", entry_with_name(b"\xff")),
        ("a result without texts", message(2, &element(0x65, &[0x0a, 1, 0]))),
        ("a page without a cookie", page_without_cookie()),
        ("a request", message(2, &element(SEARCH, b""))),
    ];
    let (app, answer, _server) = spawn_with_answer(pool, |answer| {
        RawDirectory::answering(move |_| Some(answer.lock().unwrap().clone()))
    })
    .await;
    for (count, (name, bytes)) in (1..).zip(cases) {
        *answer.lock().unwrap() = bytes;
        let started = Instant::now();
        assert_invalid(&app, count, name).await;
        // It is refused, and no further byte is waited for.
        assert!(started.elapsed() < Duration::from_secs(20), "{name}");
        app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    }
}

fn entry_with_name(name: &[u8]) -> Vec<u8> {
    message(2, &element(0x64, &[element(4, name), element(0x30, b"")].concat()))
}

fn page_without_cookie() -> Vec<u8> {
    let value = element(4, &element(0x30, &[2, 1, 0]));
    let control = element(0x30, &[element(4, b"1.2.840.113556.1.4.319"), value].concat());
    let done = element(0x65, &[0x0a, 1, 0, 4, 0, 4, 0]);
    message(2, &[done, element(0xa0, &control)].concat())
}

#[sqlx::test]
async fn a_connection_that_ends_within_a_message_is_refused(pool: PgPool) {
    let (app, answer, _server) = spawn_with_answer(pool, |answer| {
        RawDirectory::closing(move |_| answer.lock().unwrap().clone())
    })
    .await;
    let whole = user(2);
    for (count, length) in (1..).zip([1, 3, 6, 20, whole.len() - 1]) {
        *answer.lock().unwrap() = whole[..length].to_vec();
        assert_invalid(&app, count, &length.to_string()).await;
    }
}

#[sqlx::test]
async fn a_hundred_thousand_entries_are_refused(pool: PgPool) {
    let server =
        RawDirectory::answering(|id| Some([user(id).repeat(100_000), done(id, 0)].concat()));
    let app = spawn(pool, &server.variables(), &PATIENT).await;
    let service = Instance::start(&app, &[("KEEPER__LOG__LEVEL", "info")]);
    let started = Instant::now();
    for (path, field, value) in [
        (FIND_USERS, "SearchString", "o"),
        (FIND_GROUPS, "SearchString", "o"),
        (IN_GROUP, "GroupName", "cn=x"),
    ] {
        let body = json!({ "Type": "ActiveDirectory", field: value });
        service.post(path, &app.administrator(), &body).await.assert_field_refused(field);
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let name = "keeper_directory_searches_total{outcome=\"too_many_entries\"}";
    assert_eq!(service.metric(name).await, Some(3.0));
    let log = service.stop();
    assert!(log.lines().count() < 100, "{} lines", log.lines().count());
}

#[sqlx::test]
async fn pages_that_are_too_long_together_are_refused(pool: PgPool) {
    let pages = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&pages);
    // Each page has half a megabyte that nobody requested.
    let junk = vec![b'x'; 250_000];
    let server = RawDirectory::answering(move |id| {
        let attributes: [(&str, &[u8]); 3] =
            [("objectSid", SID), ("sAMAccountName", b"ola"), ("junk", &junk)];
        let is_last = left.fetch_sub(1, Ordering::SeqCst) == 1;
        let cookie: &[u8] = if is_last { b"" } else { b"more" };
        Some([entry(id, "cn=ola", &attributes).repeat(2), page_done(id, cookie)].concat())
    });
    let app = spawn(pool, &server.variables(), &PATIENT).await;
    // The limit of 16 MiB counts for each search, not for each connection.
    for _ in 0..2 {
        pages.store(30, Ordering::SeqCst);
        assert_eq!(display_values(&find(&app, FIND_USERS, "").await), ["ola"; 60]);
    }
    assert_eq!(server.binds(), 1, "the connection is reused");
    pages.store(40, Ordering::SeqCst);
    assert_invalid(&app, 1, "40 pages").await;
}

#[sqlx::test]
async fn an_answer_of_another_request_is_ignored(pool: PgPool) {
    let server = RawDirectory::answering(|id| {
        let others = [result(id + 7, 0x61, 49), user(id + 7), result(0, 0x78, 52)].concat();
        Some([others, user(id), done(id, 0)].concat())
    });
    let app = spawn(pool, &server.variables(), &[]).await;
    for _ in 0..2 {
        assert_eq!(display_values(&find(&app, FIND_USERS, "").await), ["ola"]);
    }
    assert_eq!(server.binds(), 1, "the connection is reused");
}

#[sqlx::test]
async fn an_answer_of_another_kind_ends_the_connection_only(pool: PgPool) {
    // The answer to a bind instead of that to a search, and the other way round.
    let search = RawDirectory::answering(|id| Some(result(id, 0x61, 0)));
    let bind = RawDirectory::start(|_, id| Some(user(id)));
    let app = TestApp::spawn(pool).await;
    for server in [search, bind] {
        let app = instance(&app, &server.variables()).await;
        let answer = find(&app, FIND_USERS, "").await;
        answer.assert_refused(503, "SoServiceUnavailableException", "directory_unavailable");
        app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    }
}

#[sqlx::test]
async fn attributes_with_control_characters_are_escaped(pool: PgPool) {
    let server = RawDirectory::answering(|id| {
        let attributes: [(&str, &[u8]); 3] =
            [("objectSid", SID), ("sAMAccountName", b"a\"<\x01>"), ("displayName", b"\xff\0")];
        Some([entry(id, "cn=x", &attributes), done(id, 0)].concat())
    });
    let app = spawn(pool, &server.variables(), &[]).await;
    let found = find(&app, FIND_USERS, "").await;
    assert_eq!(display_values(&found), ["a\"<\u{1}>"]);
    assert_eq!(found.json()["Users"][0]["Columns"][0], "", "not a text");
    let request = app.request(Method::POST, FIND_USERS, &app.administrator());
    let body = json!({ "Type": "ActiveDirectory" });
    let sent = request.header("Accept", "application/xml").json(&body).send().await.unwrap();
    let xml = Answer::read(sent).await;
    xml.assert_status(200);
    assert!(xml.body.starts_with("<CredentialsGroupUsers "), "{xml:?}");
    assert!(xml.body.contains("<Users><CredentialUser>"), "{xml:?}");
    assert!(xml.body.contains("&lt;") && !xml.body.contains('\u{1}'), "{xml:?}");
}
