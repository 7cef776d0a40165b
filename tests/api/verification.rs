//! `audit verify`: it finds every change to the database that this service did not make.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{PLAIN, Server, TestApp, keeper, run_with_input};

/// Starts the service and undoes the one change that the test setup makes without an event.
async fn app_with_intact_chains(pool: PgPool) -> TestApp {
    let app = TestApp::spawn(pool).await;
    execute_sql(&app, "UPDATE users SET is_retired = false WHERE user_id = 300").await;
    app
}

async fn execute_sql(app: &TestApp, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&app.pool).await.unwrap();
}

/// Copies users to `u`, credentials to `c` and events to `e`, from which tests restore them.
async fn copy_tables(app: &TestApp) {
    let copies = "CREATE TABLE u AS TABLE users; CREATE TABLE c AS TABLE credentials;
                  CREATE TABLE e AS TABLE audit_events";
    execute_sql(app, copies).await;
}

/// Runs `audit verify`; returns the exit code, and the user and text of each finding.
fn verify(app: &TestApp, options: &[&str]) -> (i32, Vec<(i64, String)>) {
    let finished = app.command(&[&["--json", "audit", "verify"], options].concat(), "");
    let findings: Value = serde_json::from_str(&finished.stdout).unwrap();
    let findings = findings.as_array().unwrap().iter().map(|finding| {
        let text = finding["finding"].as_str().unwrap().to_owned();
        (finding["user"].as_i64().unwrap(), text)
    });
    (finished.code, findings.collect())
}

#[sqlx::test]
async fn audit_verify_finds_nothing_after_changes_by_the_service(pool: PgPool) {
    let app = app_with_intact_chains(pool).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_saved();
    app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
    let run = |arguments: &[&str]| app.command(arguments, "").assert_success();
    run(&["user", "grant-admin", "paul"]);
    run(&["user", "revoke-admin", "paul"]);
    run(&["user", "retire", "paul"]);
    run(&["user", "reactivate", "paul"]);
    run(&["credential", "delete", "--user", "paul", "--type", "ActiveDirectory"]);
    run(&["user", "delete", "rita"]);
    let new = app.add_key();
    run(&["rotate-key", "use", &new]);
    run(&["rotate-key", "reseal"]);
    app.command(&["credential", "save", "--user", "paul"], "a third password").assert_success();
    assert_eq!(verify(&app, &[]), (0, Vec::new()));
    let table = app.command(&["audit", "verify"], "");
    assert!(table.stderr.contains("3 chains and 0 anchors verified, 0 findings"), "{table:?}");
}

/// The users do not fit into one transaction, which ends with user 1196, nor their links into one
/// statement, which ends within a chain.
#[sqlx::test]
async fn chains_are_verified_across_the_pages_that_are_read(pool: PgPool) {
    let app = app_with_intact_chains(pool).await;
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$4MV0kVOPc6uXRPHsGZ3BcGhCmzQ0NcOHnPuyGq0Yy5w";
    let line = |user: usize| {
        let identifier = json!({"type": "ActiveDirectory", "value": format!("S-1-5-21-{user}")});
        // The first user has an event less, so that a chain is divided.
        let credentials = if user == 0 { vec![] } else { vec![identifier] };
        let credentials = [vec![json!({ "hash": hash })], credentials].concat();
        json!({"login_name": format!("u{user}"), "id": 1000 + user, "credentials": credentials})
            .to_string()
    };
    let lines: Vec<_> = (0..250).map(line).collect();
    app.command(&["import", "-"], &lines.join("\n")).assert_success();
    let divided =
        "SELECT (array_agg(user_id ORDER BY user_id, sequence))[500:501] FROM audit_events";
    let divided: Vec<i32> = sqlx::query_scalar(divided).fetch_one(&app.pool).await.unwrap();
    assert_eq!(divided[0], divided[1], "the links of one user are in two statements");
    assert_eq!(verify(&app, &[]), (0, Vec::new()));
    execute_sql(
        &app,
        "DELETE FROM audit_events WHERE (user_id, sequence) IN ((1163, 3), (1164, 2), (1196, 1));
         UPDATE users SET is_retired = true WHERE user_id = 1249",
    )
    .await;
    let expected = [
        (1163, "event 3 is missing"),
        (1164, "event 2 is missing"),
        (1196, "event 1 is missing"),
        (1249, "the retired state was changed without an event"),
    ];
    let (code, found) = verify(&app, &[]);
    for (user, text) in expected {
        assert!(found.contains(&(user, text.to_owned())), "{user}: {found:#?}");
    }
    let is_expected = |(found, _): &(i64, String)| expected.iter().any(|(user, _)| user == found);
    assert_eq!((code, found.iter().all(is_expected)), (1, true), "{found:#?}");
}

