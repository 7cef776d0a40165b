//! Conditional requests: no change that a caller has not seen is overwritten.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{USERS, get, put, send};
use crate::support::{Answer, PLAIN, TestApp};

const UNMODIFIED: &str = "If-Unmodified-Since";
const MODIFIED: &str = "If-Modified-Since";

/// Moves the last event of the plain user to a time of long ago.
async fn set_changed_at(app: &TestApp, time: &str) {
    let statement =
        "UPDATE audit_events SET occurred_at = $2::text::timestamptz WHERE user_id = $1";
    sqlx::query(statement).bind(PLAIN.0).bind(time).execute(&app.pool).await.unwrap();
}

async fn change(app: &TestApp, date: &str, text: &str) -> Answer {
    let body = json!({"Tooltip": text});
    send(app, Method::PUT, "paul", &[(UNMODIFIED, date)], Some(&body)).await
}

#[track_caller]
fn assert_stale(answer: &Answer) {
    answer.assert_refused(412, "HttpResponseException", "precondition_failed");
}

#[sqlx::test]
async fn a_write_after_an_unseen_change_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    set_changed_at(&app, "2026-01-02T03:04:05.5Z").await;
    let last_modified = get(&app, "278").await.header("last-modified").to_owned();
    // The end of the second of the change.
    assert_eq!(last_modified, "Fri, 02 Jan 2026 03:04:06 GMT");
    for (date, is_stale) in [
        ("Fri, 02 Jan 2026 03:04:04 GMT", true),
        // The second of the change.
        ("Fri, 02 Jan 2026 03:04:05 GMT", true),
        ("Thu, 01 Jan 1970 00:00:00 GMT", true),
        ("Fri, 02 Jan 2026 03:04:06 GMT", false),
        // The obsolete formats of RFC 9110.
        ("Friday, 02-Jan-26 03:04:06 GMT", false),
        ("Fri Jan  2 03:04:06 2026", false),
        ("Fri, 31 Dec 9999 23:59:59 GMT", false),
    ] {
        // Changes nothing, so the time stays.
        let answer = change(&app, date, "paul").await;
        if is_stale { assert_stale(&answer) } else { answer.assert_status(200) }
    }
    change(&app, &last_modified, "first").await.assert_status(200);
    assert_stale(&change(&app, &last_modified, "second").await);
    assert_eq!(get(&app, "paul").await.json()["Tooltip"], "first");
    // A new credential is a change, too, although the signature does not cover it.
    set_changed_at(&app, "2026-01-02T03:04:05.5Z").await;
    app.save(&app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
    assert_stale(&change(&app, &last_modified, "third").await);
    let delete =
        async |date: &str| send(&app, Method::DELETE, "278", &[(UNMODIFIED, date)], None).await;
    assert_stale(&delete(&last_modified).await);
    get(&app, "278").await.assert_status(200);
    delete("Fri, 31 Dec 9999 23:59:59 GMT").await.assert_status(204);
}

#[sqlx::test]
async fn the_date_of_a_change_in_this_second_permits_no_write(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    put(&app, "278", &json!({"Tooltip": "first"})).await.assert_status(200);
    // If the second ends before the read, the date is the end of that second, and the write succeeds.
    let changed = "SELECT occurred_at > to_timestamp($2) FROM audit_events WHERE user_id = $1
                   ORDER BY sequence DESC LIMIT 1";
    let read = get(&app, "278").await;
    let date = read.header("last-modified").to_owned();
    let seconds = httpdate_seconds(&app, &date).await;
    let is_within: bool =
        sqlx::query_scalar(changed).bind(PLAIN.0).bind(seconds).fetch_one(&app.pool).await.unwrap();
    let answer = change(&app, &date, "second").await;
    if is_within { assert_stale(&answer) } else { answer.assert_status(200) }
}

