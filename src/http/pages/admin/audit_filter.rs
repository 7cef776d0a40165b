//! The filter of the page `/admin/audit`: what was typed, its fields with their errors, and the
//! query string of the page.

use time::{Duration, OffsetDateTime};
use url::form_urlencoded;

use crate::{
    domain::{
        InvalidField, Reason,
        audit::AuditKind,
        audit_query::AuditPosition,
        user::{LoginName, MAXIMUM_LOGIN_NAME, UserId, UserReference},
    },
    http::{
        keeper::audit_query::read_moment,
        pages::{audit_words::key_of, field::Field, frame::PageFrame},
        query::number,
    },
};

pub(super) const USER: &str = "user";
pub(super) const ACTOR: &str = "actor";
const KIND: &str = "kind";
const SINCE: &str = "since";
const UNTIL: &str = "until";
const AFTER: &str = "after";

/// The fields of the form, in order.
const NAMES: [&str; 5] = [USER, KIND, ACTOR, SINCE, UNTIL];

/// The longest time, in characters.
const MAXIMUM_TIME: usize = 35;

/// The length of a date without a time.
const DATE: usize = "2027-01-31".len();

/// What was typed into the filter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FilterForm {
    typed: [String; NAMES.len()],
    /// The position after which the page starts.
    after: Option<AuditPosition>,
}

/// Why a field cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FilterProblem {
    Invalid(InvalidField),
    /// The field names nobody.
    UnknownUser(&'static str),
}

impl From<InvalidField> for FilterProblem {
    fn from(refused: InvalidField) -> Self {
        Self::Invalid(refused)
    }
}

