//! Bounded queues between requests and the thread that exports.

use tokio::sync::mpsc;

use crate::export_metrics::{DropReason, Signal};

/// The most items that wait.
const LENGTH: usize = 4096;

/// The end of a queue that is filled.
pub(crate) struct Queue<T> {
    sender: mpsc::Sender<T>,
    signal: Signal,
}

/// The end of a queue that is emptied.
pub(super) struct Receiver<T> {
    pub(super) items: mpsc::Receiver<T>,
    pub(super) signal: Signal,
}

/// A queue for a signal.
pub(super) fn bounded<T>(signal: Signal) -> (Queue<T>, Receiver<T>) {
    let (sender, items) = mpsc::channel(LENGTH);
    (Queue { sender, signal }, Receiver { items, signal })
}

impl<T> Queue<T> {
    /// Adds an item, or drops it if the queue is full. Never waits.
    pub(crate) fn push(&self, item: T) {
        if self.sender.try_send(item).is_err() {
            self.signal.count_dropped(DropReason::QueueFull, 1);
        }
    }
}
