//! Untrusted credentials: secrets for other systems, which are given back to their owner and to
//! system users.

use std::{fs, process::Command};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use super::agent;
use crate::support::{
    ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, TestApp, hex, keeper, password_of,
    run_with_input,
};

const SECRET: &str = "mail-secret-4711 é\"\\<&";

fn saving(public_value: &str, secret: &str) -> Value {
    json!({"Type": "imap", "Credentials": {"PublicValue": public_value, "SecretValue": secret}})
}

async fn save_own(app: &TestApp, public_value: &str, secret: &str) {
    let body = saving(public_value, secret);
    let saved = app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await;
    saved.assert_status(204);
}

/// The credentials of the type `imap` of the plain user, as they see them.
async fn list_own(app: &TestApp) -> Answer {
    let body = json!({"Type": "imap"});
    app.post(&agent("GetUntrustedCredentials"), &app.plain(), &body).await
}

/// The credentials of the type `imap` of the plain user, as another caller sees them.
async fn list_of_plain(app: &TestApp, caller: &Credentials) -> Answer {
    let body = json!({"AssociateId": PLAIN.0, "Type": "imap"});
    app.post(&agent("GetUntrustedCredentialsForAssociate"), caller, &body).await
}

/// One member of each credential of a response.
fn members(answer: &Answer, name: &str) -> Vec<Value> {
    answer.assert_status(200);
    let Value::Array(items) = answer.json() else { panic!("{answer:?}") };
    items.iter().map(|item| item[name].clone()).collect()
}

/// The events about untrusted credentials of the plain user: kind, actor and type.
async fn events(app: &TestApp) -> Vec<String> {
    let statement = "SELECT concat_ws(' ', kind, actor_user_id, credential_type) FROM audit_events
        WHERE user_id = 278 AND kind LIKE 'untrusted%' ORDER BY sequence";
    sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap()
}

async fn execute(app: &TestApp, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&app.pool).await.unwrap();
}

async fn count(app: &TestApp, condition: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM untrusted_credentials WHERE {condition}");
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn the_owner_gets_back_what_they_saved(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({"type": "IMAP", "credentials": {
        "publicValue": "b/u", "secretValue": SECRET, "comment": "Mail & more", "isActive": false,
        "validFrom": "2026-01-02T03:04:05.678Z", "validTo": "2036-01-02T03:04:05+01:00",
    }});
    app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await.assert_status(204);
    save_own(&app, "a/u", "first").await;
    save_own(&app, "a/u", "second").await;
    let answer = list_own(&app).await;
    assert_eq!(members(&answer, "PublicValue"), ["a/u", "b/u"]);
    assert_eq!(members(&answer, "SecretValue"), ["second", SECRET]);
    let found = answer.json()[1].clone();
    assert_eq!(
        found,
        json!({
            "ValidFrom": "2026-01-02T03:04:05Z", "ValidTo": "2036-01-02T02:04:05Z",
            "Comment": "Mail & more", "SecretValue": SECRET, "PublicValue": "b/u",
            "IsActive": false, "TableRight": {"Mask": "Select", "Reason": ""},
            "FieldProperties": null,
        })
    );
    // The carrier as it was read can be sent back; other types and users have none.
    let again = json!({"Type": "imap", "Credentials": found});
    app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &again).await.assert_status(204);
    assert_eq!(list_own(&app).await.json(), answer.json());
    for (caller, kind) in [(app.plain(), "smtp"), (app.administrator(), "imap")] {
        let other = json!({"Type": kind});
        let none = app.post(&agent("GetUntrustedCredentials"), &caller, &other).await;
        assert_eq!(none.json(), json!([]));
    }
    // Without an offset and without a time zone, a date is in UTC. Responses follow the time zone.
    let body = json!({"Type": "imap", "Credentials": {
        "PublicValue": "a/u", "ValidFrom": "2026-01-02T03:04:05", "ValidTo": "",
    }});
    app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await.assert_status(204);
    let request = app
        .request(Method::POST, &agent("GetUntrustedCredentials"), &app.plain())
        .header("SO-TimeZone", "NO")
        .header("Accept", "application/xml")
        .json(&json!({"Type": "imap"}));
    let xml = Answer::read(request.send().await.unwrap()).await;
    for text in [
        "<ValidFrom>2026-01-02T04:04:05+01:00</ValidFrom>",
        "<SecretValue>second</SecretValue>",
        "<UntrustedCredentials>",
        "&lt;&amp;",
    ] {
        assert!(xml.body.contains(text), "{text}: {xml:?}");
    }
    let fresh = app
        .post(&agent("CreateDefaultUntrustedCredentials"), &app.plain(), &Value::Null)
        .await
        .json();
    assert_eq!((&fresh["IsActive"], &fresh["SecretValue"]), (&json!(true), &Value::Null));
}

