//! `keys confirm-backup`: a copy of the keyring is confirmed only if it opens the database.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use sqlx::PgPool;

use crate::support::{CommandOutput, SoftHsm, Terminal, TestApp, keeper, run_with_input};

fn verdict(app: &TestApp) -> String {
    let printed = app.command(&["--json", "doctor"], "").stdout;
    let findings: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let is_wanted = |one: &&Value| one["what"] == "a copy of the writing key is confirmed";
    findings.iter().find(is_wanted).unwrap()["verdict"].as_str().unwrap().to_owned()
}

fn confirm(app: &TestApp, copy: &str) -> CommandOutput {
    app.command(&["keys", "confirm-backup"], copy)
}

#[sqlx::test]
async fn a_backup_of_the_key_is_confirmed_by_a_copy_that_opens_the_database(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    assert_eq!(verdict(&app), "note");
    let copy = fs::read_to_string(app.keyring()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.json");
    credential_keeper::generate_keyring(&file).unwrap();
    let secret = |text: &str| {
        let keyring: Value = serde_json::from_str(text).unwrap();
        keyring["keys"][0]["secret"].as_str().unwrap().to_owned()
    };
    let other = copy.replace(&secret(&copy), &secret(&fs::read_to_string(&file).unwrap()));
    // The same id with another secret.
    confirm(&app, &other).assert_error("does not have the writing key");
    confirm(&app, "{}").assert_error("is not a keyring");
    app.command(&["keys", "confirm-backup", "--file", app.keyring()], "")
        .assert_error("the keyring in use");
    assert_eq!(verdict(&app), "note");

    confirm(&app, &copy).assert_success();
    assert_eq!(verdict(&app), "pass");

    // A rotation needs a new copy.
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    confirm(&app, &copy).assert_error("does not have the writing key");
    assert_eq!(verdict(&app), "note");
    let file = folder.path().join("copy.json");
    fs::copy(app.keyring(), &file).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
    app.command(&["keys", "confirm-backup", "--file", file.to_str().unwrap()], "").assert_success();
    assert_eq!(verdict(&app), "pass");
}

#[sqlx::test]
async fn a_wrapped_copy_is_opened_with_its_master_key(pool: PgPool) {
    let tokens = SoftHsm::new();
    let app = TestApp::spawn(pool).await;
    let run = |arguments: &[&str], input: &str, is_wrapped: bool| {
        let mut command = keeper(arguments);
        command.envs(app.variables());
        if is_wrapped {
            command.envs(tokens.settings());
        }
        run_with_input(command, input)
    };
    let plain = fs::read_to_string(app.keyring()).unwrap();
    let wrapped = run(&["keys", "wrap", "--stdout"], "", true).assert_success();
    let confirm = ["keys", "confirm-backup"];
    run(&confirm, &wrapped, false).assert_error("keyring.pkcs11 is not set");
    run(&["keys", "wrap"], "", true).assert_success();
    run(&confirm, &wrapped, true).assert_success();
    // The keys without their master key, for an offline copy.
    run(&confirm, &plain, true).assert_success();
}

/// The lines of a keyring behind the first one would reach the shell.
#[sqlx::test]
async fn a_copy_is_not_typed_at_a_terminal(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut command = keeper(&["keys", "confirm-backup"]);
    command.envs(app.variables());
    let (code, screen) = Terminal::start(&command, 120).wait();
    assert!(screen.contains("standard input is a terminal; pass the copy with --file"), "{screen}");
    assert_eq!(code, 1);
}
