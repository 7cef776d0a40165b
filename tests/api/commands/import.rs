//! `import` and `export`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::{Credentials, PRINCIPAL, TestApp, assert_becomes, keeper};

/// A temporary folder with a file of these lines.
pub(super) fn file(lines: &[String]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    (folder, path)
}

pub(super) fn import(app: &TestApp, path: &Path, more: &[&str]) -> (i32, Vec<Value>, String) {
    let arguments = [&["import", path.to_str().unwrap()], more].concat();
    let finished = app.command(&arguments, "");
    let results = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut results: Vec<Value> = results.collect();
    results.sort_by_key(|result| result["line"].as_u64());
    (finished.code, results, finished.stderr)
}

pub(super) fn user(name: &str, value: &str) -> String {
    json!({"login_name": name, "credentials": [{"value": value}]}).to_string()
}

pub(super) async fn logs_in(app: &TestApp, name: &str, value: &str) -> bool {
    app.get(PRINCIPAL, &Credentials::basic(name, value)).await.status == 200
}

#[sqlx::test]
async fn every_line_has_its_own_result(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ended = json!({
        "login_name": "ended",
        "credentials": [{"value": "v", "valid_to": "2020-01-01T00:00:00Z"}],
    });
    let whole = json!({
        "login_name": "Whole", "id": 700, "display_name": "All of it", "type": "system",
        "administrator": false, "retired": false,
        "credentials": [
            {"type": "crm5/password", "value": "whole", "display_value": "shown"},
            {"type": "ActiveDirectory", "value": "S-1-5-7"},
        ],
    });
    app.save(&app.administrator(), 1, "ActiveDirectory", "S-1-5-1").await.assert_saved();
    let taken = json!({
        "login_name": "other",
        "credentials": [{"type": "ActiveDirectory", "value": "S-1-5-1"}],
    });
    let (_folder, path) = file(&[
        user("new", "first"),
        "not json marker".to_owned(),
        String::new(),
        user("PAUL", "replaced"),
        json!({"login_name": "paul", "id": 9}).to_string(),
        user("new", "second"),
        whole.to_string(),
        taken.to_string(),
        json!({"login_name": "x", "id": 1}).to_string(),
        ended.to_string(),
        format!("{{\"login_name\": \"{}\"}}", "y".repeat(70_000)),
        user("last", "v"),
    ]);
    let (code, results, said) = import(&app, &path, &[]);
    let told = |result: &Value| {
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        (result["line"].as_u64().unwrap(), text("result"), text("field"))
    };
    let told: Vec<_> = results.iter().map(told).collect();
    let expected = [
        (1, "added", ""),
        (2, "failed", "column 2"),
        (4, "changed", ""),
        (5, "failed", "id"),
        (6, "changed", ""),
        (7, "added", ""),
        (8, "failed", "credentials"),
        (9, "failed", "id"),
        (10, "added", ""),
        (11, "failed", "line"),
        (12, "added", ""),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, result, field)| (*line, (*result).to_owned(), (*field).to_owned()))
        .collect();
    assert_eq!(told, expected, "{said}");
    assert_eq!(code, 1, "a line failed");
    assert!(said.contains("4 added, 2 changed, 5 failed"), "{said}");
    assert!(
        !said.contains("marker")
            && results.iter().all(|result| !result.to_string().contains("marker"))
    );
    assert!(logs_in(&app, "new", "second").await && !logs_in(&app, "new", "first").await);
    assert!(logs_in(&app, "paul", "replaced").await && logs_in(&app, "whole", "whole").await);
    assert!(logs_in(&app, "last", "v").await && !logs_in(&app, "ended", "v").await);
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM audit_events WHERE user_id = 700 AND scheme = 'command' ORDER BY sequence"
    );
    let expected = ["user_added", "administrator_granted", "credential_saved", "credential_saved"];
    assert_eq!(kinds.fetch_all(&app.pool).await.unwrap(), expected);
    assert!(!path.with_extension("jsonl.progress").exists());
}

