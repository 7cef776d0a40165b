//! Reading what happened to a user. For operators.

use crate::service::Service;
use crate::{
    domain::{audit::AuditEntry, user::UserId},
    storage::{StorageError, audit_events},
};

/// How many events are read at a time.
const PAGE: i64 = 500;

impl Service {
    /// The user's next events after one, a page at a time; an empty page is the end. Also of users
    /// who were deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_audit_events_after(
        &self,
        user_id: UserId,
        after: i64,
    ) -> Result<Vec<AuditEntry>, StorageError> {
        let mut connection = self.connection().await?;
        audit_events::list_after(&mut connection, user_id, after, PAGE).await
    }
}
