//! Parses JSON. Duplicate members are kept, so that they can be refused.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use crate::body_tree::{BodyTree, Text};
use crate::error::BodyError;

/// Parses a body; an empty one is [`BodyTree::Null`].
///
/// # Errors
/// When the text is not JSON, or nested deeper than 127 levels.
pub(crate) fn parse(text: &str) -> Result<BodyTree, BodyError> {
    if text.trim_ascii().is_empty() {
        return Ok(BodyTree::Null);
    }
    serde_json::from_str(text).map_err(|_| BodyError::NotJson)
}

impl<'de> Deserialize<'de> for BodyTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = BodyTree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<BodyTree, E> {
        Ok(BodyTree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<BodyTree, E> {
        Ok(BodyTree::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<BodyTree, E> {
        Ok(BodyTree::Integer(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<BodyTree, E> {
        Ok(BodyTree::Integer(number.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<BodyTree, E> {
        Ok(BodyTree::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<BodyTree, E> {
        Ok(BodyTree::Text(Text::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<BodyTree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(BodyTree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<BodyTree, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            members.push(entry);
        }
        Ok(BodyTree::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_json_is_refused() {
        let deep = "[".repeat(1000);
        for body in ["{", "{\"a\": \"\\ud800\"}", "{} {}", "{'a': 1}", "[1,]", deep.as_str()] {
            assert_eq!(parse(body), Err(BodyError::NotJson), "{body:.20}");
        }
    }

    #[test]
    fn a_body_has_at_most_127_levels() {
        for (open, innermost, close) in [("[", "", "]"), ("{\"a\":", "0", "}")] {
            let nested = |levels: usize| {
                format!("{}{innermost}{}", open.repeat(levels), close.repeat(levels))
            };
            assert!(parse(&nested(127)).is_ok(), "{open}");
            assert_eq!(parse(&nested(128)), Err(BodyError::NotJson), "{open}");
        }
    }

    #[test]
    fn an_empty_body_and_null_are_null() {
        for body in ["", "  ", "null"] {
            assert_eq!(parse(body), Ok(BodyTree::Null));
        }
    }
}
