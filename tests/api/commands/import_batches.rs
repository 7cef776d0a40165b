//! Imports in batches: what `COPY` writes, and batches that fail, are killed, or meet other changes.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::import::{file, import};
use crate::support::{TestApp, keeper, wait_for};

/// Of "correct horse", by libxcrypt 4.4.
const HASH: &str = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";

/// More lines than two batches have.
const LINES: usize = 4_500;

/// Enough lines for `COPY`. Lines that are imported again are changes of users, one by one.
const FEW: usize = 100;

fn name(number: usize) -> String {
    format!("batch-{number}")
}

/// Lines of new users with a hash, numbered from 1.
fn lines(count: usize) -> Vec<String> {
    let line = |number| json!({"login_name": name(number), "credentials": [{"hash": HASH}]});
    (1..=count).map(|number| line(number).to_string()).collect()
}

/// Starts an import of a file.
fn start(app: &TestApp, path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut command = keeper(&["import", path.to_str().unwrap()]);
    command.envs(app.variables()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let results = BufReader::new(child.stdout.take().unwrap());
    (child, results)
}

/// The number of users of these lines, each with exactly the rows of one import.
async fn whole_users(app: &TestApp) -> usize {
    let users = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM users u
           WHERE u.login_name LIKE 'batch-%' AND u.audit_sequence = 2
               AND (SELECT count(*) FROM login_names l WHERE l.user_id = u.user_id) = 1
               AND (SELECT count(*) FROM credentials c WHERE c.user_id = u.user_id) = 1
               AND (SELECT count(*) FROM audit_events e WHERE e.user_id = u.user_id) = 2"#
    );
    usize::try_from(users.fetch_one(&app.pool).await.unwrap()).unwrap()
}

async fn users(app: &TestApp) -> usize {
    let users = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM users WHERE login_name LIKE 'batch-%'"#
    );
    usize::try_from(users.fetch_one(&app.pool).await.unwrap()).unwrap()
}

#[sqlx::test]
async fn one_invalid_line_of_a_batch_fails_alone(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let taken = json!({"login_name": "owner", "nick_name": "taken"}).to_string();
    let (_folder, path) = file(&[taken]);
    assert_eq!(import(&app, &path, &[]).0, 0);
    // Only PostgreSQL finds a nickname that is taken: in the second batch, and twice in the third.
    let mut lines = lines(LINES);
    let with_nick_name =
        |number, nick_name| json!({"login_name": name(number), "nick_name": nick_name}).to_string();
    lines[2_999] = with_nick_name(3_000, "TAKEN");
    lines[4_099] = with_nick_name(4_100, "twice");
    lines[4_399] = with_nick_name(4_400, "twice");
    let (_folder, path) = file(&lines);
    let (code, results, said) = import(&app, &path, &[]);
    assert_eq!((code, results.len()), (1, LINES), "{said}");
    let failed: Vec<_> = results.iter().filter(|result| result["result"] == "failed").collect();
    for result in &failed {
        assert_eq!(result["field"], "nick_name");
        assert_eq!(result["reason"], "belongs to another user");
    }
    let numbers: Vec<_> = failed.iter().map(|result| result["line"].as_u64().unwrap()).collect();
    assert!(numbers == [3_000, 4_100] || numbers == [3_000, 4_400], "{numbers:?}");
    assert!(said.contains(&format!("{} added, 0 changed, 2 failed", LINES - 2)), "{said}");
    // One of them has a nickname instead of a credential.
    assert_eq!((users(&app).await, whole_users(&app).await), (LINES - 2, LINES - 3));
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn an_import_that_is_killed_within_a_batch_leaves_whole_users_and_resumes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = file(&lines(FEW));
    // The last table of a batch, so that its other rows are written when the import is killed.
    let mut lock = app.pool.begin().await.unwrap();
    let statement = "LOCK TABLE audit_events IN SHARE ROW EXCLUSIVE MODE";
    sqlx::raw_sql(statement).execute(&mut *lock).await.unwrap();
    let (mut child, mut results) = start(&app, &path);
    app.wait_for_blocked_sessions(1).await;
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let mut told = String::new();
    results.read_to_string(&mut told).unwrap();
    assert_eq!((told.as_str(), users(&app).await), ("", 0), "nothing is told before it is written");
    lock.rollback().await.unwrap();
    // Killed after the first batch was told: what was told is written.
    let (mut child, results) = start(&app, &path);
    let mut told = Vec::new();
    for line in results.lines() {
        // A killed process may leave half a line.
        let Ok(result) = serde_json::from_str::<Value>(&line.unwrap()) else { break };
        told.push(i32::try_from(result["user_id"].as_i64().unwrap()).unwrap());
        if told.len() == 1 {
            kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        }
    }
    child.wait().unwrap();
    let written = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM users WHERE user_id = ANY($1)"#,
        &told,
    );
    let written = written.fetch_one(&app.pool).await.unwrap();
    assert_eq!(usize::try_from(written).unwrap(), told.len());
    app.assert_intact_chains().await;
    assert_eq!(users(&app).await, whole_users(&app).await, "a batch is written whole");
    let (code, _, said) = import(&app, &path, &[]);
    assert_eq!((code, users(&app).await), (0, FEW), "{said}");
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn a_batch_writes_the_rows_that_a_single_line_writes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let user = |prefix: &str, number: usize| {
        json!({
            "login_name": format!("{prefix}-{number}"), "display_name": "A \\ n\u{e4}me\u{1f980}",
            "type": "system", "administrator": number.is_multiple_of(2), "retired": true,
            "person_id": 2_147_483_647, "role_id": 7, "ej_user_id": 8,
            "nick_name": format!("{prefix}-{number}-nick"),
            "credentials": [{
                "hash": HASH, "display_value": "a b\\N", "valid_from": "1999-12-31T23:59:59Z",
                "valid_to": "2090-01-01T00:00:00Z", "change_required": "compromised",
            }],
        })
        .to_string()
    };
    // A line with a value is written alone, so it has the hash of a new one.
    let batch: Vec<_> = (0..80).map(|number| user("batch", number)).collect();
    let (_folder, path) = file(&batch);
    let (code, _, said) = import(&app, &path, &["--reason", "moved"]);
    assert_eq!(code, 0, "{said}");
    for number in 0..2 {
        let (_folder, path) = file(&[user("alone", number)]);
        let (code, _, said) = import(&app, &path, &["--reason", "moved"]);
        assert_eq!(code, 0, "{said}");
    }
    for number in 0..2 {
        let (batch, alone) = (format!("batch-{number}"), format!("alone-{number}"));
        assert_eq!(rows(&app, &batch).await, rows(&app, &alone).await);
    }
    app.assert_intact_chains().await;
}

