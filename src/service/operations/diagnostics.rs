//! Examines the database and its content, for `doctor` and for the report of the activity.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::{
    clock,
    domain::{
        stored_credential::{HashParameters, HashScheme},
        throttling::{AttemptLimits, MAXIMUM_CONSECUTIVE},
    },
    security::{hashing::HashingEngine, keyring_handle::KeyringHandle},
    storage::{
        self, Connection, ConnectionSecurity, Database, StorageError, Timeouts,
        diagnostics::{self, ContentFacts, ServerFacts},
        keys::{self, KnownKey},
    },
};

/// The findings about a database server. Making them costs the same for any number of users.
pub(crate) struct ServerReport {
    pub(crate) facts: ServerFacts,
    /// When the facts were read, by the clock of the service.
    pub(crate) read_at: OffsetDateTime,
    pub(crate) connection_security: ConnectionSecurity,
    /// The timeouts of the settings.
    pub(crate) timeouts: Timeouts,
    /// The keys that the database was written with.
    pub(crate) keys: Vec<KnownKey>,
    /// When the writing key was first used.
    pub(crate) key_first_used_at: Option<OffsetDateTime>,
    /// True when an operator proved that a copy of the writing key exists.
    pub(crate) is_key_backed_up: bool,
    /// The kinds of hashes that cost less than a new one or that another system computed.
    pub(crate) below_target: Vec<(HashScheme, HashParameters)>,
}

/// The findings about a database and its content.
pub(crate) struct DiagnosticReport {
    pub(crate) server: ServerReport,
    pub(crate) contents: ContentFacts,
    /// The number of credentials that are not sealed under the writing key.
    pub(crate) to_reseal: u64,
}

/// Diagnoses the database.
pub(crate) struct Diagnostics {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) limits: AttemptLimits,
}

impl Diagnostics {
    /// Examines the server, the keys and the kinds of hashes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn examine_server(&self) -> Result<ServerReport, StorageError> {
        let mut connection = self.database.connection().await?;
        let kinds = self.database.statements().list_hash_kinds(&mut connection).await?;
        self.report(connection, kinds).await
    }

    /// Examines the server of a connection, whose limits are those of the settings.
    async fn report(
        &self,
        mut connection: Connection,
        kinds: Vec<(HashScheme, HashParameters)>,
    ) -> Result<ServerReport, StorageError> {
        let facts = diagnostics::server(&mut connection).await?;
        let read_at = clock::now();
        let keys = keys::list(&mut connection).await?;
        let connection_security = connection.security();
        connection.release();
        let keyring = self.keyring.current();
        let writing = keys.iter().find(|key| key.key_id == keyring.writing().id());
        let key_first_used_at = writing.map(|key| key.first_used_at);
        let is_key_backed_up = writing.is_some_and(|key| key.backup_confirmed_at.is_some());
        let is_below = |(scheme, cost): &(HashScheme, HashParameters)| {
            *scheme != HashScheme::Argon2id || self.hashing.is_cheaper_than_new(*cost)
        };
        let below_target = kinds.into_iter().filter(is_below).collect();
        Ok(ServerReport {
            facts,
            read_at,
            connection_security,
            timeouts: self.database.timeouts(),
            keys,
            key_first_used_at,
            is_key_backed_up,
            below_target,
        })
    }

    /// Examines the server and the content of the database, which scans tables.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn diagnose(&self) -> Result<DiagnosticReport, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin_unlimited().await?;
        // On a distributed database, this reads a whole index.
        let kinds = self.database.statements().list_hash_kinds(&mut transaction).await?;
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let (failures, consecutive) =
            (number(self.limits.maximum_failures), number(MAXIMUM_CONSECUTIVE));
        let contents = diagnostics::contents(&mut transaction, failures, consecutive).await?;
        let keyring = self.keyring.current();
        let writing = keyring.writing().id();
        let to_reseal = keys::count_not_sealed_under(&mut transaction, writing).await?;
        storage::commit(transaction).await?;
        // The server reports the limits of the session, not those of that transaction.
        let server = self.report(connection, kinds).await?;
        Ok(DiagnosticReport { server, contents, to_reseal })
    }
}
