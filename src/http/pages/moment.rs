//! Times on pages: an element that scripts rewrite in the time zone of the browser.

use askama::Template;
use time::{OffsetDateTime, UtcOffset};

use crate::http::localization::format_moment;

/// A time, as an HTML element. Templates render it with `|safe`.
#[derive(Template)]
#[template(source = r#"<time datetime="{{ machine }}">{{ text }}</time>"#, ext = "html")]
pub(in crate::http) struct Moment {
    /// In RFC 3339.
    machine: String,
    text: String,
}

impl Moment {
    /// A time in UTC.
    pub(in crate::http) fn new(at: OffsetDateTime) -> Self {
        let at = at.to_offset(UtcOffset::UTC);
        let (date, hour, minute) = (at.date(), at.hour(), at.minute());
        Self { machine: format_moment(at, None), text: format!("{date} {hour:02}:{minute:02} UTC") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc() {
        let at = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let at = at.to_offset(UtcOffset::from_hms(2, 0, 0).unwrap());
        assert_eq!(
            Moment::new(at).to_string(),
            r#"<time datetime="2027-01-15T08:00:00Z">2027-01-15 08:00 UTC</time>"#
        );
    }
}
