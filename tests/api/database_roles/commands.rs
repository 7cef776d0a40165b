//! Which role each command needs.

use std::fs;

use sqlx::{Connection, PgConnection, PgPool};

use super::{Roles, execute, migrate};
use crate::support::{CommandOutput, SERVICE_ROLE, TestApp, keeper, run_with_input};

/// Commands that only the service's role can run.
const OF_SERVICE: [&[&str]; 8] = [
    &["serve"],
    &["user", "list"],
    &["credential", "list", "--user", "anna"],
    &["ticket", "issue", "--user", "anna"],
    &["import", "-"],
    &["rotate-key", "reseal"],
    &["audit", "list", "--user", "1"],
    &["audit", "stream"],
];

/// Commands that the auditor's role can run, too.
const OF_AUDITOR: [&[&str]; 5] = [
    &["audit", "verify"],
    &["audit", "anchor"],
    &["audit", "list"],
    &["audit", "list", "--user", "id:278", "--kind", "user_added", "--since", "2020-01-01"],
    &["audit", "list", "--actor", "id:1", "--format", "csv"],
];

/// Commands that do not open the database of an installation.
const WITHOUT_DATABASE: [&str; 17] = [
    "application digest",
    "calibrate",
    "completions",
    "config check",
    "config diff",
    "config show",
    "convert",
    "dev",
    "drain",
    "health",
    "keys generate",
    "keys list",
    "keys rewrap",
    "keys unwrap",
    "keys wrap",
    "openapi",
    "passwords filter",
];

