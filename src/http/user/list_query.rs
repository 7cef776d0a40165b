//! Reads the query string of the list of users, and writes the one of the next page
//! (docs/reference/wire-contract.md#d33-rest).

use std::borrow::Cow;

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderValue};
use data_encoding::BASE64URL_NOPAD;

use super::filter::{Conditions, Field, ORDER_BY, parse_filter, parse_order};
use crate::{
    domain::{
        InvalidField, Reason,
        user::{LoginName, UserId, UserType},
        user_list::{DEFAULT_TOP, MAXIMUM_SKIP, MAXIMUM_TOP, Names, UserListQuery, UserOrder},
    },
    http::{
        error::ErrorKind,
        query::{decoded, escaped, number},
    },
};

const SELECT: &str = "$select";
const FILTER: &str = super::filter::FILTER;
const TOP: &str = "$top";
const SKIP: &str = "$skip";
const SKIP_TOKEN: &str = "$skiptoken";
const FORMAT: &str = "$format";

/// The parameters of the list. Others that start with `$` are refused: they would be silently
/// without effect.
const NAMES: [&str; 7] = [SELECT, FILTER, ORDER_BY, TOP, SKIP, SKIP_TOKEN, FORMAT];

/// The field of errors about the query string as a whole.
const QUERY_STRING: &str = "query string";

/// The parameters of a query string, each with its value.
#[derive(Default)]
pub(in crate::http) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads the parameters, whose names are case-insensitive. Those that do not start with `$` are
    /// ignored.
    ///
    /// # Errors
    /// When a parameter is repeated, unknown or not UTF-8.
    pub(in crate::http) fn read(query: &str) -> Result<Self, ErrorKind> {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name, QUERY_STRING)?;
            if !name.starts_with('$') {
                continue;
            }
            let known = NAMES.into_iter().find(|known| name.eq_ignore_ascii_case(known));
            let unknown = || InvalidField::new(QUERY_STRING, Reason::UnknownParameter);
            let known = known.ok_or_else(unknown)?;
            if parameters.get(known).is_some() {
                return Err(ErrorKind::DuplicateMember { field: Some(known.to_owned()) });
            }
            parameters.0.push((known, decoded(value, known)?));
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
    pub(in crate::http) fn to_query(&self) -> Result<UserListQuery, InvalidField> {
        let top = self.get(TOP).map_or(Ok(DEFAULT_TOP), read_top)?;
        let skip = self.get(SKIP).map_or(Ok(0), read_skip)?;
        let Conditions { names, others } =
            self.get(FILTER).map_or_else(|| Ok(Conditions::default()), parse_filter)?;
        let by_default = if names.is_some() { Field::Name } else { Field::Id };
        let ordered = self.get(ORDER_BY).map(parse_order).transpose()?;
        let (field, is_descending) = ordered.unwrap_or((by_default, false));
        let order = order(field, names)?;
        let order = match self.get(SKIP_TOKEN) {
            None => order,
            Some(_) if self.get(SKIP).is_some() => {
                return Err(InvalidField::new(SKIP, Reason::Contradiction));
            }
            Some(token) => {
                let refuse = || InvalidField::new(SKIP_TOKEN, Reason::NotSkipToken);
                continued(order, token).ok_or_else(refuse)?
            }
        };
        Ok(UserListQuery { filter: others, order, is_descending, top, skip })
    }

    /// The headers of the request, in which `$format` replaces `Accept`.
    ///
    /// # Errors
    /// When `$format` is neither JSON nor XML.
    pub(in crate::http) fn with_format<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Result<Cow<'a, HeaderMap>, InvalidField> {
        let accepted = match self.get(FORMAT).map(str::to_ascii_lowercase).as_deref() {
            None => return Ok(Cow::Borrowed(headers)),
            Some("json") => "application/json",
            Some("xml") => "application/xml",
            Some(_) => return Err(InvalidField::new(FORMAT, Reason::NotFormat)),
        };
        let mut headers = headers.clone();
        headers.insert(ACCEPT, HeaderValue::from_static(accepted));
        Ok(Cow::Owned(headers))
    }

    /// The parameters that the response to a failed request follows: `$format`, if it can be read.
    pub(in crate::http) fn of_error(query: &str) -> Self {
        let format = query.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = decoded(name, QUERY_STRING).ok()?;
            let value = decoded(value, FORMAT).ok()?;
            name.eq_ignore_ascii_case(FORMAT).then_some((FORMAT, value))
        });
        Self(format.into_iter().collect())
    }

    /// The query string of the page that starts at a position.
    pub(in crate::http) fn next(&self, order: &UserOrder) -> String {
        let is_kept = |(name, _): &&(&str, String)| *name != SKIP && *name != SKIP_TOKEN;
        let kept = self.0.iter().filter(is_kept);
        let mut pairs: Vec<_> =
            kept.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        pairs.push(format!("{SKIP_TOKEN}={}", token(order)));
        pairs.join("&")
    }
}

