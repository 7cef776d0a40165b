//! Commands of operators.

use std::{fs, os::unix::fs::PermissionsExt};

use sqlx::PgPool;

use crate::support::{Credentials, PLAIN, PRINCIPAL, TestApp, keeper, run_with_input};

#[sqlx::test]
async fn users_are_added_and_listed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let generated = app.command(&["user", "add", "Nora", "--generate"], "").assert_success();
    assert_eq!(generated.len(), 24);
    app.get(PRINCIPAL, &Credentials::basic("nora", &generated)).await.assert_status(200);
    let list = app.command(&["user", "list"], "").assert_success();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 5, "{list}");
    assert!(lines[1].starts_with("1 ") && lines[1].ends_with("administrator"), "{list}");
    assert!(lines[3].contains("retired"), "{list}");
    assert!(lines[4].starts_with("1000 "), "other ids start at 1000: {list}");
}

#[sqlx::test]
async fn a_user_that_cannot_be_added_leaves_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let add = |arguments: &[&str], input: &str| {
        app.command(&[&["user", "add"], arguments].concat(), input)
    };
    add(&["ANNA"], "x").assert_error("the login name is taken");
    add(&["other", "--id", "1"], "x").assert_error("the user id is taken");
    add(&["other", "--id", "0"], "x").assert_error("UserId");
    add(&["a:b"], "x").assert_error("colon");
    add(&["other"], "").assert_error("Password");
    add(&["other", "--type", "king"], "x").assert_usage_error();
    let count = sqlx::query_scalar!("SELECT count(*) FROM users");
    assert_eq!(count.fetch_one(&app.pool).await.unwrap(), Some(3));
}

#[sqlx::test]
async fn credentials_are_saved_listed_and_verified(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let save = ["credential", "save", "--user", PLAIN.1];
    app.command(&save, "from the operator\n").assert_success();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "from the operator")).await.assert_status(200);
    let typed =
        [&save[..], &["--type", "activedirectory", "--display-value", "DOM\\paul"]].concat();
    app.command(&typed, "S-1-5-21").assert_success();
    let list = app.command(&["credential", "list", "--user", "278"], "").assert_success();
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.contains("ActiveDirectory") && list.contains("DOM\\paul"), "{list}");
    assert!(!list.contains("S-1-5-21"), "{list}");
    let verify = ["credential", "verify", "--user", "278"];
    app.command(&verify, "from the operator").assert_success();
    assert_eq!(app.command(&verify, "something else").code, 1);
    app.command(&["credential", "verify", "--user", "nobody"], "x").assert_error("user not found");
    let unknown = [&save[..], &["--type", "None"]].concat();
    app.command(&unknown, "x").assert_error("Credential.Type.Type");
}

#[sqlx::test]
async fn tickets_are_issued_and_revoked(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let issue = || app.command(&["ticket", "issue", "--user", PLAIN.1], "").assert_success();
    let (one, two, three) = (issue(), issue(), issue());
    let who = |ticket: &str| Credentials::Ticket(ticket.to_owned());
    app.get(PRINCIPAL, &who(&one)).await.assert_status(200);
    app.command(&["ticket", "revoke"], &one).assert_success();
    app.command(&["ticket", "revoke"], &one).assert_negative_answer();
    app.command(&["ticket", "revoke"], "nonsense").assert_negative_answer();
    app.get(PRINCIPAL, &who(&one)).await.assert_unauthenticated();
    app.get(PRINCIPAL, &who(&two)).await.assert_status(200);
    let token = Credentials::Bearer(app.token(&who(&two)).await);
    let ended = app.command(&["ticket", "revoke", "--user", "278"], "").assert_success();
    assert_eq!(ended, "revoked 2 tickets and sessions, and all tokens");
    app.get(PRINCIPAL, &who(&three)).await.assert_unauthenticated();
    app.get(PRINCIPAL, &token).await.assert_unauthenticated();
    app.command(&["ticket", "issue", "--user", "rita"], "").assert_error("retired");
}

#[test]
fn a_keyring_is_generated_once_and_listed_without_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyring.json");
    let file = file.to_str().unwrap();
    let run = |arguments: &[&str]| run_with_input(keeper(arguments), "");
    run(&["keys", "generate", "--file", file]).assert_success();
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o400);
    run(&["keys", "generate", "--file", file]).assert_error("already exists");
    let list = run(&["keys", "list", "--file", file]).assert_success();
    assert!(list.contains("writing"), "{list}");
    let text = fs::read_to_string(file).unwrap();
    let secret = serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let secret = secret["keys"][0]["secret"].as_str().unwrap();
    assert!(!list.contains(secret));
    let printed = run(&["keys", "generate", "--stdout"]).assert_success();
    assert!(!printed.contains(secret) && printed.contains("writing"));
}

#[test]
fn config_check_prints_every_problem_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open.json");
    fs::write(&open, "{}").unwrap();
    let check = |variables: &[(&str, &str)]| {
        let mut command = keeper(&["config", "check", "--show"]);
        command.envs(variables.iter().copied());
        run_with_input(command, "")
    };
    let finished = check(&[
        ("KEEPER__DATABASE__URL", "postgres://u:marker@h/d"),
        ("KEEPER__HTTP__LISTEN", "0.0.0.0:8080"),
        ("KEEPER__HASHING__MEMORY_KIB", "1024"),
        ("KEEPER__KEYRING__FILE", open.to_str().unwrap()),
        ("KEEPER__DATABASE__PASSWORD_FILE", "/no/such/file"),
        ("KEEPER__LOG__LEVEL", "=,="),
    ]);
    assert_eq!(finished.code, 1);
    for problem in ["http.listen", "hashing", "keyring.file", "database.password_file", "log.level"]
    {
        let start = format!("# {problem}: ");
        let is_printed = finished.stdout.lines().any(|line| line.starts_with(&start));
        assert!(is_printed, "{problem}: {finished:?}");
    }
    assert!(!finished.stdout.contains("marker") && !finished.stderr.contains("marker"));
    let file = folder.path().join("keyring.json");
    let file = file.to_str().unwrap();
    run_with_input(keeper(&["keys", "generate", "--file", file]), "").assert_success();
    let url = "postgres://u@h/d?sslmode=verify-full";
    let valid = check(&[("KEEPER__DATABASE__URL", url), ("KEEPER__KEYRING__FILE", file)]);
    assert!(valid.assert_success().ends_with("\n# the settings are valid"));
}

#[test]
fn the_version_shows_the_build() {
    let version = run_with_input(keeper(&["--version"]), "").assert_success();
    assert!(
        version.starts_with(concat!("credential-keeper ", env!("CARGO_PKG_VERSION"))),
        "{version}"
    );
    assert!(version.contains("debug") || version.contains("release"), "{version}");
    assert!(version.contains("-linux-") && version.contains("rustc 1."), "{version}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for arguments in [&["nonsense"][..], &[], &["user"], &["dev", "--listen", "x"]] {
        run_with_input(keeper(arguments), "").assert_usage_error();
    }
}

#[test]
fn without_a_command_the_program_says_where_to_start() {
    let finished = run_with_input(keeper(&[]), "");
    for part in ["dev ", "init ", "serve ", "--help", "docs"] {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
    // Nothing on standard output: a script that loses its arguments gets no result.
    assert_eq!(finished.stdout, "");
    finished.assert_usage_error();
    let help = run_with_input(keeper(&["--help"]), "").assert_success();
    assert!(help.contains("Usage: credential-keeper"), "{help}");
}