impl FilterForm {
    /// Reads a query string. Other parameters are ignored, and an invalid position is the first page.
    pub(super) fn read(query: &str) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = NAMES.iter().position(|known| *known == name);
            if let Some(typed) = field.and_then(|index| form.typed.get_mut(index)) {
                value.trim().clone_into(typed);
            } else if name == AFTER {
                form.after = AuditPosition::parse(&value);
            }
        }
        form
    }

    /// The text of a field.
    fn typed(&self, name: &str) -> &str {
        let found = NAMES.iter().zip(&self.typed).find(|(known, _)| **known == name);
        found.map_or("", |(_, text)| text)
    }

    /// The position after which the page starts.
    pub(super) fn after(&self) -> Option<AuditPosition> {
        self.after
    }

    /// The user of a field; `None` if it is empty. A number is an id, also of a deleted user.
    ///
    /// # Errors
    /// When the text is neither an id nor a login name.
    pub(super) fn user(&self, name: &'static str) -> Result<Option<UserReference>, InvalidField> {
        let text = self.typed(name);
        if text.is_empty() {
            return Ok(None);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let out_of_range = || InvalidField::new(name, Reason::OutOfRange);
            let id = UserId::require(name, Some(number(text).ok_or_else(out_of_range)?))?;
            return Ok(Some(UserReference::Id(id)));
        }
        LoginName::require(name, Some(text)).map(UserReference::Name).map(Some)
    }

    /// The kinds; empty for all.
    ///
    /// # Errors
    /// When the kind is unknown.
    pub(super) fn kinds(&self) -> Result<Vec<AuditKind>, InvalidField> {
        let text = self.typed(KIND);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let unknown = || InvalidField::new(KIND, Reason::UnknownAuditKind);
        AuditKind::parse(text).map(|kind| vec![kind]).ok_or_else(unknown)
    }

    /// The time of the first event.
    ///
    /// # Errors
    /// When the text is not a time.
    pub(super) fn since(&self) -> Result<Option<OffsetDateTime>, InvalidField> {
        let text = self.typed(SINCE);
        if text.is_empty() { Ok(None) } else { read_moment(SINCE, text).map(Some) }
    }

    /// The time before which the last event was. A date includes its day.
    ///
    /// # Errors
    /// When the text is not a time, or not after the first one.
    pub(super) fn until(
        &self,
        since: Option<OffsetDateTime>,
    ) -> Result<Option<OffsetDateTime>, InvalidField> {
        let text = self.typed(UNTIL);
        if text.is_empty() {
            return Ok(None);
        }
        let moment = read_moment(UNTIL, text)?;
        let day = if text.len() == DATE { Duration::DAY } else { Duration::ZERO };
        let out_of_range = || InvalidField::new(UNTIL, Reason::OutOfRange);
        let until = moment.checked_add(day).ok_or_else(out_of_range)?;
        if since.is_some_and(|since| until <= since) {
            return Err(InvalidField::new(UNTIL, Reason::EndsBeforeItBegins));
        }
        Ok(Some(until))
    }

    /// The path of the page with this filter, from a position on.
    pub(super) fn path(&self, path: &str, after: Option<AuditPosition>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let typed = NAMES.iter().zip(&self.typed).filter(|(_, text)| !text.is_empty());
        query.extend_pairs(typed);
        if let Some(after) = after {
            query.append_pair(AFTER, &after.to_token());
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The fields with what was typed and what is wrong with it.
    pub(super) fn fields(&self, frame: &PageFrame, problems: &[FilterProblem]) -> Vec<Field> {
        let user_hint = || frame.text("page-user-hint");
        let time_hint = || frame.text("page-time-hint");
        let of_all = (String::new(), frame.text("page-all-events"));
        let of_kind = |kind: AuditKind| (kind.as_str().to_owned(), frame.text(key_of(kind)));
        let kinds = std::iter::once(of_all).chain(AuditKind::ALL.into_iter().map(of_kind));
        let fields = [
            Field::text(USER, frame.text("page-user"), MAXIMUM_LOGIN_NAME).with_hint(user_hint()),
            Field::choice(KIND, frame.text("page-event"), kinds.collect()),
            Field::text(ACTOR, frame.text("page-made-by"), MAXIMUM_LOGIN_NAME)
                .with_hint(user_hint()),
            Field::text(SINCE, frame.text("page-since"), MAXIMUM_TIME).with_hint(time_hint()),
            Field::text(UNTIL, frame.text("page-until"), MAXIMUM_TIME).with_hint(time_hint()),
        ];
        let with_typed = fields.into_iter().zip(&self.typed).map(|(field, text)| {
            let mut field = field.with_value(text);
            let problem = problems.iter().find(|problem| problem.field() == field.name());
            if let Some(problem) = problem {
                field.set_error(problem.text(frame, field.label()));
            }
            field
        });
        with_typed.collect()
    }
}

impl FilterProblem {
    fn field(&self) -> &str {
        match self {
            Self::Invalid(refused) => &refused.field,
            Self::UnknownUser(field) => field,
        }
    }

    fn text(&self, frame: &PageFrame, label: &str) -> String {
        match self {
            Self::Invalid(refused) => frame.language().reasons(label, &[refused.reason]),
            Self::UnknownUser(_) => format!("{label}: {}", frame.text("page-unknown-user")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_includes_its_day_and_a_time_does_not() {
        let until = |text: &str| {
            let form = FilterForm::read(&format!("until={text}"));
            form.until(None).unwrap().unwrap().unix_timestamp()
        };
        assert_eq!(until("2027-01-01"), 1_798_848_000);
        assert_eq!(until("2027-01-01T00:00:00Z"), 1_798_761_600);
        let one_day = FilterForm::read("since=2027-01-01&until=2027-01-01");
        let since = one_day.since().unwrap();
        assert!(one_day.until(since).is_ok(), "one day is a range");
        let late = FilterForm::read("until=9999-12-31");
        assert_eq!(late.until(None).unwrap_err().reason, Reason::OutOfRange);
    }

    #[test]
    fn the_next_page_keeps_the_filter() {
        let form = FilterForm::read("user=+%C3%A5se&kind=&until=2027-01-01&other=1&after=1.2.3");
        let after = AuditPosition::parse("9.8.7");
        let path = form.path("/admin/audit", after);
        assert_eq!(path, "/admin/audit?user=%C3%A5se&until=2027-01-01&after=9.8.7");
        assert_eq!(form.after(), AuditPosition::parse("1.2.3"));
        assert_eq!(FilterForm::default().path("/a", None), "/a");
    }
}
