//! Reading the audit log: the list over all users and of one user, and the export.

mod commands;
mod export;
mod page;
mod pages;
mod refusals;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{Answer, Credentials, TestApp};

/// The list of all events.
const ALL: &str = "/keeper/audit";

/// The events of the plain user.
const OF_PAUL: &str = "/keeper/users/278/audit";

/// An event: user and sequence.
type Event = (i64, i64);

/// The events of a page.
fn events(page: &Value) -> Vec<Event> {
    let events = page["Events"].as_array().unwrap().iter();
    let id = |event: &Value, name: &str| event[name].as_i64().unwrap();
    events.map(|event| (id(event, "UserId"), id(event, "Sequence"))).collect()
}

/// Follows `Next` from a first page; returns all events in the order of the list, and the number of
/// pages.
async fn all_events(app: &TestApp, credentials: &Credentials, path: &str) -> (Vec<Event>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let answer = app.get(&path, credentials).await;
        answer.assert_status(200);
        let page = answer.json();
        found.extend(events(&page));
        pages += 1;
        next = page["Next"].as_str().map(|link| {
            let path = link.strip_prefix(&app.url);
            path.unwrap_or_else(|| panic!("not an address of this service: {link}")).to_owned()
        });
    }
    (found, pages)
}

/// The events in the order that PostgreSQL gives them.
async fn stored(pool: &PgPool, condition: &str) -> Vec<Event> {
    let statement = format!(
        "SELECT user_id::bigint, sequence FROM audit_events WHERE {condition}
         ORDER BY occurred_at DESC, user_id DESC, sequence DESC"
    );
    sqlx::query_as(AssertSqlSafe(statement)).fetch_all(pool).await.unwrap()
}

/// Inserts events about the plain user, one per second before the existing ones, whose last kind is
/// `user_changed`. Their MACs are invalid.
async fn add_rows(pool: &PgPool, count: i32) {
    sqlx::query(
        "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, actor_user_id, scheme,
                                   address, request_id, credential_type, session_epoch, key_id, mac)
         SELECT 278, 1000000 - n, now() - make_interval(secs => n),
                CASE WHEN n = $1 THEN 'user_changed' ELSE 'credential_saved' END,
                1, 'basic', '192.0.2.1', 'request-' || n, 'CRM5/PASSWORD', 0, 'key',
                sha256('x')
         FROM generate_series(1, $1) AS n",
    )
    .bind(count)
    .execute(pool)
    .await
    .unwrap();
}

/// Sends a request whose query is encoded.
async fn get_with(
    app: &TestApp,
    path: &str,
    parameters: &[(&str, &str)],
    credentials: &Credentials,
) -> Answer {
    let byte = |byte: u8| format!("%{byte:02X}");
    let encoded = |text: &str| text.bytes().map(byte).collect::<Vec<_>>().concat();
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
    let pairs: Vec<_> = parameters.iter().map(pair).collect();
    app.get(&format!("{path}?{}", pairs.join("&")), credentials).await
}
