//! Validity periods of credentials, and the record of their last use.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::support::{
    Answer, Credentials, PLAIN, PRINCIPAL, TICKETS, TestApp, TestIssuer, wait_for, wait_until,
};

/// The time that is this number of seconds from now, in RFC 3339.
fn time_from_now(seconds: i64) -> String {
    (OffsetDateTime::now_utc() + time::Duration::seconds(seconds)).format(&Rfc3339).unwrap()
}

/// Sleeps until a time in RFC 3339 is over.
async fn outlive(time: &str) {
    let end = OffsetDateTime::parse(time, &Rfc3339).unwrap() + Duration::from_millis(100);
    tokio::time::sleep((end - OffsetDateTime::now_utc()).try_into().unwrap_or_default()).await;
}

/// Saves a credential of the plain user with the command and these options.
fn save_with_options(app: &TestApp, type_name: &str, options: &[&str], value: &str) {
    let save = ["credential", "save", "--user", "paul", "--type", type_name];
    app.command(&[&save, options].concat(), value).assert_success();
}

/// Gives the plain user the password `short` for a few seconds, sends a request with it, and waits for
/// the end of the password. Returns the response.
async fn outlive_password(app: &TestApp, send: impl AsyncFn() -> Answer) -> Answer {
    // A rehearsal tells how long a busy machine takes.
    let begun = Instant::now();
    save_with_options(app, "CRM5/PASSWORD", &[], "short");
    send().await;
    let seconds = 6 + 5 * i64::try_from(begun.elapsed().as_secs()).unwrap();
    let end = time_from_now(seconds);
    save_with_options(app, "CRM5/PASSWORD", &["--valid-to", &end], "short");
    let answer = send().await;
    outlive(&end).await;
    answer
}

fn credentials(app: &TestApp) -> Vec<Value> {
    let listed =
        app.command(&["credential", "list", "--user", "paul", "--json"], "").assert_success();
    serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().clone()
}

#[sqlx::test]
async fn a_password_is_valid_only_within_its_validity_period(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let login = Credentials::basic(PLAIN.1, "timed");
    for (from, to, is_valid) in [
        (Some(-100), Some(100), true),
        (Some(-100), None, true),
        (None, Some(100), true),
        (Some(100), None, false),
        (Some(100), Some(200), false),
        (None, Some(-100), false),
        (Some(-200), Some(-100), false),
    ] {
        let (from, to) = (from.map(time_from_now), to.map(time_from_now));
        let mut options = Vec::new();
        options.extend(from.iter().flat_map(|from| ["--valid-from", from]));
        options.extend(to.iter().flat_map(|to| ["--valid-to", to]));
        save_with_options(&app, "CRM5/PASSWORD", &options, "timed");
        // The second login uses the verification cache.
        for _ in 0..2 {
            let answer = app.get(PRINCIPAL, &login).await;
            if is_valid { answer.assert_status(200) } else { answer.assert_unauthenticated() }
        }
    }
    save_with_options(&app, "CRM5/PASSWORD", &[], "timed");
    app.get(PRINCIPAL, &login).await.assert_status(200);
}

#[sqlx::test]
async fn a_cached_verification_ends_with_the_validity_period(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let login = Credentials::basic(PLAIN.1, "short");
    let answer = outlive_password(&app, async || app.get(PRINCIPAL, &login).await).await;
    answer.assert_status(200);
    app.get(PRINCIPAL, &login).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_tampered_validity_period_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save_with_options(&app, "CRM5/PASSWORD", &["--valid-to", &time_from_now(-100)], "ended");
    for edit in ["valid_to = NULL", "valid_to = now() + interval '1 day'", "valid_from = now()"] {
        let edit = format!("UPDATE credentials SET valid_from = NULL, {edit} WHERE user_id = 278");
        // A constraint of the table refuses an end before the start.
        let edit = edit.replace("valid_from = NULL, valid_from", "valid_to = NULL, valid_from");
        sqlx::raw_sql(sqlx::AssertSqlSafe(edit)).execute(&app.pool).await.unwrap();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "ended")).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn an_issuer_token_is_valid_as_long_as_its_identifier(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    let token = Credentials::Bearer(issuer.token(&TestIssuer::claims("subject")));
    save_with_options(&app, "OpenId", &["--valid-to", &time_from_now(100)], "subject");
    app.get(PRINCIPAL, &token).await.assert_status(200);
    save_with_options(&app, "OpenId", &["--valid-to", &time_from_now(-100)], "subject");
    app.get(PRINCIPAL, &token).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_owner_cannot_remove_the_expiry_of_their_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save_with_options(&app, "CRM5/PASSWORD", &["--valid-to", &time_from_now(3600)], "first");
    let end = credentials(&app)[0]["valid_to"].clone();
    let ticket = Credentials::Ticket(app.ticket(&Credentials::basic(PLAIN.1, "first")).await);
    let change = |old: &str| json!({"OldPassword": old, "NewPassword": "second"});
    let path = "/api/v1/Agents/User/ChangeOwnPassword";
    app.post(path, &ticket, &change("first")).await.assert_saved();
    assert_eq!(credentials(&app)[0]["valid_to"], end);
    app.save(&Credentials::basic(PLAIN.1, "second"), PLAIN.0, "", "third").await.assert_saved();
    assert_eq!(credentials(&app)[0]["valid_to"], end);
    // An expired password cannot be used to change itself.
    let short = Credentials::basic(PLAIN.1, "short");
    let issue = async || app.post(TICKETS, &short, &Value::Null).await;
    let issued = outlive_password(&app, issue).await;
    issued.assert_status(201);
    let ticket = Credentials::Ticket(issued.json()["Ticket"].as_str().unwrap().to_owned());
    assert_eq!(app.post(path, &ticket, &change("short")).await.body, "false");
    app.save(&app.administrator(), PLAIN.0, "", "another").await.assert_saved();
    assert_eq!(credentials(&app)[0]["valid_to"], Value::Null);
}

