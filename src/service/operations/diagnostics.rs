//! Examines the database and its content, for `doctor`.

use std::sync::Arc;

use crate::{
    domain::{
        stored_credential::{HashParameters, HashScheme},
        throttling::{AttemptLimits, MAXIMUM_CONSECUTIVE},
    },
    security::{hashing::HashingEngine, keyring_handle::KeyringHandle},
    storage::{
        ConnectionSecurity, Database, StorageError, credentials,
        diagnostics::{self, DatabaseFacts},
        keys,
    },
};

/// The findings about a database.
pub(crate) struct DiagnosticReport {
    pub(crate) facts: DatabaseFacts,
    pub(crate) connection_security: ConnectionSecurity,
    /// The number of credentials that are not sealed under the writing key.
    pub(crate) to_reseal: u64,
    /// The kinds of hashes that cost less than a new one or that another system computed.
    pub(crate) below_target: Vec<(HashScheme, HashParameters)>,
}

/// Diagnoses the database.
pub(crate) struct Diagnostics {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) limits: AttemptLimits,
}

impl Diagnostics {
    /// Examines the database and its content.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn diagnose(&self) -> Result<DiagnosticReport, StorageError> {
        let mut connection = self.database.connection().await?;
        let keyring = self.keyring.current();
        let writing = keyring.writing().id();
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let facts = diagnostics::diagnose(
            &mut connection,
            writing,
            number(self.limits.maximum_failures),
            number(MAXIMUM_CONSECUTIVE),
        )
        .await?;
        let to_reseal = keys::count_not_sealed_under(&mut connection, writing).await?;
        let kinds = credentials::list_kinds(&mut connection).await?;
        let is_below = |(scheme, cost): &(HashScheme, HashParameters)| {
            *scheme != HashScheme::Argon2id || self.hashing.is_cheaper_than_new(*cost)
        };
        let below_target = kinds.into_iter().filter(is_below).collect();
        let connection_security = connection.security();
        Ok(DiagnosticReport { facts, connection_security, to_reseal, below_target })
    }
}
