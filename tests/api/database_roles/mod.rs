//! The database roles: what `migrate` grants and revokes, which role each command needs, and how
//! `serve` and `doctor` react to a role that can do too much.

mod commands;
mod grants;
mod powers;
mod statements;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};

use crate::support::{CommandOutput, keeper, run_with_input};

/// Creates roles, which belong to the whole server, and drops them at the end of the test.
struct Roles {
    pool: PgPool,
    names: Vec<String>,
}

impl Roles {
    fn new(pool: &PgPool) -> Self {
        Self { pool: pool.clone(), names: Vec::new() }
    }

    /// Creates a role with these attributes; returns its name, which is unique on the server.
    async fn create(&mut self, name: &str, attributes: &str) -> String {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name} {} {number}", std::process::id());
        execute(&self.pool, &format!("CREATE ROLE {} LOGIN {attributes}", quote(&name))).await;
        self.names.push(name.clone());
        name
    }

    /// The URL of the test's database for a role.
    fn url(&self, name: &str) -> String {
        let mut url = self.pool.connect_options().to_url_lossy();
        url.set_username(name).unwrap();
        url.into()
    }

    async fn drop(self) {
        for name in &self.names {
            // Objects of an owner go back to the superuser who runs the test.
            let role = quote(name);
            let statements =
                format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}");
            execute(&self.pool, &statements).await;
        }
        for name in &self.names {
            execute(&self.pool, &format!("DROP ROLE {}", quote(name))).await;
        }
    }
}

/// A name as an SQL identifier.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn execute(pool: &PgPool, statements: &str) {
    let statements = AssertSqlSafe(statements.to_owned());
    sqlx::raw_sql(statements).execute(pool).await.unwrap();
}

/// Runs `migrate` with these roles.
fn migrate(url: &str, service: Option<&str>, auditor: Option<&str>) -> CommandOutput {
    let mut command = keeper(&["migrate"]);
    command.env("KEEPER__DATABASE__URL", url);
    command.envs(service.map(|name| ("KEEPER__DATABASE__ROLE", name)));
    command.envs(auditor.map(|name| ("KEEPER__DATABASE__AUDITOR_ROLE", name)));
    run_with_input(command, "")
}

/// Privileges by table: `SELECT`, or `SELECT column`.
type Privileges = BTreeMap<String, BTreeSet<String>>;

/// The documented privileges of the service and of the auditor on every table.
fn documented() -> [Privileges; 2] {
    let text = fs::read_to_string("docs/reference/database-roles.md").unwrap();
    let (_, section) = text.split_once("\n## Privileges\n").unwrap();
    let mut found = [Privileges::new(), Privileges::new()];
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let Some(table) = cells[0].strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) else {
            let sequences = ["audit_events_position_seq", "users_user_id_seq"];
            let rows = sequences.map(|name| format!("| `{name}` (sequence) | USAGE |  |"));
            assert!(rows.contains(&row.to_owned()), "{row}");
            continue;
        };
        for (privileges, cell) in found.iter_mut().zip(&cells[1..]) {
            privileges.insert(table.to_owned(), parse_privileges(cell));
        }
    }
    found
}

/// Parses `SELECT (a, b), INSERT`.
fn parse_privileges(cell: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = cell;
    while !rest.is_empty() {
        let end = rest.find([',', '(']).unwrap_or(rest.len());
        let keyword = rest[..end].trim();
        rest = rest[end..].trim_start_matches([',', ' ']);
        if let Some(list) = rest.strip_prefix('(') {
            let (columns, after) = list.split_once(')').unwrap();
            found.extend(columns.split(", ").map(|column| format!("{keyword} {column}")));
            rest = after.trim_start_matches([',', ' ']);
        } else {
            found.insert(keyword.to_owned());
        }
    }
    found
}

/// The privileges of a role on every table of the schema, as PostgreSQL sees them.
async fn effective(pool: &PgPool, role: &str) -> Privileges {
    let rows: Vec<(String, String, bool)> = sqlx::query_as(
        "SELECT relname::text, p || coalesce(' ' || attname, ''),
                CASE WHEN attname IS NULL THEN has_table_privilege($1, c.oid, p)
                     ELSE has_column_privilege($1, c.oid, attnum, p)
                          AND NOT has_table_privilege($1, c.oid, p) END
         FROM pg_class c
         CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                                 'TRIGGER']) AS p
         LEFT JOIN LATERAL (
             SELECT attname, attnum FROM pg_attribute
             WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
               AND p IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
             UNION ALL SELECT NULL, NULL
         ) AS a ON true
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
    )
    .bind(role)
    .fetch_all(pool)
    .await
    .unwrap();
    let mut found = Privileges::new();
    for (table, privilege, is_held) in rows {
        let privileges = found.entry(table).or_default();
        if is_held {
            privileges.insert(privilege);
        }
    }
    found
}
