//! The token issuers in use.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use crate::security::issuer_token::Issuer;

/// The token issuers in use, which a reload of the settings can replace.
#[derive(Clone)]
pub(super) struct CurrentIssuers(Arc<RwLock<Arc<[Issuer]>>>);

impl CurrentIssuers {
    pub(super) fn new(issuers: Arc<[Issuer]>) -> Self {
        Self(Arc::new(RwLock::new(issuers)))
    }

    /// The issuers in use.
    pub(super) fn get(&self) -> Arc<[Issuer]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the issuers.
    pub(super) fn replace(&self, issuers: Arc<[Issuer]>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = issuers;
    }

    /// The files with the key sets of the issuers in use.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.get().iter().filter_map(|issuer| issuer.keys().file()).map(ToOwned::to_owned).collect()
    }
}