/// A change that waits for the user's row counts from the time at which it had it: its request may
/// have begun before a change that another caller has seen.
#[sqlx::test]
async fn the_time_of_a_change_is_not_before_the_wait_for_the_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut held = app.pool.begin().await.unwrap();
    let lock = "SELECT FROM users WHERE user_id = $1 FOR UPDATE";
    sqlx::query(lock).bind(PLAIN.0).execute(&mut *held).await.unwrap();
    let administrator = app.administrator();
    let saving = app.save(&administrator, PLAIN.0, "", "another password");
    let releasing = async {
        app.wait_for_blocked_sessions(1).await;
        let now = "SELECT clock_timestamp()::text";
        let released: String = sqlx::query_scalar(now).fetch_one(&app.pool).await.unwrap();
        held.rollback().await.unwrap();
        released
    };
    let (saved, released) = tokio::join!(saving, releasing);
    saved.assert_saved();
    let is_later = "SELECT occurred_at >= $2::timestamptz FROM audit_events WHERE user_id = $1
                    ORDER BY sequence DESC LIMIT 1";
    let is_later = sqlx::query_scalar::<_, bool>(is_later).bind(PLAIN.0).bind(&released);
    assert!(is_later.fetch_one(&app.pool).await.unwrap(), "the event is before {released}");
}

/// The seconds of a date in HTTP since 1970, as PostgreSQL reads it.
async fn httpdate_seconds(app: &TestApp, date: &str) -> f64 {
    let statement = "SELECT extract(epoch FROM $1::text::timestamptz)::float8";
    sqlx::query_scalar(statement).bind(date).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn one_of_many_writers_with_the_same_date_succeeds(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    set_changed_at(&app, "2026-01-02T03:04:05.5Z").await;
    let texts: Vec<_> = (0..8).map(|number| format!("writer {number}")).collect();
    let writes = texts.iter().map(|text| change(&app, "Fri, 02 Jan 2026 03:04:06 GMT", text));
    let answers = join_all(writes).await;
    let succeeded: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(succeeded.len(), 1, "{answers:?}");
    answers.iter().filter(|answer| answer.status != 200).for_each(assert_stale);
    assert_eq!(get(&app, "278").await.json()["Tooltip"], succeeded[0].json()["Tooltip"]);
}

#[sqlx::test]
async fn a_read_is_not_repeated_and_not_answered_late(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::query("UPDATE credentials SET last_used_at = NULL WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    set_changed_at(&app, "2026-01-02T03:04:05.5Z").await;
    let (before, after) = ("Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:06 GMT");
    for method in [Method::GET, Method::HEAD] {
        let read = async |name: &'static str, date: &str| {
            send(&app, method.clone(), "278", &[(name, date)], None).await
        };
        let known = read(MODIFIED, after).await;
        assert_eq!((known.status.as_u16(), known.body.as_str()), (304, ""));
        assert_eq!(known.header("last-modified"), after);
        read(MODIFIED, before).await.assert_status(200);
        read(MODIFIED, "soon").await.assert_status(200);
        read(UNMODIFIED, after).await.assert_status(200);
        read(UNMODIFIED, before).await.assert_status(412);
    }
    // The last use is part of the user, and is no change.
    sqlx::query("UPDATE credentials SET last_used_at = '2026-02-01T00:00:00Z', last_used_scheme = 'basic' WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let read = send(&app, Method::GET, "278", &[(MODIFIED, after)], None).await;
    read.assert_status(200);
    assert_eq!(read.header("last-modified"), "Sun, 01 Feb 2026 00:00:00 GMT");
    send(&app, Method::GET, "278", &[(UNMODIFIED, after)], None).await.assert_status(200);
    // A missing user and a missing right come first.
    send(&app, Method::GET, "4711", &[(MODIFIED, after)], None).await.assert_status(404);
    let other = app.request(Method::GET, &format!("{USERS}/1"), &app.plain());
    let other = Answer::read(other.header(MODIFIED, after).send().await.unwrap()).await;
    other.assert_forbidden();
}

#[sqlx::test]
async fn a_date_that_is_not_a_date_prevents_the_write(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = get(&app, "278").await.json();
    for date in [
        "",
        "soon",
        "0",
        "2027-01-01T00:00:00Z",
        "Fri, 01 Jan 2027 00:00:00 CET",
        "Fri, 32 Jan 2027 00:00:00 GMT",
    ] {
        change(&app, date, "new").await.assert_field_refused(UNMODIFIED);
        send(&app, Method::DELETE, "278", &[(UNMODIFIED, date)], None)
            .await
            .assert_field_refused(UNMODIFIED);
    }
    let future = "Fri, 31 Dec 9999 23:59:59 GMT";
    let twice = [(UNMODIFIED, future), (UNMODIFIED, future)];
    let body = json!({"Tooltip": "new"});
    send(&app, Method::PUT, "278", &twice, Some(&body)).await.assert_field_refused(UNMODIFIED);
    let after: Value = get(&app, "278").await.json();
    assert_eq!(after["RequestSignature"], before["RequestSignature"]);
}
