//! Reads the type of a request from a [`BodyTree`].
//!
//! Member names are case-insensitive, and unknown members are ignored. An error has the full path
//! of the member, in the spelling of the type.

use secrecy::ExposeSecret;
use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    },
    forward_to_deserialize_any,
};

use crate::{
    body_tree::{BodyTree, Text, is_same_name},
    charset::Charset,
    error::{BodyError, MemberError, ReadError},
    form, json,
    media_type::Format,
    scalars, xml,
};

/// Reads a value from a body that is an object. An empty body and `null` are an object without
/// members.
///
/// # Errors
/// When the body is invalid.
pub fn read<T: DeserializeOwned>(
    bytes: &[u8],
    format: Format,
    charset: Charset,
) -> Result<T, ReadError> {
    read_with(bytes, format, charset, read_object)
}

/// As [`read`], for a body that must not be empty or null.
///
/// # Errors
/// When the body is missing or invalid.
pub fn read_required<T: DeserializeOwned>(
    bytes: &[u8],
    format: Format,
    charset: Charset,
) -> Result<T, ReadError> {
    let read = match format {
        Format::Json | Format::Xml => read_present,
        // An empty form is an object without members.
        Format::Form => read_form,
    };
    read_with(bytes, format, charset, read)
}

/// Reads the items of a body that is a list. An empty body and `null` are an empty list.
///
/// # Errors
/// When the body is invalid.
pub fn read_list<T: DeserializeOwned>(
    bytes: &[u8],
    format: Format,
    charset: Charset,
) -> Result<Vec<T>, ReadError> {
    read_with(bytes, format, charset, read_items)
}

/// Parses a body and reads it. Duplicates are checked last, so that the reader names those it knows.
fn read_with<T>(
    bytes: &[u8],
    format: Format,
    charset: Charset,
    read: fn(&BodyTree) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let text = charset.decode(bytes)?;
    let tree = match format {
        Format::Json => json::parse(&text)?,
        Format::Xml => xml::parse(&text)?,
        Format::Form => form::parse(&text)?,
    };
    tree.check_size()?;
    let value = read(&tree)?;
    tree.check_duplicates()?;
    Ok(value)
}

fn read_object<T: DeserializeOwned>(tree: &BodyTree) -> Result<T, ReadError> {
    let empty = BodyTree::Object(Vec::new());
    let tree = match tree {
        tree if tree.is_blank() => &empty,
        BodyTree::Object(_) | BodyTree::Elements(_) => tree,
        BodyTree::Boolean(_)
        | BodyTree::Integer(_)
        | BodyTree::OtherNumber
        | BodyTree::Text(_)
        | BodyTree::Untyped(_)
        | BodyTree::Null
        | BodyTree::List(_) => return Err(BodyError::NotObject.into()),
    };
    T::deserialize(Value(tree)).map_err(ReadError::from)
}

fn read_present<T: DeserializeOwned>(tree: &BodyTree) -> Result<T, ReadError> {
    if tree.is_blank() { Err(BodyError::Missing.into()) } else { read_object(tree) }
}

fn read_form<T: DeserializeOwned>(tree: &BodyTree) -> Result<T, ReadError> {
    let is_empty = matches!(tree, BodyTree::Object(members) if members.is_empty());
    if is_empty { Err(BodyError::Missing.into()) } else { read_present(tree) }
}

fn read_items<T: DeserializeOwned>(tree: &BodyTree) -> Result<Vec<T>, ReadError> {
    if matches!(tree, BodyTree::Null) {
        return Ok(Vec::new());
    }
    let is_list = match tree {
        BodyTree::List(_) | BodyTree::Elements(_) => true,
        BodyTree::Untyped(text) => text.is_blank(),
        BodyTree::Null
        | BodyTree::Boolean(_)
        | BodyTree::Integer(_)
        | BodyTree::OtherNumber
        | BodyTree::Text(_)
        | BodyTree::Object(_) => false,
    };
    if !is_list {
        return Err(BodyError::NotList.into());
    }
    Vec::<T>::deserialize(Value(tree)).map_err(ReadError::from)
}

impl BodyTree {
    /// True for an empty body and for null.
    fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Untyped(text) => text.is_blank(),
            Self::Boolean(_)
            | Self::Integer(_)
            | Self::OtherNumber
            | Self::Text(_)
            | Self::Object(_)
            | Self::Elements(_)
            | Self::List(_) => false,
        }
    }
}

impl Text {
    fn is_blank(&self) -> bool {
        self.0.expose_secret().trim().is_empty()
    }
}

/// A problem with the path of its member. Each level of the tree prepends its name to the path.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem:?}")]
struct Fault {
    problem: Problem,
    path: String,
}

#[derive(Debug)]
enum Problem {
    Invalid(MemberError),
    Duplicate,
}

impl Fault {
    fn new(error: MemberError) -> Self {
        Self { problem: Problem::Invalid(error), path: String::new() }
    }

    fn inside(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }
}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::new(MemberError::OutOfRange)
    }
}

impl From<Fault> for ReadError {
    fn from(Fault { problem, path }: Fault) -> Self {
        match problem {
            Problem::Invalid(error) => Self::Member { path, error },
            Problem::Duplicate => Self::DuplicateMember { path: Some(path) },
        }
    }
}

struct Value<'body>(&'body BodyTree);

impl<'de> Value<'de> {
    fn members(&self) -> Result<&'de [(String, BodyTree)], Fault> {
        match self.0 {
            BodyTree::Object(members) | BodyTree::Elements(members) => Ok(members),
            BodyTree::Untyped(text) if text.is_blank() => Ok(&[]),
            BodyTree::Null
            | BodyTree::Boolean(_)
            | BodyTree::Integer(_)
            | BodyTree::OtherNumber
            | BodyTree::Text(_)
            | BodyTree::Untyped(_)
            | BodyTree::List(_) => Err(Fault::new(MemberError::NotObject)),
        }
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fault> {
        Err(Fault::new(MemberError::NotObject))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if matches!(self.0, BodyTree::Null) {
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
        let remaining = self.members()?.iter();
        visitor.visit_map(Members { remaining, fields, seen: Vec::new(), found: None })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items: Vec<&BodyTree> = if let BodyTree::List(items) = self.0 {
            items.iter().collect()
        } else if let BodyTree::Elements(children) = self.0 {
            children.iter().map(|(_, item)| item).collect()
        } else if matches!(self.0, BodyTree::Untyped(text) if text.is_blank()) {
            Vec::new()
        } else {
            return Err(Fault::new(MemberError::NotList));
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

/// The members of an object that the type has.
struct Members<'de> {
    remaining: std::slice::Iter<'de, (String, BodyTree)>,
    fields: &'static [&'static str],
    seen: Vec<&'static str>,
    found: Option<(&'static str, &'de BodyTree)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        for (name, value) in self.remaining.by_ref() {
            if let Some(field) = self.fields.iter().find(|field| is_same_name(field, name)) {
                if self.seen.contains(field) {
                    return Err(Fault { problem: Problem::Duplicate, path: (*field).to_owned() });
                }
                self.seen.push(field);
                self.found = Some((field, value));
                return seed.deserialize((*field).into_deserializer()).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (field, value) = self.found.take().ok_or_else(|| Fault::new(MemberError::NotObject))?;
        seed.deserialize(Value(value)).map_err(|fault| fault.inside(field))
    }
}

struct Items<'de, I: Iterator<Item = (usize, &'de BodyTree)>> {
    items: I,
}

impl<'de, I: Iterator<Item = (usize, &'de BodyTree)>> SeqAccess<'de> for Items<'de, I> {
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
