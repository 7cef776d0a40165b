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

/// The time zone of a response.
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

    /// Converts a moment to this zone.
    fn local(&self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        let zone = tzdb::tz_by_name(&self.database_name)?;
        let seconds = zone.find_local_time_type(moment.unix_timestamp()).ok()?.ut_offset();
        // RFC 3339 has no seconds of an offset. Local mean time had them before time zones.
        Some(moment.to_offset(UtcOffset::from_whole_seconds(seconds / 60 * 60).ok()?))
    }
}

/// A moment in RFC 3339 with an offset, in that zone or in UTC.
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
    }
}
