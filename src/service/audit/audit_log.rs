//! Lists audit events, for operators.

use crate::{
    domain::{audit::AuditEntry, user::UserId},
    storage::{Database, StorageError, audit_events},
};

/// The maximum number of events per page.
const PAGE: i64 = 500;

/// Lists audit events.
pub(crate) struct AuditLog {
    pub(crate) database: Database,
}

impl AuditLog {
    /// The next page of a user's events after a sequence number; empty at the end. Deleted users
    /// keep their events.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_after(
        &self,
        user_id: UserId,
        after: i64,
    ) -> Result<Vec<AuditEntry>, StorageError> {
        let mut connection = self.database.connection().await?;
        audit_events::list_after(&mut connection, user_id, after, PAGE).await
    }
}
