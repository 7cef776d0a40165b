//! Reads the query string of the list of audit events, and writes the one of the next page
//! (docs/reference/wire-contract.md#audit-events).

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    domain::{
        InvalidField, Reason,
        audit::AuditKind,
        audit_query::{AuditFilter, AuditPosition, AuditQuery, DEFAULT_TOP, MAXIMUM_TOP},
        user::UserId,
    },
    http::{
        error::ErrorKind,
        query::{decoded, escaped, number},
    },
    service::audit::export_format::ExportFormat,
};

const USER: &str = "user";
const KIND: &str = "kind";
const ACTOR: &str = "actor";
const SINCE: &str = "since";
const UNTIL: &str = "until";
const TOP: &str = "$top";
const SKIP_TOKEN: &str = "$skiptoken";
const FORMAT: &str = "$format";

/// The field of errors about the query string as a whole.
const QUERY_STRING: &str = "query string";

/// The parameters that an operation knows, and the same for its error.
pub(in crate::http) struct Known(&'static [&'static str], &'static str);

/// The parameters of the list of all events.
pub(in crate::http) const LIST: Known = Known(
    &[USER, KIND, ACTOR, SINCE, UNTIL, TOP, SKIP_TOKEN],
    "user, kind, actor, since, until, $top and $skiptoken",
);

/// The parameters of the list of a user's events.
pub(in crate::http) const LIST_OF_USER: Known = Known(
    &[KIND, ACTOR, SINCE, UNTIL, TOP, SKIP_TOKEN],
    "kind, actor, since, until, $top and $skiptoken",
);

/// The parameters of the export.
pub(in crate::http) const EXPORT: Known = Known(
    &[USER, KIND, ACTOR, SINCE, UNTIL, FORMAT],
    "user, kind, actor, since, until and $format",
);

/// The parameters of a query string, each with its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::http) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads the parameters, whose names are case-insensitive. Unknown ones are refused: a misspelled
    /// filter would list other events than the caller asks for.
    ///
    /// # Errors
    /// When a parameter is repeated, unknown or not UTF-8.
    pub(in crate::http) fn read(query: &str, known: &Known) -> Result<Self, ErrorKind> {
        let mut parameters = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name, QUERY_STRING)?;
            let unknown =
                || InvalidField::new(QUERY_STRING, Reason::UnknownQueryParameter(known.1));
            let found = known.0.iter().find(|known| name.eq_ignore_ascii_case(known));
            let found = *found.ok_or_else(unknown)?;
            if parameters.get(found).is_some() {
                return Err(ErrorKind::DuplicateMember { field: Some(found.to_owned()) });
            }
            parameters.0.push((found, decoded(value, found)?));
        }
        Ok(parameters)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The query that these parameters describe.
    ///
    /// # Errors
    /// Names the parameter that is invalid.
    pub(in crate::http) fn to_query(&self) -> Result<AuditQuery, InvalidField> {
        let filter = AuditFilter {
            user: self.get(USER).map(|text| read_id(USER, text)).transpose()?,
            kinds: self.get(KIND).map_or_else(|| Ok(Vec::new()), read_kinds)?,
            actor: self.get(ACTOR).map(|text| read_id(ACTOR, text)).transpose()?,
            since: self.get(SINCE).map(|text| read_moment(SINCE, text)).transpose()?,
            until: self.get(UNTIL).map(|text| read_moment(UNTIL, text)).transpose()?,
        };
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && until <= since
        {
            return Err(InvalidField::new(UNTIL, Reason::EndsBeforeItBegins));
        }
        let read_position = |token| {
            let refuse = || InvalidField::new(SKIP_TOKEN, Reason::NotAuditPosition);
            AuditPosition::parse(token).ok_or_else(refuse)
        };
        Ok(AuditQuery {
            filter,
            after: self.get(SKIP_TOKEN).map(read_position).transpose()?,
            top: self.get(TOP).map_or(Ok(DEFAULT_TOP), read_top)?,
        })
    }

    /// The format of an export; `None` when the parameters name none.
    ///
    /// # Errors
    /// When the format is unknown.
    pub(in crate::http) fn format(&self) -> Result<Option<ExportFormat>, InvalidField> {
        let read = |name: &str| {
            let refuse = || InvalidField::new(FORMAT, Reason::NotExportFormat);
            ExportFormat::parse(&name.to_ascii_lowercase()).ok_or_else(refuse)
        };
        self.get(FORMAT).map(read).transpose()
    }

    /// The query string of the page that starts at a position.
    pub(in crate::http) fn next(&self, position: AuditPosition) -> String {
        let kept = self.0.iter().filter(|(name, _)| *name != SKIP_TOKEN);
        let mut pairs: Vec<_> =
            kept.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        pairs.push(format!("{SKIP_TOKEN}={}", position.to_token()));
        pairs.join("&")
    }
}

