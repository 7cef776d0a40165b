//! JSON into a [`Document`], keeping members that are given twice so that they can be refused.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::document::{Document, Text};
use crate::http::error::BodyFault;

/// Parses a body; an empty one is [`Document::Null`].
///
/// # Errors
/// When it is not JSON, or nested deeper than 127 levels.
pub(super) fn parse(text: &str) -> Result<Document, BodyFault> {
    if text.trim_ascii().is_empty() {
        return Ok(Document::Null);
    }
    serde_json::from_str(text).map_err(|_| BodyFault::NotJson)
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Document, E> {
        Ok(Document::Integer(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Document, E> {
        Ok(Document::Integer(number.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
        Ok(Document::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document::Text(Text::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Document::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Document, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            members.push(entry);
        }
        Ok(Document::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = "[".repeat(1000);
        for body in ["{", "{\"a\": \"\\ud800\"}", "{} {}", "{'a': 1}", "[1,]", deep.as_str()] {
            assert_eq!(parse(body), Err(BodyFault::NotJson), "{body:.20}");
        }
    }

    #[test]
    fn nothing_and_null_are_null() {
        for body in ["", "  ", "null"] {
            assert_eq!(parse(body), Ok(Document::Null));
        }
    }
}
