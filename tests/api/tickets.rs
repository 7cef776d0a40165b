//! Tickets: how they are issued, stored, extended and ended.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use data_encoding::HEXLOWER;
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime, UtcDateTime};

use crate::support::{
    Answer, CURRENT_TICKET, Credentials, PLAIN, PRINCIPAL, TICKETS, TOKEN, TestApp, assert_becomes,
    hex,
};

async fn end_current(app: &TestApp, credentials: &Credentials) -> Answer {
    let request = app.request(Method::DELETE, CURRENT_TICKET, credentials);
    Answer::read(request.send().await.unwrap()).await
}

async fn expiry(app: &TestApp) -> OffsetDateTime {
    let row = sqlx::query_scalar!("SELECT expires_at FROM tickets WHERE user_id = 278");
    row.fetch_one(&app.pool).await.unwrap()
}

/// Moves all times of tickets into the past, as if this time had passed.
async fn age_tickets(app: &TestApp, duration: Duration) {
    let seconds = duration.as_seconds_f64();
    sqlx::query!(
        "UPDATE tickets SET created_at = created_at - make_interval(secs => $1),
                            auth_time = auth_time - make_interval(secs => $1),
                            expires_at = expires_at - make_interval(secs => $1)",
        seconds
    )
    .execute(&app.pool)
    .await
    .unwrap();
}

#[sqlx::test]
async fn a_password_obtains_a_ticket_that_can_end_itself(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    assert!(ticket.starts_with("7T:"));
    let ticket = Credentials::Ticket(ticket);
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    end_current(&app, &ticket).await.assert_status(204);
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    end_current(&app, &ticket).await.assert_unauthenticated();
    end_current(&app, &app.plain()).await.assert_forbidden();
}

#[sqlx::test]
async fn neither_a_ticket_nor_a_token_obtains_a_ticket(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&ticket).await);
    for credentials in [ticket, token] {
        app.post(TICKETS, &credentials, &Value::Null).await.assert_forbidden();
    }
}

/// Every row of every table, as text. PostgreSQL prints bytes as hexadecimal digits.
async fn all_rows(app: &TestApp) -> String {
    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&app.pool).await.unwrap();
    let mut rows = String::new();
    for table in tables {
        let statement = format!("SELECT t::text FROM {table} t");
        let found = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_all(&app.pool).await;
        let found: Vec<String> = found.unwrap();
        rows.extend(found);
    }
    rows
}

#[sqlx::test]
async fn only_digests_of_tickets_and_sessions_are_stored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    let Credentials::Session { cookie, .. } = app.session(PLAIN.1).await else {
        panic!("no session");
    };
    let ticket = ticket.trim_start_matches("7T:");
    let ticket_bytes = STANDARD.decode(ticket).unwrap();
    let (units, _) = ticket_bytes.as_chunks::<2>();
    let units: Vec<_> = units.iter().copied().map(u16::from_le_bytes).collect();
    let inner = String::from_utf16(&units).unwrap();
    let (guid, _) = inner.split_once(';').unwrap();
    let session_bytes = URL_SAFE_NO_PAD.decode(&cookie).unwrap();
    let rows = all_rows(&app).await;
    for (text, bytes) in [
        (ticket, ticket_bytes.as_slice()),
        (cookie.as_str(), &session_bytes),
        (guid, guid.as_bytes()),
        (&guid.replace('-', ""), inner.as_bytes()),
    ] {
        // A digest without a key would do, too, to recognize a ticket.
        let digest = HEXLOWER.encode(&Sha256::digest(bytes));
        for stored in [text, &hex(text), &HEXLOWER.encode(bytes), &digest] {
            assert!(!rows.contains(stored), "{stored} of {text}: {rows}");
        }
    }
    let kinds = "SELECT kind FROM tickets WHERE user_id = 278 ORDER BY kind";
    let kinds: Vec<String> = sqlx::query_scalar(kinds).fetch_all(&app.pool).await.unwrap();
    assert_eq!(kinds, ["session", "ticket"]);
}

