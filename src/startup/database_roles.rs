//! Checks which database role a process runs as, and grants the roles of the settings.

use super::error::StartError;
use crate::{
    configuration::Settings,
    storage::{
        self, Database, GrantError,
        privileges::GrantedRole,
        role_powers::{self, MigrateRoleError, RolePowers},
        role_privileges::{self, PrivilegeDifference},
    },
    telemetry::error_chain,
};

/// The maximum number of privileges that a message lists.
const LISTED: usize = 5;

/// The powers and privileges of a database role.
pub(crate) struct RoleInspection {
    pub(crate) powers: RolePowers,
    pub(crate) difference: PrivilegeDifference,
    /// The other databases of the server that it can connect to.
    pub(crate) other_databases: Vec<String>,
}

/// The inspections of the roles of an installation; `None` where the role is unknown.
pub(crate) struct RoleInspections {
    pub(crate) service: Option<RoleInspection>,
    pub(crate) auditor: Option<RoleInspection>,
}

/// Grants the roles of the settings their privileges, as `migrate` does. Requires a connection as
/// the owner of the tables.
///
/// # Errors
/// When a role must not get the privileges, or a statement fails.
pub async fn grant_roles(settings: &Settings, database: &Database) -> Result<(), StartError> {
    let roles = granted_roles(settings);
    if roles.is_empty() {
        return Ok(());
    }
    storage::grant(database, &roles).await?;
    let mut connection = database.connection().await?;
    for (role, name) in roles {
        let left = role_privileges::compare(&mut connection, Some(name), role).await?;
        // Privileges on the schema or the database, those that a third role granted, or those of a
        // role that it is a member of.
        if left != PrivilegeDifference::default() {
            tracing::warn!(
                setting = setting(role),
                excess = summary(left.excess.iter()),
                missing = summary(left.missing.iter()),
                "the privileges of a database role cannot be set completely; set these as the owner \
                 of the schema and the database, or as a superuser, or revoke its memberships in \
                 other roles"
            );
        }
    }
    connection.release();
    Ok(())
}

/// The setting that names a role.
fn setting(role: GrantedRole) -> &'static str {
    match role {
        GrantedRole::Service => "database.role",
        GrantedRole::Auditor => "database.auditor_role",
    }
}

/// Fails unless the connection can migrate, and the roles of the settings can be granted their
/// privileges.
pub(super) async fn require_roles_of_migrate(
    settings: &Settings,
    database: &Database,
) -> Result<(), StartError> {
    let mut connection = database.connection().await?;
    role_powers::require_owner(&mut connection).await.map_err(|error| match error {
        MigrateRoleError::Storage(error) => error.into(),
        MigrateRoleError::NotOwner | MigrateRoleError::CannotCreate => {
            StartError::Setting(format!("database.url: {error}"))
        }
    })?;
    connection.release();
    for (role, name) in granted_roles(settings) {
        let failed = |error: GrantError| {
            StartError::Setting(format!("{}: {}", setting(role), error_chain(&error)))
        };
        storage::check_grantee(database, name).await.map_err(failed)?;
    }
    Ok(())
}

fn granted_roles(settings: &Settings) -> Vec<(GrantedRole, &str)> {
    let service = settings.database.role.as_deref().map(|name| (GrantedRole::Service, name));
    let auditor = settings.database.auditor_role.as_deref();
    service.into_iter().chain(auditor.map(|name| (GrantedRole::Auditor, name))).collect()
}

/// Fails unless the connection has the privileges of a role.
///
/// # Errors
/// [`StartError::MissingPrivileges`], or when a query fails.
pub(crate) async fn require_privileges(
    database: &Database,
    needed: GrantedRole,
) -> Result<(), StartError> {
    let mut connection = database.connection().await?;
    let missing = role_privileges::compare(&mut connection, None, needed).await?.missing;
    connection.release();
    if missing.is_empty() {
        return Ok(());
    }
    Err(StartError::MissingPrivileges {
        missing: summary(missing.iter()),
        next_step: match needed {
            GrantedRole::Service => {
                "connect as the role of the service, which `migrate` grants (database.role)"
            }
            GrantedRole::Auditor => {
                "connect as the role of the auditor or of the service, which `migrate` grants \
                 (database.auditor_role and database.role)"
            }
        },
    })
}

/// Logs one warning when the role of the service can do more than the service needs.
///
/// # Errors
/// When a query fails.
pub(crate) async fn warn_about_role(database: &Database) -> Result<(), StartError> {
    let inspection = inspect(database, None, GrantedRole::Service).await?;
    let Some(RoleInspection { powers, difference, .. }) = inspection else { return Ok(()) };
    let powers = powers.describe();
    let excess = if powers.is_empty() {
        summary(difference.excess.iter())
    } else {
        format!("it {}", powers.join(", "))
    };
    if !excess.is_empty() {
        tracing::warn!(
            excess,
            "the database role of the service can do more than it needs; set database.role, run \
             `migrate` as the owner of the tables, and connect as database.role"
        );
    }
    Ok(())
}

/// Inspects the roles of the service and of the auditor, for `doctor`. The connected role counts as
/// that of the service, unless it is the auditor's.
///
/// # Errors
/// When a query fails.
pub(crate) async fn inspect_roles(
    settings: &Settings,
    database: &Database,
) -> Result<RoleInspections, StartError> {
    let mut connection = database.connection().await?;
    let [_, current] = role_powers::session_roles(&mut connection).await?;
    connection.release();
    let auditor = settings.database.auditor_role.as_deref();
    let service = match settings.database.role.as_deref() {
        Some(role) if auditor == Some(&current) => {
            inspect(database, Some(role), GrantedRole::Service).await?
        }
        None if auditor == Some(&current) => None,
        _ => inspect(database, None, GrantedRole::Service).await?,
    };
    let auditor = match auditor {
        None => None,
        Some(role) => inspect(database, Some(role), GrantedRole::Auditor).await?,
    };
    Ok(RoleInspections { service, auditor })
}

async fn inspect(
    database: &Database,
    role: Option<&str>,
    needed: GrantedRole,
) -> Result<Option<RoleInspection>, StartError> {
    let mut connection = database.connection().await?;
    let Some(powers) = role_powers::find(&mut connection, role).await? else { return Ok(None) };
    let difference = role_privileges::compare(&mut connection, role, needed).await?;
    let other_databases = role_privileges::list_other_databases(&mut connection, role).await?;
    connection.release();
    Ok(Some(RoleInspection { powers, difference, other_databases }))
}

/// The first entries of a list, and the number of the others.
pub(crate) fn summary<'entries>(
    entries: impl ExactSizeIterator<Item = &'entries String>,
) -> String {
    let others = entries.len().saturating_sub(LISTED);
    let mut listed: Vec<_> = entries.take(LISTED).cloned().collect();
    if others > 0 {
        listed.push(format!("and {others} more"));
    }
    listed.join(", ")
}