#[sqlx::test]
async fn a_dry_run_reports_the_same_and_writes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = file(&[
        user("new", "v"),
        user("paul", "v"),
        "{".to_owned(),
        json!({"login_name": "paul", "id": 9}).to_string(),
        json!({"login_name": "x", "id": 1}).to_string(),
    ]);
    let (code, results, said) = import(&app, &path, &["--dry-run"]);
    let results: Vec<_> = results.iter().map(|entry| entry["result"].as_str().unwrap()).collect();
    let expected = ["would_be_added", "would_be_changed", "failed", "failed", "failed"];
    assert_eq!((code, results.as_slice()), (1, expected.as_slice()));
    assert!(said.contains("(dry run)"), "{said}");
    let users = sqlx::query_scalar!("SELECT count(*) FROM users");
    assert_eq!(users.fetch_one(&app.pool).await.unwrap(), Some(3));
    assert!(logs_in(&app, "paul", "paul-password").await);
}

#[sqlx::test]
async fn importing_an_export_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), 278, "ActiveDirectory", "S-1-5-7").await.assert_saved();
    let exported = app.command(&["export"], "").assert_success();
    let lines: Vec<_> = exported.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert!(!exported.contains("S-1-5-7") && !exported.contains("argon2"), "{exported}");
    let paul: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!((&paul["id"], &paul["login_name"]), (&json!(278), &json!("paul")));
    assert_eq!(paul["credentials"][0]["type"], "ActiveDirectory");
    let events = || sqlx::query_scalar!("SELECT count(*) FROM audit_events").fetch_one(&app.pool);
    let before = events().await.unwrap();
    let (_folder, path) = file(&lines);
    let (code, results, _) = import(&app, &path, &[]);
    assert_eq!((code, results.len()), (0, 3));
    assert!(results.iter().all(|entry| entry["result"] == "changed"));
    assert_eq!(events().await.unwrap(), before);
    assert!(logs_in(&app, "paul", "paul-password").await);
}

/// Of "correct horse", by libxcrypt 4.4, Python 3.11's hashlib, and argon2-cffi 25.1.
const HASHES: [(&str, &str, &str); 5] = [
    ("b", "bcrypt", "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe"),
    (
        "p",
        "pbkdf2-sha512",
        "$pbkdf2-sha512$i=10000,l=64$c2FsdHNhbHQ$SRl9U3XB4V6sE0qgj2kNlpHjNAF/t80nzn08MIK9MikE40sYmo1/\
         mbJe3iZlysoMZPTMtHWle6aKFgnsaKsZNA",
    ),
    (
        "d",
        "pbkdf2-sha256",
        "pbkdf2_sha256$26000$Django5Salt$NOGVWoUQTyBCLCAZn+sWotpiDWR9II7cjfkE1pMOGs4=",
    ),
    ("i", "argon2i", "$argon2i$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$aRgIhWvUJG5CeQ62n8Ov6zRMGD9MRS+k"),
    (
        "o",
        "argon2id",
        "$argon2id$v=19$m=4096,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$KBJSI6BT3NyMAUsaKLL9Pzdt9MAPhw9LJEM85dO\
         vTig",
    ),
];

fn hashed(name: &str, hash: &str) -> String {
    json!({"login_name": name, "credentials": [{"hash": hash}]}).to_string()
}

/// The scheme and the memory of the stored hash, by login name.
pub(super) async fn scheme(app: &TestApp, name: &str) -> (String, i32) {
    let row = sqlx::query!(
        "SELECT c.hash_scheme, c.hash_memory_kib FROM credentials c JOIN users u USING (user_id)
         WHERE u.login_name = $1",
        name,
    );
    let row = row.fetch_one(&app.pool).await.unwrap();
    (row.hash_scheme, row.hash_memory_kib)
}

