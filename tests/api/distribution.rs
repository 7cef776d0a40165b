//! A distributed database, on one PostgreSQL: its tables are partitioned by the columns that distribute
//! them. The unique constraints of such tables have the same rule, and an exclusive lock on every other
//! partition stops each statement that would need another shard.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, Transaction};

use crate::support::{ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, TestApp};

/// Distributes by hand what docs/how-to/distribute-with-citus.md distributes.
const PARTITION: &str = "
    FOR part IN 0..3 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 4, REMAINDER %s)',
                       name || '_' || part, 'new_' || name, part);
    END LOOP;
    EXECUTE format('DROP TABLE %I CASCADE', name);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', 'new_' || name, name);";

/// The distributed tables of the guide with their columns.
fn distributed_tables() -> Vec<(String, String)> {
    let guide = include_str!("../../docs/how-to/distribute-with-citus.md");
    let arguments =
        guide.lines().filter_map(|line| line.strip_prefix("SELECT create_distributed_table("));
    let tables: Vec<_> = arguments
        .map(|arguments| {
            let quoted: Vec<_> = arguments.split('\'').collect();
            (quoted[1].to_owned(), quoted[3].to_owned())
        })
        .collect();
    assert!(tables.len() > 10, "{tables:?}");
    tables
}

/// Partitions the tables, and writes the catalog by which Citus is found.
async fn distribute(pool: &PgPool) {
    let mut script = String::from(
        "SET allow_system_table_mods = on;
         CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
         GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;
         -- It outlasts the table that is replaced.
         ALTER SEQUENCE audit_events_position_seq OWNED BY NONE;
         SET client_min_messages = error;",
    );
    for (table, column) in distributed_tables() {
        let _ = write!(
            script,
            "DO $$ DECLARE name text := '{table}'; part integer; BEGIN
                 CREATE TABLE new_{table} (LIKE {table} INCLUDING ALL) PARTITION BY HASH ({column});
                 {PARTITION}
             END $$;
             INSERT INTO pg_catalog.pg_dist_partition VALUES ('{table}');"
        );
    }
    script += "ALTER SEQUENCE new_users_user_id_seq RENAME TO users_user_id_seq;
               ALTER SEQUENCE new_password_mails_mail_id_seq RENAME TO password_mails_mail_id_seq;
               RESET client_min_messages; RESET allow_system_table_mods;";
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(pool).await.unwrap();
    // A plan for all values would lock the partitions of all values.
    let name: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(pool).await.unwrap();
    let always = format!("ALTER DATABASE \"{name}\" SET plan_cache_mode = force_custom_plan");
    sqlx::raw_sql(sqlx::AssertSqlSafe(always)).execute(pool).await.unwrap();
}

/// Locks every partition on which the user with that name has no row. The partitions of `address_failures`
/// stay free: a request writes the one of its address.
async fn lock_other_shards<'pool>(
    pool: &'pool PgPool,
    user_id: i32,
    name: &str,
) -> Transaction<'pool, Postgres> {
    let find = "SELECT (SELECT right(tableoid::regclass::text, 1) FROM users WHERE user_id = $1),
                       (SELECT right(tableoid::regclass::text, 1) FROM login_names
                        WHERE canonical_name = $2)";
    let (of_user, of_name): (String, String) =
        sqlx::query_as(find).bind(user_id).bind(name).fetch_one(pool).await.unwrap();
    let mut others = Vec::new();
    for (table, column) in distributed_tables() {
        let own = match (column.as_str(), table.as_str()) {
            ("user_id", _) => of_user.as_str(),
            (_, "login_names") => of_name.as_str(),
            (_, "address_failures") => continue,
            // The password of a user has neither an identifier nor a nickname.
            _ => "",
        };
        let parts = (0..4).map(|part| part.to_string()).filter(|part| part != own);
        others.extend(parts.map(|part| format!("{table}_{part}")));
    }
    let mut held = pool.begin().await.unwrap();
    let lock = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", others.join(", "));
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *held).await.unwrap();
    held
}

/// The setting, and a short limit for the wait for another shard.
fn settings(distributed: &'static str) -> [(&'static str, &'static str); 2] {
    [
        ("KEEPER__DATABASE__DISTRIBUTED", distributed),
        ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "5"),
    ]
}

