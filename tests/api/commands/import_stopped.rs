//! Long commands that were stopped; imports that cannot be resumed, or come from something that is no
//! file.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::import::{file, import, logs_in, user};
use crate::support::{CommandOutput, TestApp, keeper};

/// Starts an import, and signals it when it has told sixty results.
fn stopped(app: &TestApp, path: &Path, signal: Signal) -> Vec<u64> {
    let mut command = keeper(&["import", path.to_str().unwrap()]);
    command.envs(app.variables()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // A killed process may leave half a line.
        let Ok(result) = serde_json::from_str::<Value>(&line.unwrap()) else { break };
        told.push(result["line"].as_u64().unwrap());
        if told.len() == 60 {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
    }
    child.wait().unwrap();
    told
}

#[sqlx::test]
async fn a_stopped_import_resumes_where_it_stopped(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = |number: usize| format!("user-{number}");
    let lines: Vec<_> = (1..=500).map(|number| user(&name(number), &name(number))).collect();
    let (_folder, path) = file(&lines);
    let mut first = Vec::new();
    // Each signal stops the import after it has printed the results of all completed lines.
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let told = stopped(&app, &path, signal);
        assert!((60..200).contains(&told.len()), "{signal:?}: {}", told.len());
        assert!(told.iter().all(|line| !first.contains(line)), "{signal:?}: a line was done twice");
        first.extend(told);
    }
    let second = stopped(&app, &path, Signal::KILL);
    let (code, third, said) = import(&app, &path, &[]);
    assert_eq!(code, 0, "{said}");
    let third: Vec<_> = third.iter().map(|entry| entry["line"].as_u64().unwrap()).collect();
    // After a signal the checkpoint is exact; after a kill up to a second of work is repeated.
    assert!(second.iter().all(|line| !first.contains(line)), "a line was done twice");
    assert!(third.iter().all(|line| !first.contains(line)), "a line was done twice");
    let mut all = [first, second, third].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (1..=500).collect::<Vec<_>>());
    let users = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM users u
           WHERE login_name LIKE 'user-%' AND EXISTS (
               SELECT FROM credentials c WHERE c.user_id = u.user_id
           )"#
    );
    assert_eq!(users.fetch_one(&app.pool).await.unwrap(), 500);
    for number in [1, 60, 150, 500] {
        assert!(logs_in(&app, &name(number), &name(number)).await, "{number}");
    }
}

#[sqlx::test]
async fn a_resumed_import_fails_as_long_as_a_line_before_it_failed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = |number: usize| format!("user-{number}");
    let mut lines: Vec<_> = (1..=500).map(|number| user(&name(number), &name(number))).collect();
    lines[0] = json!({"login_name": "a:b"}).to_string();
    let (_folder, path) = file(&lines);
    for _ in 0..2 {
        assert!(stopped(&app, &path, Signal::TERM).len() < 200);
    }
    let (code, results, said) = import(&app, &path, &[]);
    assert!(results.iter().all(|result| result["result"] == "added"), "{results:?}");
    assert!(said.contains("; 1 failed before"), "{said}");
    assert_eq!(code, 1, "{said}");
    // The next run is another import.
    let (code, _, said) = import(&app, &path, &[]);
    assert!(code == 1 && said.contains("1 failed") && !said.contains("resuming"), "{said}");
}

#[sqlx::test]
async fn a_checkpoint_of_a_changed_file_is_rejected(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let lines: Vec<_> = (1..=300).map(|number| user(&format!("user-{number}"), "v")).collect();
    let (_folder, path) = file(&lines);
    stopped(&app, &path, Signal::INT);
    fs::write(&path, user("paul", "other")).unwrap();
    let (code, results, said) = import(&app, &path, &[]);
    assert_eq!((code, results.len()), (1, 0), "{said}");
    assert!(said.contains("the imported file has changed"), "{said}");
    app.command(&["import", "/nowhere"], "").assert_error("/nowhere: No such file");
}

/// Lines about existing users.
fn about_existing(count: usize) -> Vec<String> {
    let line = |number: usize| {
        let name = ["anna", "paul"][number % 2];
        json!({"login_name": name, "display_name": format!("{name} {number}")}).to_string()
    };
    (0..count).map(line).collect()
}

