//! What the hashing threads are given, and what they give back.

use std::time::Instant;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{HashingError, kernel::Tag, stored::StoredHash};
use crate::domain::stored_credential::HashParameters;

/// One hash to compute.
pub(super) struct Job {
    pub(super) secret: Zeroizing<Vec<u8>>,
    pub(super) task: Task,
    pub(super) queued: Instant,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Computed, HashingError>>,
}

/// What is to be computed of a secret.
pub(super) enum Task {
    /// Its hash.
    Tag { salt: Vec<u8>, parameters: HashParameters },
    /// Whether it, or its other form, is what a hash was made from.
    Match { hash: StoredHash, other_form: Option<Zeroizing<Vec<u8>>> },
    /// No hash, but work of that order, which waits its turn like one.
    Check(Check),
}

/// Something to find out about a secret.
pub(super) type Check = Box<dyn FnOnce(&[u8]) -> bool + Send>;

/// What was computed, and since when: the time before was spent in the queue.
pub(super) struct Computed {
    pub(super) done: Done,
    pub(super) began: Instant,
}

/// What came of a task.
pub(super) enum Done {
    Tag(Tag),
    Match(bool),
    Check(bool),
}
