//! The REST resource of users (docs/reference/wire-contract.md#d33-rest).

mod conditions;
mod list;
mod pages;
mod refusals;
mod resource;
mod rights;

use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Answer, TestApp};

/// The list of users.
const USERS: &str = "/api/v1/User";

/// Sends a request about one user, or about `Default` or `Validate`, as the administrator.
async fn send(
    app: &TestApp,
    method: Method,
    user: &str,
    headers: &[(&'static str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request = app.request(method, &format!("{USERS}/{user}"), &app.administrator());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::read(request.send().await.unwrap()).await
}

async fn put(app: &TestApp, user: &str, body: &Value) -> Answer {
    send(app, Method::PUT, user, &[], Some(body)).await
}

async fn get(app: &TestApp, user: &str) -> Answer {
    send(app, Method::GET, user, &[], None).await
}

/// A page of the list, as the administrator.
async fn page(app: &TestApp, query: &str) -> Answer {
    app.get(&format!("{USERS}{query}"), &app.administrator()).await
}

/// The names of the users on a page.
#[track_caller]
fn names(page: &Answer) -> Vec<String> {
    page.assert_status(200);
    let page = page.json();
    let rows = page["value"].as_array().unwrap();
    rows.iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect()
}

/// Adds users with the ids from 100,000 on, of every type and state, straight to the tables. Their
/// names have another order than their ids.
pub(crate) async fn add_rows(pool: &PgPool, count: i32) {
    let statement = "
        WITH added AS (
            INSERT INTO users (user_id, login_name, canonical_name, display_name, user_type,
                               is_administrator, is_retired, audit_sequence, audit_mac, created_at)
            SELECT 100000 + n, 'U' || md5(n::text), 'u' || md5(n::text), 'User ' || n,
                   (ARRAY['internal', 'internal', 'internal', 'resource', 'external', 'system',
                          'anonymous'])[1 + n % 7],
                   false, n % 11 = 0, 1, decode(repeat('00', 32), 'hex'), now()
            FROM generate_series(1, $1) n
            RETURNING canonical_name, user_id
        )
        INSERT INTO login_names (canonical_name, user_id) SELECT * FROM added";
    sqlx::query(statement).bind(count).execute(pool).await.unwrap();
    sqlx::query("ANALYZE users").execute(pool).await.unwrap();
}
