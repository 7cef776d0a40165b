//! The components that several capabilities of the service share.

use std::sync::Arc;

use super::{
    error::StartError,
    options::{applications, attempt_limits, missing, start_hashing},
};
use crate::{
    configuration::Settings,
    domain::credential_type::CredentialTypes,
    security::{
        application_token::Applications, hashing::HashingEngine, keyring::Keyring,
        keyring_handle::KeyringHandle,
    },
    service::{
        activity::metrics::ActivityMetrics,
        audit::changed_chains::ChangedChains,
        authentication::valid_from::IssuedValidFrom,
        credentials::{last_uses::LastUses, list_check::ListCheckQueue, rehashing::RehashQueue},
        operations::reload_metrics::ReloadMetrics,
        throttling::throttle::Throttling,
        user_transaction::UserTransactions,
    },
    storage::Database,
};

/// The shared components that the capabilities are built from.
pub(super) struct Parts {
    pub(super) database: Database,
    pub(super) keyring: KeyringHandle,
    pub(super) hashing: Arc<HashingEngine>,
    pub(super) types: Arc<CredentialTypes>,
    pub(super) applications: Arc<Applications>,
    pub(super) metrics: Arc<ActivityMetrics>,
    pub(super) changed_chains: Arc<ChangedChains>,
    pub(super) transactions: Arc<UserTransactions>,
    pub(super) last_uses: Arc<LastUses>,
    pub(super) rehash_queue: Arc<RehashQueue>,
    /// `None`: passwords are not looked up when their owners log in.
    pub(super) list_checks: Option<Arc<ListCheckQueue>>,
    pub(super) throttling: Arc<Throttling>,
    pub(super) reloads: Arc<ReloadMetrics>,
    /// The end of what was issued before the database was restored.
    pub(super) valid_from: IssuedValidFrom,
}

impl Parts {
    pub(super) fn new(
        settings: &Settings,
        database: Database,
        keyring: Keyring,
    ) -> Result<Self, StartError> {
        let keyring = KeyringHandle::new(keyring);
        let types = settings.credential_types();
        let types = types.ok_or_else(|| missing("credentials.default_type"))?;
        let changed_chains = Arc::new(ChangedChains::default());
        let metrics = Arc::<ActivityMetrics>::default();
        Ok(Self {
            hashing: Arc::new(start_hashing(settings)?),
            types: Arc::new(types),
            applications: Arc::new(applications(settings)),
            transactions: Arc::new(UserTransactions {
                keyring: keyring.clone(),
                changed_chains: Arc::clone(&changed_chains),
                requires_reason: settings.requires_reason,
            }),
            changed_chains,
            last_uses: Arc::default(),
            rehash_queue: Arc::default(),
            list_checks: settings.unmarked_at_login().map(ListCheckQueue::new).map(Arc::new),
            reloads: Arc::default(),
            valid_from: IssuedValidFrom::default(),
            throttling: Arc::new(Throttling {
                database: database.for_logins(),
                keyring: keyring.clone(),
                limits: attempt_limits(settings),
                metrics: Arc::clone(&metrics),
            }),
            metrics,
            keyring,
            database,
        })
    }

    pub(super) fn database(&self) -> Database {
        self.database.clone()
    }

    pub(super) fn keyring(&self) -> KeyringHandle {
        self.keyring.clone()
    }

    pub(super) fn hashing(&self) -> Arc<HashingEngine> {
        Arc::clone(&self.hashing)
    }

    pub(super) fn transactions(&self) -> Arc<UserTransactions> {
        Arc::clone(&self.transactions)
    }
}
