//! Grants the service's role its privileges on tables that another role owns.

use super::{connections::Database, error::StorageError};

/// Why the privileges were not granted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("the role does not exist; create it with LOGIN and a password first")]
    NoRole,
    #[error(
        "is the role that runs `migrate`; run `migrate` as a different role that owns the tables"
    )]
    OwnRole,
    #[error(
        "already has every privilege on the tables; choose a role that is not a superuser and not \
         a member of the table owner"
    )]
    Unrestricted,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<sqlx::Error> for GrantError {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Grants a role the privileges that the service needs, and revokes all others. The role may read
/// and write the tables, but not update or delete audit events, nor write the tables of `migrate`.
///
/// # Errors
/// See [`GrantError`].
pub(crate) async fn grant(database: &Database, role: &str) -> Result<(), GrantError> {
    let mut connection = database.connection().await?;
    let found = sqlx::query!(
        r#"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS "exists!",
                  current_user = $1 AS "is_own!",
                  coalesce((
                      SELECT r.rolsuper OR pg_has_role(r.oid, c.relowner, 'MEMBER')
                      FROM pg_roles r, pg_class c
                      WHERE r.rolname = $1 AND c.oid = 'users'::regclass
                  ), false) AS "is_unrestricted!""#,
        role,
    )
    .fetch_one(&mut *connection)
    .await?;
    if !found.exists {
        return Err(GrantError::NoRole);
    }
    if found.is_own {
        return Err(GrantError::OwnRole);
    }
    if found.is_unrestricted {
        return Err(GrantError::Unrestricted);
    }
    sqlx::query!("SELECT set_config('keeper.role', $1, false) AS role", role)
        .fetch_one(&mut *connection)
        .await?;
    // A DO block is one transaction, so a running service never lacks a privilege meanwhile. New
    // tables are found in the catalog.
    sqlx::query!(
        "DO $$
         DECLARE
             role name := current_setting('keeper.role');
             relation record;
         BEGIN
             EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);
             FOR relation IN
                 SELECT oid::regclass AS name, relkind FROM pg_class
                 WHERE relnamespace = current_schema()::regnamespace
                     AND relkind IN ('r', 'p', 'S')
                     -- Other tables of the schema belong to other programs.
                     AND relowner = (SELECT relowner FROM pg_class WHERE oid = 'users'::regclass)
             LOOP
                 IF relation.relkind = 'S' THEN
                     EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', relation.name, role);
                 ELSE
                     EXECUTE format('REVOKE ALL ON %s FROM %I', relation.name, role);
                     EXECUTE format(
                         'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', relation.name, role);
                 END IF;
             END LOOP;
             EXECUTE format('REVOKE UPDATE, DELETE ON audit_events FROM %I', role);
             EXECUTE format('REVOKE DELETE ON users FROM %I', role);
             EXECUTE format(
                 'REVOKE INSERT, UPDATE, DELETE ON installation, _sqlx_migrations FROM %I', role);
         END $$"
    )
    .execute(&mut *connection)
    .await?;
    // Its settings are changed, so it is not reused.
    connection.close().await?;
    Ok(())
}
