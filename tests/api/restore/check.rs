//! `restore check`: one case for each finding.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{CommandOutput, PLAIN, TestApp, keeper, run_with_input};

/// What a check prints with further variables and arguments.
fn check(app: &TestApp, variables: &[(&str, &str)], arguments: &[&str]) -> CommandOutput {
    let mut command = keeper(&[&["--json", "restore", "check"], arguments].concat());
    command.envs(app.variables()).envs(variables.iter().copied());
    run_with_input(command, "")
}

/// The findings of a check that fails: subject, user and text. Each has a next step.
#[track_caller]
fn findings(output: &CommandOutput) -> Vec<(String, i64, String)> {
    assert_eq!(output.code, 1, "{output:?}");
    let rows: Vec<Value> =
        serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| {
            assert!(text(&row["next_step"]).len() > 10, "{row}");
            (text(&row["check"]), row["user"].as_i64().unwrap_or(0), text(&row["finding"]))
        })
        .collect()
}

#[track_caller]
fn assert_finds(output: &CommandOutput, expected: &[(&str, i64, &str)]) {
    let found = findings(output);
    for (subject, user, text) in expected {
        let is_same = |(found_subject, found_user, found_text): &(String, i64, String)| {
            found_subject == subject && found_user == user && found_text.contains(text)
        };
        assert!(found.iter().any(is_same), "{subject} {user} {text}: {found:#?}");
    }
    let is_expected = |(found_subject, found_user, found_text): &&(String, i64, String)| {
        expected.iter().any(|(subject, user, text)| {
            found_subject == subject && found_user == user && found_text.contains(text)
        })
    };
    let others: Vec<_> = found.iter().filter(|one| !is_expected(one)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

async fn execute(app: &TestApp, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&app.pool).await.unwrap();
}

/// An application whose database is complete, with rows of every kind.
async fn sound(pool: PgPool) -> TestApp {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    // The tests retire this user without an audit event.
    execute(&app, "UPDATE users SET is_retired = false").await;
    for (user, sid) in [(1, "S-1-5-7"), (278, "S-1-5-8")] {
        app.save(&app.administrator(), user, "ActiveDirectory", sid).await.assert_saved();
    }
    let kept = json!({ "AssociateId": PLAIN.0, "NickName": "Lin" });
    app.post("/api/v1/Agents/User/SaveUser", &app.administrator(), &kept).await.assert_status(200);
    let untrusted = json!({"Type": "t", "Credentials": {"PublicValue": "p", "SecretValue": "s"}});
    let path = "/api/v1/Agents/User/SaveUntrustedCredentials";
    app.post(path, &app.plain(), &untrusted).await.assert_status(204);
    app.command(&["user", "add", "dora"], "dora-password").assert_success();
    app
}

#[sqlx::test]
async fn a_complete_database_has_no_findings_and_each_damaged_row_has_one(pool: PgPool) {
    let app = sound(pool).await;
    let output = check(&app, &[], &[]);
    assert_eq!((output.code, output.stdout.trim()), (0, "[]"), "{output:?}");
    assert!(output.stderr.contains("4 users"), "{output:?}");
    assert!(output.stderr.contains("2 identifiers, 1 untrusted"), "{output:?}");

    execute(
        &app,
        // A row of another user.
        "UPDATE credentials SET sealed_hash =
             (SELECT sealed_hash FROM credentials WHERE user_id = 1 AND credential_type LIKE 'CRM%')
         WHERE user_id = 278 AND credential_type LIKE 'CRM%';
         UPDATE untrusted_credentials SET public_value = 'q';
         DELETE FROM audit_events WHERE user_id = 300 AND sequence = 1;
         DELETE FROM login_names WHERE user_id = 1;
         DELETE FROM nick_names;
         UPDATE credential_identifiers SET user_id = 300 WHERE user_id = 278;
         UPDATE credentials SET identifier_digest = decode(repeat('00', 32), 'hex')
         WHERE user_id = 1 AND identifier_digest IS NOT NULL;
         ALTER TABLE known_addresses DROP CONSTRAINT known_addresses_pkey;
         SELECT setval('audit_events_position_seq', 3)",
    )
    .await;
    assert_finds(
        &check(&app, &[], &[]),
        &[
            ("audit", 278, "the credential CRM5/PASSWORD cannot be unsealed"),
            ("credentials", 278, "an untrusted credential cannot be unsealed"),
            ("audit", 300, "event 1 is missing"),
            ("tables", 1, "users and login_names disagree"),
            ("tables", 278, "users and nick_names disagree"),
            ("tables", 278, "credentials and credential_identifiers disagree"),
            ("tables", 300, "credentials and credential_identifiers disagree"),
            ("tables", 1, "credentials and credential_identifiers disagree"),
            ("credentials", 1, "the identifier ActiveDirectory does not belong to its digest"),
            ("tables", 0, "the table known_addresses is missing or has no primary key"),
            ("tables", 0, "the positions of new audit events begin at or below"),
        ],
    );
}

/// Operators choose ids, and an import from another installation keeps them: new users skip them.
#[sqlx::test]
async fn an_id_that_an_operator_chose_is_no_problem(pool: PgPool) {
    let app = sound(pool).await;
    app.add_user((5000, "chosen"), &[]);
    assert_eq!(check(&app, &[], &[]).code, 0);
}

#[sqlx::test]
async fn positions_that_a_sink_has_passed_are_named_with_the_statement(pool: PgPool) {
    let app = sound(pool).await;
    let passed = sqlx::query_scalar::<_, i64>("SELECT max(position) + 5 FROM audit_events");
    let passed = passed.fetch_one(&app.pool).await.unwrap();
    sqlx::query("INSERT INTO audit_sinks VALUES ('siem', $1, $1, NULL, '-infinity', NULL)")
        .bind(passed)
        .execute(&app.pool)
        .await
        .unwrap();
    let output = check(&app, &[], &[]);
    let text = format!("begin at or below {passed}, which the audit stream has passed");
    assert_finds(&output, &[("tables", 0, &text)]);
    assert!(output.stdout.contains("SELECT setval('audit_events_position_seq', POSITION)"));
    sqlx::query("SELECT setval('audit_events_position_seq', $1)")
        .bind(passed)
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(check(&app, &[], &[]).code, 0);
}

#[sqlx::test]
async fn a_dump_whose_tables_were_restored_in_part_is_named(pool: PgPool) {
    let app = sound(pool).await;
    execute(
        &app,
        "TRUNCATE installation; TRUNCATE keys; TRUNCATE audit_events; TRUNCATE nick_names;
         DELETE FROM credentials WHERE user_id = 300",
    )
    .await;
    assert_finds(
        &check(&app, &[], &[]),
        &[
            ("tables", 0, "the table installation is empty"),
            ("keyring", 0, "the table keys is empty, although credentials exist"),
            ("tables", 278, "users and nick_names disagree"),
            ("audit", 1, "event 1 is missing"),
            ("audit", 278, "event 1 is missing"),
            ("audit", 300, "event 1 is missing"),
            ("audit", 1000, "event 1 is missing"),
        ],
    );
}

#[sqlx::test]
async fn each_mismatch_of_keyring_and_database_is_named(pool: PgPool) {
    let mut app = sound(pool).await;
    // A running instance records its writing key again.
    app.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (other, older) = (path("other.json"), path("older.json"));
    credential_keeper::generate_keyring(other.as_ref()).unwrap();
    fs::copy(app.keyring(), &older).unwrap();
    fs::set_permissions(&older, PermissionsExt::from_mode(0o400)).unwrap();
    let with = |file: &str| check(&app, &[("KEEPER__KEYRING__FILE", file)], &[]);
    let missing = "which is not in the keyring";
    assert_finds(&with(&other), &[("keyring", 0, missing)]);

    let new = app.add_key();
    // A keyring with further keys belongs to the database, too.
    assert_eq!(check(&app, &[], &[]).code, 0);
    app.command(&["rotate-key", "use", &new], "").assert_success();
    app.command(&["rotate-key", "reseal"], "").assert_success();
    assert_finds(&with(&older), &[("keyring", 0, missing)]);

    // An anchor of the new key, compared with the keyring from before.
    let anchors = path("anchors.log");
    fs::write(&anchors, app.command(&["audit", "anchor"], "").assert_success()).unwrap();
    execute(
        &app,
        "CREATE TABLE kept AS SELECT * FROM keys; DELETE FROM keys WHERE retired_at IS NULL",
    )
    .await;
    let unknown = with_anchors(&app, &older, &anchors);
    assert!(unknown.stdout.contains("was signed with key"), "{unknown:?}");
    execute(&app, "INSERT INTO keys SELECT * FROM kept ON CONFLICT DO NOTHING").await;

    let first = app.command(&["--json", "keys", "list"], "").assert_success();
    let first: Value = serde_json::from_str(&first).unwrap();
    let first = first[0]["key"].as_str().unwrap().to_owned();
    app.command(&["rotate-key", "retire", &first], "").assert_success();
    assert_eq!(check(&app, &[], &[]).code, 0);
    execute(&app, "UPDATE keys SET retired_at = NULL").await;
    assert_finds(&check(&app, &[], &[]), &[("keyring", 0, "is retired in the keyring only")]);
}

fn with_anchors(app: &TestApp, keyring: &str, anchors: &str) -> CommandOutput {
    check(app, &[("KEEPER__KEYRING__FILE", keyring)], &["--anchors", anchors])
}

#[sqlx::test]
async fn anchors_name_what_the_database_lacks_and_which_are_not_genuine(pool: PgPool) {
    let app = sound(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anchors.log").to_str().unwrap().to_owned();
    let printed = app.command(&["audit", "anchor"], "").assert_success();
    let forged = printed
        .lines()
        .next()
        .unwrap()
        .replace("\"keeper.audit.sequence\":", "\"keeper.audit.sequence\":9");
    fs::write(&file, format!("{printed}\n{forged}\n")).unwrap();
    // Another event took the place of the anchored one, as after a restore and further changes.
    execute(&app, "UPDATE audit_events SET mac = decode(repeat('00', 32), 'hex') WHERE user_id = 300 AND sequence = 3").await;
    let output = check(&app, &[], &["--anchors", &file]);
    let found = findings(&output);
    let has = |subject: &str, text: &str| {
        found.iter().any(|(found, _, finding)| found == subject && finding.contains(text))
    };
    assert!(has("anchors", "the anchor in line 5 is forged"), "{found:#?}");
    assert!(has("anchors", "event 3 differs from the one that the anchor has"), "{found:#?}");
    fs::write(&file, "{}\n").unwrap();
    let empty = check(&app, &[], &["--anchors", &file]);
    assert!(empty.stderr.contains("no anchors found in the file"), "{empty:?}");
}

#[sqlx::test]
async fn an_anchor_that_was_cut_is_a_finding_beside_the_others(pool: PgPool) {
    let app = sound(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anchors.log").to_str().unwrap().to_owned();
    let printed = app.command(&["audit", "anchor"], "").assert_success();
    let (cut, _) = printed.split_once(r#","keeper.anchor.signature""#).unwrap();
    let lines: Vec<_> = printed.lines().map(|line| format!("keeper-1  | {line}\n")).collect();
    fs::write(&file, format!("{cut}\n{}", lines.concat())).unwrap();
    execute(
        &app,
        "DELETE FROM nick_names; DELETE FROM audit_events WHERE user_id = 300 AND sequence = 3",
    )
    .await;
    let output = check(&app, &[], &["--anchors", &file]);
    let found = findings(&output);
    for (subject, text) in [
        ("tables", "users and nick_names disagree"),
        ("anchors", "the anchor in line 1 is invalid: it was changed, cut or reformatted"),
        ("anchors", "event 3 differs from the one that the anchor has"),
    ] {
        let is_same = |(found, _, finding): &(String, i64, String)| {
            found == subject && finding.contains(text)
        };
        assert!(found.iter().any(is_same), "{text}: {found:#?}");
    }
    assert!(output.stderr.contains("and 4 anchors checked"), "{output:?}");
    fs::write(&file, cut).unwrap();
    let only_cut = check(&app, &[], &["--anchors", &file]);
    assert!(!only_cut.stderr.contains("no anchors found"), "{only_cut:?}");
}

#[sqlx::test]
async fn findings_before_an_error_are_listed(pool: PgPool) {
    let app = sound(pool).await;
    execute(&app, "UPDATE users SET role = 'help_desk' WHERE user_id = 278").await;
    let found = [("audit", 278, "the role was changed without an event")];
    // The untrusted credentials are checked after the chains.
    let mut lock = app.pool.begin().await.unwrap();
    let statement = "LOCK TABLE untrusted_credentials IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(statement).execute(&mut *lock).await.unwrap();
    let output = check(&app, &[("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1")], &[]);
    lock.rollback().await.unwrap();
    assert_finds(&output, &found);
    assert!(output.stderr.contains("4 users"), "{output:?}");

    execute(
        &app,
        "INSERT INTO _sqlx_migrations SELECT 99991231000000, 'later', now(), true, '', 0",
    )
    .await;
    let output = check(&app, &[("KEEPER__KEYRING__FILE", "/missing/keyring.json")], &[]);
    let newer = [("migrations", 0, "migration 99991231000000 was applied by a newer release")];
    assert_finds(&output, &newer);
}

#[sqlx::test]
async fn a_row_with_an_invalid_value_hides_no_other_finding(pool: PgPool) {
    let app = sound(pool).await;
    let path = "/api/v1/Agents/User/SaveUntrustedCredentials";
    let last = json!({"Type": "t", "Credentials": {"PublicValue": "z", "SecretValue": "s"}});
    app.post(path, &app.plain(), &last).await.assert_status(204);
    execute(
        &app,
        "ALTER TABLE users DROP CONSTRAINT users_user_type_check;
         UPDATE users SET user_type = 'robot' WHERE user_id = 1;
         UPDATE credentials SET valid_to = 'infinity' WHERE user_id = 1;
         UPDATE untrusted_credentials SET valid_to = 'infinity' WHERE public_value = 'p';
         UPDATE untrusted_credentials SET comment = chr(7) WHERE public_value = 'z';
         UPDATE users SET session_epoch = 9 WHERE user_id = 300;
         ALTER TABLE login_names DROP CONSTRAINT login_names_user_id_check;
         INSERT INTO login_names (canonical_name, user_id) VALUES ('nobody', 0)",
    )
    .await;
    let output = check(&app, &[], &[]);
    assert_finds(
        &output,
        &[
            ("tables", 0, "users and login_names disagree"),
            ("audit", 1, "a value in the user's row is invalid"),
            ("audit", 1, "the credential CRM5/PASSWORD cannot be unsealed"),
            ("audit", 1, "the credential ActiveDirectory cannot be unsealed"),
            ("audit", 300, "the session epoch was changed without an event"),
            ("credentials", 278, "an untrusted credential cannot be unsealed"),
        ],
    );
    assert!(output.stderr.contains("2 identifiers, 2 untrusted"), "{output:?}");
}

#[sqlx::test]
async fn migrations_of_another_release_are_named(pool: PgPool) {
    let app = sound(pool).await;
    execute(
        &app,
        "INSERT INTO _sqlx_migrations SELECT 99991231000000, 'later', now(), true, '', 0",
    )
    .await;
    let newer = [("migrations", 0, "migration 99991231000000 was applied by a newer release")];
    assert_finds(&check(&app, &[], &[]), &newer);
    execute(&app, "DELETE FROM _sqlx_migrations WHERE version >= 20261128231000").await;
    assert_finds(
        &check(&app, &[], &[]),
        &[
            ("migrations", 0, "migration 20261128231000 is not applied"),
            ("migrations", 0, "migration 20261128231100 is not applied"),
            ("migrations", 0, "migration 20261128231200 is not applied"),
            ("migrations", 0, "migration 20261129100000 is not applied"),
            ("migrations", 0, "migration 20261129100100 is not applied"),
            ("migrations", 0, "migration 20261129100200 is not applied"),
            ("migrations", 0, "migration 20261129100300 is not applied"),
            ("migrations", 0, "migration 20261130100000 is not applied"),
            ("migrations", 0, "migration 20261130110000 is not applied"),
        ],
    );
}
