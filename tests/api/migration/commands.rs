//! `config check`, `doctor` and the log with an old system.

use rustix::process::Signal;
use serde_json::Value;
use sqlx::PgPool;

use super::spawn;
use crate::support::{
    CommandOutput, Credentials, OldSystem, PRINCIPAL, Reply, Server, TestApp, http_reply, keeper,
    replace, run_with_input,
};

/// Runs a command with the settings of a test, some of them replaced.
fn run(app: &TestApp, arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
    let mut command = keeper(arguments);
    command.envs(app.variables()).envs(variables.iter().copied());
    run_with_input(command, "")
}

#[sqlx::test]
async fn config_check_names_unusable_files(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    app.command(&["config", "check"], "").assert_success();
    assert!(old.requests().is_empty());
    let written = |name: &str, text: &str, mode| {
        replace(&old.path(name), text, mode);
        old.path(name).to_str().unwrap().to_owned()
    };
    let key = std::fs::read_to_string(old.path("key")).unwrap();
    for (name, value, text) in [
        ("key_file", "/no/such/file".to_owned(), "failed to read"),
        ("key_file", written("empty", "\n", 0o400), "is empty"),
        ("key_file", written("open", &key, 0o444), "too open"),
        ("key_file", written("plain", "marker-marker-marker-marker", 0o400), "whsec_"),
        ("key_file", written("three", &key.repeat(3), 0o400), "one or two lines"),
        ("ca_file", "/no/such/file".to_owned(), "cannot read"),
        ("ca_file", written("no.crt", "marker", 0o444), "no valid certificate"),
    ] {
        let variable = format!("KEEPER__MIGRATION__HOOK_{}", name.to_uppercase());
        let output = run(&app, &["config", "check"], &[(&variable, &value)]);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.stdout.contains(&format!("migration.hook_{name}")), "{output:?}");
        assert!(output.stdout.contains(text), "{text}: {output:?}");
        assert!(!output.stdout.contains("marker"), "{output:?}");
    }
}

/// The verdict and the next step of `doctor` about the signature.
fn verdict(app: &TestApp, variables: &[(&str, &str)]) -> String {
    let output = run(app, &["doctor", "--json"], variables);
    let rows: Value = serde_json::from_str(&output.stdout).unwrap();
    let mut rows = rows.as_array().unwrap().iter();
    let is_about_signature =
        |row: &&Value| row["what"] == "the old system accepts the signature of this service";
    let row = rows.find(is_about_signature).unwrap_or_else(|| panic!("{output:?}"));
    format!("{} {}", row["verdict"].as_str().unwrap(), row["next_step"])
}

#[sqlx::test]
async fn doctor_pings_the_old_system_without_a_password(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    assert_eq!(verdict(&app, &[]), "pass null");
    let requests = old.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].is_signed);
    assert_eq!(
        (&requests[0].body["type"], &requests[0].body["data"]),
        (&"ping".into(), &serde_json::json!({}))
    );
    old.set_key(&[9; 32]);
    let refused = verdict(&app, &[]);
    assert!(refused.starts_with("FAIL") && refused.contains("401 Unauthorized"), "{refused}");
    assert!(refused.contains("migration.hook_key_file"), "{refused}");
    old.set_reply(http_reply("200 OK", "application/json", r#"{"result":"accepted"}"#));
    let wrong = verdict(&app, &[]);
    assert!(wrong.starts_with("FAIL") && wrong.contains("pong"), "{wrong}");
    old.set_reply(Reply::Close);
    let away = verdict(&app, &[]);
    assert!(away.starts_with("FAIL") && away.contains("cannot reach"), "{away}");
    assert!(!away.contains("whsec_"), "{away}");
}

#[sqlx::test]
async fn no_password_and_no_key_is_in_the_log_or_the_database(pool: PgPool) {
    const MARKER: &str = "CANARYm1gr8";
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    app.command(&["migrate"], "").assert_success();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "trace,actix_server=trace,sqlx=trace");
    let server = Server::start(command).unwrap();
    let accepted = Reply::Verify(|_, password| {
        let result = if password.ends_with("right") { "accepted" } else { "rejected" };
        format!(r#"{{"result":"{result}"}}"#)
    });
    for (reply, name, password, status) in [
        (accepted.clone(), "lena", "wrong", 401),
        (accepted.clone(), "lena", "right", 200),
        (accepted, "lena", "right", 200),
        (http_reply("500 Internal Server Error", "text/html", "CANARYm1gr8"), "mia", "right", 503),
        (http_reply("200 OK", "application/json", "{\"CANARYm1gr8\":1}"), "mia", "right", 503),
        (Reply::Close, "mia", "right", 503),
    ] {
        old.set_reply(reply);
        let credentials = Credentials::basic(name, &format!("{MARKER}-{password}"));
        let request = app.client.get(format!("{}{PRINCIPAL}", server.ready));
        let answer = credentials.apply_to(request).send().await.unwrap();
        assert_eq!(answer.status(), status, "{name} {password}");
        assert!(!answer.text().await.unwrap().contains(MARKER));
    }
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    // The log is as verbose as it should be.
    assert!(
        log.contains("a user moved from the old system") && log.contains("\"log.level\":\"trace\""),
        "{log}"
    );
    let key = std::fs::read_to_string(old.path("key")).unwrap();
    for secret in [MARKER, key.trim(), key.trim().trim_start_matches("whsec_")] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let rows = "SELECT string_agg(t::text, '') FROM (
                    SELECT users::text AS t FROM users UNION ALL SELECT credentials::text FROM credentials
                    UNION ALL SELECT audit_events::text FROM audit_events
                    UNION ALL SELECT authentication_attempts::text FROM authentication_attempts
                ) AS rows";
    let rows: String = sqlx::query_scalar(rows).fetch_one(&app.pool).await.unwrap();
    assert!(!rows.contains(MARKER) && !rows.contains(&crate::support::hex(MARKER)));
}
