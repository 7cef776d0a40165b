//! Compares the privileges that a role has with those that it needs.
//!
//! The owner of the tables and superusers run these queries, too, so they call no function that
//! another role may have created in the schema: each function is qualified.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{
    error::StorageError,
    privileges::{GrantedRole, SEQUENCES, TABLES},
};

/// How the privileges of a role differ from those that it needs. Each entry is SQL without the
/// role, such as `DELETE ON users`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct PrivilegeDifference {
    pub(crate) missing: BTreeSet<String>,
    pub(crate) excess: BTreeSet<String>,
}

impl PrivilegeDifference {
    fn add(&mut self, entry: String, is_needed: bool, is_held: bool, is_reachable: bool) {
        if is_needed && !is_held {
            self.missing.insert(entry);
        } else if !is_needed && is_reachable {
            self.excess.insert(entry);
        }
    }
}

/// A privilege that a role has or lacks on a table of the service.
struct TableRow {
    relation: String,
    /// `None`: a privilege on the whole table.
    column: Option<String>,
    privilege: String,
    /// Applies to the connection, or to statements of the role.
    is_held: bool,
    /// Applies now, or after `SET ROLE` or `RESET ROLE`.
    is_reachable: bool,
}

/// A privilege that a role has or lacks on anything else.
struct OtherRow {
    entry: String,
    is_held: bool,
    is_reachable: bool,
}

/// Compares the privileges of a role, by default those of the connection, with those that `needed`
/// has. Privileges of PUBLIC and of inherited roles count. Privileges that the role or the session
/// can use only after `SET ROLE` or `RESET ROLE` are excessive, but do not replace missing ones.
///
/// # Errors
/// When a query fails.
pub(crate) async fn compare(
    connection: &mut PgConnection,
    role: Option<&str>,
    needed: GrantedRole,
) -> Result<PrivilegeDifference, StorageError> {
    let mut difference = PrivilegeDifference::default();
    for row in list_on_tables(connection, role).await? {
        let table = TABLES.iter().find(|table| table.table == row.relation);
        let granted = table.map(|table| table.of(needed)).unwrap_or_default();
        let is_needed =
            granted.iter().any(|one| one.includes(&row.privilege, row.column.as_deref()));
        let column = row.column.map(|column| format!(" ({column})")).unwrap_or_default();
        let entry = format!("{}{column} ON {}", row.privilege, row.relation);
        difference.add(entry, is_needed, row.is_held, row.is_reachable);
    }
    let others = list_on_others(connection, role).await?;
    let of_sequences = SEQUENCES.map(|name| format!("USAGE ON SEQUENCE {name}"));
    for OtherRow { entry, is_held, is_reachable } in others {
        let is_needed = entry == "USAGE ON the schema"
            || (needed == GrantedRole::Service && of_sequences.contains(&entry));
        difference.add(entry, is_needed, is_held, is_reachable);
    }
    Ok(difference)
}

/// Every privilege on the tables of the owner of `users`.
async fn list_on_tables(
    connection: &mut PgConnection,
    role: Option<&str>,
) -> Result<Vec<TableRow>, StorageError> {
    let rows = sqlx::query_as!(
        TableRow,
        r#"WITH tables AS (
               SELECT oid, relname::text AS relation FROM pg_class
               WHERE (relnamespace, relowner) = (SELECT relnamespace, relowner FROM pg_class
                                                 WHERE oid = pg_catalog.to_regclass('users'))
                 AND relkind IN ('r', 'p', 'v', 'm', 'f')
           ),
           examined AS (
               -- A superuser has every privilege already.
               SELECT r.oid AS role, r.rolname = coalesce($1, current_user) AS applies
               FROM pg_roles e JOIN pg_roles r ON pg_catalog.pg_has_role(e.oid, r.oid, 'MEMBER')
               WHERE e.rolname = coalesce($1, session_user)
                 AND (r.oid = e.oid OR r.rolname = coalesce($1, current_user) OR NOT e.rolsuper)
           ),
           privileges AS (
               SELECT relation, attname::text AS column_name, privilege, applies,
                      pg_catalog.has_column_privilege(role, t.oid, attnum, privilege) AS held
               FROM examined, tables t
               JOIN pg_attribute ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped,
                    pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
               UNION ALL
               SELECT relation, NULL, privilege, applies,
                      pg_catalog.has_table_privilege(role, t.oid, privilege)
               FROM examined, tables t,
                    pg_catalog.unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER', 'MAINTAIN'])
                        AS privilege
               WHERE privilege <> 'MAINTAIN'
                  OR pg_catalog.current_setting('server_version_num')::int >= 170000
           )
           SELECT relation AS "relation!", column_name AS "column?", privilege AS "privilege!",
                  pg_catalog.bool_or(held AND applies) AS "is_held!",
                  pg_catalog.bool_or(held) AS "is_reachable!"
           FROM privileges GROUP BY relation, column_name, privilege"#,
        role,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Privileges on everything else, each with whether the role has it.
async fn list_on_others(
    connection: &mut PgConnection,
    role: Option<&str>,
) -> Result<Vec<OtherRow>, StorageError> {
    let rows = sqlx::query_file_as!(OtherRow, "src/storage/privileges_on_others.sql", role)
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// Lists the other databases of the server that the role can connect to, as far as PostgreSQL's
/// privileges say so; its access rules may refuse the connection.
///
/// # Errors
/// When the query fails.
pub(crate) async fn list_other_databases(
    connection: &mut PgConnection,
    role: Option<&str>,
) -> Result<Vec<String>, StorageError> {
    let names = sqlx::query_scalar!(
        r#"SELECT datname::text AS "name!" FROM pg_database
           WHERE datallowconn AND datname <> pg_catalog.current_database()
             AND pg_catalog.has_database_privilege(coalesce($1, session_user), oid, 'CONNECT')
           ORDER BY datname"#,
        role,
    )
    .fetch_all(connection)
    .await?;
    Ok(names)
}