#[sqlx::test]
async fn hashes_of_other_systems_log_in_and_are_rehashed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let lines: Vec<_> = HASHES.iter().map(|(name, _, hash)| hashed(name, hash)).collect();
    let (_folder, path) = file(&lines);
    let (code, _, said) = import(&app, &path, &[]);
    assert_eq!(code, 0, "{said}");
    for (name, expected, _) in HASHES {
        assert_eq!(scheme(&app, name).await.0, expected);
        assert!(!logs_in(&app, name, "correct horsf").await, "{name}");
        assert_eq!(scheme(&app, name).await.0, expected, "a wrong password upgrades nothing");
        assert!(logs_in(&app, name, "correct horse").await, "{name}");
        let new = (name, ("argon2id".to_owned(), 19_456));
        assert_becomes(new, async || (name, scheme(&app, name).await)).await;
        assert!(logs_in(&app, name, "correct horse").await, "{name} after the upgrade");
        assert!(!logs_in(&app, name, "correct horsf").await, "{name} after the upgrade");
    }
    // An upgrade is no change of the credential.
    let versions =
        sqlx::query_scalar!("SELECT max(version) FROM credentials WHERE user_id >= 1000");
    assert_eq!(versions.fetch_one(&app.pool).await.unwrap(), Some(2));
}

#[sqlx::test]
async fn an_invalid_or_too_expensive_hash_is_rejected_and_never_computed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let greedy = "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$KBJSI6BT3NyMAUsaKLL9Pzdt9MAPhw\
                  9LJEM85dOvTig";
    let (_folder, path) = file(&[
        hashed("greedy", greedy),
        hashed("cheap", "$2b$04$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe"),
        hashed("endless", "$2b$31$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe"),
        hashed("none", "marker"),
        json!({"login_name": "both", "credentials": [{"value": "v", "hash": HASHES[0].2}]}).to_string(),
        json!({"login_name": "sid", "credentials": [{"type": "ActiveDirectory", "hash": HASHES[0].2}]})
            .to_string(),
        hashed("good", HASHES[0].2),
    ]);
    for more in [&["--dry-run"][..], &[]] {
        let (code, results, said) = import(&app, &path, more);
        let told: Vec<_> = results
            .iter()
            .map(|result| {
                (
                    result["field"].as_str().unwrap_or_default(),
                    result["reason"].as_str().unwrap_or_default(),
                )
            })
            .collect();
        let expected = [
            (
                "credentials[0].hash",
                "needs more memory for argon2 than hashing.maximum_memory_kib allows; raise that \
                 setting",
            ),
            (
                "credentials[0].hash",
                "costs too little: the minimum is bcrypt cost=8; leave the credential out, and set a \
                 new password",
            ),
            (
                "credentials[0].hash",
                "costs too much: the maximum is bcrypt cost=15; leave the credential out, and set a \
                 new password",
            ),
            ("credentials[0].hash", "is not a hash that can be verified"),
            ("credentials[0].hash", "contradicts another member"),
            ("credentials[0].hash", "contradicts another member"),
            ("", ""),
        ];
        assert_eq!(told, expected, "{said}");
        assert_eq!(code, 1);
        assert!(!said.contains("marker") && !format!("{results:?}").contains("marker"));
    }
    let added = sqlx::query_scalar!("SELECT count(*) FROM users WHERE user_id >= 1000");
    assert_eq!(added.fetch_one(&app.pool).await.unwrap(), Some(1));
}

