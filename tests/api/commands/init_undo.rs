//! `init` overwrites nothing, and leaves nothing behind when it fails or is stopped.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    process::Stdio,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Executor, PgPool};

use super::init::{Site, count_tables};
use crate::support::{Terminal, run_with_input, wait_until};

#[sqlx::test(migrations = false)]
async fn files_that_exist_are_never_overwritten(pool: PgPool) {
    let site = Site::new(&pool);
    let answers = site.answers("migrate = true\n");
    let directory = site.directory();
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    for name in ["keeper.toml", "database-password", "keyring.json"] {
        let file = Path::new(&directory).join(name);
        for is_link in [false, true] {
            if is_link {
                symlink("/no/such/file", &file).unwrap();
            } else {
                fs::write(&file, "mine").unwrap();
            }
            site.run(&["--answers", &answers]).assert_error("already exists");
            let files: Vec<_> = fs::read_dir(&directory).unwrap().collect();
            assert_eq!(files.len(), 1, "{files:?}");
            assert!(is_link || fs::read_to_string(&file).unwrap() == "mine");
            fs::remove_file(&file).unwrap();
        }
    }
    site.run(&["--answers", &answers]).assert_success();
    site.run(&["--answers", &answers]).assert_error("already exists");
}

#[sqlx::test(migrations = false)]
async fn a_folder_that_others_may_write_is_refused(pool: PgPool) {
    let site = Site::new(&pool);
    let answers = site.answers("migrate = true\n");
    let directory = site.directory();
    fs::create_dir(&directory).unwrap();
    for mode in [0o777, 0o1777, 0o775, 0o757] {
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        let finished = site.run(&["--answers", &answers]);
        assert!(finished.stderr.contains(&format!("run `chmod go-w {directory}`")), "{finished:?}");
        finished.assert_error("other accounts may write it");
    }
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    let open = site.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let keyring = open.join("keyring");
    site.run(&["--answers", &answers, "--keyring", keyring.to_str().unwrap()])
        .assert_error("--keyring: permissions on ");
    if rustix::process::geteuid().is_root() {
        chown(&directory, Some(4711), None).unwrap();
        site.run(&["--answers", &answers]).assert_error("belongs to another account");
        chown(&directory, Some(0), None).unwrap();
    }
    let file = site.path("file");
    fs::write(&file, "").unwrap();
    for (folder, reason) in [("file", "is not a folder"), ("a/b", "does not exist")] {
        let folder = site.path(folder);
        let arguments = ["init", "--answers", &answers, "--directory", folder.to_str().unwrap()];
        run_with_input(crate::support::keeper(&arguments), "").assert_error(reason);
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

#[sqlx::test(migrations = false)]
async fn a_failure_in_the_middle_removes_what_was_written(pool: PgPool) {
    let site = Site::new(&pool);
    // No file can be created there, not even by root.
    let answers = site.answers("migrate = true\nkeyring = \"/proc/keyring\"\n");
    site.run(&["--answers", &answers]).assert_error("every file that `init` wrote was removed");
    site.assert_untouched();
    assert_eq!(count_tables(&pool).await, 0);
}

#[sqlx::test]
async fn a_keyring_that_the_database_knows_stays(pool: PgPool) {
    let site = Site::new(&pool);
    let mut blocking = pool.begin().await.unwrap();
    blocking.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let finished = site.run(&["--answers", &site.answers("")]);
    for part in ["these files remain", "keeper.toml", "keyring.json", "user add"] {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
    finished.assert_error("the database may already belong to this keyring");
    blocking.rollback().await.unwrap();
    let add = site.keeper(&["user", "add", "chief", "--administrator", "--generate"]);
    run_with_input(add, "").assert_success();
}

/// Starts `init`, interrupts it while it waits for a lock in the database, and returns what it wrote to
/// standard error.
async fn stop_while_waiting(site: &Site, pool: &PgPool, answers: &str) -> String {
    let mut command = site.init(&["--answers", &site.answers(answers)]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("the command waits for a lock", async || {
        let waiting = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        waiting.fetch_one(pool).await.unwrap() > 0
    })
    .await;
    assert!(site.path("keeper/keyring.json").exists());
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    stderr
}

#[sqlx::test]
async fn a_stop_while_the_database_records_the_key_leaves_the_keyring(pool: PgPool) {
    let site = Site::new(&pool);
    let mut blocking = pool.begin().await.unwrap();
    blocking.execute("LOCK TABLE keys IN SHARE MODE").await.unwrap();
    let stderr = stop_while_waiting(&site, &pool, "").await;
    for part in ["stopped; these files remain", "keyring.json", "user add", "credential save"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    blocking.rollback().await.unwrap();
    let add = site.keeper(&["user", "add", "chief", "--administrator", "--generate"]);
    run_with_input(add, "").assert_success();
}

#[sqlx::test(migrations = false)]
async fn a_stop_during_the_migration_removes_what_was_written(pool: PgPool) {
    let site = Site::new(&pool);
    let mut blocking = pool.begin().await.unwrap();
    // The first migration creates a table with this name, and waits until this one is decided.
    blocking.execute("CREATE TABLE users (x int)").await.unwrap();
    let stderr = stop_while_waiting(&site, &pool, "migrate = true\n").await;
    for part in ["stopped; every file", "tables that were created remain"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    site.assert_untouched();
    blocking.rollback().await.unwrap();
    site.run(&["--answers", &site.answers("migrate = true\n")]).assert_success();
}

#[sqlx::test(migrations = false)]
async fn ctrl_c_and_the_end_of_input_leave_nothing(pool: PgPool) {
    let site = Site::new(&pool);
    for (key, told) in [("\u{3}", "stopped; nothing was written"), ("\u{4}", "the input ended")] {
        let mut terminal = Terminal::start(&site.init(&[]), 100);
        terminal.expect("1/5");
        terminal.send(key);
        let (code, screen) = terminal.wait();
        assert_eq!(code, 1, "{screen}");
        assert!(screen.contains(told), "{screen}");
        site.assert_untouched();
    }
    // At a prompt for a secret. The terminal shows again what is typed.
    for (key, told) in [("\u{3}", "stopped; nothing was written"), ("\u{4}", "the input ended")] {
        let mut terminal = Terminal::start(&site.init(&[]), 100);
        terminal.answer("1/5", &site.url);
        terminal.expect("Password of this database role");
        terminal.wait_until_hidden();
        terminal.send(key);
        terminal.expect(told);
        assert!(terminal.shows_typing());
        let (code, screen) = terminal.wait();
        assert_eq!(code, 1, "{screen}");
        site.assert_untouched();
    }
}