#[sqlx::test]
async fn the_missing_date_of_the_vendor_is_no_moment(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for none in ["0001-01-01T00:00:00", "0001-01-01T00:00:00.0000000Z", "0001-01-01T00:00:00+01:00"]
    {
        let body = json!({"Type": "imap", "Credentials": {
            "PublicValue": "a/u", "SecretValue": "s", "ValidFrom": none, "ValidTo": none,
        }});
        app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await.assert_status(204);
        let listed = list_own(&app).await.json();
        assert_eq!(listed[0]["ValidFrom"], Value::Null, "{none}");
        assert_eq!(listed[0]["ValidTo"], Value::Null, "{none}");
    }
    let body = json!({"Type": "imap", "Credentials": {
        "PublicValue": "a/u", "ValidFrom": "0001-01-02T00:00:00",
    }});
    app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await.assert_status(204);
    assert_eq!(list_own(&app).await.json()[0]["ValidFrom"], "0001-01-02T00:00:00Z");
}

/// Saves a start of the credential `a/u` in a time zone.
async fn save_start(app: &TestApp, zone: &str, content_type: &'static str, body: String) {
    let request = app
        .request(Method::POST, &agent("SaveUntrustedCredentials"), &app.plain())
        .header("SO-TimeZone", zone)
        .header("Content-Type", content_type)
        .body(body);
    Answer::read(request.send().await.unwrap()).await.assert_status(204);
}

/// The start of the only credential, as a request with that header gets it.
async fn start_in(app: &TestApp, zone: &str) -> Value {
    let request = app
        .request(Method::POST, &agent("GetUntrustedCredentials"), &app.plain())
        .header("SO-TimeZone", zone)
        .json(&json!({"Type": "imap"}));
    members(&Answer::read(request.send().await.unwrap()).await, "ValidFrom").remove(0)
}

/// A body in JSON that saves that start.
fn json_of_start(text: &str) -> String {
    let start =
        json!({"PublicValue": "a/u", "SecretValue": "s", "ValidFrom": text, "ValidTo": null});
    json!({"Type": "imap", "Credentials": start}).to_string()
}

