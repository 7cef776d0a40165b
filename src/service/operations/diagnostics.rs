//! What `doctor` wants to know of an installation.

use crate::service::Service;
use crate::{
    domain::{
        attempts::MAXIMUM_CONSECUTIVE,
        stored_credential::{HashParameters, HashScheme},
    },
    storage::{
        Route, StorageError, credentials,
        diagnostics::{self, DatabaseFacts},
        keys,
    },
};

/// What was found in the database.
pub(crate) struct Diagnostics {
    pub(crate) facts: DatabaseFacts,
    pub(crate) route: Route,
    /// Credentials that are not sealed under the writing key.
    pub(crate) to_reseal: u64,
    /// Kinds of hashes that a new one would be dearer than, or that other systems made.
    pub(crate) below_target: Vec<(HashScheme, HashParameters)>,
}

impl Service {
    /// Looks at the database and at what is kept in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn diagnose(&self) -> Result<Diagnostics, StorageError> {
        let mut connection = self.connection().await?;
        let writing = self.keyring.writing().id();
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let maxima = (number(self.rules.attempts.maximum_failures), number(MAXIMUM_CONSECUTIVE));
        let facts = diagnostics::diagnose(&mut connection, writing, maxima).await?;
        let to_reseal = keys::count_not_sealed_under(&mut connection, writing).await?;
        let kinds = credentials::list_kinds(&mut connection).await?;
        let is_below = |(scheme, cost): &(HashScheme, HashParameters)| {
            *scheme != HashScheme::Argon2id || self.hashing.is_cheaper_than_new(*cost)
        };
        let below_target = kinds.into_iter().filter(is_below).collect();
        let route = self.database.route();
        Ok(Diagnostics { facts, route, to_reseal, below_target })
    }
}
