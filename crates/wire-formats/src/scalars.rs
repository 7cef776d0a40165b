//! Reads scalars as Json.NET, the JSON reader of .NET, does. XML and forms have only text, to which
//! the same rules apply.

use std::borrow::Cow;

use secrecy::ExposeSecret;

use crate::body_tree::BodyTree;
use crate::error::MemberError;

/// An integer, also in quotes.
///
/// # Errors
/// When the value is not an integer of 32 bits.
pub(crate) fn integer(value: &BodyTree) -> Result<i32, MemberError> {
    let number = match value {
        BodyTree::Integer(number) => Some(*number),
        BodyTree::Text(text) | BodyTree::Untyped(text) => parse_integer(text.0.expose_secret()),
        BodyTree::Null
        | BodyTree::Boolean(_)
        | BodyTree::OtherNumber
        | BodyTree::List(_)
        | BodyTree::Object(_)
        | BodyTree::Elements(_) => None,
    };
    i32::try_from(number.ok_or(MemberError::NotInteger)?).map_err(|_| MemberError::OutOfRange)
}

/// A boolean, also in quotes; an integer is true unless it is 0.
///
/// # Errors
/// When the value is not a boolean.
pub(crate) fn boolean(value: &BodyTree) -> Result<bool, MemberError> {
    let boolean = match value {
        BodyTree::Boolean(boolean) => Some(*boolean),
        BodyTree::Integer(number) => Some(*number != 0),
        BodyTree::Text(text) => parse_boolean(text.0.expose_secret()),
        // XML Schema has two spellings of each. In JSON, a number in quotes is not a boolean.
        BodyTree::Untyped(text) => match text.0.expose_secret().trim() {
            "1" => Some(true),
            "0" => Some(false),
            other => parse_boolean(other),
        },
        BodyTree::Null
        | BodyTree::OtherNumber
        | BodyTree::List(_)
        | BodyTree::Object(_)
        | BodyTree::Elements(_) => None,
    };
    boolean.ok_or(MemberError::NotBoolean)
}

/// A string; an integer or a boolean is read as it is written. A number with a fraction, an
/// exponent or more than 64 bits is refused: the parser does not keep its spelling, and a secret
/// must not change silently.
///
/// # Errors
/// When the value is not one of these.
pub(crate) fn text(value: &BodyTree) -> Result<Cow<'_, str>, MemberError> {
    match value {
        BodyTree::Text(text) | BodyTree::Untyped(text) => Ok(text.0.expose_secret().into()),
        BodyTree::Integer(number) => Ok(number.to_string().into()),
        BodyTree::Boolean(boolean) => Ok(boolean.to_string().into()),
        BodyTree::Null
        | BodyTree::OtherNumber
        | BodyTree::List(_)
        | BodyTree::Object(_)
        | BodyTree::Elements(_) => Err(MemberError::NotText),
    }
}

/// As `NumberStyles.Integer` of .NET: with white space around it and a sign.
fn parse_integer(text: &str) -> Option<i128> {
    text.trim_matches(|c| matches!(c, '\t'..='\r' | ' ')).parse().ok()
}

/// As `bool.TryParse` of .NET: with white space around it and in any case.
fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let equals = |spelling| text.eq_ignore_ascii_case(spelling);
    if equals("true") { Some(true) } else { equals("false").then_some(false) }
}
