//! Credentials that begin and end by themselves, and when they were last used.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::support::{Credentials, PLAIN, TestApp, TestIssuer, WHO};

/// A moment so many seconds from now.
fn moment(seconds: i64) -> String {
    (OffsetDateTime::now_utc() + time::Duration::seconds(seconds)).format(&Rfc3339).unwrap()
}

fn save(app: &TestApp, type_name: &str, more: &[&str], value: &str) {
    let save = ["credential", "save", "--user", "paul", "--type", type_name];
    app.command(&[&save, more].concat(), value).succeeded();
}

fn credentials(app: &TestApp) -> Vec<Value> {
    let listed = app.command(&["credential", "list", "--user", "paul", "--json"], "").succeeded();
    serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().clone()
}

#[sqlx::test]
async fn a_password_counts_from_its_first_moment_to_its_last(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let login = Credentials::basic(PLAIN.1, "timed");
    for (from, to, counts) in [
        (Some(-100), Some(100), true),
        (Some(-100), None, true),
        (None, Some(100), true),
        (Some(100), None, false),
        (Some(100), Some(200), false),
        (None, Some(-100), false),
        (Some(-200), Some(-100), false),
    ] {
        let (from, to) = (from.map(moment), to.map(moment));
        let mut more = Vec::new();
        more.extend(from.iter().flat_map(|from| ["--valid-from", from]));
        more.extend(to.iter().flat_map(|to| ["--valid-to", to]));
        save(&app, "CRM5/PASSWORD", &more, "timed");
        // Twice: what was verified is remembered only as long as it counts.
        for _ in 0..2 {
            let answer = app.get(WHO, &login).await;
            if counts { answer.assert_status(200) } else { answer.assert_unauthenticated() }
        }
    }
    save(&app, "CRM5/PASSWORD", &[], "timed");
    app.get(WHO, &login).await.assert_status(200);
}

#[sqlx::test]
async fn one_that_ends_while_it_is_remembered_ends(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, "CRM5/PASSWORD", &["--valid-to", &moment(3)], "short");
    let login = Credentials::basic(PLAIN.1, "short");
    app.get(WHO, &login).await.assert_status(200);
    tokio::time::sleep(Duration::from_secs(4)).await;
    app.get(WHO, &login).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_end_that_was_edited_does_not_open(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, "CRM5/PASSWORD", &["--valid-to", &moment(-100)], "ended");
    for edit in ["valid_to = NULL", "valid_to = now() + interval '1 day'", "valid_from = now()"] {
        let edit = format!("UPDATE credentials SET valid_from = NULL, {edit} WHERE user_id = 278");
        // An end in the past with a beginning now would be refused by the table.
        let edit = edit.replace("valid_from = NULL, valid_from", "valid_to = NULL, valid_from");
        sqlx::raw_sql(sqlx::AssertSqlSafe(edit)).execute(&app.pool).await.unwrap();
        app.get(WHO, &Credentials::basic(PLAIN.1, "ended")).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn an_issuers_token_counts_as_long_as_its_identifier(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    let token = Credentials::Bearer(issuer.token(&TestIssuer::claims("subject")));
    save(&app, "OpenId", &["--valid-to", &moment(100)], "subject");
    app.get(WHO, &token).await.assert_status(200);
    save(&app, "OpenId", &["--valid-to", &moment(-100)], "subject");
    app.get(WHO, &token).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_owner_does_not_lift_the_end_that_was_set_for_them(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, "CRM5/PASSWORD", &["--valid-to", &moment(3600)], "first");
    let end = credentials(&app)[0]["valid_to"].clone();
    let ticket = Credentials::Ticket(app.ticket(&Credentials::basic(PLAIN.1, "first")).await);
    let change = |old: &str| json!({"OldPassword": old, "NewPassword": "second"});
    let path = "/api/v1/Agents/User/ChangeOwnPassword";
    app.post(path, &ticket, &change("first")).await.assert_saved();
    assert_eq!(credentials(&app)[0]["valid_to"], end);
    app.save(&Credentials::basic(PLAIN.1, "second"), PLAIN.0, "", "third").await.assert_saved();
    assert_eq!(credentials(&app)[0]["valid_to"], end);
    // Ended, it proves nothing, not even for its own change.
    save(&app, "CRM5/PASSWORD", &["--valid-to", &moment(2)], "short");
    let ticket = Credentials::Ticket(app.ticket(&Credentials::basic(PLAIN.1, "short")).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(app.post(path, &ticket, &change("short")).await.body, "false");
    app.save(&app.administrator(), PLAIN.0, "", "lifted").await.assert_saved();
    assert_eq!(credentials(&app)[0]["valid_to"], Value::Null);
}

#[sqlx::test]
async fn an_ended_credential_hides_none_of_another_type(pool: PgPool) {
    let settings = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true }]"#;
    let app = TestApp::spawn_with(pool, &[], settings).await;
    save(&app, "CRM5/PASSWORD", &["--valid-to", &moment(-100)], "same");
    app.get(WHO, &Credentials::basic(PLAIN.1, "same")).await.assert_unauthenticated();
    save(&app, "Pin", &[], "same");
    app.get(WHO, &Credentials::basic(PLAIN.1, "same")).await.assert_status(200);
}

