//! JSON into a [`Document`], keeping members that are given twice so that they can be refused.

use std::fmt;

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::Document;
use crate::http::error::ErrorKind;

/// Parses a body; an empty one is [`Document::Null`].
///
/// # Errors
/// When it is not UTF-8, not JSON, or nested deeper than 128 levels.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, ErrorKind> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Document::Null);
    }
    serde_json::from_slice(bytes).map_err(|_| ErrorKind::MalformedBody("it is not valid JSON"))
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

    fn visit_bool<E>(self, _: bool) -> Result<Document, E> {
        Ok(Document::Boolean)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Document, E> {
        Ok(Document::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Document, E> {
        // Beyond i64 it is out of every member's range; which one it was then does not matter.
        Ok(Document::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
        Ok(Document::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document::Text(SecretString::from(text)))
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
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn names_match_without_case_and_null_is_absent() {
        let document = parse(br#"{"userID": 7, "Value": null, "other": [1.5, true]}"#).unwrap();
        let members = document.members().unwrap();
        assert_eq!(members.integer("UserId").unwrap(), Some(7));
        assert!(members.secret("Value").unwrap().is_none());
        assert!(members.object("missing").unwrap().is_none());
    }

    #[test]
    fn a_wrong_type_names_the_whole_path() {
        let document = parse(br#"{"Credential": {"Type": {"Type": 5}}}"#).unwrap();
        let members = document.members().unwrap();
        let credential = members.object("Credential").unwrap().unwrap();
        let error = credential.object("Type").unwrap().unwrap().text("Type").unwrap_err();
        assert_eq!(error.field, "Credential.Type.Type");
    }

    #[test]
    fn integers_are_int32_and_nothing_else() {
        for (json, is_good) in [
            ("2147483647", true),
            ("-2147483648", true),
            ("2147483648", false),
            ("18446744073709551615", false),
            ("1e9", false),
            ("1.0", false),
            ("\"1\"", false),
            ("true", false),
        ] {
            let document = parse(format!("{{\"UserId\": {json}}}").as_bytes()).unwrap();
            let result = document.members().unwrap().integer("UserId");
            assert_eq!(result.is_ok(), is_good, "{json}");
        }
    }

    #[test]
    fn a_member_given_twice_is_refused_at_any_depth() {
        for (body, field) in [
            (r#"{"UserId": 1, "userid": 2}"#, "userid"),
            (r#"{"a": [{"b": {"c": 1, "C": 1}}]}"#, "a.b.C"),
        ] {
            let error = parse(body.as_bytes()).unwrap().members().err().unwrap();
            assert_eq!(error, ErrorKind::DuplicateMember { field: field.to_owned() });
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = "[".repeat(1000);
        for body in [&b"{"[..], b"\xff", b"{\"a\": \"\\ud800\"}", b"{} {}", deep.as_bytes()] {
            assert!(matches!(parse(body), Err(ErrorKind::MalformedBody(_))));
        }
    }

    #[test]
    fn no_body_and_null_have_no_members_and_a_list_is_none() {
        for body in [&b""[..], b"  ", b"null"] {
            assert!(parse(body).unwrap().members().is_ok());
        }
        assert!(parse(b"[1]").unwrap().members().is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in "\\PC{0,60}") {
            let body = serde_json::json!({ "Value": text }).to_string();
            let document = parse(body.as_bytes()).unwrap();
            let value = document.members().unwrap().secret("value").unwrap().unwrap();
            prop_assert_eq!(value.expose_secret(), text.as_str());
        }
    }
}
