//! Validates durations: rejects zero where it has no meaning, and values that overflow clocks and
//! timers.

use std::time::Duration;

use super::{problem::Problem, sections::Settings};

/// The longest duration of most settings. Much longer durations overflow clocks and timers.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The longest wait of a request or of a start. PostgreSQL's timeouts overflow after 24 days.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

impl Settings {
    /// Problems of durations.
    pub(super) fn duration_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        for (setting, duration) in [
            ("http.read_timeout_seconds", self.http.connections.read_timeout),
            ("http.idle_timeout_seconds", self.http.connections.idle_timeout),
            ("http.write_timeout_seconds", self.http.connections.write_timeout),
            ("database.acquire_timeout_seconds", self.database.acquire_timeout),
            ("database.lock_timeout_seconds", self.database.lock_timeout),
            ("database.statement_timeout_seconds", self.database.statement_timeout),
            ("hashing.deadline_seconds", self.hashing.deadline),
            ("http.answer_timeout_seconds", self.http.answer_timeout),
            ("hashing.verified_lifetime_seconds", self.hashing.verified_lifetime),
            ("attempts.maximum_delay_seconds", self.attempts.maximum_delay),
            ("tickets.lifetime_seconds", self.tickets.lifetime),
            ("sessions.lifetime_seconds", self.sessions.lifetime),
            ("sessions.maximum_seconds", self.sessions.maximum),
            ("access_tokens.lifetime_seconds", self.access_tokens.lifetime),
            ("import.upload_timeout_seconds", self.import.upload_timeout),
        ] {
            if duration.is_zero() || duration > LONGEST {
                reject(setting, "must be between 1 and 31536000 (a year)");
            }
        }
        for (setting, duration) in [
            ("database.lock_timeout_seconds", self.database.lock_timeout),
            ("database.statement_timeout_seconds", self.database.statement_timeout),
            ("hashing.deadline_seconds", self.hashing.deadline),
            ("database.startup_wait_seconds", self.database.startup_wait),
            ("keyring.startup_wait_seconds", self.master_keys.startup_wait),
            ("import.upload_timeout_seconds", self.import.upload_timeout),
        ] {
            if duration > LONGEST_WAIT {
                reject(setting, "must be at most 86400 (a day)");
            }
        }
        for (setting, duration) in [
            ("audit.anchor_seconds", self.anchor_period),
            ("sessions.absolute_seconds", self.sessions.absolute),
            ("authentication.maximum_proof_age_seconds", self.authentication.maximum_proof_age),
            ("shutdown.grace_seconds", self.shutdown.grace),
            ("shutdown.timeout_seconds", self.shutdown.timeout),
        ] {
            if duration > 10 * LONGEST {
                reject(setting, "must be at most 315360000 (ten years)");
            }
        }
        problems
    }
}
