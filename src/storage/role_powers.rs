//! Finds the attributes and memberships with which a role escapes its privileges. As in
//! `role_privileges`, each function is qualified.

use sqlx::PgConnection;

use super::error::StorageError;

/// The powers of a role, those of every role that it can become included.
#[expect(clippy::struct_excessive_bools, reason = "the powers are independent")]
#[derive(Debug, Clone)]
pub(crate) struct RolePowers {
    pub(crate) is_superuser: bool,
    /// Owns the tables, their schema or the database.
    pub(crate) is_owner: bool,
    pub(crate) can_create_roles: bool,
    pub(crate) can_create_databases: bool,
    pub(crate) can_replicate: bool,
    pub(crate) bypasses_row_security: bool,
    /// The predefined roles (`pg_…`) that it is a member of.
    pub(crate) predefined_roles: Vec<String>,
}

impl RolePowers {
    /// The powers as phrases that follow "it", the strongest first. Empty: none.
    pub(crate) fn describe(&self) -> Vec<String> {
        if self.is_superuser {
            return vec!["is a superuser or can become one".to_owned()];
        }
        let phrases = [
            (self.is_owner, "owns the tables or can become their owner"),
            (self.can_create_roles, "can create roles (CREATEROLE)"),
            (self.can_create_databases, "can create databases (CREATEDB)"),
            (self.can_replicate, "can replicate (REPLICATION)"),
            (self.bypasses_row_security, "bypasses row security (BYPASSRLS)"),
        ];
        let held = phrases.into_iter().filter(|(is_held, _)| *is_held);
        let held = held.map(|(_, phrase)| phrase.to_owned());
        held.chain(self.predefined_roles.iter().map(|role| format!("is a member of {role}")))
            .collect()
    }
}

/// Finds the powers of a role, by default of the role that logged in: `SET ROLE` and `options` can
/// only hide its powers. `None` when the role does not exist.
///
/// `MEMBER` is true for every membership, also for one that is used with `SET ROLE` only.
///
/// # Errors
/// When the query fails.
pub(crate) async fn find(
    connection: &mut PgConnection,
    role: Option<&str>,
) -> Result<Option<RolePowers>, StorageError> {
    let powers = sqlx::query_as!(
        RolePowers,
        r#"SELECT pg_catalog.bool_or(r.rolsuper) AS "is_superuser!",
                  pg_catalog.bool_or(r.oid IN (
                      -- Before the first migration, the role that runs it will own the tables.
                      coalesce((SELECT relowner FROM pg_class
                                WHERE oid = pg_catalog.to_regclass('users')),
                               (SELECT oid FROM pg_roles WHERE rolname = current_user)),
                      (SELECT datdba FROM pg_database
                       WHERE datname = pg_catalog.current_database()),
                      coalesce((SELECT nspowner FROM pg_namespace
                                WHERE nspname = pg_catalog.current_schema()), 0)
                  )) AS "is_owner!",
                  pg_catalog.bool_or(r.rolcreaterole) AS "can_create_roles!",
                  pg_catalog.bool_or(r.rolcreatedb) AS "can_create_databases!",
                  pg_catalog.bool_or(r.rolreplication) AS "can_replicate!",
                  pg_catalog.bool_or(r.rolbypassrls) AS "bypasses_row_security!",
                  coalesce(
                      pg_catalog.array_agg(r.rolname::text ORDER BY r.rolname)
                          FILTER (WHERE pg_catalog.starts_with(r.rolname::text, 'pg_')
                                    -- The owner of the database is a member of it.
                                    AND r.rolname <> 'pg_database_owner'),
                      '{}'
                  ) AS "predefined_roles!"
           FROM pg_roles e JOIN pg_roles r ON pg_catalog.pg_has_role(e.oid, r.oid, 'MEMBER')
           WHERE e.rolname = coalesce($1, session_user)
           GROUP BY e.oid"#,
        role,
    )
    .fetch_optional(connection)
    .await?;
    Ok(powers)
}

/// The role that logged in, and the role whose privileges apply.
///
/// # Errors
/// When the query fails.
pub(crate) async fn session_roles(
    connection: &mut PgConnection,
) -> Result<[String; 2], StorageError> {
    let row = sqlx::query!(
        r#"SELECT session_user::text AS "session_role!", current_user::text AS "current_role!""#
    )
    .fetch_one(connection)
    .await?;
    Ok([row.session_role, row.current_role])
}

/// Why `migrate` cannot run as the connected role.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateRoleError {
    #[error("the role does not own the tables; run `migrate` as their owner")]
    NotOwner,
    #[error(
        "the role cannot create tables; run `migrate` as the owner of the database, or grant it \
         CREATE on the schema"
    )]
    CannotCreate,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Fails unless the connected role can migrate: it owns the tables or, before the first migration,
/// can create them.
///
/// # Errors
/// See [`MigrateRoleError`].
pub(crate) async fn require_owner(connection: &mut PgConnection) -> Result<(), MigrateRoleError> {
    let found = sqlx::query!(
        r#"SELECT coalesce(
                      (SELECT pg_catalog.pg_has_role(current_user, relowner, 'USAGE') FROM pg_class
                       WHERE oid = coalesce(pg_catalog.to_regclass('users'),
                                            pg_catalog.to_regclass('_sqlx_migrations'))),
                      true
                  ) AS "is_owner!",
                  coalesce(
                      pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE'), false
                  ) AS "can_create!""#
    )
    .fetch_one(connection)
    .await
    .map_err(StorageError::from)?;
    match (found.is_owner, found.can_create) {
        (false, _) => Err(MigrateRoleError::NotOwner),
        (true, false) => Err(MigrateRoleError::CannotCreate),
        (true, true) => Ok(()),
    }
}
