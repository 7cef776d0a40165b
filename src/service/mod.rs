//! Use cases: authorize, hash, store, leave evidence; the only place where a transaction starts.
//!
//! Nothing slow happens inside a transaction, and no connection is held while hashing.

/// Runs one statement on a connection, and gives the connection back. A statement that was not executed
/// because of its connection ([`StorageError::is_of_stale_connection`]) is run once more on another one.
macro_rules! on_connection {
    ($service:expr, |$connection:ident| $statement:expr) => {{
        let mut $connection = $service.connection().await?;
        let mut done = $statement.await;
        if done.as_ref().err().is_some_and(StorageError::is_of_stale_connection) {
            drop($connection);
            $connection = $service.connection().await?;
            done = $statement.await;
        }
        if done.is_ok() {
            $connection.release();
        }
        done
    }};
}

pub(crate) mod audit;
pub(crate) mod authentication;
pub(crate) mod credentials;
mod handle;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod operations;
pub(crate) mod sessions;
pub(crate) mod throttling;
mod unsealing;
pub(crate) mod user_transaction;
pub(crate) mod users;

use std::time::Duration;

pub(crate) use self::{
    audit::anchors::ChangedChains,
    credentials::{last_uses::LastUses, rehashing::RehashQueue},
    handle::{Interrupted, ServiceHandle},
    operations::refusal_timing::RefusalTiming,
};
use crate::{
    domain::{
        application::InstallationType, attempts::AttemptLimits, credential_type::CredentialTypes,
        password_policy::PasswordPolicy,
    },
    key_sets::KeySets,
    security::{
        access_token::AccessTokens, application_token::Applications, hashing::HashingEngine,
        issuer_token::Issuer, keyring::Keyring,
    },
    storage::{Connection, Database},
};

// The failures of the layers below, for `http`, which does not look below.
pub(crate) use crate::{
    security::{access_token::TokenRefused, hashing::HashingError, random::RandomError},
    storage::StorageError,
};

/// Everything the use cases need; one for the life of the process.
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) keyring: Keyring,
    pub(crate) hashing: HashingEngine,
    pub(crate) types: CredentialTypes,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) key_sets: KeySets,
    pub(crate) applications: Applications,
    pub(crate) rules: Rules,
    pub(crate) rehash_queue: RehashQueue,
    pub(crate) last_uses: LastUses,
    pub(crate) moved: ChangedChains,
    pub(crate) refusal_timing: RefusalTiming,
    /// What the process may take in all, for the operators.
    pub(crate) memory_ceiling_kib: u64,
}

/// What this installation decided.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) installation: InstallationType,
    pub(crate) schemes: EnabledSchemes,
    /// How long a ticket lives without being used.
    pub(crate) ticket_lifetime: Duration,
    /// How long a session lives without being used, and in all.
    pub(crate) session_lifetime: Duration,
    pub(crate) maximum_session: Duration,
    /// Live tickets of one user, and sessions; the oldest ends.
    pub(crate) maximum_tickets: u32,
    /// How long anything derived lives after the proof it goes back to; zero: for ever.
    pub(crate) absolute_lifetime: Duration,
    /// What a new password has to be; `None`: anything.
    pub(crate) password_policy: Option<PasswordPolicy>,
    /// How often a secret may be tried in vain.
    pub(crate) attempts: AttemptLimits,
    /// True: a user has one credential, whatever its type (protocol.md 10.13).
    pub(crate) single_per_user: bool,
}

/// Which schemes are on.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnabledSchemes {
    pub(crate) basic: bool,
    pub(crate) so_ticket: bool,
    pub(crate) bearer: bool,
    pub(crate) session: bool,
}

impl Service {
    async fn connection(&self) -> Result<Connection, StorageError> {
        self.database.connection().await
    }
}