#[sqlx::test]
async fn a_date_without_an_offset_is_in_the_zone_of_the_request(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text = "2026-01-02T03:04:05";
    let xml = format!(
        "<R><Type>imap</Type><Credentials><PublicValue>a/u</PublicValue>\
         <SecretValue>s</SecretValue><ValidFrom>{text}</ValidFrom></Credentials></R>"
    );
    let form = format!(
        "Type=imap&Credentials.PublicValue=a/u&Credentials.SecretValue=s\
         &Credentials.ValidFrom={text}"
    );
    for (content_type, body) in [
        ("application/json", json_of_start(text)),
        ("application/xml", xml),
        ("application/x-www-form-urlencoded", form),
    ] {
        save_start(&app, "UTC", "application/json", json_of_start("")).await;
        save_start(&app, "NO", content_type, body).await;
        assert_eq!(start_in(&app, "UTC").await, "2026-01-02T02:04:05Z", "{content_type}");
        assert_eq!(start_in(&app, "NO").await, "2026-01-02T03:04:05+01:00", "{content_type}");
    }
    for (zone, text, utc) in [
        ("NO", json!("2026-07-02T03:04:05"), json!("2026-07-02T01:04:05Z")),
        ("US-NY,includeTZOffset", json!("2018-12-24T12:34:45"), json!("2018-12-24T17:34:45Z")),
        // As the vendor writes an offset.
        ("NO", json!("2018-12-24T07:34:45-0500"), json!("2018-12-24T12:34:45Z")),
        // A time that occurs twice, and one that is skipped.
        ("NO", json!("2026-10-25T02:30:00"), json!("2026-10-25T00:30:00Z")),
        ("NO", json!("2026-03-29T02:30:00"), json!("2026-03-29T01:30:00Z")),
        ("US-NY", json!("0001-01-01T00:00:00"), Value::Null),
        ("no zone", json!("2026-07-02T03:04:05"), json!("2026-07-02T03:04:05Z")),
    ] {
        save_start(&app, zone, "application/json", json_of_start(text.as_str().unwrap())).await;
        assert_eq!(start_in(&app, "UTC").await, utc, "{zone}: {text}");
    }
}

/// A program that drops the offset and saves what it read changes nothing. The vendor's permanent
/// credentials end in the last second of the calendar.
#[sqlx::test]
async fn a_date_that_was_read_can_be_saved_without_its_offset(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let dates = ["2026-07-02T03:04:05Z", "9999-12-31T23:59:59Z", "0001-01-02T00:00:00Z"];
    for (zone, date) in ["NO", "US-NY", "Pacific/Kiritimati"].into_iter().zip(dates) {
        save_start(&app, zone, "application/json", json_of_start(date)).await;
        for _ in 0..2 {
            let read = start_in(&app, zone).await;
            let local = &read.as_str().unwrap()[..date.len() - 1];
            save_start(&app, zone, "application/json", json_of_start(local)).await;
            assert_eq!(start_in(&app, "UTC").await, date, "{zone}: {read}");
        }
    }
    // The last second has no date in a zone east of Greenwich.
    save_start(&app, "NO", "application/json", json_of_start("9999-12-31T23:59:59Z")).await;
    assert_eq!(start_in(&app, "NO").await, "9999-12-31T23:59:59Z");
}

#[sqlx::test]
async fn secrets_are_for_the_owner_and_system_users_only(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "sys"), &["--type", "system"]);
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    app.add_user((500, "otto"), &[]);
    save_own(&app, "a/u", SECRET).await;
    let caller = |name: &str| Credentials::basic(name, &password_of(name));
    assert_eq!(members(&list_of_plain(&app, &app.plain()).await, "SecretValue"), [SECRET]);
    assert_eq!(members(&list_of_plain(&app, &caller("sys")).await, "SecretValue"), [SECRET]);
    let seen = list_of_plain(&app, &app.administrator()).await;
    assert_eq!(members(&seen, "SecretValue"), [Value::Null]);
    assert_eq!(members(&seen, "PublicValue"), ["a/u"]);
    for refused in [caller("otto"), caller("ext")] {
        let answer = list_of_plain(&app, &refused).await;
        answer.assert_forbidden();
        assert!(answer.json()["Message"].as_str().unwrap().contains("untrusted credentials"));
    }
    // An administrator may change everything but learns nothing; the secret stays.
    let body = json!({"AssociateId": PLAIN.0, "Type": "imap", "Credentials": {
        "PublicValue": "a/u", "SecretValue": null, "Comment": "checked", "IsActive": false,
    }});
    let path = agent("SaveUntrustedCredentialsForAssociate");
    app.post(&path, &app.administrator(), &body).await.assert_status(204);
    let seen = list_own(&app).await;
    assert_eq!(members(&seen, "SecretValue"), [SECRET]);
    assert_eq!(members(&seen, "Comment"), ["checked"]);
    // The secret does not follow to another public value, such as a server of the administrator.
    let mut other = body.clone();
    other["Credentials"]["PublicValue"] = json!("evil/u");
    let refused = app.post(&path, &app.administrator(), &other).await;
    refused.assert_field_refused("Credentials.SecretValue");
    // Removing twice is no error, and an unknown user has none.
    let removal = json!({"AssociateId": PLAIN.0, "Type": "imap", "PublicValue": "a/u"});
    for _ in 0..2 {
        let path = agent("RemoveUntrustedCredentialsForAssociate");
        app.post(&path, &app.administrator(), &removal).await.assert_status(204);
    }
    assert_eq!(list_own(&app).await.json(), json!([]));
    let unknown = json!({"AssociateId": 4711, "Type": "imap"});
    let path = agent("GetUntrustedCredentialsForAssociate");
    for name in ["anna", "sys"] {
        assert_eq!(app.post(&path, &caller(name), &unknown).await.json(), json!([]), "{name}");
    }
}

