//! Writes XML as `DataContractSerializer` of .NET does: members in alphabetical order, null as
//! `i:nil`, lists as `ArrayOf…`.

use std::{borrow::Cow, collections::BTreeMap, io};

use quick_xml::{
    Writer,
    events::{BytesEnd, BytesStart, BytesText, Event},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::xml_reader::is_xml_char;

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const ARRAYS: &str = "http://schemas.microsoft.com/2003/10/Serialization/Arrays";

const SERIALIZATION: &str = "http://schemas.microsoft.com/2003/10/Serialization/";

/// The names of a type in XML.
pub trait XmlNames {
    /// The name of an element of this type.
    const NAME: &'static str;
    /// The namespace of the type; empty for none.
    const NAMESPACE: &'static str;
    /// The members that are lists of objects, with the name of their items.
    const ITEMS: &'static [(&'static str, &'static str)] = &[];
    /// True for a dictionary, whose keys need not be XML names.
    const IS_DICTIONARY: bool = false;

    /// The name of the outermost element.
    #[must_use]
    fn root() -> Cow<'static, str> {
        Cow::Borrowed(Self::NAME)
    }
}

impl XmlNames for bool {
    const NAME: &'static str = "boolean";
    const NAMESPACE: &'static str = SERIALIZATION;
}

impl XmlNames for i32 {
    const NAME: &'static str = "int";
    const NAMESPACE: &'static str = SERIALIZATION;
}

impl XmlNames for String {
    const NAME: &'static str = "string";
    const NAMESPACE: &'static str = SERIALIZATION;
}

/// A dictionary of strings.
impl XmlNames for BTreeMap<String, String> {
    const NAME: &'static str = "KeyValueOfstringstring";
    const NAMESPACE: &'static str = ARRAYS;
    const IS_DICTIONARY: bool = true;

    fn root() -> Cow<'static, str> {
        Cow::Owned(format!("ArrayOf{}", Self::NAME))
    }
}

/// A list of strings as a whole response.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Texts(
    /// The strings.
    pub Vec<String>,
);

impl XmlNames for Texts {
    const NAME: &'static str = "string";
    const NAMESPACE: &'static str = ARRAYS;

    fn root() -> Cow<'static, str> {
        Cow::Borrowed("ArrayOfstring")
    }
}

impl<T: XmlNames> XmlNames for Option<T> {
    const NAME: &'static str = T::NAME;
    const NAMESPACE: &'static str = T::NAMESPACE;
    const ITEMS: &'static [(&'static str, &'static str)] = T::ITEMS;

    fn root() -> Cow<'static, str> {
        T::root()
    }
}

impl<T: XmlNames> XmlNames for Vec<T> {
    const NAME: &'static str = T::NAME;
    const NAMESPACE: &'static str = T::NAMESPACE;
    const ITEMS: &'static [(&'static str, &'static str)] = T::ITEMS;

    fn root() -> Cow<'static, str> {
        Cow::Owned(format!("ArrayOf{}", T::NAME))
    }
}

/// Writes a value.
///
/// # Errors
/// Never, because the writer writes to memory.
pub(crate) fn write<T: XmlNames>(value: &Value) -> io::Result<String> {
    let root = T::root();
    let mut start = BytesStart::new(root.as_ref());
    let is_scalar = value.is_boolean() || value.is_number() || value.is_string();
    let declares_nil = !(T::NAMESPACE.is_empty() || is_scalar);
    if declares_nil {
        start.push_attribute(("xmlns:i", SCHEMA_INSTANCE));
    }
    if !T::NAMESPACE.is_empty() {
        start.push_attribute(("xmlns", T::NAMESPACE));
    }
    let mut writing = Writing { writer: Writer::new(Vec::new()), items: T::ITEMS, declares_nil };
    if T::IS_DICTIONARY {
        writing.element(start, &entries(value), T::NAME)?;
    } else {
        writing.element(start, value, T::NAME)?;
    }
    String::from_utf8(writing.writer.into_inner()).map_err(io::Error::other)
}

/// A dictionary as a list of its entries.
fn entries(dictionary: &Value) -> Value {
    let members = dictionary.as_object().into_iter().flatten();
    members.map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

struct Writing {
    writer: Writer<Vec<u8>>,
    items: &'static [(&'static str, &'static str)],
    /// True when the root declares the prefix of `i:nil`.
    declares_nil: bool,
}

impl Writing {
    /// Writes an element with its content. `item` is the name of the items of a list.
    fn element(&mut self, mut start: BytesStart<'_>, value: &Value, item: &str) -> io::Result<()> {
        let text = match value {
            Value::Null => {
                if !self.declares_nil {
                    start.push_attribute(("xmlns:i", SCHEMA_INSTANCE));
                }
                start.push_attribute(("i:nil", "true"));
                return self.writer.write_event(Event::Empty(start));
            }
            Value::Object(members) => return self.object(start, members),
            Value::Array(items) => return self.list(start, items, item),
            Value::Bool(value) => Cow::Owned(value.to_string()),
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::String(text) => xml_text(text),
        };
        if text.is_empty() {
            return self.writer.write_event(Event::Empty(start));
        }
        self.enclosed(start, |writing| {
            writing.writer.write_event(Event::Text(BytesText::new(&text)))
        })
    }

    fn object(
        &mut self,
        start: BytesStart<'_>,
        members: &serde_json::Map<String, Value>,
    ) -> io::Result<()> {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        self.enclosed(start, |writing| {
            for (name, value) in sorted {
                let start = BytesStart::new(name.as_str());
                let item = writing.items.iter().find(|(member, _)| *member == name.as_str());
                writing.element(start, value, item.map_or("", |(_, item)| *item))?;
            }
            Ok(())
        })
    }

    fn list(&mut self, mut start: BytesStart<'_>, items: &[Value], item: &str) -> io::Result<()> {
        let is_scalar = |value: &Value| !value.is_object() && !value.is_null();
        if items.is_empty() {
            return self.writer.write_event(Event::Empty(start));
        }
        let name = match items.first() {
            // Named items are in the namespace of the list.
            Some(Value::String(_)) if item.is_empty() => "a:string",
            Some(Value::Number(_)) => "a:int",
            _ => item,
        };
        if name.starts_with("a:") && items.iter().any(is_scalar) {
            start.push_attribute(("xmlns:a", ARRAYS));
        }
        self.enclosed(start, |writing| {
            items.iter().try_for_each(|value| writing.element(BytesStart::new(name), value, ""))
        })
    }

    fn enclosed(
        &mut self,
        start: BytesStart<'_>,
        content: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let end = BytesEnd::new(start.name().as_ref().to_owned());
        self.writer.write_event(Event::Start(start))?;
        content(self)?;
        self.writer.write_event(Event::End(end))
    }
}

/// A text with characters that XML cannot represent replaced by U+FFFD. Markup is not escaped.
#[must_use]
pub fn xml_text(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml_char) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(|c| !is_xml_char(c), "\u{fffd}"))
}
