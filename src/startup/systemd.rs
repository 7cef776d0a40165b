//! Notifies systemd of the state of this process (`sd_notify(3)`, `Type=notify` and
//! `WatchdogSec=`). Does nothing without `NOTIFY_SOCKET`.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// Notifies systemd that the service accepts connections.
pub(crate) fn notify_ready() {
    notify(NotifyState::Ready);
}

/// Notifies systemd that the service reads its files again. [`notify_ready`] ends the reload
/// (`Type=notify-reload`).
pub(super) fn notify_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify_all(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot read the monotonic clock for systemd"),
    }
}

/// Notifies systemd that the service is stopping.
pub(super) fn notify_stopping() {
    notify(NotifyState::Stopping);
}

/// Notifies the watchdog twice per period while the runtime runs tasks, for the first time half a
/// period after the start. Returns immediately if no watchdog is enabled.
pub(super) async fn feed_watchdog() {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| *period > Duration::ZERO)
    else {
        return;
    };
    let mut half = tokio::time::interval_at(Instant::now() + period / 2, period / 2);
    loop {
        half.tick().await;
        notify(NotifyState::Watchdog);
    }
}

fn notify(state: NotifyState<'_>) {
    notify_all(&[state]);
}

fn notify_all(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}