#[test]
fn the_reference_has_the_role_of_every_command_that_opens_the_database() {
    let roles = fs::read_to_string("docs/reference/database-roles.md").unwrap();
    let (_, table) = roles.split_once("\n## Commands\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let named: Vec<_> = table.split('`').skip(1).step_by(2).collect();
    let reference = fs::read_to_string("docs/reference/commands.md").unwrap();
    let commands = reference.lines().filter_map(|line| line.strip_prefix("## `"));
    let commands: Vec<_> = commands.map(|command| command.trim_end_matches('`')).collect();
    assert!(commands.len() > WITHOUT_DATABASE.len(), "{commands:?}");
    for command in commands {
        let group = command.split(' ').next().unwrap();
        let has_role = named.contains(&command) || named.contains(&group);
        assert_ne!(has_role, WITHOUT_DATABASE.contains(&command), "{command}");
    }
}

fn run_as(app: &TestApp, url: &str, auditor: &str, arguments: &[&str]) -> CommandOutput {
    let mut command = keeper(arguments);
    command.envs(app.variables()).env("KEEPER__DATABASE__URL", url);
    command.env("KEEPER__DATABASE__ROLE", SERVICE_ROLE);
    command.env("KEEPER__DATABASE__AUDITOR_ROLE", auditor);
    run_with_input(command, "")
}

#[sqlx::test]
async fn a_command_with_the_wrong_role_names_the_role_that_it_needs(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The test changed this user without an event.
    execute(&app.pool, "UPDATE users SET is_retired = false").await;
    let mut roles = Roles::new(&app.pool);
    let auditor = roles.create("auditor", "").await;
    let stranger = roles.create("stranger", "").await;
    migrate(&app.owner_url(), Some(SERVICE_ROLE), Some(&auditor)).assert_success();
    let run = |role: &str, arguments: &[&str]| run_as(&app, &roles.url(role), &auditor, arguments);
    for role in [&auditor, &stranger] {
        for arguments in OF_SERVICE {
            run(role, arguments).assert_error("connect as the role of the service");
        }
        run(role, &["migrate"]).assert_error("run `migrate` as their owner");
    }
    for arguments in OF_AUDITOR {
        run(&auditor, arguments).assert_success();
        run(&stranger, arguments)
            .assert_error("connect as the role of the auditor or of the service");
    }
    let doctor = run(&stranger, &["doctor"]);
    assert!(doctor.stdout.contains("connect as the role of the auditor"), "{doctor:?}");
    roles.drop().await;
}

/// Settings that name files of other systems. The account of an auditor may not read them.
const OTHER_SYSTEMS: &str = "
http.public_url = 'https://keeper.example'
mail.smtp_url_file = '/no/such/file'
mail.from = 'keeper@keeper.example'
mail.ca_file = '/no/such/file'
directory.url = 'ldaps://localhost:1'
directory.bind_dn = 'CN=keeper'
directory.password_file = '/no/such/file'
directory.ca_file = '/no/such/file'
directory.user_base_dn = 'DC=example'
directory.group_base_dn = 'DC=example'
migration.hook_url = 'https://localhost:1/login'
migration.hook_key_file = '/no/such/file'
audit.sinks = [
    { name = 'siem', type = 'webhook', url = 'https://localhost:1/', key_file = '/no/such/file' },
    { name = 'log', type = 'syslog', address = 'localhost:1', ca_file = '/no/such/file' },
]
";

#[sqlx::test]
async fn an_auditor_needs_no_file_of_another_system(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The test changed this user without an event.
    execute(&app.pool, "UPDATE users SET is_retired = false").await;
    let mut roles = Roles::new(&app.pool);
    let auditor = roles.create("auditor", "").await;
    migrate(&app.owner_url(), Some(SERVICE_ROLE), Some(&auditor)).assert_success();
    app.rewrite_settings(OTHER_SYSTEMS);
    let checked = app.command(&["config", "check"], "");
    for setting in
        ["mail.smtp_url_file", "directory.password_file", "migration.hook_key_file", "audit.sinks"]
    {
        assert!(checked.stdout.contains(setting), "{setting}: {checked:?}");
    }
    for arguments in OF_AUDITOR {
        run_as(&app, &roles.url(&auditor), &auditor, arguments).assert_success();
    }
    app.command(&["user", "list"], "").assert_success();
    roles.drop().await;
}

#[sqlx::test]
async fn the_auditor_verifies_everything_and_can_do_nothing_else(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The test changed this user without an event.
    execute(&app.pool, "UPDATE users SET is_retired = false").await;
    let mut roles = Roles::new(&app.pool);
    let auditor = roles.create("auditor", "").await;
    migrate(&app.owner_url(), Some(SERVICE_ROLE), Some(&auditor)).assert_success();
    let url = roles.url(&auditor);
    let run = |arguments: &[&str]| run_as(&app, &url, &auditor, arguments);

    // The service records its key, and the auditor does not record the next one.
    app.command(&["user", "list"], "").assert_success();
    let key = app.add_key();
    app.command(&["rotate-key", "use", &key], "").assert_success();
    let keys = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM keys").fetch_one(&app.pool).await.unwrap()
    };
    let before = keys().await;
    run(&["audit", "verify"]).assert_success();
    assert_eq!(keys().await, before);
    let doctor = run(&["doctor"]);
    for requirement in [
        "the keyring and the database are usable and match",
        "the database role of the service is not a superuser",
        "the database role of the service cannot change audit events",
        "the database role of the auditor can read what it needs, and nothing else",
    ] {
        let line = doctor.stdout.lines().find(|line| line.contains(requirement));
        assert!(line.unwrap().trim_start().starts_with("pass"), "{requirement}: {doctor:?}");
    }

    let mut connection = PgConnection::connect(&url).await.unwrap();
    for statement in [
        "SELECT display_value FROM credentials",
        "SELECT login_name FROM users",
        "SELECT digest FROM tickets",
        "SELECT * FROM login_names",
        "SELECT counted_secrets FROM authentication_attempts",
        "SELECT user_id FROM users FOR SHARE",
        "INSERT INTO audit_events SELECT * FROM audit_events",
        "UPDATE users SET audit_mac = audit_mac",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "DO $$ BEGIN LOCK TABLE users IN ROW SHARE MODE; END $$",
        "SELECT nextval('users_user_id_seq')",
        "CREATE TABLE own (id int)",
        "CREATE TEMPORARY TABLE own (id int)",
        "CREATE SCHEMA own",
        "COPY users TO '/tmp/users'",
        "SET ROLE keeper_test_service",
    ] {
        let refused = sqlx::raw_sql(statement).execute(&mut connection).await;
        let error = refused.map(|_| statement).unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{statement}: {error}");
    }

    let tamper = "UPDATE audit_events SET scheme = 'basic' WHERE user_id = 278";
    sqlx::raw_sql(tamper).execute(&app.pool).await.unwrap();
    let found = run(&["audit", "verify"]);
    assert!(found.code == 1 && found.stdout.contains("was changed"), "{found:?}");
    sqlx::raw_sql("UPDATE credentials SET sealed_hash = sealed_hash || '\\x00' WHERE user_id = 1")
        .execute(&app.pool)
        .await
        .unwrap();
    let found = run(&["audit", "verify"]);
    assert!(found.stdout.contains("cannot be unsealed"), "{found:?}");
    roles.drop().await;
}
