//! Reads single values as the vendor's JSON reader, Json.NET, does
//! (docs/adr/0033-coercion-of-json-scalars.md). XML and forms have nothing but text, to which the
//! same rules apply.

use std::borrow::Cow;

use secrecy::ExposeSecret;

use super::document::Document;
use crate::domain::Reason;

/// A whole number, also in quotes.
///
/// # Errors
/// When it is none.
pub(super) fn integer(value: &Document) -> Result<i32, Reason> {
    let number = match value {
        Document::Integer(number) => Some(*number),
        // Digits beyond i128 count as no number.
        Document::Text(text) | Document::Untyped(text) => parse_integer(text.0.expose_secret()),
        Document::Null
        | Document::Boolean(_)
        | Document::OtherNumber
        | Document::List(_)
        | Document::Object(_)
        | Document::Elements(_) => None,
    };
    i32::try_from(number.ok_or(Reason::NotInteger)?).map_err(|_| Reason::OutOfRange)
}

/// True or false: also in quotes, and as a whole number, of which 0 alone is false.
///
/// # Errors
/// When it is neither.
pub(super) fn boolean(value: &Document) -> Result<bool, Reason> {
    let boolean = match value {
        Document::Boolean(boolean) => Some(*boolean),
        Document::Integer(number) => Some(*number != 0),
        Document::Text(text) => parse_boolean(text.0.expose_secret()),
        // XML Schema has two spellings of each; what is in quotes in JSON is no number here.
        Document::Untyped(text) => match text.0.expose_secret().trim() {
            "1" => Some(true),
            "0" => Some(false),
            other => parse_boolean(other),
        },
        Document::Null
        | Document::OtherNumber
        | Document::List(_)
        | Document::Object(_)
        | Document::Elements(_) => None,
    };
    boolean.ok_or(Reason::NotBoolean)
}

/// A text, also a number or a boolean as it is written. A number with a fraction, an exponent or more
/// than 64 bits is refused, because its spelling is not kept: a secret must not change unseen.
///
/// # Errors
/// When it is none of these.
pub(super) fn text(value: &Document) -> Result<Cow<'_, str>, Reason> {
    match value {
        Document::Text(text) | Document::Untyped(text) => Ok(text.0.expose_secret().into()),
        Document::Integer(number) => Ok(number.to_string().into()),
        Document::Boolean(boolean) => Ok(boolean.to_string().into()),
        Document::Null
        | Document::OtherNumber
        | Document::List(_)
        | Document::Object(_)
        | Document::Elements(_) => Err(Reason::NotText),
    }
}

/// As .NET's `NumberStyles.Integer`: blanks around it, and a sign.
fn parse_integer(text: &str) -> Option<i128> {
    text.trim_matches(|c| matches!(c, '\t'..='\r' | ' ')).parse().ok()
}

/// As .NET's `bool.TryParse`: blanks around it, and in any case.
fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |spelling| text.eq_ignore_ascii_case(spelling);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}
