//! Keeps an active administrator: without one, nobody could administer users with the pages or the
//! API.

use sqlx::PgConnection;

use crate::{
    domain::user::User,
    service::errors::ChangeUserError,
    storage::{StorageError, administrators},
};

/// Fails when a change, or a deletion if `after` is `None`, would leave no active administrator.
/// System users do not count: they are programs, and have no pages. The transaction has locked the
/// row of the user, and takes the lock of all administrators after it, so that two changes at the
/// same time cannot each rely on the other's administrator.
///
/// # Errors
/// [`ChangeUserError::LastAdministrator`], or when the database does not answer.
pub(super) async fn require_administrator_left(
    connection: &mut PgConnection,
    before: &User,
    after: Option<&User>,
) -> Result<(), ChangeUserError> {
    if !ends_administrator(before, after) {
        return Ok(());
    }
    administrators::lock(connection).await?;
    if administrators::has_other(connection, before.user_id).await? {
        Ok(())
    } else {
        Err(ChangeUserError::LastAdministrator)
    }
}

/// True when a change would leave no active administrator. It takes no lock, so it only predicts
/// the result of [`require_administrator_left`].
///
/// # Errors
/// When the database does not answer.
pub(super) async fn leaves_no_administrator(
    connection: &mut PgConnection,
    before: &User,
    after: &User,
) -> Result<bool, StorageError> {
    Ok(ends_administrator(before, Some(after))
        && !administrators::has_other(connection, before.user_id).await?)
}

/// True when an active administrator stops being one.
fn ends_administrator(before: &User, after: Option<&User>) -> bool {
    before.is_active_administrator() && !after.is_some_and(User::is_active_administrator)
}
