//! Reads a [`Document`] into the type that a request has.
//!
//! Member names match without regard to case, unknown ones are ignored, and whatever is wrong is
//! named by its whole path, in the spelling of the documentation.

use secrecy::ExposeSecret;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    },
    forward_to_deserialize_any,
};

use super::{
    document::{Document, Text, is_same_name},
    scalars,
};
use crate::{
    domain::{InvalidField, Reason},
    http::error::{BodyFault, ErrorKind},
};

/// Reads a body. None, and `null`, are an object without members, as the vendor's clients send
/// for calls without arguments.
///
/// # Errors
/// Names what is wrong.
pub(super) fn read<T: DeserializeOwned>(document: &Document) -> Result<T, ErrorKind> {
    let empty = Document::Object(Vec::new());
    let document = match document {
        Document::Null => &empty,
        Document::Object(_) | Document::Elements(_) => document,
        Document::Untyped(text) if text.is_blank() => &empty,
        Document::Boolean(_)
        | Document::Integer(_)
        | Document::OtherNumber
        | Document::Text(_)
        | Document::Untyped(_)
        | Document::List(_) => return Err(BodyFault::NotObject.into()),
    };
    T::deserialize(Value(document)).map_err(ErrorKind::from)
}

/// Reads a body that is a list. None, and `null`, are an empty one.
///
/// # Errors
/// Names what is wrong.
pub(super) fn read_list<T: DeserializeOwned>(document: &Document) -> Result<Vec<T>, ErrorKind> {
    if matches!(document, Document::Null) {
        return Ok(Vec::new());
    }
    let is_list = match document {
        Document::List(_) | Document::Elements(_) => true,
        Document::Untyped(text) => text.is_blank(),
        Document::Null
        | Document::Boolean(_)
        | Document::Integer(_)
        | Document::OtherNumber
        | Document::Text(_)
        | Document::Object(_) => false,
    };
    if !is_list {
        return Err(BodyFault::NotList.into());
    }
    Vec::<T>::deserialize(Value(document)).map_err(ErrorKind::from)
}

impl Text {
    fn is_blank(&self) -> bool {
        self.0.expose_secret().trim().is_empty()
    }
}

/// What is wrong, and where: the path grows on the way out.
#[derive(Debug, thiserror::Error)]
#[error("{what:?}")]
struct Fault {
    what: What,
    path: String,
}

#[derive(Debug)]
enum What {
    Reason(Reason),
    Repeated,
}

impl Fault {
    fn new(reason: Reason) -> Self {
        Self { what: What::Reason(reason), path: String::new() }
    }

    fn inside(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }
}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::new(Reason::OutOfRange)
    }
}

impl From<Fault> for ErrorKind {
    fn from(Fault { what, path: field }: Fault) -> Self {
        match what {
            What::Reason(reason) => Self::InvalidField(InvalidField { field, reason }),
            What::Repeated => Self::DuplicateMember { field: Some(field) },
        }
    }
}

struct Value<'body>(&'body Document);

impl<'de> Value<'de> {
    fn members(&self) -> Result<&'de [(String, Document)], Fault> {
        match self.0 {
            Document::Object(members) | Document::Elements(members) => Ok(members),
            Document::Untyped(text) if text.is_blank() => Ok(&[]),
            Document::Null
            | Document::Boolean(_)
            | Document::Integer(_)
            | Document::OtherNumber
            | Document::Text(_)
            | Document::Untyped(_)
            | Document::List(_) => Err(Fault::new(Reason::NotObject)),
        }
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new(Reason::NotObject))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if matches!(self.0, Document::Null) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bool(scalars::boolean(self.0).map_err(Fault::new)?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_i32(scalars::integer(self.0).map_err(Fault::new)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(&scalars::text(self.0).map_err(Fault::new)?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let members = self.members()?.iter();
        visitor.visit_map(Members { members, fields, seen: Vec::new(), found: None })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items: Vec<&Document> = if let Document::List(items) = self.0 {
            items.iter().collect()
        } else if let Document::Elements(children) = self.0 {
            children.iter().map(|(_, item)| item).collect()
        } else if matches!(self.0, Document::Untyped(text) if text.is_blank()) {
            Vec::new()
        } else {
            return Err(Fault::new(Reason::NotList));
        };
        visitor.visit_seq(Items { items: items.into_iter().enumerate() })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map enum identifier
    }
}

/// The members of an object that the type knows.
struct Members<'de> {
    members: std::slice::Iter<'de, (String, Document)>,
    fields: &'static [&'static str],
    seen: Vec<&'static str>,
    found: Option<(&'static str, &'de Document)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        for (name, value) in self.members.by_ref() {
            if let Some(field) = self.fields.iter().find(|field| is_same_name(field, name)) {
                if self.seen.contains(field) {
                    return Err(Fault { what: What::Repeated, path: (*field).to_owned() });
                }
                self.seen.push(field);
                self.found = Some((field, value));
                return seed.deserialize((*field).into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (field, value) = self.found.take().ok_or_else(|| Fault::new(Reason::NotObject))?;
        seed.deserialize(Value(value)).map_err(|fault| fault.inside(field))
    }
}

struct Items<'de, I: Iterator<Item = (usize, &'de Document)>> {
    items: I,
}

impl<'de, I: Iterator<Item = (usize, &'de Document)>> SeqAccess<'de> for Items<'de, I> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        let read = seed.deserialize(Value(item));
        read.map(Some).map_err(|fault| fault.inside(&format!("[{index}]")))
    }
}
