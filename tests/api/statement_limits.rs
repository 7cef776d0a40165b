//! Commands that read whole tables take as long as the tables need: the time limit of statements is
//! that of the service.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::{CommandOutput, SERVICE_ROLE, TestApp, keeper, run_with_input};

/// The settings of each command. A statement over three slow rows takes longer than its limit.
const LIMIT: (&str, &str) = ("KEEPER__DATABASE__STATEMENT_TIMEOUT_SECONDS", "1");

/// Makes each row of a table take 0.4 seconds in the statements of the service.
async fn slow_down(app: &TestApp, table: &str) {
    let statements = format!(
        "CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql VOLATILE COST 0.0001 AS
             $$ BEGIN PERFORM pg_sleep(0.4); RETURN true; END $$;
         GRANT EXECUTE ON FUNCTION slow() TO {SERVICE_ROLE};
         ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY slow ON {table} USING (slow())"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&app.pool).await.unwrap();
}

fn run(app: &TestApp, arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
    let mut command = keeper(arguments);
    command.envs(app.variables()).envs([LIMIT]).envs(variables.iter().copied());
    run_with_input(command, "")
}

/// Makes a new key the writing key; returns the id of the former one.
fn replace_writing_key(app: &TestApp) -> String {
    let listed = app.command(&["--json", "keys", "list"], "").assert_success();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let new = app.add_key();
    app.command(&["rotate-key", "use", &new], "").assert_success();
    listed[0]["key"].as_str().unwrap().to_owned()
}

/// Reseals twice, the second time without a row that is left, and retires the former key.
fn reseal_and_retire(app: &TestApp, former: &str, variables: &[(&str, &str)]) {
    for resealed in ["resealed 3 credentials, 0 left", "resealed 0 credentials, 0 left"] {
        let output = run(app, &["rotate-key", "reseal"], variables);
        assert!(output.stderr.contains(resealed), "{output:?}");
        output.assert_success();
    }
    run(app, &["rotate-key", "retire", former], variables).assert_success();
}

#[sqlx::test]
async fn a_rotation_takes_as_long_as_the_table_needs(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let former = replace_writing_key(&app);
    slow_down(&app, "credentials").await;
    reseal_and_retire(&app, &former, &[]);
}

/// Behind a connection pooler in transaction mode, the role has the limit, and no command changes a
/// session.
#[sqlx::test]
async fn a_rotation_behind_a_pooler_lifts_the_limit_of_the_role(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let former = replace_writing_key(&app);
    let database: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(&app.pool).await.unwrap();
    let limit = format!(
        r#"ALTER ROLE {SERVICE_ROLE} IN DATABASE "{database}" SET statement_timeout = '1s'"#
    );
    sqlx::raw_sql(AssertSqlSafe(limit)).execute(&app.pool).await.unwrap();
    slow_down(&app, "credentials").await;
    reseal_and_retire(&app, &former, &[("KEEPER__DATABASE__TRANSACTION_POOLING", "true")]);
}

#[sqlx::test]
async fn marking_all_credentials_takes_as_long_as_the_table_needs(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    slow_down(&app, "credentials").await;
    for marked in ["required 3 changes", "required 0 changes"] {
        let output = run(&app, &["credential", "require-change", "--all"], &[]);
        assert!(output.stderr.contains(marked), "{output:?}");
        output.assert_success();
    }
}

#[sqlx::test]
async fn a_restore_check_takes_as_long_as_the_tables_need(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    // The test setup retires a user without an event.
    sqlx::query("UPDATE users SET is_retired = false").execute(&app.pool).await.unwrap();
    slow_down(&app, "credentials").await;
    run(&app, &["restore", "check"], &[]).assert_success();
}

#[sqlx::test]
async fn the_events_from_a_time_on_are_found_however_many_there_are(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    slow_down(&app, "audit_events").await;
    let move_sink = ["audit", "stream", "--sink", "siem", "--from", "2099-01-01T00:00:00Z"];
    // Looked up after the events.
    run(&app, &move_sink, &[]).assert_error("sink not found");
}

#[sqlx::test]
async fn doctor_counts_whole_tables_and_examines_the_limits_of_the_service(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for value in ["first", "second", "third"] {
        let secret = json!({"PublicValue": value, "SecretValue": "s"});
        let untrusted = json!({"Type": "t", "Credentials": secret});
        let path = "/api/v1/Agents/User/SaveUntrustedCredentials";
        app.post(path, &app.plain(), &untrusted).await.assert_status(204);
    }
    slow_down(&app, "untrusted_credentials").await;
    let output = run(&app, &["--json", "doctor"], &[]);
    let findings: Vec<Value> =
        serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    for what in [
        "every credential is sealed under the writing key",
        "the server enforces the timeouts of the settings",
    ] {
        let found = findings.iter().find(|finding| finding["what"] == what);
        let found = found.unwrap_or_else(|| panic!("{what}: {findings:#?}"));
        assert_eq!(found["verdict"], "pass", "{found}");
    }
}