#[sqlx::test]
async fn a_killed_import_has_a_checkpoint(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = file(&about_existing(100_000));
    let mut command = keeper(&["import", path.to_str().unwrap()]);
    command.envs(app.variables()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let started = std::time::Instant::now();
    let mut told = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(result) = serde_json::from_str::<Value>(&line.unwrap()) else { break };
        assert_eq!(result["result"], "changed");
        told += 1;
        if started.elapsed() > Duration::from_secs(4) {
            kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        }
    }
    child.wait().unwrap();
    let checkpoint = fs::read_to_string(path.with_extension("jsonl.progress")).unwrap();
    let checkpoint: Value = serde_json::from_str(&checkpoint).unwrap();
    let lines = checkpoint["lines"].as_u64().unwrap();
    assert!(lines > 0 && lines <= told, "{lines} of {told}");
    assert!(told < 100_000, "it was killed in its middle");
}

#[sqlx::test]
async fn an_import_without_a_writable_checkpoint_does_not_start(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (folder, path) = file(&[user("new", "v")]);
    // An obstacle that also stops root.
    let obstacle = folder.path().join("users.jsonl.progress-new");
    fs::create_dir(&obstacle).unwrap();
    let (code, results, said) = import(&app, &path, &[]);
    assert_eq!((code, results.len()), (1, 0), "{said}");
    assert!(said.contains(obstacle.to_str().unwrap()) && said.contains("File exists"), "{said}");
    fs::remove_dir(&obstacle).unwrap();
    if !rustix::process::geteuid().is_root() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        let (code, results, said) = import(&app, &path, &[]);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!((code, results.len()), (1, 0), "{said}");
        assert!(said.contains("users.jsonl.progress") && said.contains("ermission"), "{said}");
    }
    let users = sqlx::query_scalar!("SELECT count(*) FROM users").fetch_one(&app.pool).await;
    assert_eq!(users.unwrap(), Some(3));
    // A dry run needs no checkpoint.
    assert_eq!(import(&app, &path, &["--dry-run"]).0, 0);
    assert_eq!(import(&app, &path, &[]).0, 0);
}

