//! The time zone of dates (`SO-TimeZone`,
//! docs/reference/wire-contract.md#query-parameters-and-headers).

use actix_web::http::header::{HeaderMap, HeaderName};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::http::headers;

/// The header that selects the time zone in requests and names it in responses.
pub(in crate::http) const SO_TIME_ZONE: HeaderName = HeaderName::from_static("so-timezone");

/// The time zones in the vendor's documentation: name, id, and name in the IANA database.
const ZONES: [(&str, &str, &str); 10] = [
    ("UTC", "1", "UTC"),
    ("AU-ACT", "36", "Australia/Canberra"),
    ("BD", "50", "Asia/Dhaka"),
    ("CA-QC", "114", "America/Montreal"),
    ("DK", "140", "Europe/Copenhagen"),
    ("FR", "156", "Europe/Paris"),
    ("NO", "261", "Europe/Oslo"),
    ("US-CA", "425", "America/Los_Angeles"),
    ("US-HI", "433", "Pacific/Honolulu"),
    ("US-NY", "460", "America/New_York"),
];

/// More seconds than the offset of any zone has.
const DAY: i64 = 24 * 60 * 60;

/// The time zone of a response, and of the dates without an offset in its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct TimeZone {
    /// The name in the response header.
    name: String,
    /// The name in the IANA database.
    database_name: String,
}

impl TimeZone {
    /// The zone that a request selects: a documented name or id, or a name in the IANA database.
    /// `None`, which means UTC, when the header is absent or the zone is unknown.
    pub(in crate::http) fn of(headers: &HeaderMap) -> Option<Self> {
        // Dates always have an offset, so the option `includeTZOffset` has no effect.
        let asked = headers::text(headers::elements(headers, &SO_TIME_ZONE).next()?)?;
        let documented =
            ZONES.iter().find(|(name, id, _)| name.eq_ignore_ascii_case(asked) || *id == asked);
        let (name, database_name) = match documented {
            Some((name, _, database_name)) => (*name, *database_name),
            None => (asked, asked),
        };
        tzdb::tz_by_name(database_name)?;
        Some(Self { name: name.to_owned(), database_name: database_name.to_owned() })
    }

    /// The name for the response header.
    pub(in crate::http) fn name(&self) -> &str {
        &self.name
    }

    /// The offset of this zone at a Unix time.
    fn offset_at(&self, unix_time: i64) -> Option<UtcOffset> {
        let zone = tzdb::tz_by_name(&self.database_name)?;
        let seconds = zone.find_local_time_type(unix_time).ok()?.ut_offset();
        // RFC 3339 has no seconds of an offset. Local mean time had them before time zones.
        UtcOffset::from_whole_seconds(seconds / 60 * 60).ok()
    }

    /// Converts a moment to this zone; `None` for one that has no date there.
    fn local(&self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        let local = moment.checked_to_offset(self.offset_at(moment.unix_timestamp())?);
        local.filter(has_date)
    }

    /// The inverse of [`Self::local`]: the moment with the date and the time of `local`, whose offset
    /// is ignored. Of a time that occurs twice, the earlier moment; of a time that is skipped, the
    /// moment as if the clock had not been set forward. `None` for one that has no date in UTC.
    fn moment(&self, local: OffsetDateTime) -> Option<OffsetDateTime> {
        let local_time = local.replace_offset(UtcOffset::UTC).unix_timestamp();
        let before = self.offset_at(local_time.saturating_sub(DAY))?;
        let after = self.offset_at(local_time.saturating_add(DAY))?;
        let is_valid = |offset: &UtcOffset| {
            let unix_time = local_time.saturating_sub(i64::from(offset.whole_seconds()));
            self.offset_at(unix_time) == Some(*offset)
        };
        // The larger offset is that of the earlier moment.
        let offset = [before, after].into_iter().filter(is_valid).max().unwrap_or(before);
        let moment = local.replace_offset(offset);
        moment.checked_to_offset(UtcOffset::UTC).filter(has_date).map(|_| moment)
    }
}

/// True for a date that RFC 3339, the clients and the database can represent.
fn has_date(moment: &OffsetDateTime) -> bool {
    (1..=9999).contains(&moment.year())
}

/// Parses a date with a time in RFC 3339, also with an offset without a colon, as the vendor writes
/// it (`-0500`). Without an offset, it is a local time of that zone, or of UTC. The result has the date
/// and the time of the text. `None` for any other text.
pub(in crate::http) fn parse(text: &str, zone: Option<&TimeZone>) -> Option<OffsetDateTime> {
    let read = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    if let Some(moment) = read(text) {
        return Some(moment);
    }
    let minutes = text.len().checked_sub(2).and_then(|index| text.split_at_checked(index));
    if let Some(moment) = minutes.and_then(|(start, minutes)| read(&format!("{start}:{minutes}"))) {
        return Some(moment);
    }
    let local = read(&format!("{text}Z"))?;
    Some(zone.and_then(|zone| zone.moment(local)).unwrap_or(local))
}

