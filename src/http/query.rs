//! Reads and writes query strings, and reads users from the URL: from the path of a resource, or
//! from the query of an agent call (`?userId=`, docs/reference/wire-contract.md#request-bodies).

use std::{borrow::Cow, str::FromStr};

use actix_web::HttpRequest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::error::ErrorKind;
use crate::domain::{
    InvalidField, Reason,
    user::{LoginName, UserId, UserReference},
};

/// The characters of values that the next page's query string escapes.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',').remove(b'/');

/// The value of an id parameter in the query; its name is case-insensitive.
///
/// # Errors
/// When the id is missing, repeated or invalid.
pub(super) fn user_id(request: &HttpRequest, name: &str) -> Result<UserId, ErrorKind> {
    let pairs =
        request.query_string().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let is_named = |(key, _): &(&str, &str)| {
        percent_decode_str(key).decode_utf8_lossy().eq_ignore_ascii_case(name)
    };
    let mut values = pairs.filter(is_named).map(|(_, value)| value);
    let refuse = |reason| ErrorKind::from(InvalidField::new(name, reason));
    let value = values.next().ok_or_else(|| refuse(Reason::Required))?;
    if values.next().is_some() {
        return Err(ErrorKind::DuplicateMember { field: Some(name.to_owned()) });
    }
    let digits = percent_decode_str(value).decode_utf8_lossy();
    Ok(UserId::require(name, Some(integer(name, &digits)?))?)
}

/// The value of a parameter that is a 32-bit integer.
///
/// # Errors
/// Names the parameter when the value is no integer or out of range.
pub(super) fn integer(name: &str, value: &str) -> Result<i32, InvalidField> {
    let refuse = |reason| InvalidField::new(name, reason);
    let number = value.parse::<i128>().map_err(|_| refuse(Reason::NotInteger))?;
    i32::try_from(number).map_err(|_| refuse(Reason::OutOfRange))
}

/// The value of an optional parameter in the query; its name is case-insensitive.
///
/// # Errors
/// When the parameter is repeated, or its value is not UTF-8.
pub(super) fn optional(request: &HttpRequest, name: &str) -> Result<Option<String>, ErrorKind> {
    let pairs =
        request.query_string().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let is_named = |(key, _): &(&str, &str)| {
        percent_decode_str(key).decode_utf8_lossy().eq_ignore_ascii_case(name)
    };
    let mut values = pairs.filter(is_named).map(|(_, value)| value);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ErrorKind::DuplicateMember { field: Some(name.to_owned()) });
    }
    let decoded = percent_decode_str(value).decode_utf8();
    let decoded = decoded.map_err(|_| InvalidField::new(name, Reason::NotUtf8))?;
    Ok(Some(decoded.into_owned()))
}

/// The user in a path: an id if it has digits only, else a login name
/// (docs/reference/wire-contract.md#d33-rest).
///
/// # Errors
/// [`ErrorKind::UnknownUser`] when no user can have that id or name.
pub(super) fn user_of_path(text: &str) -> Result<UserReference, ErrorKind> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return user_id_of_path(text).map(UserReference::Id);
    }
    LoginName::parse(text).map(UserReference::Name).map_err(|_| ErrorKind::UnknownUser)
}

/// The user id in a path.
///
/// # Errors
/// [`ErrorKind::UnknownUser`] when the text is not an id.
pub(super) fn user_id_of_path(text: &str) -> Result<UserId, ErrorKind> {
    let id = text.parse::<i32>().ok().and_then(|id| UserId::try_from(id).ok());
    id.ok_or(ErrorKind::UnknownUser)
}

/// A name or a value of a query string without percent encoding; `+` is a space, as in forms.
///
/// # Errors
/// Names the parameter that is not UTF-8.
pub(super) fn decoded(text: &str, name: &str) -> Result<String, InvalidField> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| InvalidField::new(name, Reason::NotUtf8))
}

/// A value for a query string.
pub(super) fn escaped(value: &str) -> String {
    utf8_percent_encode(value, ESCAPED).to_string()
}

/// A number of digits only: no sign and no space.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    let has_digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    has_digits_only.then(|| text.parse().ok()).flatten()
}