#[sqlx::test]
async fn a_type_says_how_long_its_credentials_count(pool: PgPool) {
    let settings = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true, validity_days = 30 }]"#;
    let app = TestApp::spawn_with(pool, &[], settings).await;
    app.save(&app.administrator(), PLAIN.0, "Pin", "1234").await.assert_saved();
    app.get(WHO, &Credentials::basic(PLAIN.1, "1234")).await.assert_status(200);
    let pin = credentials(&app).into_iter().find(|of| of["type"] == "Pin").unwrap();
    let end = OffsetDateTime::parse(pin["valid_to"].as_str().unwrap(), &Rfc3339).unwrap();
    let days = (end - OffsetDateTime::now_utc()).as_seconds_f64() / 86400.0;
    assert!((29.9..30.1).contains(&days), "{days}");
}

#[sqlx::test]
async fn a_span_that_is_none_is_refused_by_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let save = ["credential", "save", "--user", "paul"];
    let (sooner, later) = (moment(1), moment(2));
    for (more, said) in [
        (vec!["--valid-from", "tomorrow"], "--valid-from: must be a moment"),
        (vec!["--valid-to", "2027-13-01T00:00:00Z"], "--valid-to: must be a moment"),
        (vec!["--valid-to", "9999-12-31T23:59:59-01:00"], "--valid-to: is out of range"),
        (vec!["--valid-from", &later, "--valid-to", &sooner], "--valid-to: ends before it begins"),
    ] {
        app.command(&[&save, &more[..]].concat(), "x").failed_saying(said);
    }
    app.get(WHO, &app.plain()).await.assert_status(200);
}

/// The last use of the plain user's password, once there is one.
async fn last_use(app: &TestApp) -> (OffsetDateTime, String, Option<String>) {
    for _ in 0..200 {
        let found = sqlx::query!(
            r#"SELECT last_used_at AS "at!", last_used_scheme AS "scheme!", last_used_address
               FROM credentials WHERE user_id = 278 AND last_used_at IS NOT NULL"#
        );
        if let Some(found) = found.fetch_optional(&app.pool).await.unwrap() {
            return (found.at, found.scheme, found.last_used_address);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the use was never noted");
}

#[sqlx::test]
async fn a_login_is_noted_and_not_again_within_a_minute(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let other = app.another(&[]).await;
    app.get(WHO, &Credentials::basic(PLAIN.1, "wrong")).await.assert_unauthenticated();
    app.get(WHO, &app.plain()).await.assert_status(200);
    let first = last_use(&app).await;
    assert_eq!((first.1.as_str(), first.2.as_deref()), ("basic", Some("127.0.0.1")));
    for app in [&app, &other] {
        app.get(WHO, &app.plain()).await.assert_status(200);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(last_use(&app).await, first);
    // A minute later it is, by an instance that has not noted it.
    sqlx::query!("UPDATE credentials SET last_used_at = last_used_at - interval '61 s'")
        .execute(&app.pool)
        .await
        .unwrap();
    let third = app.another(&[]).await;
    third.get(WHO, &app.plain()).await.assert_status(200);
    for _ in 0..100 {
        if last_use(&app).await.0 >= first.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(last_use(&app).await.0 >= first.0);
    let user = app.get("/api/v1/User/278", &app.administrator()).await.json();
    assert!(user["Lastlogin"].is_string(), "{user}");
    let noted = &credentials(&app)[0];
    assert_eq!((&noted["scheme"], &noted["address"]), (&json!("basic"), &json!("127.0.0.1")));
    assert_eq!((&noted["registered_by"], &noted["updated_by"]), (&Value::Null, &Value::Null));
}

#[sqlx::test]
async fn a_note_waits_for_no_row_and_no_login_waits_for_a_note(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut held = app.pool.begin().await.unwrap();
    sqlx::query!("SELECT 1 AS one FROM credentials WHERE user_id = 278 FOR UPDATE")
        .fetch_one(&mut *held)
        .await
        .unwrap();
    app.get(WHO, &app.plain()).await.assert_status(200);
    app.get(WHO, &app.administrator()).await.assert_status(200);
    for _ in 0..200 {
        let noted = sqlx::query_scalar!(
            r#"SELECT last_used_at IS NOT NULL AS "noted!" FROM credentials WHERE user_id = 1"#
        );
        if noted.fetch_one(&app.pool).await.unwrap() {
            held.rollback().await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a held row kept the notes of others waiting");
}
