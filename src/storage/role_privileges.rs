//! Compares the privileges that a role has with those that it needs.
//!
//! The owner of the tables and superusers run these queries, too, so they call no function that
//! another role may have created in the schema: each function is qualified.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{
    error::StorageError,
    privileges::{GrantedRole, TABLES, USER_ID_SEQUENCE},
};

/// How the privileges of a role differ from those that it needs. Each entry is SQL without the
/// role, such as `DELETE ON users`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct PrivilegeDifference {
    pub(crate) missing: BTreeSet<String>,
    pub(crate) excess: BTreeSet<String>,
}

/// A privilege that a role has or lacks on a table of the service.
struct TableRow {
    relation: String,
    /// `None`: a privilege on the whole table.
    column: Option<String>,
    privilege: String,
    is_held: bool,
}

/// Compares the privileges of a role, by default those that apply to the connection, with those
/// that `needed` has. Privileges of PUBLIC and of inherited roles count.
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
        match (is_needed, row.is_held) {
            (true, false) => drop(difference.missing.insert(entry)),
            (false, true) => drop(difference.excess.insert(entry)),
            (true, true) | (false, false) => {}
        }
    }
    let others = list_on_others(connection, role).await?;
    let of_sequence = format!("USAGE ON SEQUENCE {USER_ID_SEQUENCE}");
    for (entry, is_held) in others {
        let is_needed = entry == "USAGE ON the schema"
            || (needed == GrantedRole::Service && entry == of_sequence);
        match (is_needed, is_held) {
            (true, false) => drop(difference.missing.insert(entry)),
            (false, true) => drop(difference.excess.insert(entry)),
            (true, true) | (false, false) => {}
        }
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
           examined AS (SELECT coalesce($1, current_user)::name AS role)
           SELECT relation AS "relation!", attname::text AS "column", privilege AS "privilege!",
                  pg_catalog.has_column_privilege(role, t.oid, attnum, privilege) AS "is_held!"
           FROM examined, tables t
           JOIN pg_attribute ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped,
                pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS privilege
           UNION ALL
           SELECT relation, NULL, privilege, pg_catalog.has_table_privilege(role, t.oid, privilege)
           FROM examined, tables t,
                pg_catalog.unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER', 'MAINTAIN']) AS privilege
           WHERE privilege <> 'MAINTAIN'
              OR pg_catalog.current_setting('server_version_num')::int >= 170000"#,
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
) -> Result<Vec<(String, bool)>, StorageError> {
    let rows = sqlx::query!(
        r#"WITH examined AS (SELECT coalesce($1, current_user)::name AS role),
           owner AS (SELECT relowner, relnamespace FROM pg_class
                     WHERE oid = pg_catalog.to_regclass('users'))
           -- Without USAGE, the schema is not in the search path, and `users` is not found.
           SELECT 'USAGE ON the schema' AS "entry!",
                  coalesce(pg_catalog.has_schema_privilege(
                      role,
                      coalesce((SELECT relnamespace FROM owner),
                               pg_catalog.current_schema()::regnamespace),
                      'USAGE'
                  ), false) AS "is_held!"
           FROM examined
           UNION ALL
           SELECT pg_catalog.format('%s ON SEQUENCE %s', privilege, relname),
                  pg_catalog.has_sequence_privilege(role, oid, privilege)
           FROM examined, pg_class JOIN owner USING (relowner, relnamespace),
                pg_catalog.unnest(ARRAY['SELECT', 'UPDATE', 'USAGE']) AS privilege
           WHERE relkind = 'S'
           UNION ALL
           SELECT pg_catalog.format('CREATE ON SCHEMA %I', nspname),
                  pg_catalog.has_schema_privilege(role, oid, 'CREATE')
           FROM examined, pg_namespace
           WHERE NOT pg_catalog.starts_with(nspname::text, 'pg_')
             AND nspname <> 'information_schema'
           UNION ALL
           SELECT privilege || ' ON the database',
                  pg_catalog.has_database_privilege(role, pg_catalog.current_database(), privilege)
           FROM examined, pg_catalog.unnest(ARRAY['CREATE', 'TEMPORARY']) AS privilege
           UNION ALL
           -- Such a function runs with the privileges of its owner.
           SELECT pg_catalog.format('EXECUTE ON SECURITY DEFINER %s', oid::regprocedure),
                  pg_catalog.has_function_privilege(role, oid, 'EXECUTE')
           FROM examined, pg_proc
           WHERE prosecdef AND pronamespace <> 'pg_catalog'::regnamespace
           UNION ALL
           SELECT pg_catalog.format('ownership of %s', classid::regclass), true
           FROM examined, pg_shdepend
           WHERE deptype = 'o' AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = role)
             AND dbid = (SELECT oid FROM pg_database
                         WHERE datname = pg_catalog.current_database())"#,
        role,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.entry, row.is_held)).collect())
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
             AND pg_catalog.has_database_privilege(coalesce($1, current_user), oid, 'CONNECT')
           ORDER BY datname"#,
        role,
    )
    .fetch_all(connection)
    .await?;
    Ok(names)
}