/// Changes by somebody with write access to the database, and the finding for each.
const TAMPERINGS: [(&str, &str); 20] = [
    (
        "DELETE FROM audit_events WHERE user_id = 278 AND sequence = 2",
        "event 2 is missing",
    ),
    (
        "DELETE FROM audit_events WHERE user_id = 278 AND sequence = 1",
        "event 1 is missing",
    ),
    (
        "UPDATE audit_events SET actor_user_id = 1 WHERE user_id = 278 AND sequence = 2",
        "event 2 or its predecessor was changed",
    ),
    (
        "UPDATE audit_events SET occurred_at = occurred_at - interval '1 microsecond'
         WHERE user_id = 278 AND sequence = 1",
        "event 1 or its predecessor was changed",
    ),
    (
        "UPDATE audit_events SET key_id = 'other' WHERE user_id = 278 AND sequence = 2",
        "event 2 was written with key other, which is not in the keyring",
    ),
    (
        "UPDATE users SET audit_mac = sha256('x') WHERE user_id = 278",
        "the head in the user's row is not event 2, the last event of the chain",
    ),
    (
        "UPDATE users SET is_administrator = true WHERE user_id = 278",
        "the administrator right was changed without an event",
    ),
    (
        "UPDATE users SET user_type = 'system' WHERE user_id = 278",
        "the administrator right was changed without an event",
    ),
    (
        "UPDATE users SET role = 'help_desk' WHERE user_id = 278",
        "the role was changed without an event",
    ),
    (
        "UPDATE users SET is_retired = true WHERE user_id = 278",
        "the retired state was changed without an event",
    ),
    (
        "UPDATE users SET session_epoch = 9 WHERE user_id = 278",
        "the session epoch was changed without an event",
    ),
    (
        "UPDATE credentials SET sealed_hash = (SELECT sealed_hash FROM credentials WHERE user_id = 1)
         WHERE user_id = 278",
        "the credential CRM5/PASSWORD cannot be unsealed: it was changed or moved",
    ),
    (
        "DELETE FROM credentials WHERE user_id = 278",
        "the credential CRM5/PASSWORD was deleted without an event",
    ),
    (
        "INSERT INTO credentials
         SELECT (jsonb_populate_record(c, '{\"credential_type\": \"Pin\"}')).*
         FROM credentials c WHERE user_id = 278",
        "the credential Pin was added without an event",
    ),
    (
        "ALTER TABLE audit_events DROP CONSTRAINT audit_events_scheme_check;
         UPDATE audit_events SET scheme = 'other' WHERE user_id = 278 AND sequence = 2",
        "an event after event 1 is invalid",
    ),
    (
        "UPDATE audit_events SET occurred_at = 'infinity' WHERE user_id = 278 AND sequence = 2",
        "an event after event 1 is invalid",
    ),
    (
        "UPDATE credentials SET valid_from = '2030-01-01 00:00:00.1+00',
             valid_to = '2030-01-01 00:00:00.2+00' WHERE user_id = 278",
        "the credential CRM5/PASSWORD cannot be unsealed: it was changed or moved",
    ),
    (
        "UPDATE credentials SET valid_to = 'infinity' WHERE user_id = 278",
        "the credential CRM5/PASSWORD cannot be unsealed: it was changed or moved",
    ),
    (
        "ALTER TABLE users DROP CONSTRAINT users_user_type_check;
         UPDATE users SET user_type = 'robot' WHERE user_id = 278",
        "a value in the user's row is invalid",
    ),
    (
        "ALTER TABLE users DROP CONSTRAINT users_role_check;
         UPDATE users SET role = 'owner' WHERE user_id = 278",
        "a value in the user's row is invalid",
    ),
];

