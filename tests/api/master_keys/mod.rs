//! Keyrings that a master key outside the service wraps.

mod commands;
mod pkcs11;
mod transit;

use std::{collections::HashSet, fs};

use serde_json::Value;

use crate::support::{
    CommandOutput, Credentials, PLAIN, PRINCIPAL, SAVE, Server, TestApp, keeper, password_of,
    restrict, run_with_input,
};

/// Variables of the environment.
type Variables = Vec<(String, String)>;

/// Runs a command with the settings of the application and more variables.
fn command(app: &TestApp, more: &Variables, arguments: &[&str]) -> CommandOutput {
    let mut command = keeper(arguments);
    command.envs(app.variables()).envs(more.iter().cloned());
    run_with_input(command, "")
}

/// Starts `serve` with the settings of the application and more variables.
fn serve(app: &TestApp, more: &Variables) -> Result<Server, String> {
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).envs(more.iter().cloned());
    Server::start(command)
}

/// The settings with one of them changed.
fn with(settings: &Variables, name: &str, value: &str) -> Variables {
    let mut settings = settings.clone();
    settings.push((name.to_owned(), value.to_owned()));
    settings
}

/// The secrets of a plain keyring.
fn secrets(keyring: &str) -> HashSet<String> {
    let keyring: Value = serde_json::from_str(keyring).unwrap();
    let keys = keyring["keys"].as_array().unwrap().iter();
    keys.map(|key| key["secret"].as_str().unwrap().to_owned()).collect()
}

/// The keyring file of the application as JSON.
fn wrapped(app: &TestApp) -> Value {
    serde_json::from_str(&fs::read_to_string(app.keyring()).unwrap()).unwrap()
}

/// Replaces the keyring file of the application.
fn replace(app: &TestApp, keyring: &Value) {
    fs::remove_file(app.keyring()).unwrap();
    fs::write(app.keyring(), keyring.to_string()).unwrap();
    restrict(app.keyring().as_ref());
}

/// The rows of `keys list`.
fn listed(app: &TestApp, more: &Variables) -> Value {
    serde_json::from_str(&command(app, more, &["--json", "keys", "list"]).assert_success()).unwrap()
}

/// Asserts that a process with this keyring verifies the password of before, and saves another.
async fn assert_serves(app: &TestApp, server: &Server) {
    let of = |path: &str| format!("{}{path}", server.ready);
    let plain = Credentials::basic(PLAIN.1, &password_of(PLAIN.1));
    let request = plain.apply_to(app.client.get(of(PRINCIPAL)));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let body =
        serde_json::json!({"UserId": PLAIN.0, "Credential": {"Value": password_of(PLAIN.1)}});
    let save = app.administrator().apply_to(app.client.post(of(SAVE)).json(&body));
    assert_eq!(save.send().await.unwrap().status(), 200);
}

/// Rotates the wrapped keyring of a running installation, and asserts that no step unwraps it or
/// loses a key.
async fn assert_rotates(app: &TestApp, settings: &Variables) {
    let run = |arguments: &[&str]| command(app, settings, arguments);
    let before = listed(app, settings);
    let writing = |rows: &Value| {
        let mut rows = rows.as_array().unwrap().iter();
        let row = rows.find(|row| row["state"] == "writing").unwrap();
        row["key"].as_str().unwrap().to_owned()
    };
    let old = writing(&before);
    let new = run(&["rotate-key", "add"]).added_key();
    run(&["rotate-key", "use", &new]).assert_success();
    run(&["rotate-key", "reseal"]).assert_success();
    run(&["rotate-key", "retire", &old]).assert_success();
    let after = listed(app, settings);
    assert_eq!(writing(&after), new);
    let rows = after.as_array().unwrap();
    assert_eq!(rows.len(), before.as_array().unwrap().len() + 1);
    assert!(rows.iter().any(|row| row["key"] == *old && row["state"] == "retired"), "{after}");
    assert!(rows.iter().all(|row| row["wrapped_by"] == before[0]["wrapped_by"]), "{after}");
    assert!(wrapped(app)["keys"].as_array().unwrap().iter().all(|key| key.get("secret").is_none()));
    // The test application retires a user without an event.
    let chains = run(&["audit", "verify"]).stdout;
    assert!(chains.lines().count() == 2 && chains.contains("the retired state"), "{chains}");
    let server = serve(app, settings).unwrap();
    assert_serves(app, &server).await;
}
