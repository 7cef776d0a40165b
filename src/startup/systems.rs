//! What the capabilities use beside the database, as long as the process runs.

use std::sync::Arc;

use super::{
    activity::Recording,
    directory::{OpenDirectory, open_directory},
    error::StartError,
    mail::{Mail, open_mail},
    memory,
    migration::open_migration_hook,
    parts::Parts,
};
use crate::{
    configuration::Settings,
    key_sets::KeySets,
    migration_hook::{HookMetrics, MigrationHook},
    service::{
        import::jobs::{SharedImports, metrics::ImportMetrics},
        mail::delivery::MailDelivery,
        operations::instance::Instance,
    },
};

/// What the capabilities use beside the database, as long as the process runs: clients of other
/// systems, and the state of this instance.
pub(super) struct Systems {
    pub(super) recording: Recording,
    pub(super) imports: Arc<SharedImports>,
    pub(super) import_metrics: Arc<ImportMetrics>,
    /// The maximum memory of the process, in KiB.
    pub(super) memory_ceiling_kib: u64,
    pub(super) directory: OpenDirectory,
    /// `None`: no users move from an old system.
    pub(super) hook: Option<Arc<MigrationHook>>,
    migration: Arc<HookMetrics>,
    pub(super) mail: Mail,
    pub(super) key_sets: Arc<KeySets>,
}

impl Systems {
    /// Opens the clients of the settings, which connect on demand.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub(super) fn open(
        parts: &Parts,
        settings: &Settings,
    ) -> Result<(Self, Option<MailDelivery>), StartError> {
        let migration = Arc::<HookMetrics>::default();
        let (mail, delivery) = open_mail(parts, settings)?;
        let systems = Self {
            directory: open_directory(settings)?,
            hook: open_migration_hook(settings, &migration)?.map(Arc::new),
            migration,
            mail,
            key_sets: Arc::new(KeySets::new().map_err(StartError::client)?),
            recording: Recording::new(parts),
            imports: Arc::default(),
            import_metrics: Arc::default(),
            memory_ceiling_kib: memory::ceiling_kib(parts.hashing.capacity(), settings),
        };
        Ok((systems, delivery))
    }

    /// The state of this instance.
    pub(super) fn instance(&self, parts: &Parts, settings: &Settings) -> Instance {
        Instance {
            database: parts.database().for_logins(),
            hashing: parts.hashing(),
            activity: self.recording.report(parts, settings),
            reloads: Arc::clone(&parts.reloads),
            directory: Arc::clone(&self.directory.search),
            imports: Arc::clone(&self.import_metrics),
            mail: Arc::clone(&self.mail.metrics),
            migration: Arc::clone(&self.migration),
            memory_ceiling_kib: self.memory_ceiling_kib,
        }
    }
}