#[sqlx::test]
async fn audit_verify_finds_every_change_made_in_the_database(pool: PgPool) {
    let app = app_with_intact_chains(pool).await;
    copy_tables(&app).await;
    for (statements, finding) in TAMPERINGS {
        execute_sql(&app, statements).await;
        let expected = vec![(278, finding.to_owned())];
        assert_eq!(verify(&app, &[]), (1, expected), "{statements}");
        execute_sql(
            &app,
            "DELETE FROM credentials; DELETE FROM audit_events;
             UPDATE users SET is_administrator = u.is_administrator, role = u.role, is_retired = u.is_retired,
                 user_type = u.user_type, session_epoch = u.session_epoch, audit_mac = u.audit_mac
             FROM u WHERE u.user_id = users.user_id;
             INSERT INTO credentials TABLE c; INSERT INTO audit_events TABLE e",
        )
        .await;
    }
    assert_eq!(verify(&app, &[]), (0, Vec::new()));
}

/// Every row is read in order of the users, so that a row that ended the command would hide the rest.
#[sqlx::test]
async fn a_row_with_an_invalid_value_hides_no_other_finding(pool: PgPool) {
    let app = app_with_intact_chains(pool).await;
    execute_sql(
        &app,
        "ALTER TABLE users DROP CONSTRAINT users_user_type_check;
         UPDATE users SET user_type = 'robot' WHERE user_id = 1;
         UPDATE credentials SET valid_to = 'infinity' WHERE user_id = 1;
         UPDATE credentials SET valid_from = '2030-01-01 00:00:00.1+00',
             valid_to = '2030-01-01 00:00:00.2+00' WHERE user_id = 278;
         UPDATE users SET session_epoch = 9 WHERE user_id = 300",
    )
    .await;
    let changed = "the credential CRM5/PASSWORD cannot be unsealed: it was changed or moved";
    let found = [
        (1, "a value in the user's row is invalid"),
        (1, changed),
        (278, changed),
        (300, "the session epoch was changed without an event"),
    ];
    let found = found.map(|(user, text)| (user, text.to_owned()));
    assert_eq!(verify(&app, &[]), (1, found.to_vec()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("anchors");
    let anchors = app.command(&["audit", "anchor"], "").assert_success();
    assert_eq!(anchors.lines().count(), 3);
    fs::write(&file, anchors).unwrap();
    let finished = app.command(&["audit", "verify", "--anchors", file.to_str().unwrap()], "");
    let counts = "3 chains and 3 anchors verified, 4 findings";
    assert!(finished.stderr.contains(counts), "{finished:?}");
}

#[sqlx::test]
async fn a_rolled_back_credential_is_found_and_a_whole_user_only_by_anchors(pool: PgPool) {
    let app = app_with_intact_chains(pool).await;
    copy_tables(&app).await;
    app.command(&["migrate"], "").assert_success();
    let mut serve = keeper(&["serve"]);
    serve.envs(app.variables()).env("KEEPER__AUDIT__ANCHOR_SECONDS", "1");
    let server = Server::start(serve).unwrap();
    let body = serde_json::json!({"UserId": PLAIN.0, "Credential": {"Value": "another"}});
    let request = app.client.post(format!("{}{}", server.ready, crate::support::SAVE));
    let saved = app.administrator().apply_to(request).json(&body).send().await.unwrap();
    assert_eq!(saved.status(), 200);
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    // Another program may have written a line that is no text.
    fs::write(&file, [log.as_bytes(), b"\n\xff\n"].concat()).unwrap();
    let anchors = ["--anchors", file.to_str().unwrap()];
    assert_eq!(verify(&app, &anchors), (0, Vec::new()));
    assert!(
        app.command(&["audit", "verify", anchors[0], anchors[1]], "").stderr.contains("1 anchors")
    );

    // Rolling back the row alone would make the replaced password valid again.
    execute_sql(
        &app,
        "DELETE FROM credentials WHERE user_id = 278;
         INSERT INTO credentials SELECT * FROM c WHERE user_id = 278",
    )
    .await;
    let outdated = "the credential CRM5/PASSWORD is from event 2, which is not its last event";
    assert_eq!(verify(&app, &[]), (1, vec![(278, outdated.to_owned())]));
    // Rolling back the chain as well cannot be detected from inside the database.
    execute_sql(
        &app,
        "DELETE FROM audit_events WHERE user_id = 278 AND sequence > 2;
         UPDATE users SET audit_mac = u.audit_mac, audit_sequence = u.audit_sequence,
             session_epoch = u.session_epoch
         FROM u WHERE u.user_id = users.user_id AND users.user_id = 278",
    )
    .await;
    assert_eq!(verify(&app, &[]), (0, Vec::new()));
    let rolled_back = "event 3 of an anchor is missing: the user was rolled back";
    assert_eq!(verify(&app, &anchors), (1, vec![(278, rolled_back.to_owned())]));

    // A forged anchor is reported.
    let forged = log.replace("\"keeper.audit.sequence\":3", "\"keeper.audit.sequence\":2");
    assert_ne!(forged, log);
    fs::write(&file, forged).unwrap();
    let finished = app.command(&["audit", "verify", anchors[0], anchors[1]], "");
    assert_eq!(finished.code, 1);
    assert!(finished.stderr.contains("belongs to another installation"), "{finished:?}");
    let all = app.command(&["audit", "anchor"], "").assert_success();
    fs::write(&file, &all).unwrap();
    assert_eq!((all.lines().count(), verify(&app, &anchors).0), (3, 0));
    // An anchor that cannot be read is no other line of the log.
    let changed = all.replacen(r#""keeper.audit.mac":""#, r#""keeper.audit.mac":"x"#, 1);
    let (cut, _) = all.split_once(r#","keeper.anchor.signature""#).unwrap();
    for unreadable in [&changed, cut] {
        fs::write(&file, unreadable).unwrap();
        let finished = app.command(&["audit", "verify", anchors[0], anchors[1]], "");
        assert_eq!(finished.code, 1);
        let expected = "line 1: invalid anchor; it was changed, cut or reformatted";
        assert!(finished.stderr.contains(expected), "{finished:?}");
    }
}

/// A crash or a full disk leaves the beginning of a line.
#[sqlx::test]
async fn an_anchor_that_was_cut_is_a_finding_beside_the_others(pool: PgPool) {
    let app = app_with_intact_chains(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let anchors = ["--anchors", file.to_str().unwrap()];
    let all = app.command(&["audit", "anchor"], "").assert_success();
    let (cut, _) = all.split_once(r#","keeper.anchor.signature""#).unwrap();
    let verify_as_text = || app.command(&[&["audit", "verify"], &anchors[..]].concat(), "");
    for prefix in ["", "keeper-1  | "] {
        fs::write(&file, format!("{prefix}{cut}\n")).unwrap();
        assert_eq!(verify(&app, &anchors), (1, Vec::new()));
        let finished = verify_as_text();
        let expected = "line 1: invalid anchor; it was changed, cut or reformatted";
        assert!(finished.stderr.contains(expected), "{finished:?}");
        assert!(!finished.stderr.contains("no anchors found"), "{finished:?}");
    }

    execute_sql(&app, "DELETE FROM audit_events WHERE user_id = 278 AND sequence = 2").await;
    fs::write(&file, format!("{cut}\n{all}\n")).unwrap();
    let found = ["event 2 is missing", "event 2 of an anchor is missing: the user was rolled back"];
    let found = found.map(|text| (278, text.to_owned()));
    assert_eq!(verify(&app, &anchors), (1, found.to_vec()));
    let finished = verify_as_text();
    assert!(finished.stderr.contains("line 1: invalid anchor"), "{finished:?}");
    let counts = "3 chains and 3 anchors verified, 3 findings";
    assert!(finished.stderr.contains(counts), "{finished:?}");
}

#[sqlx::test]
async fn anchors_are_read_from_lines_with_a_prefix(pool: PgPool) {
    let app = app_with_intact_chains(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let anchors = ["--anchors", file.to_str().unwrap()];
    let all = app.command(&["audit", "anchor"], "").assert_success();
    for prefix in [
        "keeper-1  | ",
        "Nov 30 07:20:11 host credential-keeper[812]: ",
        "<14>1 2026-11-30T07:20:11Z host keeper 812 - - ",
    ] {
        let lines: Vec<_> = all.lines().map(|line| format!("{prefix}{line}\r\n")).collect();
        fs::write(&file, lines.concat()).unwrap();
        assert_eq!(verify(&app, &anchors), (0, Vec::new()), "{prefix}");
        let finished = app.command(&["audit", "verify", anchors[0], anchors[1]], "");
        assert!(finished.stderr.contains("3 anchors verified, 0 findings"), "{finished:?}");
    }
}

/// The chains of a large installation take hours.
#[sqlx::test]
async fn a_file_that_cannot_be_read_is_an_error_before_the_chains_are_read(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let mut lock = app.pool.begin().await.unwrap();
    let statement = "LOCK TABLE users IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(statement).execute(&mut *lock).await.unwrap();
    for file in [missing.to_str().unwrap(), folder.path().to_str().unwrap()] {
        for arguments in [
            ["audit", "verify", "--anchors", file],
            ["audit", "verify", "--events", file],
            ["restore", "check", "--anchors", file],
        ] {
            let mut command = keeper(&arguments);
            command.envs(app.variables()).env("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1");
            run_with_input(command, "").assert_error(&format!("cannot read {file}"));
        }
    }
    lock.rollback().await.unwrap();
}

/// Kind and credential type of each event of the plain user, except for the first two.
async fn events(app: &TestApp) -> Vec<String> {
    let statement = "SELECT kind || ' ' || coalesce(credential_type, '') FROM audit_events
                     WHERE user_id = 278 AND sequence > 2 ORDER BY sequence";
    sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap()
}

const OTHER_TYPES: &str = r#"
    [credentials]
    additional_types = [{ name = "Answer", kind = "secret" }, { name = "Pin", kind = "secret" }]"#;

const SINGLE: (&str, &str) = ("KEEPER__CREDENTIALS__SINGLE_PER_USER", "true");

#[sqlx::test]
async fn replaced_credentials_have_events_and_are_found_when_restored(pool: PgPool) {
    let mut app = TestApp::spawn_with(pool, &[], OTHER_TYPES).await;
    execute_sql(&app, "UPDATE users SET is_retired = false WHERE user_id = 300").await;
    let administrator = app.administrator();
    for (type_name, value) in [("Pin", "4711"), ("Answer", "blue")] {
        app.save(&administrator, PLAIN.0, type_name, value).await.assert_saved();
    }
    execute_sql(&app, "CREATE TABLE c AS TABLE credentials").await;
    app.reconfigure(&[SINGLE]).await;
    app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
    // Identifiers are always saved in a transaction.
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_saved();
    let user = serde_json::json!({"AssociateId": 278,
                                  "Credentials": [{"Type": {"Type": "Pin"}, "Value": "1147"}]});
    let answer = app.post("/api/v1/Agents/User/SaveUser", &administrator, &user).await;
    answer.assert_status(200);
    let expected = [
        "credential_saved Pin",
        "credential_saved Answer",
        "credential_saved CRM5/PASSWORD",
        "credential_deleted Answer",
        "credential_deleted Pin",
        "credential_saved ActiveDirectory",
        "credential_deleted CRM5/PASSWORD",
        "credential_saved Pin",
        "credential_deleted ActiveDirectory",
    ];
    assert_eq!(events(&app).await, expected);
    assert_eq!(verify(&app, &[]), (0, Vec::new()));
    execute_sql(
        &app,
        "INSERT INTO credentials SELECT * FROM c WHERE user_id = 278 AND credential_type <> 'Pin'",
    )
    .await;
    let added = |type_name| (278, format!("the credential {type_name} was added without an event"));
    assert_eq!(verify(&app, &[]), (1, vec![added("Answer"), added("CRM5/PASSWORD")]));
    execute_sql(&app, "DELETE FROM credentials WHERE user_id = 278").await;
    let gone = (278, "the credential Pin was deleted without an event".to_owned());
    assert_eq!(verify(&app, &[]), (1, vec![gone]));
}

#[sqlx::test]
async fn concurrent_saves_of_many_types_leave_one_credential_and_all_events(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[SINGLE], OTHER_TYPES).await;
    execute_sql(&app, "UPDATE users SET is_retired = false WHERE user_id = 300").await;
    let administrator = app.administrator();
    let saves = (0..30).map(|number| {
        let type_name = ["", "Pin", "Answer"][number % 3];
        let (app, administrator) = (&app, &administrator);
        async move { app.save(administrator, PLAIN.0, type_name, &number.to_string()).await }
    });
    for saved in futures_util::future::join_all(saves).await {
        saved.assert_saved();
    }
    let statement = "SELECT count(*) FROM credentials WHERE user_id = 278";
    let remaining: i64 = sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap();
    assert_eq!(remaining, 1);
    assert_eq!(verify(&app, &[]), (0, Vec::new()));
    let events = events(&app).await;
    assert_eq!(events.iter().filter(|event| event.starts_with("credential_saved")).count(), 30);
}