/// All rows of a user, without what differs between two users.
async fn rows(app: &TestApp, login_name: &str) -> String {
    let mut rows = String::new();
    let prefix = login_name.split('-').next().unwrap();
    let query = "
        WITH u AS (SELECT * FROM users WHERE login_name = $1)
        SELECT 'users' || (to_jsonb(u) - '{user_id,audit_mac,created_at}'::text[])::text FROM u
        UNION ALL SELECT 'login_names' || l.canonical_name FROM login_names l JOIN u USING (user_id)
        UNION ALL SELECT 'nick_names' || n.canonical_name FROM nick_names n JOIN u USING (user_id)
        UNION ALL SELECT 'credentials' || octet_length(c.sealed_hash)
            || (to_jsonb(c) - '{user_id,sealed_hash,registered_at,updated_at}'::text[])::text
            FROM credentials c JOIN u USING (user_id)
        UNION ALL SELECT 'audit_events' || octet_length(e.mac)
            || (to_jsonb(e) - '{user_id,mac,occurred_at,request_id,position}'::text[])::text
            FROM audit_events e JOIN u USING (user_id)
        UNION ALL SELECT 'now' || (abs(extract(epoch FROM now() - created_at)) < 3600) FROM u
        ORDER BY 1";
    let found = sqlx::query_scalar::<_, String>(query).bind(login_name);
    for row in found.fetch_all(&app.pool).await.unwrap() {
        writeln!(rows, "{}", row.replace(prefix, "")).unwrap();
    }
    assert!(rows.lines().count() >= 7, "{rows}");
    rows
}

#[sqlx::test]
async fn the_work_for_a_batch_does_not_grow_with_the_tables(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // PostgreSQL plans from now on as if these tables had one page.
    sqlx::raw_sql("ANALYZE users, login_names").execute(&app.pool).await.unwrap();
    let (_, before) = table_reads(&app).await;
    let (_folder, path) = file(&lines(LINES));
    let (code, _, said) = import(&app, &path, &[]);
    assert_eq!(code, 0, "{said}");
    // A server process reports its work when it ends.
    let read = wait_for("the server reports its work", async || {
        let (inserted, read) = table_reads(&app).await;
        (usize::try_from(inserted).unwrap() >= 2 * LINES).then_some(read - before)
    });
    let read = usize::try_from(read.await).unwrap();
    assert!(read < LINES / 2, "{read} rows were read without an index");
}

/// The rows that were inserted, and those that were read without an index.
async fn table_reads(app: &TestApp) -> (i64, i64) {
    let reads = sqlx::query!(
        r#"SELECT sum(n_tup_ins)::bigint AS "inserted!", sum(seq_tup_read)::bigint AS "read!"
           FROM pg_stat_user_tables WHERE relname IN ('users', 'login_names')"#
    );
    let reads = reads.fetch_one(&app.pool).await.unwrap();
    (reads.inserted, reads.read)
}

#[sqlx::test]
async fn lines_whose_results_could_not_be_printed_are_imported_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_folder, path) = file(&lines(FEW));
    let (mut child, results) = start(&app, &path);
    drop(results);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let (code, results, said) = import(&app, &path, &[]);
    assert_eq!((code, results.len()), (0, FEW), "{said}");
    assert_eq!(users(&app).await, FEW);
    app.assert_intact_chains().await;
}
