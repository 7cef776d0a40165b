//! Grants the roles of the service and of the auditor their privileges on tables that another role
//! owns.

use serde_json::{Value, json};

use super::{
    connections::Database,
    error::StorageError,
    privileges::{GrantedRole, SEQUENCES, TABLES},
    role_powers::{self, RolePowers},
};

/// Why the privileges cannot be granted to a role.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("the role does not exist; create it with LOGIN and a password first")]
    NoRole,
    #[error(
        "is the role that runs `migrate`; run `migrate` as a different role that owns the tables"
    )]
    OwnRole,
    #[error(
        "the role is too powerful: it {0}; choose a role that is not a superuser, not a member of \
         the table owner, and has no other attribute than LOGIN"
    )]
    TooPowerful(String),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Fails when a role must not get the privileges.
///
/// # Errors
/// See [`GrantError`].
pub(crate) async fn check_grantee(database: &Database, role: &str) -> Result<(), GrantError> {
    let mut connection = database.connection().await?;
    if role_powers::session_roles(&mut connection).await?.contains(&role.to_owned()) {
        return Err(GrantError::OwnRole);
    }
    let powers: Option<RolePowers> = role_powers::find(&mut connection, Some(role)).await?;
    let powers = powers.ok_or(GrantError::NoRole)?.describe();
    connection.release();
    if powers.is_empty() { Ok(()) } else { Err(GrantError::TooPowerful(powers.join(", "))) }
}

/// Grants roles the privileges that they need, and revokes all others from them and from PUBLIC.
///
/// # Errors
/// When a statement fails.
pub(crate) async fn grant(
    database: &Database,
    roles: &[(GrantedRole, &str)],
) -> Result<(), StorageError> {
    let names: Vec<_> = roles.iter().map(|(_, name)| name).collect();
    let grants: Vec<Value> = roles.iter().flat_map(|(role, name)| grants(*role, name)).collect();
    let mut connection = database.connection().await?;
    sqlx::query!(
        "SELECT set_config('keeper.roles', $1, false) AS roles,
                set_config('keeper.grants', $2, false) AS grants,
                set_config('lock_timeout', '0', false) AS lock,
                set_config('statement_timeout', '0', false) AS statement",
        json!(names).to_string(),
        json!(grants).to_string(),
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query_file!("src/storage/grant_privileges.sql").execute(&mut *connection).await?;
    connection.discard().await;
    Ok(())
}

/// The grants of a role, as `grant_privileges.sql` reads them.
fn grants(role: GrantedRole, name: &str) -> Vec<Value> {
    let grant = |kind: &str, object: &str, privileges: String| json!({ "role": name, "kind": kind, "name": object, "privileges": privileges });
    let sequences = SEQUENCES.iter().filter(|_| role == GrantedRole::Service);
    let sequences = sequences.map(|name| grant("SEQUENCE", name, "USAGE".to_owned()));
    let tables = TABLES.iter().filter(|table| !table.of(role).is_empty()).map(|table| {
        let privileges: Vec<_> = table.of(role).iter().map(|one| one.to_sql()).collect();
        grant("TABLE", table.table, privileges.join(", "))
    });
    tables.chain(sequences).collect()
}
