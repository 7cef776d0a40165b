//! The marker that distinguishes the database of `dev` from a production database.

use time::OffsetDateTime;

use super::{connections::Database, error::StorageError};

/// The purpose of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstallationKind {
    /// Created by `dev`, with published passwords.
    Development,
    /// Every other database.
    Production,
}

impl InstallationKind {
    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

/// Finds the purpose of the database; `None` before it is written or before the tables exist.
pub(crate) async fn find_kind(
    database: &Database,
) -> Result<Option<InstallationKind>, StorageError> {
    let mut connection = database.connection().await?;
    let exists =
        sqlx::query_scalar!(r#"SELECT to_regclass('installation') IS NOT NULL AS "exists!""#)
            .fetch_one(&mut *connection)
            .await?;
    if !exists {
        return Ok(None);
    }
    let kind = sqlx::query_scalar!("SELECT kind FROM installation")
        .fetch_optional(&mut *connection)
        .await?;
    Ok(kind.map(|kind| {
        if kind == InstallationKind::Development.as_str() {
            InstallationKind::Development
        } else {
            InstallationKind::Production
        }
    }))
}

/// Writes the purpose of the database, unless it is already written.
pub(crate) async fn insert_kind(
    database: &Database,
    kind: InstallationKind,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO installation (kind, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        kind.as_str(),
        now,
    )
    .execute(&mut *database.connection().await?)
    .await?;
    Ok(())
}
