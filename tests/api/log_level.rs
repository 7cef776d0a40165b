//! `log.level`: it filters the log but never the anchors and alarms.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{PLAIN, PRINCIPAL, RETIRED, SAVE, Server, TestApp, keeper};

/// Runs `serve` with this level and format, saves a credential and logs in with one that was
/// tampered with; returns the log.
async fn log_of(app: &TestApp, level: &str, format: &str) -> String {
    let mut serve = keeper(&["serve"]);
    serve
        .envs(app.variables())
        .env("KEEPER__AUDIT__ANCHOR_SECONDS", "1")
        .env("KEEPER__LOG__LEVEL", level)
        .env("KEEPER__LOG__FORMAT", format);
    let server = Server::start(serve).unwrap();
    let body = json!({"UserId": RETIRED.0, "Credential": {"Value": "another"}});
    let request = app.client.post(format!("{}{SAVE}", server.ready));
    let saved = app.administrator().apply_to(request).json(&body).send().await.unwrap();
    assert_eq!(saved.status(), 200);
    shift_version(app, 1).await;
    let request = app.plain().apply_to(app.client.get(format!("{}{PRINCIPAL}", server.ready)));
    assert_eq!(request.send().await.unwrap().status(), 401);
    shift_version(app, -1).await;
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    log
}

/// Changes the version of a row, so that its seal does not match.
async fn shift_version(app: &TestApp, difference: i64) {
    sqlx::query("UPDATE credentials SET version = version + $1 WHERE user_id = $2")
        .bind(difference)
        .bind(PLAIN.0)
        .execute(&app.pool)
        .await
        .unwrap();
}

/// The anchors of a log as earlier versions wrote them.
fn with_former_names(log: &str) -> String {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let anchors = lines.filter(|line| line["message"] == "anchor").map(|line| {
        json!({
            "timestamp": line["@timestamp"],
            "level": "INFO",
            "message": "anchor",
            "user.id": line["user.target.id"].as_str().unwrap().parse::<i32>().unwrap(),
            "audit.sequence": line["keeper.audit.sequence"],
            "audit.mac": line["keeper.audit.mac"],
            "key.id": line["keeper.key.id"],
            "anchor.signature": line["keeper.anchor.signature"],
            "target": "credential_keeper::anchor",
        })
    });
    anchors.map(|line| line.to_string()).collect::<Vec<_>>().join("\n")
}

#[sqlx::test]
async fn anchors_and_alarms_are_logged_at_every_level_and_in_every_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    sqlx::raw_sql("UPDATE users SET is_retired = false").execute(&app.pool).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (level, format) in [
        ("error", "json"),
        ("error,credential_keeper=off,credential_keeper::service::audit::anchors=off", "json"),
        ("warn", "text"),
    ] {
        let log = log_of(&app, level, format).await;
        let file = folder.path().join("log");
        fs::write(&file, &log).unwrap();
        let verify = || app.command(&["audit", "verify", "--anchors", file.to_str().unwrap()], "");
        let verified = verify();
        assert!(verified.stderr.contains("and 1 anchors verified, 0 findings"), "{verified:?}");
        fs::write(&file, with_former_names(&log)).unwrap();
        let verified = verify();
        assert!(verified.stderr.contains("and 1 anchors verified, 0 findings"), "{verified:?}");
        let lines = log.lines();
        if format == "text" {
            assert!(log.contains("alarm=true"), "{log}");
            continue;
        }
        let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let logged: Vec<_> =
            lines.iter().map(|line| (&line["log.logger"], &line["log.level"])).collect();
        // Nothing else is logged at `error`.
        assert_eq!(logged.len(), 2, "{log}");
        assert!(logged.contains(&(&json!("credential_keeper::alarm"), &json!("error"))), "{log}");
        assert!(logged.contains(&(&json!("credential_keeper::anchor"), &json!("info"))), "{log}");
        assert!(lines.iter().any(|line| line["keeper.alarm"] == true), "{log}");
    }
}

#[test]
fn every_command_refuses_an_invalid_log_level() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = folder.path().join("keyring.json");
    let run = |arguments: &[&str], level: &str| {
        let mut command = keeper(arguments);
        command.env("KEEPER__LOG__LEVEL", level).env("KEEPER__KEYRING__FILE", &keyring);
        command.env("KEEPER__DATABASE__URL", "postgres://nobody@127.0.0.1:1/x");
        crate::support::run_with_input(command, "")
    };
    run(&["keys", "generate"], "info,sqlx=debug").assert_success();
    for level in ["warning", "off", "info,marker", "marker=debug", "sqlx=marker", "info,warn"] {
        for arguments in
            [&["config", "check"][..], &["serve"], &["migrate"], &["doctor"], &["keys", "list"]]
        {
            let finished = run(arguments, level);
            let output = format!("{}{}", finished.stdout, finished.stderr);
            assert_eq!(finished.code, 1, "{level} {arguments:?}: {output}");
            assert!(output.contains("log.level: "), "{level} {arguments:?}: {output}");
            assert!(!output.contains("marker"), "{level} {arguments:?}: {output}");
        }
    }
    assert!(run(&["config", "check"], "warn").assert_success().ends_with("the settings are valid"));
}
