//! The marker that tells a trial's database from a real one.

use time::OffsetDateTime;

use super::{connections::Database, error::StorageError};

/// What a database is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InstallationKind {
    /// Made by `dev`, with published passwords.
    Development,
    /// Everything else.
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

/// What the database says it is; `None` when nobody has said yet, or there are no tables yet.
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

/// Says what the database is, unless it has been said before.
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