#[sqlx::test]
async fn an_administrator_who_becomes_a_system_user_leaves_events(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "sys"), &["--type", "system"]);
    save_own(&app, "a/u", SECRET).await;
    // By the password of a system user.
    let password = json!({"AssociateId": 401, "Password": "chosen by anna"});
    app.post(&agent("SetPassword"), &app.administrator(), &password).await.assert_status(200);
    let system = Credentials::basic("sys", "chosen by anna");
    assert_eq!(members(&list_of_plain(&app, &system).await, "SecretValue"), [SECRET]);
    // By the own user type.
    let change = json!({"User": {"AssociateId": ADMINISTRATOR.0}, "UserType": "SystemAssociate"});
    app.post(&agent("ChangeUserType"), &app.administrator(), &change).await.assert_status(200);
    let seen = list_of_plain(&app, &app.administrator()).await;
    assert_eq!(members(&seen, "SecretValue"), [SECRET]);
    let statement = "SELECT concat_ws(' ', user_id, kind, actor_user_id) FROM audit_events
        WHERE actor_user_id IN (1, 401) ORDER BY occurred_at, user_id";
    let left: Vec<String> = sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap();
    assert_eq!(
        left,
        [
            "401 credential_saved 1",
            "278 untrusted_credentials_read 401",
            "1 user_changed 1",
            "278 untrusted_credentials_read 1",
        ]
    );
}

#[sqlx::test]
async fn each_save_read_and_removal_has_an_event_without_secret_and_public_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "sys"), &["--type", "system"]);
    save_own(&app, "private@example.org", SECRET).await;
    list_own(&app).await.assert_status(200);
    let system = Credentials::basic("sys", &password_of("sys"));
    list_of_plain(&app, &system).await.assert_status(200);
    // No secret leaves, so there is nothing to record.
    list_of_plain(&app, &app.administrator()).await.assert_status(200);
    let nothing = json!({"Type": "smtp"});
    app.post(&agent("GetUntrustedCredentials"), &app.plain(), &nothing).await.assert_status(200);
    let removal = json!({"Type": "imap", "PublicValue": "private@example.org"});
    for _ in 0..2 {
        let path = agent("RemoveUntrustedCredentials");
        app.post(&path, &app.plain(), &removal).await.assert_status(204);
    }
    assert_eq!(
        events(&app).await,
        [
            "untrusted_credential_saved 278 imap",
            "untrusted_credentials_read 278 imap",
            "untrusted_credentials_read 401 imap",
            "untrusted_credential_removed 278 imap",
        ]
    );
    let all: String = sqlx::query_scalar("SELECT string_agg(e::text, '') FROM audit_events e")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert!(!all.contains("private@example.org") && !all.contains("mail-secret"), "{all}");
    // The tests retire this user without an audit event.
    execute(&app, "UPDATE users SET is_retired = false").await;
    app.command(&["audit", "verify"], "").assert_success();
}

