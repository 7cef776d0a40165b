//! The state of this instance: whether it is ready, and its metrics.

use std::{fmt, sync::Arc};

use prometheus_client::registry::Registry;

use super::{
    maintenance::Maintenance,
    metrics::{MetricSources, StateFigures, SystemMetrics, encode_metrics},
    reload_metrics::ReloadMetrics,
};
use crate::{
    security::hashing::HashingEngine,
    service::{
        activity::report::Activity, directory::search::DirectorySearch,
        import::jobs::metrics::ImportMetrics, mail::metrics::MailMetrics,
    },
    storage::{self, Database, StorageError, diagnostics},
};

/// What an instance that is ready can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    Full,
    /// Logins work, but changes wait for a synchronous standby.
    WithoutStandby,
}

/// The reason why an instance is not ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    #[error(transparent)]
    Database(#[from] StorageError),
    #[error("{0} migrations are not applied")]
    PendingMigrations(usize),
}

/// The state of this instance.
pub(crate) struct Instance {
    pub(crate) database: Database,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) reloads: Arc<ReloadMetrics>,
    pub(crate) maintenance: Arc<Maintenance>,
    pub(crate) directory: Arc<DirectorySearch>,
    pub(crate) imports: Arc<ImportMetrics>,
    pub(crate) mail: Arc<MailMetrics>,
    pub(crate) systems: SystemMetrics,
    /// The maximum memory of the process, in KiB.
    pub(crate) memory_ceiling_kib: u64,
}

impl Instance {
    /// Succeeds when the database answers and every migration of this binary is applied. Newer
    /// migrations are accepted, so that a release can be rolled out instance by instance.
    ///
    /// # Errors
    /// See [`NotReady`].
    pub(crate) async fn check_readiness(&self) -> Result<Readiness, NotReady> {
        self.database.require_writable().await?;
        match storage::pending_migrations(&self.database).await? {
            0 => {}
            pending => return Err(NotReady::PendingMigrations(pending)),
        }
        let mut connection = self.database.connection().await?;
        let has_waiting = diagnostics::has_waiting_commits(&mut connection).await?;
        connection.release();
        Ok(if has_waiting { Readiness::WithoutStandby } else { Readiness::Full })
    }

    /// Encodes all metrics; see [`encode_metrics`].
    ///
    /// # Errors
    /// The errors of [`encode_metrics`].
    pub(crate) fn metrics(
        &self,
        register_http: impl FnOnce(&mut Registry),
    ) -> Result<String, fmt::Error> {
        let sources = MetricSources {
            hashing: &self.hashing,
            database: self.database.metrics(),
            state: StateFigures {
                connections: self.database.counts(),
                activity: self.activity.figures(),
                memory_ceiling_kib: self.memory_ceiling_kib,
            },
            activity: self.activity.metrics(),
            reloads: &self.reloads,
            maintenance: &self.maintenance,
            directory: &self.directory,
            imports: &self.imports,
            mail: &self.mail,
            systems: &self.systems,
        };
        encode_metrics(&sources, register_http)
    }
}
