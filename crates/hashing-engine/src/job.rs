//! Jobs of the hashing threads, and their results.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{
    error::HashingError, formats::stored_hash::StoredHash, hash_parameters::HashParameters,
    kernel::Tag,
};

/// A job in the queue.
pub(crate) struct Job {
    pub(crate) secret: Zeroizing<Vec<u8>>,
    pub(crate) task: Task,
    pub(crate) queued: Instant,
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<JobResult>,
}

/// The computation of a job.
pub(crate) enum Task {
    /// A new hash.
    Hash { salt: Vec<u8>, parameters: HashParameters },
    /// Whether the secret, or its other form, matches a hash.
    Match { hash: StoredHash, other_form: Option<Zeroizing<Vec<u8>>> },
    /// A check without a hash that takes about as long as one.
    Check(Check),
}

/// A check of a secret.
pub(crate) type Check = Box<dyn FnOnce(&[u8]) -> bool + Send>;

/// The result of a job.
pub(crate) type JobResult = Result<Computed, HashingError>;

/// The output of a job and its start time. It waited in the queue before that.
pub(crate) struct Computed {
    pub(crate) output: Output,
    pub(crate) started: Instant,
    pub(crate) waited: Duration,
    pub(crate) worked: Duration,
}

/// The output of a task.
pub(crate) enum Output {
    /// Of [`Task::Hash`].
    Tag(Tag),
    /// Of [`Task::Match`] and [`Task::Check`].
    Bool(bool),
}

impl Output {
    /// The hash. A hash task has no other output.
    pub(crate) fn into_tag(self) -> Result<Tag, HashingError> {
        match self {
            Self::Tag(tag) => Ok(tag),
            Self::Bool(_) => Err(HashingError::InvalidParameters),
        }
    }

    /// True when the secret matches or passes the check.
    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }
}