#[sqlx::test]
async fn no_secret_is_returned_if_its_event_cannot_be_written(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save_own(&app, "a/u", SECRET).await;
    execute(
        &app,
        "ALTER TABLE audit_events ADD CONSTRAINT refusing CHECK (sequence < 0) NOT VALID",
    )
    .await;
    let answer = list_own(&app).await;
    answer.assert_refused(500, "Exception", "internal");
    assert!(!answer.body.contains("mail-secret"), "{answer:?}");
    execute(&app, "ALTER TABLE audit_events DROP CONSTRAINT refusing").await;
    assert_eq!(members(&list_own(&app).await, "SecretValue"), [SECRET]);
}

#[sqlx::test]
async fn a_changed_moved_or_swapped_row_is_an_error(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    save_own(&app, "a/u", SECRET).await;
    save_own(&app, "b/u", "another").await;
    execute(&app, "CREATE TABLE kept AS SELECT * FROM untrusted_credentials").await;
    for tampering in [
        "UPDATE untrusted_credentials SET public_value = 'evil/u' WHERE public_value = 'a/u'",
        "UPDATE untrusted_credentials SET user_id = 1",
        "UPDATE untrusted_credentials SET credential_type = 'smtp'",
        "UPDATE untrusted_credentials SET comment = 'x' WHERE public_value = 'a/u'",
        "UPDATE untrusted_credentials SET is_active = false WHERE public_value = 'a/u'",
        "UPDATE untrusted_credentials SET valid_to = now() WHERE public_value = 'a/u'",
        "UPDATE untrusted_credentials SET version = version + 1 WHERE public_value = 'a/u'",
        "UPDATE untrusted_credentials SET sealed_secret =
             set_byte(sealed_secret, 60, get_byte(sealed_secret, 60) # 1)
         WHERE public_value = 'a/u'",
        "UPDATE untrusted_credentials u SET sealed_secret = k.sealed_secret FROM kept k
         WHERE k.public_value <> u.public_value",
    ] {
        execute(&app, tampering).await;
        let (caller, kind) = match () {
            () if tampering.contains("user_id") => (app.administrator(), "imap"),
            () if tampering.contains("smtp") => (app.plain(), "smtp"),
            () => (app.plain(), "imap"),
        };
        let body = json!({"Type": kind});
        let answer = app.post(&agent("GetUntrustedCredentials"), &caller, &body).await;
        answer.assert_refused(500, "Exception", "internal");
        assert!(!answer.json()["RequestId"].as_str().unwrap().is_empty());
        assert!(!answer.body.contains("mail-secret"), "{tampering}: {answer:?}");
        let restore = "TRUNCATE untrusted_credentials;
            INSERT INTO untrusted_credentials SELECT * FROM kept";
        execute(&app, restore).await;
    }
    assert!(events(&app).await.iter().all(|event| event.starts_with("untrusted_credential_saved")));
    assert_eq!(members(&list_own(&app).await, "SecretValue"), [SECRET, "another"]);
    // A damaged row can be replaced or removed.
    execute(&app, "UPDATE untrusted_credentials SET version = version + 1").await;
    let keeping = json!({"Type": "imap", "Credentials": {"PublicValue": "a/u"}});
    let kept = app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &keeping).await;
    kept.assert_refused(500, "Exception", "internal");
    let listed = list_of_plain(&app, &app.administrator()).await;
    assert_eq!(members(&listed, "PublicValue"), ["a/u", "b/u"]);
    save_own(&app, "a/u", "replaced").await;
    let removal = json!({"Type": "imap", "PublicValue": "b/u"});
    let path = agent("RemoveUntrustedCredentials");
    app.post(&path, &app.plain(), &removal).await.assert_status(204);
    assert_eq!(members(&list_own(&app).await, "SecretValue"), ["replaced"]);
}

/// A limit that docs/explanation/security.md names.
#[sqlx::test]
async fn an_earlier_row_that_was_put_back_is_not_noticed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    execute(&app, "UPDATE users SET is_retired = false").await;
    save_own(&app, "a/u", "first").await;
    execute(&app, "CREATE TABLE kept AS SELECT * FROM untrusted_credentials").await;
    save_own(&app, "a/u", "second").await;
    let restore = "TRUNCATE untrusted_credentials;
        INSERT INTO untrusted_credentials SELECT * FROM kept";
    execute(&app, restore).await;
    assert_eq!(members(&list_own(&app).await, "SecretValue"), ["first"]);
    app.command(&["audit", "verify"], "").assert_success();
}