async fn put(app: &TestApp, credentials: &Credentials, path: &str, body: &Value) -> Answer {
    let request = app.request(Method::PUT, path, credentials).json(body);
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn each_statement_of_a_users_requests_runs_on_one_shard(pool: PgPool) {
    distribute(&pool).await;
    // `auto` finds the catalog.
    let app = TestApp::spawn_with(pool, &settings("auto"), "").await;
    let held = lock_other_shards(&app.pool, PLAIN.0, PLAIN.1).await;
    let wrong = Credentials::basic(PLAIN.1, "wrong");
    app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    let session = app.session(PLAIN.1).await;
    app.get(PRINCIPAL, &session).await.assert_status(200);
    app.save(&app.plain(), PLAIN.0, "", "a new password").await.assert_saved();
    let renewed = Credentials::basic(PLAIN.1, "a new password");
    app.get(PRINCIPAL, &renewed).await.assert_status(200);
    held.rollback().await.unwrap();
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
}

#[sqlx::test]
async fn a_combined_statement_needs_other_shards(pool: PgPool) {
    distribute(&pool).await;
    let variables =
        [("KEEPER__DATABASE__DISTRIBUTED", "off"), ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1")];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    let held = lock_other_shards(&app.pool, PLAIN.0, PLAIN.1).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(503);
    held.rollback().await.unwrap();
}

/// Changes everything that has an entry in a directory, on tables that are partitioned.
#[sqlx::test]
async fn directories_follow_the_users_of_a_distributed_database(pool: PgPool) {
    distribute(&pool).await;
    let app = TestApp::spawn_with(pool, &settings("on"), "").await;
    let administrator = app.administrator();
    let directory = "ActiveDirectory";
    app.save(&administrator, PLAIN.0, directory, "S-1-5-21-1-2-3-500").await.assert_saved();
    app.save(&administrator, PLAIN.0, directory, "S-1-5-21-1-2-3-501").await.assert_saved();
    // The first identifier is free again, and the second one is not.
    let other = ADMINISTRATOR.0;
    app.save(&administrator, other, directory, "S-1-5-21-1-2-3-500").await.assert_saved();
    let taken = app.save(&administrator, other, directory, "S-1-5-21-1-2-3-501").await;
    taken.assert_status(409);
    let path = format!("/api/v1/User/{}", PLAIN.0);
    let renamed = json!({ "AssociateId": PLAIN.0, "Name": "pavel" });
    put(&app, &administrator, &path, &renamed).await.assert_status(200);
    let spelled = Credentials::basic("PAVEL", "paul-password");
    app.get(PRINCIPAL, &spelled).await.assert_status(200);
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    // Another user cannot take the name, and takes the former one.
    app.command(&["user", "add", "Pavel"], "secret of pavel").assert_error("taken");
    app.add_user((4000, PLAIN.1), &[]);
    app.command(&["user", "delete", "pavel"], "").assert_success();
    let left = "SELECT (SELECT count(*) FROM login_names WHERE user_id = 278)
                     + (SELECT count(*) FROM credential_identifiers WHERE user_id = 278)
                     + (SELECT count(*) FROM known_addresses WHERE user_id = 278)
                     + (SELECT count(*) FROM address_failures WHERE user_id = 278)";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&app.pool).await.unwrap();
    assert_eq!(left, 0);
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn a_failed_attempt_counts_the_same_on_a_distributed_database(pool: PgPool) {
    let mut counted = Vec::new();
    for distributed in ["off", "on"] {
        let variables = [("KEEPER__DATABASE__DISTRIBUTED", distributed)];
        let app = TestApp::spawn_with(pool.clone(), &variables, "").await;
        for secret in ["wrong", "wrong", "other"] {
            let wrong = Credentials::basic(PLAIN.1, secret);
            app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
        }
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
        let wrong = Credentials::basic(PLAIN.1, "third");
        app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
        let state = "SELECT (SELECT string_agg(format('%s %s %s %s %s', credential_type, failures,
                                cardinality(counted_secrets), throttle_failures,
                                cardinality(throttle_secrets)), ',') FROM authentication_attempts)
                         || (SELECT string_agg(format(' %s %s %s', failures,
                                cardinality(counted_secrets), last_failed_at IS NULL), ',')
                             FROM known_addresses)
                         || (SELECT string_agg(failures::text, ',') FROM address_failures)";
        let state: Option<String> = sqlx::query_scalar(state).fetch_one(&app.pool).await.unwrap();
        counted.push(state.unwrap());
        app.command(&["credential", "unlock", "--user", PLAIN.1], "").assert_success();
        let clear = "TRUNCATE users, login_names, authentication_attempts, known_addresses,
                     address_failures, keys, installation CASCADE";
        sqlx::raw_sql(clear).execute(&app.pool).await.unwrap();
    }
    assert_eq!(counted[0], counted[1]);
}
