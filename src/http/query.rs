//! Ids of users that come in the URL: in the path of a resource, or in the query, by which the
//! vendor's agents read and delete (`?userId=`, protocol.md 9.5).

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

use super::error::ErrorKind;
use crate::domain::{InvalidField, Reason, user::UserId};

/// The id in the query under that name, compared without regard to case.
///
/// # Errors
/// Names it when it is missing, given twice, or none that can be an id.
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
    let number = digits.parse::<i128>().map_err(|_| refuse(Reason::NotInteger))?;
    let id = i32::try_from(number).map_err(|_| refuse(Reason::OutOfRange))?;
    Ok(UserId::require(name, Some(id))?)
}

/// The id in a path; a text that is no id is nobody's.
///
/// # Errors
/// [`ErrorKind::UnknownUser`].
pub(super) fn user_id_of_path(text: &str) -> Result<UserId, ErrorKind> {
    let id = text.parse::<i32>().ok().and_then(|id| UserId::try_from(id).ok());
    id.ok_or(ErrorKind::UnknownUser)
}
