//! Limits the memory of the responses that the client of one connection does not accept.

use std::{cell::Cell, rc::Rc};

use tokio::sync::Notify;

use crate::http::transport::{RequestProgress, Waiting};

/// Requests wait while the responses of their connection that are not sent count this much, in
/// bytes.
const MAXIMUM_UNSENT: usize = 256 * 1024;

/// The most that one response counts, so that a large one does not keep the others waiting: at least
/// eight responses are produced at a time.
const MAXIMUM_COUNTED: usize = MAXIMUM_UNSENT / 8;

/// The responses of one connection that are not sent.
#[derive(Debug)]
pub(super) struct Unsent {
    /// What they count.
    size: Cell<usize>,
    progress: Rc<RequestProgress>,
    room: Notify,
}

impl Unsent {
    /// A connection without responses.
    pub(super) fn new(progress: &Rc<RequestProgress>) -> Self {
        Self { size: Cell::default(), progress: Rc::clone(progress), room: Notify::new() }
    }

    /// Completes when a request may be handled, because there is room for its response.
    pub(super) async fn turn(&self) {
        while !self.has_room() {
            self.room.notified().await;
        }
    }

    /// Gives one of the requests that wait its turn, if there is room.
    pub(super) fn give_turn(&self) {
        if self.has_room() {
            self.room.notify_one();
        }
    }

    /// Also false while the socket accepts nothing: then the h2 crate keeps what is sent.
    fn has_room(&self) -> bool {
        self.size.get() < MAXIMUM_UNSENT && !self.progress.is_sending()
    }

    /// Records that a request waits for the client, until the guard is dropped.
    pub(super) fn wait(&self) -> Waiting {
        self.progress.wait()
    }

    /// Counts a piece of a response until the guard is dropped.
    pub(super) fn count(&self, size: usize) -> Counted<'_> {
        let mut counted = Counted { unsent: self, size: 0 };
        counted.set(size);
        counted
    }
}

/// The guard of a piece of a response that is not sent.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    unsent: &'a Unsent,
    size: usize,
}

impl Counted<'_> {
    /// Counts only what is left of the piece.
    pub(super) fn set(&mut self, left: usize) {
        let counted = left.min(MAXIMUM_COUNTED);
        let others = self.unsent.size.get().saturating_sub(self.size);
        self.unsent.size.set(others + counted);
        self.size = counted;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}