#[sqlx::test]
async fn an_expired_credential_does_not_hide_one_of_another_type(pool: PgPool) {
    let settings = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true }]"#;
    let app = TestApp::spawn_with(pool, &[], settings).await;
    save_with_options(&app, "CRM5/PASSWORD", &["--valid-to", &time_from_now(-100)], "same");
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "same")).await.assert_unauthenticated();
    save_with_options(&app, "Pin", &[], "same");
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "same")).await.assert_status(200);
}

#[sqlx::test]
async fn a_credential_type_sets_the_validity_of_its_credentials(pool: PgPool) {
    let settings = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true, validity_days = 30 }]"#;
    let app = TestApp::spawn_with(pool, &[], settings).await;
    app.save(&app.administrator(), PLAIN.0, "Pin", "1234").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "1234")).await.assert_status(200);
    let pin = credentials(&app).into_iter().find(|credential| credential["type"] == "Pin").unwrap();
    let end = OffsetDateTime::parse(pin["valid_to"].as_str().unwrap(), &Rfc3339).unwrap();
    let days = (end - OffsetDateTime::now_utc()).as_seconds_f64() / 86400.0;
    assert!((29.9..30.1).contains(&days), "{days}");
}

#[sqlx::test]
async fn an_invalid_validity_period_is_refused_with_the_option_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let save = ["credential", "save", "--user", "paul"];
    let (sooner, later) = (time_from_now(1), time_from_now(2));
    for (options, message) in [
        (vec!["--valid-from", "tomorrow"], "--valid-from: must be a date and time"),
        (vec!["--valid-to", "2027-13-01T00:00:00Z"], "--valid-to: must be a date and time"),
        (vec!["--valid-to", "9999-12-31T23:59:59-01:00"], "--valid-to: is out of range"),
        (vec!["--valid-from", &later, "--valid-to", &sooner], "--valid-to: ends before it begins"),
    ] {
        app.command(&[&save, &options[..]].concat(), "x").assert_error(message);
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

/// The recorded use of a credential.
#[derive(Debug, PartialEq)]
struct LastUse {
    time: OffsetDateTime,
    scheme: String,
    address: Option<String>,
}

/// Waits until the last use of the plain user's password is recorded, and returns it.
async fn last_use(app: &TestApp) -> LastUse {
    wait_for("the use is recorded", async || {
        let found = sqlx::query!(
            r#"SELECT last_used_at AS "at!", last_used_scheme AS "scheme!", last_used_address
               FROM credentials WHERE user_id = 278 AND last_used_at IS NOT NULL"#
        );
        let found = found.fetch_optional(&app.pool).await.unwrap()?;
        Some(LastUse { time: found.at, scheme: found.scheme, address: found.last_used_address })
    })
    .await
}

#[sqlx::test]
async fn the_last_use_is_recorded_at_most_once_a_minute(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let other = app.spawn_instance(&[]).await;
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_unauthenticated();
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let first = last_use(&app).await;
    assert_eq!((first.scheme.as_str(), first.address.as_deref()), ("basic", Some("127.0.0.1")));
    for app in [&app, &other] {
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(last_use(&app).await, first);
    // After a minute, an instance that has not recorded a use yet does so.
    sqlx::query!("UPDATE credentials SET last_used_at = last_used_at - interval '61 s'")
        .execute(&app.pool)
        .await
        .unwrap();
    let third = app.spawn_instance(&[]).await;
    third.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    wait_until("a later use is recorded", async || last_use(&app).await.time >= first.time).await;
    let user = app.get("/api/v1/User/278", &app.administrator()).await.json();
    assert!(user["Lastlogin"].is_string(), "{user}");
    let listed = &credentials(&app)[0];
    assert_eq!((&listed["scheme"], &listed["address"]), (&json!("basic"), &json!("127.0.0.1")));
    assert_eq!((&listed["registered_by"], &listed["updated_by"]), (&Value::Null, &Value::Null));
}

#[sqlx::test]
async fn recording_the_last_use_neither_waits_nor_delays_a_login(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query!("SELECT 1 AS one FROM credentials WHERE user_id = 278 FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    wait_until("the use of another credential is recorded", async || {
        let is_recorded = sqlx::query_scalar!(
            r#"SELECT last_used_at IS NOT NULL AS "noted!" FROM credentials WHERE user_id = 1"#
        );
        is_recorded.fetch_one(&app.pool).await.unwrap()
    })
    .await;
    transaction.rollback().await.unwrap();
}