#[sqlx::test]
async fn a_damaged_row_raises_an_alarm_that_names_it_without_its_public_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    save_own(&app, "private@example.org", SECRET).await;
    execute(&app, "UPDATE untrusted_credentials SET version = version + 1").await;
    let mut serve = keeper(&["serve"]);
    serve.envs(app.variables()).env("KEEPER__LOG__FORMAT", "json");
    let server = crate::support::Server::start(serve).unwrap();
    let request = app.client.post(format!("{}{}", server.ready, agent("GetUntrustedCredentials")));
    let sent = app.plain().apply_to(request).json(&json!({"Type": "imap"})).send().await;
    assert_eq!(sent.unwrap().status(), 500);
    server.signal(rustix::process::Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    let alarm = log.lines().find(|line| line.contains("\"keeper.alarm\":true")).unwrap();
    let alarm: Value = serde_json::from_str(alarm).unwrap();
    assert_eq!(
        (&alarm["user.target.id"], &alarm["keeper.credential.type"]),
        (&json!("278"), &json!("imap"))
    );
    assert!(alarm.to_string().contains("saves it with a new secret or removes it"), "{alarm}");
    assert!(!log.contains("private@example.org") && !log.contains("mail-secret"), "{log}");
}

#[sqlx::test]
async fn without_the_key_reading_answers_503(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save_own(&app, "a/u", SECRET).await;
    execute(&app, "UPDATE untrusted_credentials SET key_id = 'another'").await;
    let answer = list_own(&app).await;
    answer.assert_refused(503, "SoServiceUnavailableException", "key_unavailable");
    answer.header("retry-after");
    // Who sees no secret needs no key, and a new secret repairs the row.
    list_of_plain(&app, &app.administrator()).await.assert_status(200);
    save_own(&app, "a/u", "new").await;
    assert_eq!(members(&list_own(&app).await, "SecretValue"), ["new"]);
}

#[sqlx::test]
async fn the_table_shows_neither_a_secret_nor_its_length(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let longest = "🦀".repeat(70);
    for (public_value, secret) in [("a/u", SECRET), ("b/u", "x"), ("c/u", longest.as_str())] {
        save_own(&app, public_value, secret).await;
    }
    assert_eq!(count(&app, "octet_length(sealed_secret) = 325").await, 3);
    let rows: String =
        sqlx::query_scalar("SELECT string_agg(u::text, '') FROM untrusted_credentials u")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert!(!rows.contains("mail-secret") && !rows.contains(&hex("mail-secret")), "{rows}");
    assert_eq!(members(&list_own(&app).await, "SecretValue")[2], longest);
}

#[sqlx::test]
async fn an_untrusted_credential_never_logs_anybody_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for kind in ["CRM5/PASSWORD", "ActiveDirectory", "imap"] {
        let body = json!({"Type": kind, "Credentials": {
            "PublicValue": PLAIN.1, "SecretValue": "only for other systems",
        }});
        app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await.assert_status(204);
    }
    let wrong = Credentials::basic(PLAIN.1, "only for other systems");
    app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
    let login = json!({"UserName": PLAIN.1, "Password": "only for other systems"});
    let answer = app.post("/login", &Credentials::Anonymous, &login).await;
    answer.assert_status(401);
    // Saving one ends nothing that was issued.
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    save_own(&app, "a/u", SECRET).await;
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
}