#[sqlx::test]
async fn thousands_of_imported_hashes_are_written_in_batches_and_each_is_complete(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = |number: usize| format!("bulk\\\t{number}\u{1f980}").replace('\t', "_");
    let mut lines: Vec<_> = (1..=1200).map(|number| hashed(&name(number), HASHES[0].2)).collect();
    let whole = json!({
        "login_name": "whole", "id": 5000, "display_name": "A \\ name", "type": "system", "retired": true,
        "credentials": [
            {"hash": HASHES[0].2, "display_value": "a\tb\\N", "valid_from": "2020-01-01T00:00:00Z",
             "valid_to": "2090-01-01T00:00:00Z"},
        ],
    });
    lines.push(whole.to_string());
    // In the middle: an existing user, a user without members, a failure, the same user again.
    lines.insert(600, hashed("paul", HASHES[0].2));
    lines.insert(601, json!({"login_name": "bare"}).to_string());
    lines.insert(
        602,
        hashed("cheap", "$2b$04$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe"),
    );
    lines.insert(603, json!({"login_name": name(600), "administrator": true}).to_string());
    lines.insert(604, json!({"login_name": "anna2", "id": 1}).to_string());
    let (_folder, path) = file(&lines);
    let (code, results, said) = import(&app, &path, &[]);
    assert_eq!((code, results.len()), (1, 1206), "{said}");
    assert!(said.contains("1202 added, 2 changed, 2 failed"), "{said}");
    for number in [1, 600, 1200] {
        assert!(logs_in(&app, &name(number), "correct horse").await, "{number}");
    }
    assert!(logs_in(&app, "paul", "correct horse").await);
    let row = sqlx::query!(
        r#"SELECT u.display_name, u.is_retired, c.display_value, c.valid_to::text AS "valid_to!",
                  c.version, u.audit_sequence,
                  (SELECT string_agg(kind, ' ' ORDER BY sequence) FROM audit_events e
                   WHERE e.user_id = u.user_id) AS "kinds!",
                  (SELECT mac FROM audit_events e
                   WHERE e.user_id = u.user_id AND e.sequence = u.audit_sequence) = u.audit_mac
                      AS "ends_there!"
           FROM users u JOIN credentials c USING (user_id) WHERE user_id = 5000"#
    );
    let row = row.fetch_one(&app.pool).await.unwrap();
    assert_eq!((row.display_name.as_str(), row.display_value.as_str()), ("A \\ name", "a\tb\\N"));
    assert!(row.is_retired && row.ends_there && row.valid_to.starts_with("2090-01-01"));
    assert_eq!((row.version, row.audit_sequence), (4, 4));
    assert_eq!(row.kinds, "user_added administrator_granted user_retired credential_saved");
    // Users of a batch can be changed like others.
    app.command(&["user", "reactivate", "whole"], "").assert_success();
    assert!(logs_in(&app, "whole", "correct horse").await);
    app.save(&app.administrator(), 5000, "", "another").await.assert_saved();
    assert!(logs_in(&app, "whole", "another").await);
}

#[sqlx::test]
async fn a_whole_export_moves_everything_to_another_installation(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), 278, "ActiveDirectory", "S-1-5-7").await.assert_saved();
    let (folder, path) = file(&[hashed("django", HASHES[2].2)]);
    assert_eq!(import(&app, &path, &[]).0, 0);
    let archive = folder.path().join("whole.keeper");
    let whole = ["export", "--whole", archive.to_str().unwrap()];
    app.command(&whole, "too short").assert_error("at least 12 bytes");
    assert!(!archive.exists() && !archive.with_extension("keeper.unfinished").exists());
    let said = app.command(&whole, "a long passphrase").assert_success();
    assert_eq!(said, "");
    app.command(&whole, "a long passphrase").assert_error("already exists");
    let bytes = fs::read(&archive).unwrap();
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&archive).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    for secret in [&b"argon2id"[..], b"S-1-5-7", b"paul", b"pbkdf2"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    // The other installation: another keyring and no users.
    sqlx::raw_sql("TRUNCATE credentials, tickets, login_names, audit_events, keys, users CASCADE")
        .execute(&app.pool)
        .await
        .unwrap();
    let keyring = folder.path().join("other.json");
    let import_whole = |passphrase: &str| {
        let mut command = keeper(&["import", archive.to_str().unwrap()]);
        command.envs(app.variables()).env("KEEPER__KEYRING__FILE", &keyring);
        crate::support::run_with_input(command, passphrase)
    };
    let mut generate = keeper(&["keys", "generate"]);
    generate.envs(app.variables()).env("KEEPER__KEYRING__FILE", &keyring);
    crate::support::run_with_input(generate, "").assert_success();
    import_whole("another passphrase").assert_error("the passphrase is wrong");
    assert_eq!(import_whole("a long passphrase").assert_success().lines().count(), 4);
    let keyring = [("KEEPER__KEYRING__FILE", keyring.to_str().unwrap())];
    let other = app.spawn_instance(&keyring).await;
    for (name, password) in [("anna", "anna-password"), ("paul", "paul-password")] {
        assert!(logs_in(&other, name, password).await, "{name}");
    }
    assert!(logs_in(&other, "django", "correct horse").await);
    assert!(!logs_in(&other, "rita", "rita-password").await, "she is retired there, too");
    let taken = other.save(&other.administrator(), 1, "ActiveDirectory", "S-1-5-7").await;
    taken.assert_refused(409, "ArgumentException", "identifier_taken");
    // A damaged archive is reported.
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&archive, damaged).unwrap();
    import_whole("a long passphrase").assert_error("damaged");
}

