//! Conditional requests by date (RFC 9110, section 13;
//! [ADR 51](../../../docs/adr/0051-rest-users.md)).
//!
//! Dates in HTTP are whole seconds, and the time of a change is exact. Every comparison errs towards
//! a change: a write in the second of the caller's date counts as later.

use std::time::SystemTime;

use actix_web::http::header::{
    HeaderMap, HeaderName, HttpDate, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE,
};
use time::{Duration, OffsetDateTime};

use crate::{
    domain::{InvalidField, Reason},
    http::{
        error::{ApiError, ErrorKind},
        headers,
    },
};

/// The time of `If-Unmodified-Since`. An invalid one is refused, because the write would otherwise
/// happen without the check that the caller asks for.
///
/// # Errors
/// When the header is repeated or is not a date.
pub(super) fn unmodified_since(headers: &HeaderMap) -> Result<Option<OffsetDateTime>, ApiError> {
    let refuse = || InvalidField::new("If-Unmodified-Since", Reason::NotHttpDate);
    date(headers, &IF_UNMODIFIED_SINCE).map_err(|InvalidDate| refuse().into())
}

/// The dates of a user.
pub(super) struct Dates {
    /// The time of the last change.
    pub(super) changed_at: OffsetDateTime,
    /// The time of the last change of the representation, which also has the last use.
    pub(super) last_modified: OffsetDateTime,
    pub(super) now: OffsetDateTime,
}

impl Dates {
    /// Evaluates the preconditions of a read; true when the caller already has the user.
    ///
    /// # Errors
    /// [`ErrorKind::PreconditionFailed`] when the user was changed after `If-Unmodified-Since`.
    pub(super) fn is_not_modified(&self, headers: &HeaderMap) -> Result<bool, ApiError> {
        let limit = unmodified_since(headers)?;
        if limit.is_some_and(|limit| self.changed_at > limit) {
            return Err(ErrorKind::PreconditionFailed.into());
        }
        // RFC 9110, section 13.1.3: an invalid date is ignored.
        let since = date(headers, &IF_MODIFIED_SINCE).ok().flatten();
        let settled = self.settled();
        Ok(since.zip(settled).is_some_and(|(since, settled)| settled <= since))
    }

    /// The value of `Last-Modified`. During the second of a change it is the beginning of that
    /// second, so that a write with this date is refused; afterwards it is the end.
    pub(super) fn last_modified(&self) -> HttpDate {
        let second = self.settled().unwrap_or_else(|| floor(self.last_modified));
        HttpDate::from(SystemTime::from(second))
    }

    /// The end of the second of the last change; `None` during that second.
    fn settled(&self) -> Option<OffsetDateTime> {
        let floor = floor(self.last_modified);
        let is_whole = floor == self.last_modified;
        let end = if is_whole { floor } else { floor + Duration::SECOND };
        (end <= self.now).then_some(end)
    }
}

/// A header that is repeated or is not a date.
struct InvalidDate;

fn date(headers: &HeaderMap, name: &HeaderName) -> Result<Option<OffsetDateTime>, InvalidDate> {
    let text = headers::single(headers, name).map_err(|_| InvalidDate)?;
    let date = text.map(str::parse::<HttpDate>).transpose().map_err(|_| InvalidDate)?;
    Ok(date.map(|date| OffsetDateTime::from(SystemTime::from(date))))
}

fn floor(moment: OffsetDateTime) -> OffsetDateTime {
    moment.replace_nanosecond(0).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use time::macros::datetime;

    use super::*;

    fn dates(milliseconds: i64, now: i64) -> Dates {
        let start = datetime!(2027-01-01 00:00:10 UTC);
        let changed_at = start + Duration::milliseconds(milliseconds);
        let now = start + Duration::milliseconds(now);
        Dates { changed_at, last_modified: changed_at, now }
    }

    fn headers(name: HeaderName, second: u8) -> HeaderMap {
        let date = format!("Fri, 01 Jan 2027 00:00:{second:02} GMT");
        [(name, HeaderValue::from_str(&date).unwrap())].into_iter().collect()
    }

    #[test]
    fn a_change_in_the_second_of_the_date_counts_as_later() {
        let is_refused = |milliseconds, second| {
            let headers = headers(IF_UNMODIFIED_SINCE, second);
            dates(milliseconds, 60_000).is_not_modified(&headers).is_err()
        };
        assert!(is_refused(500, 9) && is_refused(500, 10) && !is_refused(500, 11));
        assert!(is_refused(0, 9) && !is_refused(0, 10));
    }

    #[test]
    fn last_modified_is_never_in_the_future_and_is_accepted_only_after_its_second() {
        for (changed, now, expected, is_settled) in
            [(500, 600, 10, false), (500, 999, 10, false), (500, 1000, 11, true), (0, 0, 10, true)]
        {
            let dates = dates(changed, now);
            let text = format!("Fri, 01 Jan 2027 00:00:{expected:02} GMT");
            assert_eq!(dates.last_modified().to_string(), text, "{changed} {now}");
            let unmodified = headers(IF_UNMODIFIED_SINCE, expected);
            assert_eq!(dates.is_not_modified(&unmodified).is_ok(), is_settled, "{changed} {now}");
            let modified = headers(IF_MODIFIED_SINCE, expected);
            assert_eq!(dates.is_not_modified(&modified).unwrap(), is_settled, "{changed} {now}");
        }
    }

    #[test]
    fn an_invalid_date_is_refused_for_a_write_and_ignored_for_a_read() {
        let invalid = |name| [(name, HeaderValue::from_static("soon"))].into_iter().collect();
        assert!(unmodified_since(&invalid(IF_UNMODIFIED_SINCE)).is_err());
        assert!(!dates(0, 9).is_not_modified(&invalid(IF_MODIFIED_SINCE)).unwrap());
    }
}
