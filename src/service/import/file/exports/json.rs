//! Walks a JSON document of any length and passes on the entries of its lists, one by one.

use std::{
    fmt,
    io::{BufRead, BufReader},
    ops::ControlFlow,
};

use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::value::RawValue;

use super::guard::{Allowance, Guard};

/// Where the entries of a document are.
pub(super) struct Shape {
    /// The elements of a list.
    pub(super) elements: Elements,
    /// The members of an object; all others are ignored.
    pub(super) members: &'static [(&'static str, &'static Shape)],
}

/// The elements of a list.
pub(super) enum Elements {
    /// A list is refused.
    None,
    Of(&'static Shape),
    /// The elements are entries. The name distinguishes lists.
    Entries(&'static str),
}

impl Shape {
    /// A list of entries.
    pub(super) const fn list(name: &'static str) -> Self {
        Self { elements: Elements::Entries(name), members: &[] }
    }

    /// An object.
    pub(super) const fn object(members: &'static [(&'static str, &'static Shape)]) -> Self {
        Self { elements: Elements::None, members }
    }
}

/// Receives the name of a list and the text of an entry. Reading ends when it breaks.
pub(super) type Sink<'sink> = dyn FnMut(&str, &str) -> ControlFlow<()> + 'sink;

/// Why a document cannot be read.
#[derive(Debug)]
pub(super) struct JsonError(serde_json::Error);

impl JsonError {
    /// The message, without values of the document.
    pub(super) fn message(&self, expected: &str) -> String {
        let (line, column) = (self.0.line(), self.0.column());
        if self.0.is_io() {
            // The reader says what happened, and this says nothing more.
            return self.io_message();
        }
        if self.0.is_eof() {
            return format!(
                "ends in its middle, at line {line}, column {column}; it was cut: export it again"
            );
        }
        if self.0.is_syntax() {
            return format!("is not valid JSON at line {line}, column {column}");
        }
        format!("is not {expected}: it has another structure at line {line}, column {column}")
    }

    fn io_message(&self) -> String {
        std::error::Error::source(&self.0).map_or_else(|| self.0.to_string(), ToString::to_string)
    }
}

/// Passes on the entries of a document.
///
/// # Errors
/// When the document cannot be read, is no JSON, or has another shape.
pub(super) fn read(
    reader: impl BufRead,
    shape: &'static Shape,
    sink: &mut Sink<'_>,
) -> Result<(), JsonError> {
    let (guard, allowance) = Guard::new(reader);
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(guard));
    let mut is_stopped = false;
    let walk = Walk { shape, allowance: &allowance, sink, is_stopped: &mut is_stopped };
    let walked = walk.deserialize(&mut deserializer);
    if is_stopped {
        return Ok(());
    }
    allowance.lift();
    walked.and_then(|()| deserializer.end()).map_err(JsonError)
}

/// A position in the document.
struct Walk<'walk, 'sink> {
    shape: &'static Shape,
    allowance: &'walk Allowance,
    sink: &'walk mut Sink<'sink>,
    is_stopped: &'walk mut bool,
}

impl Walk<'_, '_> {
    /// The same walk at a nested position.
    fn at(&mut self, shape: &'static Shape) -> Walk<'_, '_> {
        Walk { shape, allowance: self.allowance, sink: self.sink, is_stopped: self.is_stopped }
    }

    fn pass_on<E: Error>(&mut self, list: &str, text: &RawValue) -> Result<(), E> {
        if (self.sink)(list, text.get()).is_break() {
            *self.is_stopped = true;
            return Err(E::custom("stopped"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list or an object of entries")
    }

    /// A list that is `null` has no entries.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.allowance.renew();
        match self.shape.elements {
            Elements::Entries(name) => {
                while let Some(text) = list.next_element::<Box<RawValue>>()? {
                    self.pass_on(name, &text)?;
                    self.allowance.renew();
                }
                Ok(())
            }
            Elements::Of(shape) => {
                while list.next_element_seed(self.at(shape))?.is_some() {
                    self.allowance.renew();
                }
                Ok(())
            }
            Elements::None => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let members = self.shape.members;
        if members.is_empty() {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        }
        self.allowance.renew();
        while let Some(name) = object.next_key::<String>()? {
            if let Some((_, shape)) = members.iter().find(|(member, _)| *member == name) {
                object.next_value_seed(self.at(shape))?;
            } else {
                self.allowance.lift();
                object.next_value::<IgnoredAny>()?;
            }
            self.allowance.renew();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape =
        Shape { elements: Elements::Of(&OBJECT), members: &[("users", &Shape::list("users"))] };
    const OBJECT: Shape = Shape::object(&[("users", &Shape::list("users"))]);

    fn entries(text: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        let read = read(text.as_bytes(), &SHAPE, &mut |list, entry| {
            assert_eq!(list, "users");
            found.push(entry.to_owned());
            ControlFlow::Continue(())
        });
        read.map_err(|error| error.message("an export"))?;
        Ok(found)
    }

    #[test]
    fn entries_are_found_in_every_shape() {
        for text in [
            r#"{"users": [1, {"a": []}]}"#,
            r#"{"other": [[{"users": [7]}]], "users": [1, {"a": []}], "more": "\"]"}"#,
            r#"[{"users": [1]}, {}, {"users": null}, {"users": [{"a": []}]}]"#,
        ] {
            assert_eq!(entries(text).unwrap(), ["1", r#"{"a": []}"#], "{text}");
        }
    }

    #[test]
    fn a_broken_document_is_refused_with_the_position() {
        for (text, expected) in [
            ("", "ends in its middle, at line 1, column 0"),
            ("{\"users\": [1,\n{\"a\"", "ends in its middle, at line 2, column 4"),
            ("{\"users\": [1]", "ends in its middle"),
            ("{\"users\": [1]} {", "is not valid JSON at line 1, column 16"),
            ("{\"users\": [1,]}", "is not valid JSON at line 1, column 14"),
            ("{\"users\": \"marker\"}", "is not an export: it has another structure at line 1"),
            ("{\"users\": {}}", "is not an export: it has another structure at line 1"),
            ("[[1]]", "is not an export: it has another structure at line 1"),
            ("7", "is not an export: it has another structure at line 1"),
        ] {
            let error = entries(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
            assert!(!error.contains("marker"));
        }
    }

    #[test]
    fn memory_is_bounded_for_long_and_for_deep_documents() {
        let long = "x".repeat(5 * 1024 * 1024);
        assert_eq!(entries(&format!("{{\"a\": \"{long}\", \"users\": [1]}}")).unwrap(), ["1"]);
        for (text, expected) in [
            (format!("{{\"users\": [\"{long}\"]}}"), "an entry is longer than 4 MiB"),
            (format!("{{\"{long}\": 1}}"), "an entry is longer than 4 MiB"),
            (format!("{{\"a\": {}", "[".repeat(1_000_000)), "nested deeper than 128 levels"),
            (format!("{{\"users\": [{}", "{\"a\":".repeat(200)), "nested deeper than 128 levels"),
        ] {
            let error = entries(&text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