#[sqlx::test]
async fn a_terminal_shows_progress_rate_and_remaining_time(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let lines: Vec<_> = (1..=400).map(|number| user(&format!("user-{number}"), "v")).collect();
    let (_folder, path) = file(&lines);
    let import = keeper(&["import", path.to_str().unwrap()]);
    let words = [import.get_program()].into_iter().chain(import.get_args());
    let line = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>();
    // `script` runs a command in a pseudo-terminal; Debian and Ubuntu have it.
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line.join(" "), "/dev/null"]).envs(app.variables());
    let shown = command.env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{text}");
    for part in ["%", "█", " lines, ", "/s", " left"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[sqlx::test]
async fn a_few_lines_are_written_without_copy_in_file_order(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let line = |name: &str, shown: &str| {
        json!({"login_name": name, "display_name": shown, "credentials": [{"hash": HASHES[0].2}]})
            .to_string()
    };
    let copied = |said: &str| said.matches("writing by COPY").count();
    let import_with_log = |path: &Path| {
        let mut command = keeper(&["import", path.to_str().unwrap()]);
        command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "debug");
        crate::support::run_with_input(command, "")
    };
    // Two lines per user; the second must win.
    let mut pairs = Vec::new();
    for number in 0..40 {
        let name = format!("pair-{number}");
        pairs.extend([line(&name, "first"), line(&name, &format!("second {number}"))]);
    }
    let (_folder, path) = file(&pairs);
    let few = import_with_log(&path);
    assert_eq!((few.code, few.stdout.lines().count()), (0, 80), "{few:?}");
    assert!(few.stderr.contains("40 added, 40 changed"), "{}", few.stderr);
    assert_eq!(copied(&few.stderr), 0);
    for result in few.stdout.lines() {
        let result: Value = serde_json::from_str(result).unwrap();
        let expected = if result["line"].as_u64().unwrap() % 2 == 1 { "added" } else { "changed" };
        assert_eq!(result["result"], expected, "{result}");
    }
    for number in [0, 20, 39] {
        let shown = app.command(&["user", "show", &format!("pair-{number}"), "--json"], "");
        let shown: Value = serde_json::from_str(&shown.assert_success()).unwrap();
        assert_eq!(shown["display_name"], format!("second {number}"));
        assert!(logs_in(&app, &format!("pair-{number}"), "correct horse").await);
    }
    // A conflict does not affect other lines.
    let mut taken = vec![line("few-1", "few"), line("few-2", "few")];
    taken.push(json!({"login_name": "few-3", "id": 278}).to_string());
    let (_folder, path) = file(&taken);
    let some = import_with_log(&path);
    assert_eq!(some.stdout.matches("\"added\"").count(), 2, "{some:?}");
    assert!(logs_in(&app, "few-2", "correct horse").await);
    // Many lines are written by COPY.
    let many: Vec<_> = (0..100).map(|number| line(&format!("many-{number}"), "many")).collect();
    let (_folder, path) = file(&many);
    let many = import_with_log(&path);
    assert_eq!((many.code, copied(&many.stderr)), (0, 1), "{many:?}");
    // The one finding comes from the fixture, which retires a user with SQL.
    let verified = app.command(&["audit", "verify"], "");
    assert!(verified.stderr.contains("145 chains and 0 anchors verified, 1 findings"));
    assert!(verified.stdout.contains("300   the retired state"), "{verified:?}");
}
