//! The tasks that read files again: when they change, and on SIGHUP.
//!
//! Files are polled, because change notifications (inotify) do not work on every volume and do not
//! see a symbolic link that is swapped in another folder.

use std::{io, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use super::{reload::Reloadable, systemd};
use crate::service::operations::reload_metrics::ReloadMetrics;

/// The time between two looks at a file.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The requests of an operator to reload: SIGHUP.
pub(crate) struct ReloadSignal(Signal);

impl ReloadSignal {
    /// Installs the handler. From now on, SIGHUP does not end the process.
    ///
    /// # Errors
    /// When the operating system refuses the handler.
    pub(crate) fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// Spawns the tasks that look at the files, one for each setting, so that a slow server or volume
/// delays no other setting, and the task that waits for SIGHUP. At the signal, the settings are read
/// first. If they cannot be used, or a file that they name, no other file is read. The database and
/// the master key are asked later, and cannot refuse the settings: an operator can change them during
/// an outage. Each reload ends in bounded time, so that the next signal has an effect.
pub(super) fn spawn(
    tasks: &mut JoinSet<()>,
    reloadables: Vec<Reloadable>,
    metrics: &Arc<ReloadMetrics>,
    requested: Option<(ReloadSignal, Reloadable)>,
) {
    let reloadables: Vec<_> = reloadables.into_iter().map(Arc::new).collect();
    for reloadable in &reloadables {
        watch(tasks, Arc::clone(reloadable), metrics);
    }
    if let Some((ReloadSignal(mut signal), settings)) = requested {
        let (settings, metrics) = (Arc::new(settings), Arc::clone(metrics));
        watch(tasks, Arc::clone(&settings), &metrics);
        tasks.spawn(async move {
            while signal.recv().await.is_some() {
                systemd::notify_reloading();
                if settings.reload(&metrics).await {
                    join_all(reloadables.iter().map(|reloadable| reloadable.reload(&metrics)))
                        .await;
                }
                systemd::notify_ready();
            }
        });
    }
}

/// Spawns the task that looks at the files of a setting.
fn watch(tasks: &mut JoinSet<()>, reloadable: Arc<Reloadable>, metrics: &Arc<ReloadMetrics>) {
    metrics.add_setting(reloadable.setting());
    let metrics = Arc::clone(metrics);
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            reloadable.poll(&metrics).await;
        }
    });
}
