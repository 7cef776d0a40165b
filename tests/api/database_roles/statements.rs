//! Every statement of the service against the privileges that its role has.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};

use super::{Privileges, Roles, documented, execute, migrate, quote};

/// The statement of `migrate`, which the owner runs.
const OF_OWNER: &str = "INSERT INTO installation";

/// A statement with the number of its parameters.
struct Statement {
    text: String,
    parameters: usize,
}

/// The statements in a source text, which may spread them over several literals.
fn statements_in(source: &str) -> Vec<Statement> {
    let squeeze = |text: &str| -> String {
        text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect()
    };
    let source = squeeze(source);
    let mut found = Vec::new();
    for entry in fs::read_dir(".sqlx").unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let query: Value = serde_json::from_str(&text).unwrap();
        let text = query["query"].as_str().unwrap().to_owned();
        let parameters = query["describe"]["parameters"]["Left"].as_array().map_or(0, Vec::len);
        // EXPLAIN does not take them.
        let is_utility =
            ["SET ", "SHOW "].iter().any(|start| text.starts_with(start)) || text.contains("DO $$");
        if source.contains(&squeeze(&text)) && !is_utility {
            found.push(Statement { text, parameters });
        }
    }
    found
}

/// All sources of the storage layer.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(
            |entry| {
                if entry.is_dir() { sources(&entry) } else { fs::read_to_string(entry).unwrap() }
            },
        )
        .collect()
}

/// The statements that PostgreSQL refuses this role for lack of privileges. EXPLAIN checks the
/// privileges on every table and column of the statement, and runs nothing.
async fn denied(connection: &mut PgConnection, statements: &[Statement]) -> Vec<String> {
    let mut denied = Vec::new();
    for Statement { text, parameters } in statements {
        let nulls = vec!["NULL"; *parameters].join(", ");
        let nulls = if nulls.is_empty() { nulls } else { format!("({nulls})") };
        let explain = format!("PREPARE one AS {text}; EXPLAIN EXECUTE one{nulls}; DEALLOCATE one");
        let explained = sqlx::raw_sql(AssertSqlSafe(explain)).execute(&mut *connection).await;
        if let Err(error) = explained {
            let code = error.as_database_error().unwrap().code().unwrap().into_owned();
            assert_eq!(code, "42501", "{text}: {error}");
            denied.push(format!("{text}: {error}"));
            sqlx::raw_sql("DEALLOCATE ALL").execute(&mut *connection).await.unwrap();
        }
    }
    denied
}

/// Asserts that the privileges allow all statements, and that no statement would be refused without
/// one of them.
async fn assert_minimal(
    pool: &PgPool,
    connection: &mut PgConnection,
    role: &str,
    statements: &[Statement],
    privileges: &Privileges,
) {
    assert_eq!(denied(connection, statements).await, Vec::<String>::new());
    let mut needless = BTreeSet::new();
    for (table, privileges) in privileges {
        for privilege in privileges {
            let (keyword, column) = privilege.split_once(' ').unwrap_or((privilege, ""));
            let column = if column.is_empty() { String::new() } else { format!("({column})") };
            let on = format!("{keyword} {column} ON {table}");
            execute(pool, &format!("REVOKE {on} FROM {}", quote(role))).await;
            if denied(connection, statements).await.is_empty() {
                needless.insert(on.clone());
            }
            execute(pool, &format!("GRANT {on} TO {}", quote(role))).await;
        }
    }
    assert!(needless.is_empty(), "no statement needs {needless:?}");
}

#[sqlx::test(migrations = false)]
async fn every_statement_is_allowed_and_needs_each_privilege(pool: PgPool) {
    let owner = pool.connect_options().to_url_lossy().to_string();
    let mut roles = Roles::new(&pool);
    let service = roles.create("service", "").await;
    let auditor = roles.create("auditor", "").await;
    migrate(&owner, Some(&service), Some(&auditor)).assert_success();
    let [of_service, of_auditor] = documented();

    let mut statements = statements_in(&sources(Path::new("src/storage")));
    statements.retain(|one| !one.text.starts_with(OF_OWNER));
    assert!(statements.len() > 50, "{}", statements.len());
    let mut connection = PgConnection::connect(&roles.url(&service)).await.unwrap();
    assert_minimal(&pool, &mut connection, &service, &statements, &of_service).await;

    // What `audit verify`, `audit anchor`, `audit list` and `doctor` run.
    let read = |file: &str| fs::read_to_string(format!("src/storage/{file}.rs")).unwrap();
    let function = |file: &str, name: &str| {
        let text = read(file);
        let (_, rest) = text.split_once(&format!(" async fn {name}(")).unwrap();
        rest.split_once("\n}\n").unwrap().0.to_owned()
    };
    let of_list = |list: &str| {
        let file = format!("src/storage/list_audit_events_{list}.sql");
        fs::read_to_string(file).unwrap()
    };
    let source = [
        read("chain_heads"),
        read("diagnostics"),
        read("role_powers"),
        read("role_privileges"),
        function("database", "compare_migrations"),
        function("installation", "find_kind"),
        function("keys", "list"),
        function("keys", "count_not_sealed_under"),
        function("stored_credentials", "list_of_users"),
        function("credentials", "list_kinds"),
        of_list("of_user"),
        of_list("by_actor"),
        of_list("by_kind"),
    ]
    .concat();
    let statements = statements_in(&source);
    assert!(statements.len() >= 16, "{}", statements.len());
    let mut connection = PgConnection::connect(&roles.url(&auditor)).await.unwrap();
    assert_minimal(&pool, &mut connection, &auditor, &statements, &of_auditor).await;
    roles.drop().await;
}
