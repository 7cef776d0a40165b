//! Key rotation without downtime, and detection of a keyring that does not belong to the database.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::Stdio,
};

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, Server, TestApp, TestIssuer, keeper, password_of,
    run_with_input, wait_until,
};

const SUBJECT: &str = "subject-4711";

/// The ids of all keys that seal credentials.
async fn sealing_keys(app: &TestApp) -> Vec<String> {
    let statement = "SELECT DISTINCT key_id FROM credentials ORDER BY key_id";
    sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap()
}

fn first_key(app: &TestApp) -> String {
    let listed = app.command(&["--json", "keys", "list"], "").assert_success();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    listed[0]["key"].as_str().unwrap().to_owned()
}

/// The session with the XSRF value that its page has now.
async fn reload_session(app: &TestApp, session: &Credentials) -> Credentials {
    let Credentials::Session { cookie, .. } = session.clone() else { panic!("{session:?}") };
    let xsrf = app.get("/login", session).await.cookie("XSRF-TOKEN").unwrap();
    Credentials::Session { cookie, xsrf }
}

#[sqlx::test]
async fn keys_rotate_without_downtime_and_without_new_logins(pool: PgPool) {
    let issuer = TestIssuer::new();
    let mut app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", SUBJECT).await.assert_saved();
    let claims = TestIssuer::claims(SUBJECT);
    let issuer_token = || Credentials::Bearer(issuer.token(&claims));
    let token = Credentials::Bearer(app.token(&app.administrator()).await);
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let unused = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let session = app.session(ADMINISTRATOR.1).await;
    let (revoked, logged_out) = (app.ticket(&app.plain()).await, app.session(PLAIN.1).await);
    let old = first_key(&app);

    let new = app.add_key();
    let mut second = app.spawn_instance(&[]).await;
    app.restart().await;
    app.command(&["rotate-key", "use", &new], "").assert_success();
    // Instances restart one after the other, so for a while each of them seals with another key.
    second.restart().await;
    for instance in [&app, &second] {
        for credentials in [&token, &ticket, &session] {
            instance.get(PRINCIPAL, credentials).await.assert_status(200);
        }
        let fresh = Credentials::Bearer(instance.token(&instance.administrator()).await);
        for reader in [&app, &second] {
            reader.get(PRINCIPAL, &fresh).await.assert_status(200);
        }
    }
    // Unused tickets and sessions are still stored under the old key, and can be ended.
    app.command(&["ticket", "revoke"], &revoked).assert_success();
    second.post("/logout", &logged_out, &Value::Null).await.assert_status(204);
    for instance in [&app, &second] {
        instance
            .get(PRINCIPAL, &Credentials::Ticket(revoked.clone()))
            .await
            .assert_unauthenticated();
        instance.get(PRINCIPAL, &logged_out).await.assert_unauthenticated();
    }
    second.save(&ticket, PLAIN.0, "", "saved by the second").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "saved by the second"))
        .await
        .assert_status(200);
    app.save(&ticket, PLAIN.0, "", "saved by the first").await.assert_saved();
    second
        .get(PRINCIPAL, &Credentials::basic(PLAIN.1, "saved by the first"))
        .await
        .assert_status(200);
    app.restart().await;

    let retire = ["rotate-key", "retire", old.as_str()];
    app.command(&retire, "").assert_error("credentials are still sealed under key");
    app.command(&["rotate-key", "retire", &new], "").assert_error("exactly one key");
    app.command(&["rotate-key", "reseal"], "").assert_success();
    assert_eq!(sealing_keys(&app).await, std::slice::from_ref(&new));
    app.get(PRINCIPAL, &issuer_token()).await.assert_status(200);
    let taken = app.save(&ticket, ADMINISTRATOR.0, "OpenId", SUBJECT).await;
    taken.assert_refused(409, "ArgumentException", "identifier_taken");

    app.command(&retire, "").assert_success();
    app.restart().await;
    second.restart().await;
    app.get(PRINCIPAL, &issuer_token()).await.assert_status(200);
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    second
        .get(PRINCIPAL, &Credentials::basic(PLAIN.1, "saved by the first"))
        .await
        .assert_status(200);
    // Tickets and sessions that were used are stored under the new key; the others end.
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    app.get(PRINCIPAL, &session).await.assert_refused(401, "SoSessionException", "xsrf_wrong");
    app.get(PRINCIPAL, &reload_session(&app, &session).await).await.assert_status(200);
    for ended in [&unused, &token] {
        app.get(PRINCIPAL, ended).await.assert_unauthenticated();
    }
    app.command(&["rotate-key", "use", &old], "").assert_error("retired and cannot be used again");
    assert_eq!(fs::metadata(app.keyring()).unwrap().permissions().mode() & 0o777, 0o400);
}