/// The start of the query string of an export with this filter: empty, or with `&` at its end.
pub(in crate::http) fn export_query(filter: &AuditFilter) -> String {
    let moment = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
    let kinds: Vec<_> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
    let kinds = (!kinds.is_empty()).then(|| kinds.join(","));
    let pairs = [
        (USER, filter.user.map(|id| id.to_string())),
        (KIND, kinds),
        (ACTOR, filter.actor.map(|id| id.to_string())),
        (SINCE, filter.since.map(moment)),
        (UNTIL, filter.until.map(moment)),
    ];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={}&", escaped(&value))).collect();
    pairs.concat()
}

fn read_id(name: &str, text: &str) -> Result<UserId, InvalidField> {
    let is_integer = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_integer {
        return Err(InvalidField::new(name, Reason::NotInteger));
    }
    let out_of_range = || InvalidField::new(name, Reason::OutOfRange);
    UserId::require(name, Some(text.parse().map_err(|_| out_of_range())?))
}

fn read_kinds(text: &str) -> Result<Vec<AuditKind>, InvalidField> {
    let mut kinds = Vec::new();
    for name in text.split(',') {
        let unknown = || InvalidField::new(KIND, Reason::UnknownAuditKind);
        let kind = AuditKind::parse(name.trim()).ok_or_else(unknown)?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// Reads a moment in RFC 3339, or a date, which begins at midnight. Without an offset, it is in UTC
/// also in a request with `SO-TimeZone`, so that a URL always means the same period.
/// A plus sign that is not percent-encoded arrives as a space.
///
/// # Errors
/// When the text is neither.
pub(in crate::http) fn read_moment(name: &str, text: &str) -> Result<OffsetDateTime, InvalidField> {
    let text = text.replace(' ', "+");
    let read = |suffix: &str| OffsetDateTime::parse(&format!("{text}{suffix}"), &Rfc3339);
    let moment = read("").or_else(|_| read("Z")).or_else(|_| read("T00:00:00Z"));
    moment.map_err(|_| InvalidField::new(name, Reason::NotMoment))
}

fn read_top(text: &str) -> Result<u16, InvalidField> {
    let top = number(text).filter(|top| (1..=MAXIMUM_TOP).contains(top));
    top.ok_or_else(|| InvalidField::new(TOP, Reason::NotPageSize(MAXIMUM_TOP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<AuditQuery, ErrorKind> {
        Ok(Parameters::read(text, &LIST)?.to_query()?)
    }

    #[test]
    fn a_moment_may_be_a_date_and_a_plus_sign_may_be_plain() {
        for (text, seconds) in [
            ("2027-01-01", 1_798_761_600),
            ("2027-01-01T01:00:00", 1_798_765_200),
            ("2027-01-01T01:00:00Z", 1_798_765_200),
            ("2027-01-01T02:00:00+01:00", 1_798_765_200),
            ("2027-01-01T02:00:00%2B01:00", 1_798_765_200),
        ] {
            let since = query(&format!("since={text}")).unwrap().filter.since.unwrap();
            assert_eq!(since.unix_timestamp(), seconds, "{text}");
        }
    }

    #[test]
    fn the_next_page_has_the_same_filter() {
        let text = "KIND=credential_saved,user_added&%24Top=5&actor=7&since=2027-01-01T00:00:00Z";
        let parameters = Parameters::read(text, &LIST).unwrap();
        let first = parameters.to_query().unwrap();
        assert_eq!(first.filter.kinds, [AuditKind::CredentialSaved, AuditKind::UserAdded]);
        let position = AuditPosition::parse("1790000000123456.7.3").unwrap();
        let next = Parameters::read(&parameters.next(position), &LIST).unwrap();
        let second = AuditQuery { after: Some(position), ..first };
        assert_eq!(next.to_query().unwrap(), second);
        let again = Parameters::read(&next.next(position), &LIST).unwrap();
        assert_eq!(again.to_query().unwrap(), second);
    }
}
