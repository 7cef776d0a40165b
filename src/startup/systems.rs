//! What the capabilities use beside the database, as long as the process runs.

use std::sync::Arc;

use super::{
    activity::Recording,
    audit_sinks::open_stream,
    directory::{OpenDirectory, open_directory},
    error::StartError,
    mail::{Mail, open_mail},
    memory,
    migration::{OpenOldSystem, open_old_system},
    parts::Parts,
};
use crate::{
    configuration::Settings,
    key_sets::KeySets,
    migration_hook::HookMetrics,
    service::{
        audit::stream::{delivery::AuditStream, metrics::SinkMetrics},
        import::jobs::{SharedImports, metrics::ImportMetrics},
        mail::delivery::MailDelivery,
        operations::{instance::Instance, metrics::SystemMetrics},
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
    pub(super) old_system: Option<OpenOldSystem>,
    migration: Arc<HookMetrics>,
    sink_metrics: Arc<SinkMetrics>,
    pub(super) mail: Mail,
    pub(super) key_sets: Arc<KeySets>,
}

/// What delivers to other systems in the background.
pub(super) struct Deliveries {
    /// `None`: the installation sends no mails.
    pub(super) mail: Option<MailDelivery>,
    pub(super) stream: AuditStream,
}

impl Systems {
    /// Opens the clients of the settings, which connect on demand.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub(super) fn open(
        parts: &Parts,
        settings: &Settings,
    ) -> Result<(Self, Deliveries), StartError> {
        let migration = Arc::<HookMetrics>::default();
        let recording = Recording::new(parts);
        let stream = open_stream(parts, settings, &recording)?;
        let (mail, of_mail) = open_mail(parts, settings)?;
        let systems = Self {
            directory: open_directory(settings)?,
            old_system: open_old_system(settings, &migration, parts.hashing())?,
            migration,
            sink_metrics: Arc::clone(&stream.metrics),
            mail,
            key_sets: Arc::new(KeySets::new().map_err(StartError::client)?),
            recording,
            imports: Arc::default(),
            import_metrics: Arc::default(),
            memory_ceiling_kib: memory::ceiling_kib(parts.hashing.capacity(), settings),
        };
        Ok((systems, Deliveries { mail: of_mail, stream }))
    }

    /// The state of this instance.
    pub(super) fn instance(&self, parts: &Parts, settings: &Settings) -> Instance {
        Instance {
            database: parts.database().for_logins(),
            hashing: parts.hashing(),
            activity: self.recording.report(parts, settings),
            reloads: Arc::clone(&parts.reloads),
            maintenance: Arc::clone(&parts.queues.maintenance),
            directory: Arc::clone(&self.directory.search),
            imports: Arc::clone(&self.import_metrics),
            mail: Arc::clone(&self.mail.metrics),
            systems: SystemMetrics {
                migration: Arc::clone(&self.migration),
                audit: Arc::clone(&self.sink_metrics),
            },
            memory_ceiling_kib: self.memory_ceiling_kib,
        }
    }
}
