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
        credentials::{
            last_uses::LastUses,
            list_check::{ListCheckQueue, ListCheckRule},
            rehashing::RehashQueue,
        },
        operations::{maintenance::Maintenance, reload_metrics::ReloadMetrics},
        throttling::throttle::Throttling,
        user_transaction::UserTransactions,
    },
    storage::Database,
};

/// The shared components that the capabilities are built from.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) database: Database,
    pub(super) keyring: KeyringHandle,
    pub(super) hashing: Arc<HashingEngine>,
    pub(super) types: Arc<CredentialTypes>,
    pub(super) metrics: Arc<ActivityMetrics>,
    pub(super) changed_chains: Arc<ChangedChains>,
    pub(super) reloads: Arc<ReloadMetrics>,
    /// The end of what was issued before the database was restored.
    pub(super) valid_from: IssuedValidFrom,
    pub(super) queues: Queues,
    /// The components that a reload of the settings replaces.
    pub(super) adjustable: Adjustable,
}

/// What requests leave to background tasks.
#[derive(Clone, Default)]
pub(super) struct Queues {
    pub(super) last_uses: Arc<LastUses>,
    pub(super) rehashes: Arc<RehashQueue>,
    pub(super) list_checks: Arc<ListCheckQueue>,
    /// Holds imports, mails and marks while changes are refused, and rehashing while read-only.
    pub(super) maintenance: Arc<Maintenance>,
}

/// The shared components that depend on settings that are reloaded.
#[derive(Clone)]
pub(super) struct Adjustable {
    pub(super) applications: Arc<Applications>,
    pub(super) transactions: Arc<UserTransactions>,
    pub(super) throttling: Arc<Throttling>,
    /// `None`: passwords are not looked up when their owners log in.
    pub(super) list_checks: Option<Arc<ListCheckRule>>,
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
        let queues = Queues::default();
        queues.maintenance.set_read_only(settings.is_read_only);
        let adjustable =
            Adjustable::new(settings, &database, &keyring, &changed_chains, (&metrics, &queues));
        Ok(Self {
            hashing: Arc::new(start_hashing(settings)?),
            types: Arc::new(types),
            changed_chains,
            reloads: Arc::default(),
            valid_from: IssuedValidFrom::default(),
            metrics,
            queues,
            adjustable,
            keyring,
            database,
        })
    }

    /// These components, adjusted to settings that were reloaded. They share everything else with
    /// the former ones.
    pub(super) fn reloaded(&self, settings: &Settings) -> Self {
        let Self { database, keyring, changed_chains, metrics, queues, .. } = self;
        let adjustable =
            Adjustable::new(settings, database, keyring, changed_chains, (metrics, queues));
        Self { adjustable, ..self.clone() }
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
        Arc::clone(&self.adjustable.transactions)
    }
}

impl Adjustable {
    fn new(
        settings: &Settings,
        database: &Database,
        keyring: &KeyringHandle,
        changed_chains: &Arc<ChangedChains>,
        (metrics, queues): (&Arc<ActivityMetrics>, &Queues),
    ) -> Self {
        let rule = |except| ListCheckRule { queue: Arc::clone(&queues.list_checks), except };
        Self {
            applications: Arc::new(applications(settings)),
            transactions: Arc::new(UserTransactions {
                keyring: keyring.clone(),
                changed_chains: Arc::clone(changed_chains),
                metrics: Arc::clone(metrics),
                requires_reason: settings.requires_reason,
            }),
            throttling: Arc::new(Throttling {
                database: database.for_logins(),
                keyring: keyring.clone(),
                limits: attempt_limits(settings),
                metrics: Arc::clone(metrics),
            }),
            list_checks: settings.unmarked_at_login().map(rule).map(Arc::new),
        }
    }
}
