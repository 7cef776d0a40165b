//! What `import` reads besides plain JSON lines: CSV, compressed files, other encodings, and exports
//! of other systems.

mod compression;
mod csv;
mod encodings;
mod exports;
mod no_values;
mod wrong_files;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{CommandOutput, TestApp, keeper};

/// SHA-crypt of "correct horse", made with `openssl passwd -6`.
const SHA_CRYPT: &str = "$6$saltstring$.r0X7ub5wGR2v4Xz7svCIozfnlorFh19V89t8KC9Umd81uGhFgsyTRNyzQDX\
                         DIm17fFcR9z3z7oBNdsyYBbtm/";

/// A temporary folder with a file of these bytes.
fn file_named(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

/// A sample file of this folder.
fn sample(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/commands");
    folder.join("import_formats/samples").join(name)
}

/// Imports a file. Returns its exit code, the results in the order of their numbers, and the status.
fn import(app: &TestApp, path: &Path, more: &[&str]) -> (i32, Vec<Value>, String) {
    let output = app.command(&[&["import", path.to_str().unwrap()], more].concat(), "");
    (output.code, results(&output), output.stderr)
}

/// The results, in the order of their numbers.
fn results(output: &CommandOutput) -> Vec<Value> {
    let results = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut results: Vec<Value> = results.collect();
    results.sort_by_key(number);
    results
}

fn number(result: &Value) -> u64 {
    result["line"].as_u64().or(result["entry"].as_u64()).unwrap()
}

/// The number, the result and the field of each result.
fn told(results: &[Value]) -> Vec<(u64, &str, &str)> {
    let told = results.iter().map(|result| {
        let field = result["field"].as_str().unwrap_or_default();
        (number(result), result["result"].as_str().unwrap(), field)
    });
    told.collect()
}

/// Imports bytes from standard input.
fn import_bytes(app: &TestApp, bytes: &[u8], more: &[&str]) -> CommandOutput {
    let mut command = keeper(&[&["import", "-"], more].concat());
    command.envs(app.variables());
    with_bytes(command, bytes)
}

/// Runs a command with bytes on standard input.
fn with_bytes(mut command: std::process::Command, bytes: &[u8]) -> CommandOutput {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails early may close stdin before everything is written.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes);
    let output = child.wait_with_output().unwrap();
    CommandOutput {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `convert`, which needs neither settings nor a database.
fn convert(path: &Path, more: &[&str]) -> CommandOutput {
    let mut command = keeper(&[&["convert", path.to_str().unwrap()], more].concat());
    command.env_remove("DATABASE_URL");
    with_bytes(command, b"")
}

/// A user as `export` prints it.
fn exported(app: &TestApp, name: &str) -> Value {
    let lines = app.command(&["export"], "").assert_success();
    let users = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut users = users.filter(|user| user["login_name"] == name);
    users.next().unwrap()
}

/// The number of users.
async fn users(app: &TestApp) -> i64 {
    let users = sqlx::query_scalar!("SELECT count(*) FROM users");
    users.fetch_one(&app.pool).await.unwrap().unwrap()
}

/// Asserts that the input is refused with this text and that nothing is imported, also in a dry run.
#[track_caller]
fn assert_refused(app: &TestApp, path: &Path, more: &[&str], text: &str) {
    for more in [more.to_vec(), [more, &["--dry-run"]].concat()] {
        let (code, results, said) = import(app, path, &more);
        assert_eq!((code, results.len()), (1, 0), "{said}");
        assert!(said.contains(text), "{text}: {said}");
        assert!(!said.contains("panicked") && !said.contains("marker"), "{said}");
        assert!(!said.contains("added"), "it had begun: {said}");
    }
    let checkpoint = format!("{}.progress", path.display());
    assert!(!Path::new(&checkpoint).exists(), "a checkpoint of nothing");
}
