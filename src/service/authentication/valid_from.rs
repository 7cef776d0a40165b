//! The moment from which tickets, sessions and tokens are valid: the last restore of the database.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use time::OffsetDateTime;

/// The second after which authentications count. Everything that was issued for an earlier one, or in
/// this second, is invalid. All parts of a process share it.
#[derive(Debug, Clone)]
pub(crate) struct IssuedValidFrom(Arc<AtomicI64>);

impl Default for IssuedValidFrom {
    /// No limit.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }
}

impl IssuedValidFrom {
    /// True when an authentication at this moment counts.
    pub(super) fn includes(&self, auth_time: OffsetDateTime) -> bool {
        auth_time.unix_timestamp() > self.0.load(Ordering::Acquire)
    }

    /// Moves the limit, never back. Whole seconds, because access tokens have no fractions.
    pub(in crate::service) fn advance_to(&self, moment: OffsetDateTime) {
        self.0.fetch_max(moment.unix_timestamp(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn the_limit_excludes_its_own_second_and_never_moves_back() {
        let valid_from = IssuedValidFrom::default();
        let moment = OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(5_400);
        assert!(valid_from.includes(OffsetDateTime::UNIX_EPOCH));
        valid_from.clone().advance_to(moment);
        valid_from.advance_to(OffsetDateTime::UNIX_EPOCH);
        assert!(!valid_from.includes(moment + Duration::milliseconds(599)));
        assert!(valid_from.includes(moment + Duration::milliseconds(600)));
    }
}
