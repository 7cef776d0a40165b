//! `config check` and `doctor` with a directory.

use serde_json::Value;
use sqlx::PgPool;

use super::spawn;
use crate::support::{
    BIND, CommandOutput, RawDirectory, Slapd, TestApp, done, keeper, replace, result,
    run_with_input,
};

/// Runs a command with the settings of a test, some of them replaced.
fn run(app: &TestApp, arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
    let mut command = keeper(arguments);
    command.envs(app.variables()).envs(variables.iter().copied());
    run_with_input(command, "")
}

#[sqlx::test]
async fn config_check_names_unusable_filters_and_files(pool: PgPool) {
    let slapd = Slapd::start("");
    let app = spawn(pool, &slapd.variables(), &[]).await;
    app.command(&["config", "check"], "").assert_success();
    let empty = slapd.path("empty");
    replace(&empty, "\n", 0o400);
    let open = slapd.path("open");
    replace(&open, "p", 0o444);
    for (name, value, text) in [
        ("user_filter", "(marker", "search filter"),
        ("user_filter", "(marker={search})", "placeholder"),
        ("user_search_filter", "(cn=marker)", "must contain {search}"),
        ("member_filter", "(memberOf=marker)", "must contain {group}"),
        ("group_filter", "objectClass=marker", "search filter"),
        ("group_search_filter", "(cn={marker})", "placeholder"),
        ("ca_file", "/no/such/file", "cannot read"),
        ("ca_file", empty.to_str().unwrap(), "no valid certificate"),
        ("password_file", empty.to_str().unwrap(), "is empty"),
        ("password_file", open.to_str().unwrap(), "too open"),
    ] {
        let variable = format!("KEEPER__DIRECTORY__{}", name.to_uppercase());
        let output = run(&app, &["config", "check"], &[(&variable, value)]);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.stdout.contains(&format!("directory.{name}")), "{output:?}");
        assert!(output.stdout.contains(text), "{output:?}");
        assert!(!output.stdout.contains("marker"), "{output:?}");
    }
}

const ENCRYPTED: &str = "the connection to the directory is local, or encrypted";
const ACCEPTED: &str = "the directory accepts the account of this service";

/// The verdict and the next step of `doctor` for a requirement.
fn verdict(app: &TestApp, variables: &[(&str, &str)], requirement: &str) -> String {
    let output = run(app, &["doctor", "--json"], variables);
    let rows: Value = serde_json::from_str(&output.stdout).unwrap();
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|row| row["what"].as_str().unwrap().starts_with(requirement));
    let row = row.unwrap_or_else(|| panic!("{requirement}: {output:?}"));
    format!("{} {}", row["verdict"].as_str().unwrap(), row["next_step"])
}

#[sqlx::test]
async fn doctor_checks_the_encryption_and_the_bind(pool: PgPool) {
    let slapd = Slapd::start("");
    let app = spawn(pool, &slapd.variables(), &[]).await;
    assert_eq!(verdict(&app, &[], ENCRYPTED), "pass null");
    assert_eq!(verdict(&app, &[], ACCEPTED), "pass null");
    let wrong = slapd.path("wrong");
    replace(&wrong, "marker", 0o400);
    let wrong = ("KEEPER__DIRECTORY__PASSWORD_FILE", wrong.to_str().unwrap());
    let refused = verdict(&app, &[wrong], ACCEPTED);
    assert!(refused.starts_with("FAIL") && refused.contains("invalid credentials"), "{refused}");
    assert!(!refused.contains("marker"), "{refused}");
    let by_address = slapd.tls_url().replace("localhost", "127.0.0.1");
    let unverified = verdict(&app, &[("KEEPER__DIRECTORY__URL", &by_address)], ACCEPTED);
    assert!(unverified.contains("cannot negotiate TLS"), "{unverified}");
    // The final dot keeps the name on this machine, but the service takes it for another one.
    let exposed = [
        ("KEEPER__DIRECTORY__URL", "ldap://localhost.:9"),
        ("KEEPER__DIRECTORY__START_TLS", "false"),
        ("KEEPER__DIRECTORY__ALLOW_UNENCRYPTED", "true"),
        ("KEEPER__DIRECTORY__CA_FILE", ""),
    ];
    assert!(verdict(&app, &exposed, ENCRYPTED).starts_with("FAIL"));
}

#[sqlx::test]
async fn a_directory_on_loopback_needs_no_encryption(pool: PgPool) {
    let server = RawDirectory::answering(|id| Some(done(id, 0)));
    let app = spawn(pool, &server.variables(), &[]).await;
    assert_eq!(verdict(&app, &[], ENCRYPTED), "pass null");
    assert_eq!(verdict(&app, &[], ACCEPTED), "pass null");
}

const VERIFIES: &str = "the directory answers the lookups and requests of logins";

#[sqlx::test]
async fn doctor_takes_the_steps_of_a_login_without_a_password(pool: PgPool) {
    let server = RawDirectory::answering(|id| Some(done(id, 0)));
    let on = [("VERIFY_PASSWORDS", "true"), ("VERIFY_TIMEOUT_SECONDS", "1")];
    let app = spawn(pool, &server.variables(), &on).await;
    assert_eq!(verdict(&app, &[], VERIFIES), "pass null");
    // The binds of the service: one for each check.
    assert_eq!(server.binds(), 2);
    let slow = RawDirectory::start(|tag, id| match tag {
        BIND => Some(result(id, 0x61, 0)),
        _ => Some(Vec::new()),
    });
    let variables = slow.variables();
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let late = verdict(&app, &variables, VERIFIES);
    assert!(late.starts_with("FAIL"), "{late}");
    assert!(late.contains("directory.verify_timeout_seconds"), "{late}");
}