#[sqlx::test]
async fn a_failed_checkpoint_write_stops_the_import_and_prints_how_to_resume(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (folder, path) = file(&about_existing(100_000));
    let mut command = keeper(&["import", path.to_str().unwrap()]);
    command.envs(app.variables()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let obstacle = folder.path().join("users.jsonl.progress-new");
    while fs::create_dir(&obstacle).is_err() {}
    let told = 1 + lines.map(Result::unwrap).count();
    let finished = child.wait_with_output().unwrap();
    let said = String::from_utf8(finished.stderr).unwrap();
    assert_eq!(finished.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot write {}", obstacle.display())), "{said}");
    assert!(said.contains("resume after line"), "{said}");
    assert!(said.contains(&format!(" {told} changed")), "{told} were told: {said}");
}

/// A running import of standard input, and its input.
fn piped(app: &TestApp) -> (std::process::Child, ChildStdin) {
    let mut command: Command = keeper(&["import", "-"]);
    command.envs(app.variables());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

#[sqlx::test]
async fn standard_input_is_imported_and_a_blocked_pipe_stops_at_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let lines = [user("new", "v"), "{".to_owned(), user("last", "w")].join("\n");
    let finished = app.command(&["import", "-"], &lines);
    assert_eq!((finished.code, finished.stdout.lines().count()), (1, 3), "{finished:?}");
    assert!(logs_in(&app, "new", "v").await && logs_in(&app, "last", "w").await);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (mut child, mut stdin) = piped(&app);
        // A line that is hashed, and one that waits in the batch.
        writeln!(stdin, "{}", user("waiting", "v")).unwrap();
        writeln!(stdin, "{}", json!({"login_name": "bare"})).unwrap();
        let mut results = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(results.next().unwrap().unwrap().contains("\"line\""));
        assert!(results.next().unwrap().unwrap().contains("\"line\""));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let finished = child.wait_with_output().unwrap();
        let said = String::from_utf8(finished.stderr).unwrap();
        assert_eq!(finished.status.code(), Some(1), "{said}");
        assert!(said.contains("stopped after line 2; resuming needs a regular file"), "{said}");
        drop(stdin);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    app.command(&["import", folder], "")
        .assert_error("resuming needs a regular file, not a pipe or a directory");
}

#[sqlx::test]
async fn a_byte_order_mark_is_skipped_and_another_encoding_is_named(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (folder, path) = file(&[format!("\u{feff}{}", user("first", "v")), user("second", "v")]);
    let (code, results, said) = import(&app, &path, &[]);
    assert_eq!((code, results.len()), (0, 2), "{said}");
    assert!(logs_in(&app, "first", "v").await && logs_in(&app, "second", "v").await);
    let utf_16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&path, utf_16).unwrap();
    app.command(&["import", path.to_str().unwrap()], "").assert_error("is UTF-16; convert it");
    // The same applies to every other input.
    app.command(&["credential", "save", "--user", "paul"], "\u{feff}typed\r\n").assert_success();
    assert!(logs_in(&app, "paul", "typed").await);
    let marked = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, format!("\u{feff}{text}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        file
    };
    let keyring = fs::read_to_string(app.keyring()).unwrap();
    let mut command = keeper(&["credential", "verify", "--user", "paul"]);
    command
        .envs(app.variables())
        .env("KEEPER__KEYRING__FILE", marked("keyring.json", &keyring))
        .env("KEEPER__DATABASE__PASSWORD_FILE", marked("password", "unused"))
        .env("KEEPER_CONFIG", marked("settings.toml", "[log]\nlevel = \"info\"\n"));
    crate::support::run_with_input(command, "typed").assert_success();
}

/// Starts a command, signals it while it waits for a lock, and releases the lock.
async fn signalled(
    app: &TestApp,
    arguments: &[&str],
    lock_statement: &'static str,
    signal: Signal,
) -> CommandOutput {
    let mut lock = app.pool.begin().await.unwrap();
    sqlx::raw_sql(lock_statement).execute(&mut *lock).await.unwrap();
    let mut command = keeper(arguments);
    command.envs(app.variables());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a long passphrase").unwrap();
    app.wait_for_blocked_sessions(1).await;
    kill_process(Pid::from_child(&child), signal).unwrap();
    // The signal arrives before the lock is released.
    tokio::time::sleep(Duration::from_millis(200)).await;
    lock.rollback().await.unwrap();
    let output = child.wait_with_output().unwrap();
    CommandOutput {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[sqlx::test]
async fn every_long_command_stops_gracefully_at_every_signal(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("whole.keeper");
    let users = "LOCK TABLE users IN ACCESS EXCLUSIVE MODE";
    let credentials = "LOCK TABLE credentials IN ACCESS EXCLUSIVE MODE";
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let export = ["export", "--whole", archive.to_str().unwrap()];
        let exported = signalled(&app, &export, users, signal).await;
        exported.assert_error("stopped; no file was written");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{signal:?}");
        let verified = signalled(&app, &["audit", "verify"], users, signal).await;
        verified.assert_error("stopped before everything was verified");
    }
    let added = app.add_key();
    app.command(&["rotate-key", "use", &added], "").assert_success();
    let resealed = signalled(&app, &["rotate-key", "reseal"], credentials, Signal::TERM).await;
    resealed.assert_error("stopped; run the same command to resume");
    app.command(&["rotate-key", "reseal"], "").assert_success();
}

#[sqlx::test]
async fn a_stopped_check_of_a_restored_database_lists_its_findings(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    // Only the command waits for the lock.
    app.stop().await;
    let arguments = ["--json", "restore", "check"];
    // The untrusted credentials are checked after the chains.
    let lock = "LOCK TABLE untrusted_credentials IN ACCESS EXCLUSIVE MODE";
    let checked = signalled(&app, &arguments, lock, Signal::INT).await;
    // The test setup retires a user without an event.
    let finding = "the retired state was changed without an event";
    assert!(checked.stdout.contains(finding), "{checked:?}");
    checked.assert_error("stopped before everything was checked");
}
