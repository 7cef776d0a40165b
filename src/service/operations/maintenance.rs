//! The read-only mode of this instance: background tasks wait while it lasts.

use tokio::sync::watch;

/// Whether this instance is read-only.
#[derive(Debug)]
pub(crate) struct Maintenance(watch::Sender<bool>);

impl Default for Maintenance {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Maintenance {
    /// Begins or ends the read-only mode.
    pub(crate) fn set_read_only(&self, is_read_only: bool) {
        self.0.send_replace(is_read_only);
    }

    /// True while this instance makes no changes.
    pub(crate) fn is_read_only(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until changes are allowed.
    pub(crate) async fn writable(&self) {
        // Never fails: the sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|is_read_only| !is_read_only).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_task_waits_until_changes_are_allowed() {
        let maintenance = Arc::new(Maintenance::default());
        maintenance.writable().await;
        maintenance.set_read_only(true);
        let waiting = tokio::time::timeout(Duration::from_millis(50), maintenance.writable());
        assert!(waiting.await.is_err() && maintenance.is_read_only());
        let held = Arc::clone(&maintenance);
        let task = tokio::spawn(async move { held.writable().await });
        maintenance.set_read_only(false);
        task.await.unwrap();
    }
}