fn read_top(text: &str) -> Result<u16, InvalidField> {
    let top = number(text).filter(|top| (1..=MAXIMUM_TOP).contains(top));
    top.ok_or_else(|| InvalidField::new(TOP, Reason::NotPageSize(MAXIMUM_TOP)))
}

fn read_skip(text: &str) -> Result<u16, InvalidField> {
    let skip = number(text).filter(|skip| *skip <= MAXIMUM_SKIP);
    skip.ok_or_else(|| InvalidField::new(SKIP, Reason::NotSkip(MAXIMUM_SKIP)))
}

/// The order by a field. A condition on the name is a range of the order by name, so that no page
/// reads users that it does not list.
fn order(field: Field, names: Option<Names>) -> Result<UserOrder, InvalidField> {
    match (field, names) {
        (Field::Id, None) => Ok(UserOrder::Id { after: None }),
        (Field::Type, None) => Ok(UserOrder::Type { after: None }),
        (Field::Name, None) => Ok(UserOrder::Name { names: Names::All, after: None }),
        // At most one user has the name, so every order is the same.
        (Field::Name, Some(names)) | (_, Some(names @ Names::Exactly(_))) => {
            Ok(UserOrder::Name { names, after: None })
        }
        (Field::Id | Field::Type, Some(_)) => {
            Err(InvalidField::new(ORDER_BY, Reason::NotOrderOfNames))
        }
    }
}

/// The position of an order, for the next page.
fn token(order: &UserOrder) -> String {
    match order {
        UserOrder::Id { after } => after.map(|id| id.to_string()).unwrap_or_default(),
        UserOrder::Type { after } => {
            after.map(|(kind, id)| format!("{}.{id}", kind.as_str())).unwrap_or_default()
        }
        UserOrder::Name { after, .. } => {
            BASE64URL_NOPAD.encode(after.as_deref().unwrap_or_default().as_bytes())
        }
    }
}

/// The order with the position of a token; `None` when it is not a token of this order.
fn continued(order: UserOrder, token: &str) -> Option<UserOrder> {
    Some(match order {
        UserOrder::Id { .. } => UserOrder::Id { after: Some(id(token)?) },
        UserOrder::Type { .. } => {
            let (kind, after) = token.split_once('.')?;
            UserOrder::Type { after: Some((UserType::parse(kind)?, id(after)?)) }
        }
        UserOrder::Name { names, .. } => {
            let name = String::from_utf8(BASE64URL_NOPAD.decode(token.as_bytes()).ok()?).ok()?;
            let after = Some(LoginName::parse(&name).ok()?.canonical().to_owned());
            UserOrder::Name { names, after }
        }
    })
}