#[sqlx::test]
async fn a_killed_reseal_resumes_where_it_stopped(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let lines = (0..400).map(|number| {
        let hash =
            "pbkdf2_sha256$120000$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        format!(r#"{{"login_name":"user-{number}","credentials":[{{"hash":"{hash}"}}]}}"#)
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    app.command(&["import", file.to_str().unwrap()], "").assert_success();
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    let remaining = async || {
        let statement = "SELECT count(*) FROM credentials WHERE key_id <> $1";
        let count: i64 =
            sqlx::query_scalar(statement).bind(&new).fetch_one(&app.pool).await.unwrap();
        count
    };
    // A lock on a row in the middle blocks the command there.
    let mut transaction = app.pool.begin().await.unwrap();
    let lock = "SELECT 1 FROM credentials WHERE user_id = (SELECT max(user_id) - 100 FROM credentials) FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut *transaction).await.unwrap();
    let mut command = keeper(&["rotate-key", "reseal"]);
    command.envs(app.variables()).stdin(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    app.wait_for_blocked_sessions(1).await;
    running.kill().unwrap();
    running.wait().unwrap();
    drop(transaction);
    // PostgreSQL may still finish the statement that was running.
    let is_partial = async || (1..403).contains(&remaining().await);
    wait_until("some of the 403 credentials remain", is_partial).await;
    let resumed = app.command(&["rotate-key", "reseal"], "");
    assert!(resumed.stderr.contains("0 left"), "{resumed:?}");
    resumed.assert_success();
    assert_eq!(remaining().await, 0);
}

#[sqlx::test]
async fn a_damaged_credential_is_reported_and_prevents_retiring_its_key(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let old = first_key(&app);
    sqlx::raw_sql("UPDATE credentials SET version = version + 1 WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    let reseal = app.command(&["rotate-key", "reseal"], "");
    assert_eq!(reseal.code, 1);
    assert!(reseal.stderr.contains("CRM5/PASSWORD of user 278 cannot be unsealed"), "{reseal:?}");
    assert!(reseal.stderr.contains("resealed 2 credentials, 1 left"), "{reseal:?}");
    let retire = app.command(&["rotate-key", "retire", &old], "");
    retire.assert_error("1 credentials are still sealed");
}

#[sqlx::test]
async fn rows_with_an_invalid_value_are_named_and_all_others_resealed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = "/api/v1/Agents/User/SaveUntrustedCredentials";
    for value in ["a", "b"] {
        let secret = json!({"PublicValue": value, "SecretValue": "s"});
        let untrusted = json!({"Type": "imap", "Credentials": secret});
        app.post(path, &app.administrator(), &untrusted).await.assert_status(204);
    }
    sqlx::raw_sql(
        "UPDATE credentials SET valid_to = 'infinity' WHERE user_id = 1;
         UPDATE credentials SET valid_from = '2030-01-01 00:00:00.1+00',
             valid_to = '2030-01-01 00:00:00.2+00' WHERE user_id = 278;
         UPDATE untrusted_credentials SET valid_from = '-infinity' WHERE public_value = 'a'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    let reseal = app.command(&["rotate-key", "reseal"], "");
    assert_eq!(reseal.code, 1, "{reseal:?}");
    for named in
        ["CRM5/PASSWORD of user 1", "CRM5/PASSWORD of user 278", "untrusted imap of user 1"]
    {
        assert!(reseal.stderr.contains(&format!("{named} cannot be unsealed")), "{reseal:?}");
    }
    assert!(reseal.stderr.contains("resealed 2 credentials, 3 left"), "{reseal:?}");
}

#[sqlx::test]
async fn a_locked_row_does_not_end_a_reseal(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let untrusted = json!({"Type": "t", "Credentials": {"PublicValue": "p", "SecretValue": "s"}});
    let path = "/api/v1/Agents/User/SaveUntrustedCredentials";
    app.post(path, &app.plain(), &untrusted).await.assert_status(204);
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    let mut transaction = app.pool.begin().await.unwrap();
    let lock = "SELECT 1 FROM credentials WHERE user_id = 278 FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut *transaction).await.unwrap();
    let reseal = || {
        let mut command = keeper(&["rotate-key", "reseal"]);
        command.envs(app.variables()).env("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1");
        run_with_input(command, "")
    };
    let locked = reseal();
    assert_eq!(locked.code, 1, "{locked:?}");
    // The row of the untrusted credential is read after the batch with the locked row.
    for text in
        ["resealed 1 credentials, 3 left", "left 3 credentials", "run the same command again"]
    {
        assert!(locked.stderr.contains(text), "{text}: {locked:?}");
    }
    transaction.rollback().await.unwrap();
    let resumed = reseal();
    assert!(resumed.stderr.contains("resealed 3 credentials, 0 left"), "{resumed:?}");
    resumed.assert_success();
}

#[sqlx::test]
async fn a_keyring_of_another_installation_is_detected_at_start(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    // A command on the database records the keys of its keyring.
    app.command(&["user", "list"], "").assert_success();
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.json");
    let foreign = foreign.to_str().unwrap();
    app.command(&["keys", "generate", "--file", foreign], "").assert_success();
    // The same key id with another secret: only the key check in the database tells them apart.
    let forged = folder.path().join("forged.json");
    let text = fs::read_to_string(foreign).unwrap();
    let mut ring: serde_json::Value = serde_json::from_str(&text).unwrap();
    ring["keys"][0]["id"] = first_key(&app).into();
    fs::write(&forged, ring.to_string()).unwrap();
    fs::set_permissions(&forged, PermissionsExt::from_mode(0o400)).unwrap();
    let start = |keyring: &str| {
        let mut command = keeper(&["serve"]);
        command.envs(app.variables()).env("KEEPER__KEYRING__FILE", keyring);
        Server::start(command).err().unwrap_or_default()
    };
    let error = start(foreign);
    assert!(error.contains("which is not in the keyring"), "{error}");
    let error = start(forged.to_str().unwrap());
    assert!(error.contains("is not the one that the database was written with"), "{error}");
    let mut command = keeper(&["credential", "list", "--user", "paul"]);
    command.envs(app.variables()).env("KEEPER__KEYRING__FILE", foreign);
    run_with_input(command, "").assert_error("which is not in the keyring");
    // A database from a version that did not store key checks.
    sqlx::raw_sql("DELETE FROM keys").execute(&app.pool).await.unwrap();
    let error = start(foreign);
    assert!(error.contains("cannot unseal the credentials in the database"), "{error}");
    fs::set_permissions(&forged, PermissionsExt::from_mode(0o404)).unwrap();
    let error = start(forged.to_str().unwrap());
    assert!(error.contains("chmod g-w,o="), "{error}");
}

#[sqlx::test]
async fn rotating_keeps_the_owner_the_group_and_the_mode_of_the_keyring(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let keyring = Path::new(app.keyring());
    // The keyring of root that the group of the service may read; no group has this id.
    if rustix::process::geteuid().is_root() {
        chown(keyring, Some(0), Some(47_111)).unwrap();
    }
    let access = || {
        let metadata = fs::metadata(keyring).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    fs::set_permissions(keyring, PermissionsExt::from_mode(0o640)).unwrap();
    let before = access();
    let old = first_key(&app);
    let new = app.add_key();
    assert_eq!(access(), before);
    app.command(&["rotate-key", "use", &new], "").assert_success();
    assert_eq!(access(), before);
    app.command(&["rotate-key", "reseal"], "").assert_success();
    app.command(&["rotate-key", "retire", &old], "").assert_success();
    assert_eq!(access(), before);
}

#[sqlx::test]
async fn a_key_that_could_not_be_retired_in_the_keyring_can_be_retired_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let old = first_key(&app);
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    app.command(&["rotate-key", "reseal"], "").assert_success();
    let mut command = keeper(&["rotate-key", "retire", &old, "--stdout"]);
    // Every write to this device fails.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let failed = command.envs(app.variables()).stdout(full).output().unwrap();
    let told = String::from_utf8(failed.stderr).unwrap();
    assert!(!failed.status.success(), "{told}");
    assert!(told.contains(&format!("key {old} is retired in the database, but")), "{told}");
    assert!(told.contains(&format!("run `rotate-key retire {old}` again")), "{told}");
    app.command(&["rotate-key", "retire", &old], "").assert_success();
    let listed = app.command(&["keys", "list"], "").assert_success();
    assert!(listed.contains("retired"), "{listed}");
}

#[sqlx::test]
async fn no_change_of_the_keyring_is_lost_when_several_commands_run(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let started: Vec<_> = (0..10)
        .map(|_| {
            let mut command = keeper(&["rotate-key", "add"]);
            command.envs(app.variables()).stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut added = 0;
    for command in started {
        let ended = command.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success() || said.contains("another command is changing the keyring"));
        added += usize::from(ended.status.success());
    }
    assert!(added > 0);
    let keys = app.command(&["--json", "keys", "list"], "").assert_success();
    let keys: Vec<Value> = serde_json::from_str(&keys).unwrap();
    assert_eq!(keys.len(), 1 + added);
}

#[sqlx::test]
async fn a_keyring_can_be_printed_instead_of_written(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = fs::read_to_string(app.keyring()).unwrap();
    let printed = app.command(&["rotate-key", "add", "--stdout"], "").assert_success();
    assert_eq!(fs::read_to_string(app.keyring()).unwrap(), before);
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["keys"].as_array().unwrap().len(), 2);
    assert_eq!(printed["keys"][1]["state"], "readable");
    app.command(&["rotate-key", "use", "nobody"], "").assert_error("has no key nobody");
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, &password_of(PLAIN.1)))
        .await
        .assert_status(200);
}
