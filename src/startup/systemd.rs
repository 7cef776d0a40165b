//! Tells systemd the state of this process, where it asks for it (`sd_notify(3)`, `Type=notify` and
//! `WatchdogSec=`). Without `NOTIFY_SOCKET` nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

/// The service accepts connections.
pub(crate) fn notify_ready() {
    notify(NotifyState::Ready);
}

/// The service has begun to stop.
pub(super) fn notify_stopping() {
    notify(NotifyState::Stopping);
}

/// Tells the watchdog that the runtime still runs tasks, twice in each of its periods. Ends at once
/// where there is no watchdog.
pub(super) async fn feed_watchdog() {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| *period > Duration::ZERO)
    else {
        return;
    };
    let mut half = tokio::time::interval(period / 2);
    loop {
        half.tick().await;
        notify(NotifyState::Watchdog);
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told the state of the service");
    }
}