#[sqlx::test]
async fn a_user_has_at_most_100(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let save = async |kind: &str, number: usize| {
        let mut body = saving(&format!("value-{number}"), "s");
        body["Type"] = json!(kind);
        app.post(&agent("SaveUntrustedCredentials"), &ticket, &body).await
    };
    for number in 0..100 {
        save(if number % 2 == 0 { "imap" } else { "smtp" }, number).await.assert_status(204);
    }
    let refused = save("imap", 100).await;
    refused.assert_field_refused("Credentials");
    assert!(refused.json()["Message"].as_str().unwrap().contains("100"), "{refused:?}");
    // One that exists can be replaced.
    save("imap", 98).await.assert_status(204);
    assert_eq!(count(&app, "user_id = 278").await, 100);
}

#[sqlx::test]
async fn of_two_saves_of_the_same_the_last_wins_and_both_have_an_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let saves = (0..20).map(|number| {
        let body = saving("a/u", &format!("secret-{number}"));
        let request = app.request(Method::POST, &agent("SaveUntrustedCredentials"), &ticket);
        let request = request.json(&body);
        tokio::spawn(async move { request.send().await.unwrap().status() })
    });
    for save in saves.collect::<Vec<_>>() {
        assert_eq!(save.await.unwrap(), 204);
    }
    assert_eq!(events(&app).await.len(), 20);
    assert_eq!(members(&list_own(&app).await, "SecretValue").len(), 1);
    let last = "version = (SELECT max(sequence) FROM audit_events
                           WHERE user_id = 278 AND kind = 'untrusted_credential_saved')";
    assert_eq!(count(&app, last).await, 1);
}

#[sqlx::test]
async fn a_deleted_user_has_none_even_with_a_concurrent_save(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save_own(&app, "a/u", SECRET).await;
    let mut held = app.pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let send = |path: &str, body: Value| {
        let request = app.request(Method::POST, path, &app.administrator()).json(&body);
        tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
    };
    let mut body = saving("b/u", "late");
    body["AssociateId"] = json!(PLAIN.0);
    let delete = send(&agent("DeleteUser?userId=278"), Value::Null);
    app.wait_for_blocked_sessions(1).await;
    let save = send(&agent("SaveUntrustedCredentialsForAssociate"), body);
    app.wait_for_blocked_sessions(2).await;
    held.rollback().await.unwrap();
    delete.await.unwrap().assert_status(204);
    save.await.unwrap().assert_refused(404, "SoNotFoundException", "unknown_user");
    assert_eq!(count(&app, "true").await, 0);
    crate::constraints::assert_no_orphans(&app.pool, "after the deletion").await;
}

#[sqlx::test]
async fn keys_rotate_and_a_key_that_seals_a_secret_cannot_be_retired(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    for number in 0..3 {
        save_own(&app, &format!("{number}/u"), &format!("secret-{number}")).await;
    }
    let listed = app.command(&["--json", "keys", "list"], "").assert_success();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let old = listed[0]["key"].as_str().unwrap().to_owned();
    let new = app.add_key();
    app.restart().await;
    app.command(&["rotate-key", "use", &new], "").assert_success();
    app.restart().await;
    execute(&app, &format!("UPDATE credentials SET key_id = '{new}'")).await;
    let retire = ["rotate-key", "retire", old.as_str()];
    app.command(&retire, "").assert_error("3 credentials are still sealed under key");
    let doctor = app.command(&["doctor"], "");
    assert!(doctor.stdout.contains("run `rotate-key reseal`"), "{doctor:?}");
    execute(&app, &format!("UPDATE credentials SET key_id = '{old}'")).await;
    // A damaged row is named, without its public value, and keeps its key.
    let damage = |sign: char| {
        format!(
            "UPDATE untrusted_credentials SET version = version {sign} 1 WHERE public_value = '1/u'"
        )
    };
    execute(&app, &damage('+')).await;
    let reseal = app.command(&["rotate-key", "reseal"], "");
    assert_eq!(reseal.code, 1);
    assert!(reseal.stderr.contains("untrusted imap of user 278 cannot be unsealed"), "{reseal:?}");
    app.command(&retire, "").assert_error("1 credentials are still sealed under key");
    execute(&app, &damage('-')).await;
    app.command(&["rotate-key", "reseal"], "").assert_success();
    app.command(&retire, "").assert_success();
    app.restart().await;
    assert_eq!(members(&list_own(&app).await, "SecretValue"), ["secret-0", "secret-1", "secret-2"]);
    assert_eq!(count(&app, &format!("key_id = '{new}'")).await, 3);
}

