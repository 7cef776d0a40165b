//! A parsed body, independent of its format.

use std::{collections::HashSet, fmt};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::error::{BodyError, ReadError};

/// The maximum number of members and items of one body.
pub(crate) const MAXIMUM_VALUES: usize = 1000;

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
    /// Checks the number of values, before anything else reads them.
    ///
    /// # Errors
    /// When there are more than [`MAXIMUM_VALUES`].
    pub(crate) fn check_size(&self) -> Result<(), BodyError> {
        self.count(&mut 0)
    }

    fn count(&self, values: &mut usize) -> Result<(), BodyError> {
        *values += 1;
        if *values > MAXIMUM_VALUES {
            return Err(BodyError::TooManyValues);
        }
        self.try_for_each_inner(|value| value.count(values))
    }

    /// Checks that no object has two members with the same name, in any case: parsers that disagree
    /// about which one wins are a vulnerability.
    ///
    /// # Errors
    /// Without the name of the member, which may contain a part of a secret. The reader has already
    /// named duplicates of members that the type has.
    pub(crate) fn check_duplicates(&self) -> Result<(), ReadError> {
        if let Self::Object(members) = self {
            let mut seen = HashSet::with_capacity(members.len());
            if members.iter().any(|(name, _)| !seen.insert(name.to_lowercase())) {
                return Err(ReadError::DuplicateMember { path: None });
            }
        }
        // Repeated names of elements may be the items of a list.
        self.try_for_each_inner(Self::check_duplicates)
    }

    /// Visits the values in this one until the first error.
    fn try_for_each_inner<E>(&self, visit: impl FnMut(&Self) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Object(members) | Self::Elements(members) => {
                members.iter().map(|(_, value)| value).try_for_each(visit)
            }
            Self::List(items) => items.iter().try_for_each(visit),
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
    let [one, other] = [one, other].map(|name| name.chars().flat_map(char::to_lowercase));
    one.eq(other)
}
