//! Runs the npm client of the vendor, on Node, against the real application.

use std::{ffi::OsString, fs, path::Path, process::Command};

use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, PLAIN, TestApp, password_of};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// The files with tests.
fn test_files() -> Vec<OsString> {
    let names = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name());
    let is_test = |name: &OsString| name.to_str().unwrap().ends_with(".test.mjs");
    let mut files: Vec<_> = names.filter(is_test).collect();
    files.sort();
    files
}

/// Runs the tests of the client; a failure shows their output.
fn run_client(app: &TestApp, base_path: &str) {
    let is_installed = Path::new(FOLDER).join("node_modules/@superoffice/webapi").exists();
    assert!(is_installed, "the npm client is not installed: run script/setup checks");
    let credentials = |name: &str| format!("{name}:{}", password_of(name));
    let output = Command::new("node")
        .args(["--test", "--test-reporter=tap"])
        .args(test_files())
        .current_dir(FOLDER)
        .env("KEEPER_URL", format!("{}{base_path}", app.url))
        .env("KEEPER_ADMINISTRATOR", credentials(ADMINISTRATOR.1))
        .env("KEEPER_ADMINISTRATOR_ID", ADMINISTRATOR.0.to_string())
        .env("KEEPER_PLAIN", credentials(PLAIN.1))
        .env("KEEPER_PLAIN_ID", PLAIN.0.to_string())
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output_text}\n{}", String::from_utf8_lossy(&output.stderr));
    // The runner also succeeds when it finds no tests.
    let passed = output_text.lines().find_map(|line| line.strip_prefix("# pass ")).unwrap_or("0");
    assert!(passed.parse::<u32>().unwrap() >= 55, "{output_text}");
}

#[sqlx::test]
async fn the_vendor_client_works_unchanged(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    run_client(&app, "");
}

#[sqlx::test]
async fn the_vendor_client_works_under_a_base_path(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__BASE_PATH", "/SuperOffice")], "").await;
    run_client(&app, "/SuperOffice");
}
