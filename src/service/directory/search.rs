//! Finds the groups and users of a directory, whose identifiers administrators save as credentials.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::{
    directory::{Directory, DirectoryError, DirectoryMetrics, PasswordVerifier},
    domain::{
        credential_type::{ACTIVE_DIRECTORY, CredentialType},
        directory::{DirectoryGroup, DirectoryUsers, GroupName, SearchString},
        principal::Principal,
    },
};

/// A search failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectorySearchError {
    #[error("the caller may not search the directory")]
    Forbidden,
    /// The search matches more entries than this.
    #[error("the search matches more than {0} entries (directory.maximum_entries)")]
    TooManyEntries(usize),
    #[error(transparent)]
    Busy(DirectoryError),
    #[error(transparent)]
    Unavailable(DirectoryError),
}

impl From<DirectoryError> for DirectorySearchError {
    fn from(error: DirectoryError) -> Self {
        if let DirectoryError::TooManyEntries(limit) = error {
            return Self::TooManyEntries(limit);
        }
        if error.is_busy() {
            return Self::Busy(error);
        }
        Self::Unavailable(error)
    }
}

/// Searches the directory of the installation, if it has one.
#[derive(Default)]
pub(crate) struct DirectorySearch {
    directory: Option<Directory>,
    /// `None`: the directory verifies no passwords. Here for its metrics only.
    verifier: Option<Arc<PasswordVerifier>>,
    metrics: Arc<DirectoryMetrics>,
}

impl DirectorySearch {
    /// A search in this directory.
    pub(crate) fn new(
        directory: Option<Directory>,
        verifier: Option<Arc<PasswordVerifier>>,
        metrics: Arc<DirectoryMetrics>,
    ) -> Self {
        Self { directory, verifier, metrics }
    }

    /// The groups whose name contains a text; at least one
    /// (docs/reference/wire-contract.md#directory-calls).
    ///
    /// # Errors
    /// See [`DirectorySearchError`].
    pub(crate) async fn find_groups(
        &self,
        principal: &Principal,
        credential_type: &CredentialType,
        search: &SearchString,
    ) -> Result<Vec<DirectoryGroup>, DirectorySearchError> {
        let directory = self.authorize(principal, credential_type)?;
        let found = match directory {
            Some(directory) => directory.find_groups(search).await?,
            None => Vec::new(),
        };
        Ok(if found.is_empty() { vec![DirectoryGroup::default()] } else { found })
    }

    /// The users whose name contains a text.
    ///
    /// # Errors
    /// See [`DirectorySearchError`].
    pub(crate) async fn find_users(
        &self,
        principal: &Principal,
        credential_type: &CredentialType,
        search: &SearchString,
    ) -> Result<DirectoryUsers, DirectorySearchError> {
        match self.authorize(principal, credential_type)? {
            Some(directory) => Ok(directory.find_users(search).await?),
            None => Ok(DirectoryUsers::default()),
        }
    }

    /// The users in a group; none in the group without a name, and in an unknown one.
    ///
    /// # Errors
    /// See [`DirectorySearchError`].
    pub(crate) async fn users_in_group(
        &self,
        principal: &Principal,
        credential_type: &CredentialType,
        group: &GroupName,
    ) -> Result<DirectoryUsers, DirectorySearchError> {
        match self.authorize(principal, credential_type)? {
            Some(directory) if group.as_str().is_empty() => Ok(directory.no_users()),
            Some(directory) => Ok(directory.users_in_group(group).await?),
            None => Ok(DirectoryUsers::default()),
        }
    }

    /// The directory of a credential type, if the caller may search it.
    fn authorize(
        &self,
        principal: &Principal,
        credential_type: &CredentialType,
    ) -> Result<Option<&Directory>, DirectorySearchError> {
        if !principal.may_search_directory() {
            return Err(DirectorySearchError::Forbidden);
        }
        let has_directory = credential_type.as_str() == ACTIVE_DIRECTORY;
        Ok(self.directory.as_ref().filter(|_| has_directory))
    }

    /// Registers the metrics.
    pub(crate) fn register_metrics(&self, registry: &mut Registry) {
        let searches = self.directory.as_ref().map(Directory::connections);
        let logins = self.verifier.as_deref().map(PasswordVerifier::connections);
        let (searches, logins) = (searches.unwrap_or_default(), logins.unwrap_or_default());
        let is_failing = self.verifier.as_deref().is_some_and(PasswordVerifier::is_failing);
        self.metrics.register(registry, searches, logins, is_failing);
    }
}