fn id(digits: &str) -> Option<UserId> {
    UserId::try_from(number::<i32>(digits)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<UserListQuery, ErrorKind> {
        Ok(Parameters::read(text)?.to_query()?)
    }

    #[test]
    fn names_of_parameters_match_in_any_case_and_plus_is_a_space() {
        let read =
            query("%24FILTER=type+eq+%27ExternalAssociate%27&$Top=7&$ORDERBY=name+desc&a=b&&");
        let read = read.unwrap();
        assert_eq!(read.filter.user_type, Some(UserType::External));
        assert_eq!((read.top, read.is_descending), (7, true));
        assert_eq!(read.order, UserOrder::Name { names: Names::All, after: None });
        let whole = query("").unwrap();
        assert_eq!((whole.top, whole.skip), (DEFAULT_TOP, 0));
        assert_eq!(whole.order, UserOrder::Id { after: None });
    }

    #[test]
    fn the_next_page_has_the_same_parameters_and_its_position() {
        let id = UserId::try_from(278).unwrap();
        for (text, order, expected) in [
            ("", UserOrder::Id { after: Some(id) }, "$skiptoken=278"),
            (
                "$orderby=type&$skip=3&$top=9",
                UserOrder::Type { after: Some((UserType::Internal, id)) },
                "$orderby=type&$top=9&$skiptoken=internal.278",
            ),
            (
                "$filter=name startswith 'å'&$select=name,type&x=y",
                UserOrder::Name {
                    names: Names::StartingWith("å".to_owned()),
                    after: Some("åse & co".to_owned()),
                },
                "$filter=name%20startswith%20%27%C3%A5%27&$select=name,type&$skiptoken=w6VzZSAmIGNv",
            ),
        ] {
            let next = Parameters::read(text).unwrap().next(&order);
            assert_eq!(next, expected);
            assert_eq!(query(&next).unwrap().order, order, "{next}");
        }
    }

    #[test]
    fn every_invalid_parameter_is_named() {
        let max = MAXIMUM_TOP;
        for (text, field, reason) in [
            ("$top=0", TOP, Reason::NotPageSize(max)),
            ("$top=-1", TOP, Reason::NotPageSize(max)),
            ("$top=+1", TOP, Reason::NotPageSize(max)),
            ("$top=1001", TOP, Reason::NotPageSize(max)),
            ("$top=9999999999", TOP, Reason::NotPageSize(max)),
            ("$top=", TOP, Reason::NotPageSize(max)),
            ("$top", TOP, Reason::NotPageSize(max)),
            ("$top=ten", TOP, Reason::NotPageSize(max)),
            ("$skip=-1", SKIP, Reason::NotSkip(MAXIMUM_SKIP)),
            ("$skip=10001", SKIP, Reason::NotSkip(MAXIMUM_SKIP)),
            ("$skip=1&$skiptoken=1", SKIP, Reason::Contradiction),
            ("$filter=", FILTER, Reason::UnknownFilter),
            ("$filter=%ff", FILTER, Reason::NotUtf8),
            ("$orderby=", ORDER_BY, Reason::UnknownOrder),
            ("$orderby=id&$filter=name startswith 'a'", ORDER_BY, Reason::NotOrderOfNames),
            ("$expand=all", QUERY_STRING, Reason::UnknownParameter),
            ("$count=true", QUERY_STRING, Reason::UnknownParameter),
            ("$=", QUERY_STRING, Reason::UnknownParameter),
            ("%ff=1", QUERY_STRING, Reason::NotUtf8),
            ("$skiptoken=", SKIP_TOKEN, Reason::NotSkipToken),
            ("$skiptoken=-1", SKIP_TOKEN, Reason::NotSkipToken),
            ("$skiptoken=0", SKIP_TOKEN, Reason::NotSkipToken),
            ("$skiptoken=internal.1", SKIP_TOKEN, Reason::NotSkipToken),
            ("$orderby=type&$skiptoken=boss.1", SKIP_TOKEN, Reason::NotSkipToken),
            ("$orderby=type&$skiptoken=1", SKIP_TOKEN, Reason::NotSkipToken),
            ("$orderby=name&$skiptoken=*", SKIP_TOKEN, Reason::NotSkipToken),
            // NUL, which PostgreSQL does not store.
            ("$orderby=name&$skiptoken=AA", SKIP_TOKEN, Reason::NotSkipToken),
            ("$orderby=name&$skiptoken=_w", SKIP_TOKEN, Reason::NotSkipToken),
        ] {
            let expected = ErrorKind::InvalidField(InvalidField::new(field, reason));
            assert_eq!(query(text).unwrap_err(), expected, "{text}");
        }
        for (text, field) in [
            ("$top=1&$top=1", TOP),
            ("$top=1&$TOP=2", TOP),
            ("$select=a&%24select=b", SELECT),
            ("$filter=retired eq true&$Filter=", FILTER),
        ] {
            let expected = ErrorKind::DuplicateMember { field: Some(field.to_owned()) };
            assert_eq!(query(text).unwrap_err(), expected, "{text}");
        }
    }
}
