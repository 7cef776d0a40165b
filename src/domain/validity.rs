//! The validity period of a credential.

use time::{OffsetDateTime, UtcOffset};

use super::invalid_field::{InvalidField, Reason};

/// A period in whole seconds; both ends may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Validity {
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
}

impl Validity {
    /// Checks a period.
    ///
    /// # Errors
    /// Names `field` when the end is not after the start, or a time is out of range.
    pub(crate) fn parse(
        field: &str,
        from: Option<OffsetDateTime>,
        to: Option<OffsetDateTime>,
    ) -> Result<Self, InvalidField> {
        // Stored and sealed times are in UTC and have no fractions. A time at the end of the
        // calendar may not exist in UTC.
        let whole = |at: OffsetDateTime| {
            let utc = at.checked_to_offset(UtcOffset::UTC).map(OffsetDateTime::truncate_to_second);
            // The years that both RFC 3339 and PostgreSQL accept.
            let utc = utc.filter(|at| (1..=9999).contains(&at.year()));
            utc.ok_or_else(|| InvalidField::new(field, Reason::OutOfRange))
        };
        let (from, to) = (from.map(whole).transpose()?, to.map(whole).transpose()?);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(InvalidField::new(field, Reason::EndsBeforeItBegins));
        }
        Ok(Self { from, to })
    }

    /// A period without start that ends `length` after `now`.
    pub(crate) fn starting(now: OffsetDateTime, length: std::time::Duration) -> Self {
        Self { from: None, to: Some((now + length).truncate_to_second()) }
    }

    /// The first valid time; `None`: without start.
    pub(crate) fn from(self) -> Option<OffsetDateTime> {
        self.from
    }

    /// The first time after the period; `None`: without end.
    pub(crate) fn to(self) -> Option<OffsetDateTime> {
        self.to
    }

    /// True when both ends are open.
    pub(crate) fn is_always(self) -> bool {
        self == Self::default()
    }

    /// True for a time within the period.
    pub(crate) fn contains(self, time: OffsetDateTime) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn a_period_includes_its_start_and_excludes_its_end() {
        let from = OffsetDateTime::UNIX_EPOCH;
        let to = from + Duration::DAY;
        let validity = Validity::parse("f", Some(from), Some(to)).unwrap();
        assert!(validity.contains(from) && validity.contains(to - Duration::SECOND));
        assert!(!validity.contains(to) && !validity.contains(from - Duration::SECOND));
        assert!(Validity::default().contains(to) && Validity::default().is_always());
        assert!(Validity::parse("f", Some(to), Some(to)).is_err());
        let last = time::Date::MAX.with_hms(23, 59, 59).unwrap();
        let beyond = last.assume_offset(UtcOffset::from_hms(-1, 0, 0).unwrap());
        assert!(Validity::parse("f", None, Some(beyond)).is_err());
        let year_0 = time::Date::from_calendar_date(0, time::Month::January, 1).unwrap();
        assert!(Validity::parse("f", Some(year_0.midnight().assume_utc()), None).is_err());
        let starting = Validity::starting(from, std::time::Duration::from_secs(60));
        assert!(starting.contains(from) && !starting.contains(from + Duration::MINUTE));
    }
}