#[sqlx::test]
async fn only_a_whole_export_has_them_and_an_import_restores_them(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The longest texts, so many that one line of an import could not hold them.
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    for number in 0..40 {
        let body = json!({"Type": "\u{1F980}".repeat(254), "Credentials": {
            "PublicValue": format!("{number:02}{}", "\u{1F980}".repeat(236)),
            "SecretValue": format!("{number:02}{}", "\u{1F980}".repeat(68)),
            "Comment": "\u{1F980}".repeat(255), "IsActive": false,
            "ValidFrom": "2026-01-02T03:04:05Z", "ValidTo": "2036-01-02T03:04:05Z",
        }});
        app.post(&agent("SaveUntrustedCredentials"), &ticket, &body).await.assert_status(204);
    }
    save_own(&app, "a/u", SECRET).await;
    let crabs = json!({"Type": "\u{1F980}".repeat(254)});
    let before = [
        list_own(&app).await.json(),
        app.post(&agent("GetUntrustedCredentials"), &app.plain(), &crabs).await.json(),
    ];
    let plain = app.command(&["export"], "").assert_success();
    assert!(!plain.contains("untrusted") && !plain.contains("mail-secret"), "{plain}");
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("whole.keeper");
    let path = archive.to_str().unwrap();
    app.command(&["export", "--whole", path], "a long passphrase").assert_success();
    let bytes = fs::read(&archive).unwrap();
    assert!(!bytes.windows(11).any(|window| window == b"mail-secret"));
    // The other installation: another keyring and no users.
    let truncate = "TRUNCATE untrusted_credentials, credentials, tickets, login_names,
                             audit_events, keys, users CASCADE";
    execute(&app, truncate).await;
    let keyring = folder.path().join("other.json");
    let run = |arguments: &[&str], input: &str| {
        let mut command: Command = keeper(arguments);
        command.envs(app.variables()).env("KEEPER__KEYRING__FILE", &keyring);
        run_with_input(command, input)
    };
    run(&["keys", "generate"], "").assert_success();
    run(&["import", path], "a long passphrase").assert_success();
    let other = app.spawn_instance(&[("KEEPER__KEYRING__FILE", keyring.to_str().unwrap())]).await;
    let after = [
        list_own(&other).await.json(),
        other.post(&agent("GetUntrustedCredentials"), &other.plain(), &crabs).await.json(),
    ];
    assert_eq!(after, before);
    assert_eq!(before[1].as_array().unwrap().len(), 40);
    run(&["audit", "verify"], "").assert_success();
}

#[sqlx::test]
async fn an_invalid_untrusted_credential_of_an_import_is_named_and_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    let many: Vec<_> = (0..101)
        .map(|number| json!({"type": "t", "public_value": number.to_string(), "secret": "s"}))
        .collect();
    let lines = [
        json!({"login_name": "one", "untrusted_credentials": many}),
        json!({"login_name": "two", "untrusted_credentials": [{"type": "t", "secret": "marker"}]}),
        json!({"login_name": "three", "untrusted_credentials":
               [{"type": "IMAP", "public_value": "v", "secret": "s"}]}),
    ];
    fs::write(&file, lines.map(|line| line.to_string()).join("\n")).unwrap();
    let said = app.command(&["import", file.to_str().unwrap()], "");
    assert_eq!(said.code, 1);
    let text = format!("{}{}", said.stdout, said.stderr);
    for part in ["untrusted_credentials", "more than 100", "untrusted_credentials[0].public_value"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("marker"), "{text}");
    let names: Vec<String> =
        sqlx::query_scalar("SELECT login_name FROM users WHERE user_id >= 1000 ORDER BY user_id")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(names, ["three"]);
    assert_eq!(count(&app, "credential_type = 'imap'").await, 1);
}