/// The bytes that the text of a ticket encodes.
fn ticket_bytes(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn ticket_from(bytes: &[u8]) -> Credentials {
    Credentials::Ticket(format!("7T:{}", STANDARD.encode(bytes)))
}

#[sqlx::test]
async fn a_ticket_inserted_into_the_database_is_not_accepted(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let bytes = ticket_bytes("07f1edd1-0000-4000-8000-00000000b392;1");
    sqlx::query(
        "INSERT INTO tickets (user_id, digest, kind, session_epoch, auth_time, created_at, expires_at)
         SELECT 1, sha256($1), 'ticket', session_epoch, now(), now(), now() + interval '1 h'
         FROM users WHERE user_id = 1",
    )
    .bind(&bytes)
    .execute(&app.pool)
    .await
    .unwrap();
    app.get(PRINCIPAL, &ticket_from(&bytes)).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_ticket_row_moved_to_another_user_is_not_accepted(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text = app.ticket(&app.plain()).await;
    let own = STANDARD.decode(text.trim_start_matches("7T:")).unwrap();
    sqlx::query(
        "UPDATE tickets SET user_id = 1,
                session_epoch = (SELECT session_epoch FROM users WHERE user_id = 1)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let (guid, _) = own.split_at(own.len() - 2 * "278".len());
    let for_administrator = [guid, &ticket_bytes("1")].concat();
    app.get(PRINCIPAL, &ticket_from(&own)).await.assert_unauthenticated();
    app.get(PRINCIPAL, &ticket_from(&for_administrator)).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_new_password_ends_every_ticket_and_token(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_saved();
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    app.save(&app.administrator(), PLAIN.0, "", "new").await.assert_saved();
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    app.get(PRINCIPAL, &token).await.assert_unauthenticated();
}

#[sqlx::test]
async fn saving_ones_own_password_keeps_only_the_ticket_in_use(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let own = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let other = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let token = Credentials::Bearer(app.token(&app.administrator()).await);
    app.save(&own, 1, "", "new").await.assert_saved();
    app.get(PRINCIPAL, &own).await.assert_status(200);
    app.get(PRINCIPAL, &other).await.assert_unauthenticated();
    app.get(PRINCIPAL, &token).await.assert_unauthenticated();
}

#[sqlx::test]
async fn use_extends_a_ticket_but_not_on_every_request(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let first = expiry(&app).await;
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    assert_eq!(expiry(&app).await, first, "a new ticket is not written again");
    age_tickets(&app, Duration::minutes(4)).await;
    let young = expiry(&app).await;
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    assert_eq!(expiry(&app).await, young, "a ticket of four minutes is not written again");
    age_tickets(&app, Duration::minutes(2)).await;
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    let renewed = expiry(&app).await;
    assert!(renewed > first, "{renewed} {first}");
    assert!(renewed - first < Duration::minutes(5), "the ticket expires 360 minutes after its use");
}

#[sqlx::test]
async fn a_ticket_and_its_token_end_with_the_absolute_lifetime(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[("KEEPER__SESSIONS__ABSOLUTE_SECONDS", "3600")], "").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let remaining = expiry(&app).await.unix_timestamp() - UtcDateTime::now().unix_timestamp();
    assert!(remaining <= 3600, "{remaining}");
    age_tickets(&app, Duration::minutes(50)).await;
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    let token = Credentials::Bearer(app.token(&ticket).await);
    // The token has the authentication time of the ticket, fifty minutes ago.
    app.get(PRINCIPAL, &token).await.assert_status(200);
    age_tickets(&app, Duration::minutes(11)).await;
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_token_from_an_old_ticket_expires_with_its_authentication(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[("KEEPER__SESSIONS__ABSOLUTE_SECONDS", "3600")], "").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    age_tickets(&app, Duration::seconds(3585)).await;
    let token = Credentials::Bearer(app.token(&ticket).await);
    let renewed = Credentials::Bearer({
        let answer = app.get(TOKEN, &token).await;
        answer.assert_status(200);
        answer.json().as_str().unwrap().to_owned()
    });
    assert_becomes(401, async || app.get(PRINCIPAL, &renewed).await.status).await;
}

#[sqlx::test]
async fn a_ticket_beyond_the_maximum_ends_the_oldest(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__TICKETS__MAXIMUM_PER_USER", "3")], "").await;
    let mut tickets = Vec::new();
    for _ in 0..5 {
        tickets.push(Credentials::Ticket(app.ticket(&app.plain()).await));
    }
    for (number, ticket) in tickets.iter().enumerate() {
        app.get(PRINCIPAL, ticket).await.assert_status(if number < 2 { 401 } else { 200 });
    }
    let count = sqlx::query_scalar!("SELECT count(*) FROM tickets");
    assert_eq!(count.fetch_one(&app.pool).await.unwrap(), Some(3));
}

#[sqlx::test]
async fn expired_tickets_are_swept(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    sqlx::query!(
        "INSERT INTO tickets (user_id, digest, kind, session_epoch, auth_time, created_at, expires_at)
         SELECT 278, sha256(n::text::bytea), 'ticket', 0, now(), now() - interval '2 hours',
                now() - CASE WHEN n <= 1200 THEN interval '1 hour' ELSE interval '-1 hour' END
         FROM generate_series(1, 1210) n"
    )
    .execute(&app.pool)
    .await
    .unwrap();
    // The sweeper runs at start and needs several batches for these rows.
    app.restart().await;
    let remaining = async || {
        let count = sqlx::query_scalar!("SELECT count(*) FROM tickets");
        count.fetch_one(&app.pool).await.unwrap()
    };
    assert_becomes(Some(10), remaining).await;
}
