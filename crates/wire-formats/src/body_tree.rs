//! A parsed body, independent of its format.

use std::{collections::HashSet, fmt};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::error::{BodyError, ReadError};

/// The maximum number of members and items of one body.
const MAXIMUM_VALUES: usize = 1000;

/// The maximum nesting of XML and forms. `serde_json` has the same limit for JSON.
pub(crate) const MAXIMUM_DEPTH: usize = 128;

/// A value of a body. Every text is kept as a secret, because it may be one.
#[derive(PartialEq)]
pub(crate) enum BodyTree {
    /// `null` of JSON, `i:nil` of XML, or an empty body.
    Null,
    Boolean(bool),
    /// An integer of at most 64 bits.
    Integer(i128),
    /// Any other number.
    OtherNumber,
    Text(Text),
    /// Text of a format without types (XML, forms). The reader interprets it by the requested type.
    Untyped(Text),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// The children of an XML element. The reader interprets them as an object or a list.
    Elements(Vec<(String, Self)>),
}

/// A text that may be a secret.
#[derive(Clone)]
pub(crate) struct Text(pub(crate) SecretString);

impl PartialEq for Text {
    /// The time depends on the lengths only.
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(other.0.expose_secret().as_bytes()).into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for BodyTree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BodyTree")
    }
}

impl BodyTree {
    /// Checks the number of values, and that no object has two members with the same name, in any
    /// case: parsers that disagree about which one wins are a vulnerability.
    ///
    /// # Errors
    /// Without the name of the member, which may contain a part of a secret. The reader has already
    /// named duplicates of members that the type has.
    pub(crate) fn check(&self) -> Result<(), ReadError> {
        self.check_counting(&mut 0)
    }

    fn check_counting(&self, values: &mut usize) -> Result<(), ReadError> {
        *values += 1;
        if *values > MAXIMUM_VALUES {
            return Err(BodyError::TooManyValues.into());
        }
        match self {
            Self::Object(members) => {
                let mut seen = HashSet::with_capacity(members.len());
                if members.iter().any(|(name, _)| !seen.insert(name.to_lowercase())) {
                    return Err(ReadError::DuplicateMember { path: None });
                }
                members.iter().try_for_each(|(_, value)| value.check_counting(values))
            }
            // Repeated names may be the items of a list.
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

/// True when two names are the same member, without regard to case.
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        one.eq_ignore_ascii_case(other)
    } else {
        one.to_lowercase() == other.to_lowercase()
    }
}
