//! Checks that a database belongs to no installation yet.

use super::{database::require_kind, error::StartError};
use crate::storage::{self, Database, installation::InstallationKind, keys};

/// The number of pending migrations of a database that no keyring was used with.
///
/// # Errors
/// When the database is in use, or belongs to `dev`.
pub(crate) async fn pending_migrations_of_unused(database: &Database) -> Result<usize, StartError> {
    require_kind(database, InstallationKind::Production).await?;
    let pending = storage::pending_migrations(database).await?;
    // While migrations are pending, the table may not exist. The keyring is checked again before it
    // is used.
    if pending == 0 && !keys::list(&mut *database.connection().await?).await?.is_empty() {
        return Err(StartError::InUse);
    }
    Ok(pending)
}
