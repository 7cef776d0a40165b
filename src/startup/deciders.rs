//! The other systems that decide about passwords.

use std::sync::Arc;

use super::{error::StartError, migration::open_migration_hook, parts::Parts, saving::Saving};
use crate::{
    configuration::Settings,
    migration_hook::HookMetrics,
    service::authentication::{directory_logins::DirectoryLogins, moving::Moving},
};

/// The other systems that decide about passwords. The settings allow one of them.
pub(super) struct Deciders {
    pub(super) moving: Option<Moving>,
    pub(super) directory: Option<DirectoryLogins>,
}

/// What moves users from the old system of the settings, if there is one.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn open_moving(
    parts: &Parts,
    settings: &Settings,
    saving: &Saving,
    metrics: &Arc<HookMetrics>,
) -> Result<Option<Moving>, StartError> {
    let hook = open_migration_hook(settings, metrics)?;
    Ok(hook.map(|hook| Moving {
        database: parts.database(),
        hook,
        hashing: parts.hashing(),
        password_type: parts.types.password().clone(),
        writer: Arc::clone(&saving.user_writer),
        transactions: parts.transactions(),
    }))
}
