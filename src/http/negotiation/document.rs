//! A parsed body, whatever format it came in.

use std::{collections::HashSet, fmt};

use secrecy::SecretString;

use crate::http::error::{BodyFault, ErrorKind};

/// Members and items of one body; more than any request of this API has.
const MAXIMUM_VALUES: usize = 1000;

/// Nesting of any format; JSON's reader stops there by itself.
pub(super) const MAXIMUM_DEPTH: usize = 128;

/// A value of a body. Texts may be secrets, so all of them are kept as such.
#[derive(PartialEq)]
pub(super) enum Document {
    /// JSON's `null`, XML's `i:nil`, or nothing at all.
    Null,
    Boolean(bool),
    /// A whole number of at most 64 bits.
    Integer(i128),
    /// Any other number.
    OtherNumber,
    Text(Text),
    /// Text of a format that has only text (XML, forms): what it is depends on who reads it.
    Untyped(Text),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// Children of an XML element: an object, or a list when one is read from it.
    Elements(Vec<(String, Self)>),
}

/// A text that may be a secret.
#[derive(Clone)]
pub(super) struct Text(pub(super) SecretString);

impl PartialEq for Text {
    /// For tests of parsers; nothing in a request is compared with this.
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret;
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Document")
    }
}

impl Document {
    /// Refuses a body with too many values, or an object in which a name is given twice, also in
    /// another case: two parsers that disagree on which one counts are a way in
    /// (protocol.md 10.22). Names are not told: what nobody asked for may be anything, even a
    /// piece of a secret; those that the request has are told by whoever reads it.
    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        self.check_counting(&mut 0)
    }

    fn check_counting(&self, values: &mut usize) -> Result<(), ErrorKind> {
        *values += 1;
        if *values > MAXIMUM_VALUES {
            return Err(BodyFault::TooManyValues.into());
        }
        match self {
            Self::Object(members) => {
                let mut seen = HashSet::with_capacity(members.len());
                if members.iter().any(|(name, _)| !seen.insert(name.to_lowercase())) {
                    return Err(ErrorKind::DuplicateMember { field: None });
                }
                members.iter().try_for_each(|(_, value)| value.check_counting(values))
            }
            // Repeated names may be a list: that shows when they are read.
            Self::Elements(children) => {
                children.iter().try_for_each(|(_, value)| value.check_counting(values))
            }
            Self::List(items) => items.iter().try_for_each(|item| item.check_counting(values)),
            Self::Null
            | Self::Boolean(_)
            | Self::Integer(_)
            | Self::OtherNumber
            | Self::Text(_)
            | Self::Untyped(_) => Ok(()),
        }
    }
}

/// True for two spellings of one member name.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        one.eq_ignore_ascii_case(other)
    } else {
        one.to_lowercase() == other.to_lowercase()
    }
}
