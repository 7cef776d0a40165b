//! Settings of the passwords that the directory verifies: a part of the section `directory`.

use std::time::Duration;

use super::{problem::Problem, reader::Reader};

const MAXIMUM_CONNECTIONS: usize = 64;

/// The longest `directory.verify_timeout_seconds`. Every refused login takes longer than that.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest `directory.verified_lifetime_seconds`: a password that was changed in the directory
/// is accepted for that long.
const LONGEST_LIFETIME: Duration = Duration::from_mins(5);

/// How the directory verifies passwords.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerificationSettings {
    pub(crate) timeout: Duration,
    pub(crate) maximum_connections: usize,
    /// How long a verified password is not verified again.
    pub(crate) verified_lifetime: Duration,
}

impl VerificationSettings {
    /// The time of every refused login from the question to the directory on. The rest behind the
    /// timeout is for the count of the failure.
    pub(crate) fn refusal_time(self) -> Duration {
        self.timeout + self.timeout / 4
    }

    /// Reads the settings. `None` if the directory verifies no passwords.
    pub(super) fn take(reader: &mut Reader) -> Option<Self> {
        let is_on: bool = reader.get("directory.verify_passwords");
        let settings = Self {
            timeout: reader.seconds("directory.verify_timeout_seconds"),
            maximum_connections: reader.get("directory.verify_maximum_connections"),
            verified_lifetime: reader.seconds("directory.verified_lifetime_seconds"),
        };
        if !(Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(&settings.timeout) {
            reader.problem("directory.verify_timeout_seconds", "must be between 1 and 10");
        }
        if !(1..=MAXIMUM_CONNECTIONS).contains(&settings.maximum_connections) {
            reader.problem("directory.verify_maximum_connections", "must be between 1 and 64");
        }
        if settings.verified_lifetime > LONGEST_LIFETIME {
            reader.problem("directory.verified_lifetime_seconds", "must be at most 300");
        }
        is_on.then_some(settings)
    }

    /// The problem of a timeout that is too long for an answer. A refusal must be sent in time: after
    /// the wait in the hashing queue, after its own delay, and with time left for the database.
    pub(super) fn timeout_problem(
        self,
        hashing_deadline: Duration,
        answer_timeout: Duration,
    ) -> Option<Problem> {
        let longest = hashing_deadline.saturating_add(2 * self.timeout);
        (answer_timeout < longest).then(|| {
            Problem::new(
                "directory.verify_timeout_seconds",
                "hashing.deadline_seconds + 2 * directory.verify_timeout_seconds must not exceed \
                 http.answer_timeout_seconds; lower it, or raise http.answer_timeout_seconds",
            )
        })
    }
}