/// A moment in RFC 3339 with an offset, in that zone or in UTC. A moment at the end of the calendar
/// that has no date in the zone is in UTC.
pub(in crate::http) fn format(moment: OffsetDateTime, zone: Option<&TimeZone>) -> String {
    let local = zone.and_then(|zone| zone.local(moment)).unwrap_or(moment);
    local.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn zone(value: &str) -> Option<TimeZone> {
        let mut headers = HeaderMap::new();
        headers.insert(SO_TIME_ZONE, HeaderValue::from_str(value).unwrap());
        TimeZone::of(&headers)
    }

    #[test]
    fn documented_zones_are_found_by_name_and_id() {
        for (name, id, _) in ZONES {
            assert_eq!(zone(name).unwrap().name(), name);
            assert_eq!(zone(id), zone(name));
            assert_eq!(zone(&format!("{},includeTZOffset", name.to_lowercase())), zone(name));
        }
        assert_eq!(zone("Europe/Berlin").unwrap().name(), "Europe/Berlin");
        for unknown in ["", "XX", "999999", ",", "../../etc/passwd"] {
            assert_eq!(zone(unknown), None);
        }
    }

    #[test]
    fn a_moment_has_the_offset_of_its_zone_and_season() {
        let summer = OffsetDateTime::from_unix_timestamp(1_750_000_000).unwrap();
        let winter = OffsetDateTime::from_unix_timestamp(1_765_000_000).unwrap();
        let new_york = zone("460");
        assert_eq!(format(summer, None), "2025-06-15T15:06:40Z");
        assert_eq!(format(summer, new_york.as_ref()), "2025-06-15T11:06:40-04:00");
        assert_eq!(format(winter, new_york.as_ref()), "2025-12-06T00:46:40-05:00");
    }

    #[test]
    fn local_mean_time_is_written_with_whole_minutes() {
        // New York was 4:56:02 behind Greenwich; RFC 3339 has no seconds of an offset.
        let before_zones = OffsetDateTime::from_unix_timestamp(-3_000_000_000).unwrap();
        let text = format(before_zones, zone("460").as_ref());
        assert_eq!(text, "1874-12-07T13:44:00-04:56");
        assert_eq!(OffsetDateTime::parse(&text, &Rfc3339), Ok(before_zones));
        // The same local time without its offset.
        assert_eq!(parse("1874-12-07T13:44:00", zone("460").as_ref()), Some(before_zones));
    }

    #[test]
    fn a_date_without_an_offset_is_a_local_time_of_the_zone() {
        for (name, text, moment) in [
            ("NO", "2026-01-02T03:04:05", "2026-01-02T02:04:05Z"),
            ("NO", "2026-07-02T03:04:05", "2026-07-02T01:04:05Z"),
            ("NO", "2026-07-02T03:04:05.6", "2026-07-02T01:04:05.6Z"),
            ("US-NY", "2018-12-24T12:34:45", "2018-12-24T17:34:45Z"),
            ("Pacific/Auckland", "2026-01-02T03:04:05", "2026-01-01T14:04:05Z"),
            ("Asia/Kathmandu", "2026-01-02T03:04:05", "2026-01-01T21:19:05Z"),
            // Just before and after the clock is set, in both directions.
            ("NO", "2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
            ("NO", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
            ("NO", "2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
            ("NO", "2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
            // Twice; skipped; a day that was skipped.
            ("NO", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
            ("NO", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
            ("US-NY", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"),
            ("US-NY", "2026-03-08T02:30:00", "2026-03-08T07:30:00Z"),
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"),
        ] {
            let moment = OffsetDateTime::parse(moment, &Rfc3339).unwrap();
            assert_eq!(parse(text, zone(name).as_ref()), Some(moment), "{name}: {text}");
            let utc = OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339).unwrap();
            assert_eq!(parse(text, None), Some(utc), "{text}");
        }
    }

    #[test]
    fn an_offset_may_have_no_colon_and_overrides_the_zone() {
        let moment = OffsetDateTime::parse("2018-12-24T12:34:45Z", &Rfc3339).unwrap();
        for text in [
            "2018-12-24T12:34:45Z",
            "2018-12-24T07:34:45-05:00",
            "2018-12-24T07:34:45-0500",
            "2018-12-24T18:04:45.000+0530",
        ] {
            for zone in [None, zone("NO")] {
                assert_eq!(parse(text, zone.as_ref()), Some(moment), "{text}");
            }
        }
        for text in [
            "",
            "Z",
            "é",
            "soon",
            "2018-12-24",
            "2018-12-24T07:34",
            "2018-12-24T07:3445",
            "2018-12-24T07:34:45-05",
            "2018-12-24T07:34:45-050",
            "2018-12-24T07:34:45 0500",
            "2018-12-24T07:34:45-05000",
            "2018-12-24T07:34:45-2400",
            "2018-12-24T07:34:45-0560",
            "2018-12-24T07:34:45-05é",
            "2018-02-29T07:34:45",
            "2018-12-24T07:34:45ZZ",
        ] {
            assert_eq!(parse(text, zone("NO").as_ref()), None, "{text:?}");
        }
    }

    #[test]
    fn dates_at_the_ends_of_the_calendar_are_read_and_written() {
        let read = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
        for zone in [zone("NO"), zone("US-NY"), zone("Pacific/Kiritimati"), zone("US-HI"), None] {
            for text in [
                "0001-01-01T00:00:00",
                "0001-01-01T23:59:59",
                "9999-12-31T00:00:00",
                "9999-12-31T23:59:59",
            ] {
                let moment = parse(text, zone.as_ref()).unwrap();
                assert_eq!(moment.replace_offset(UtcOffset::UTC), read(&format!("{text}Z")));
                let utc = moment.checked_to_offset(UtcOffset::UTC).unwrap();
                assert!(has_date(&utc), "{text} in {zone:?} is {utc}");
                assert_eq!(read(&format(moment, zone.as_ref())), moment, "{text} in {zone:?}");
                // As programs that drop the offset read it.
                let again = &format(utc, zone.as_ref())[..19];
                assert_eq!(parse(again, zone.as_ref()), Some(moment), "{text} in {zone:?}");
            }
        }
        let last = read("9999-12-31T23:59:59Z");
        assert_eq!(format(last, zone("NO").as_ref()), "9999-12-31T23:59:59Z");
        let first = read("0001-01-01T00:00:00Z");
        assert_eq!(format(first, zone("US-NY").as_ref()), "0001-01-01T00:00:00Z");
    }
}
