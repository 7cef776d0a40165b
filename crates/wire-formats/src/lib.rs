//! Reads and writes HTTP bodies in several formats through one tree.
//!
//! A body in JSON, XML or form encoding is parsed into a tree, and a type that implements
//! [`serde::Deserialize`] is read from that tree, so every format has the same rules:
//!
//! - Member names are case-insensitive, and unknown members are ignored.
//! - A member that is given twice is an error: two parsers that disagree about which value wins are
//!   a vulnerability.
//! - Scalars are coerced as .NET's JSON reader does: `"278"` is an integer and `1` is a boolean.
//! - An error names the path of the member in the spelling of the type, and never contains a value.
//! - Strings are kept as secrets until they are read, and size and depth are limited.
//!
//! Responses are written as JSON, or as XML in the form of .NET's `DataContractSerializer`. The
//! [`media_type`] module chooses formats from header values; it knows no web framework.
//!
//! ```
//! use serde::Deserialize;
//! use wire_formats::{Charset, Format, MemberError, ReadError, read};
//!
//! #[derive(Debug, Deserialize, PartialEq)]
//! #[serde(rename_all = "PascalCase")]
//! struct Login {
//!     user_id: Option<i32>,
//!     name: Option<String>,
//! }
//!
//! let json: Login = read(br#"{"userId": "278", "name": "ada"}"#, Format::Json, Charset::Utf8)?;
//! let xml: Login =
//!     read(b"<Login><UserId>278</UserId><Name>ada</Name></Login>", Format::Xml, Charset::Utf8)?;
//! let form: Login = read(b"UserID=278&Name=ada", Format::Form, Charset::Utf8)?;
//! assert_eq!(json, xml);
//! assert_eq!(json, form);
//!
//! let error = read::<Login>(b"userid=many", Format::Form, Charset::Utf8).unwrap_err();
//! let expected = ReadError::Member { path: "UserId".to_owned(), error: MemberError::NotInteger };
//! assert_eq!(error, expected);
//! # Ok::<(), ReadError>(())
//! ```

mod body_tree;
mod charset;
mod error;
mod form;
mod json;
pub mod media_type;
mod reading;
mod scalars;
mod select;
mod writing;
mod xml;
mod xml_element;
mod xml_reader;
mod xml_writing;

pub use self::{
    charset::Charset,
    error::{BodyError, MemberError, ReadError, WriteError},
    media_type::Format,
    reading::{read, read_list, read_required},
    select::Selection,
    writing::write,
    xml_element::{XmlAttribute, XmlElement, XmlNamespace},
    xml_writing::{Texts, XmlNames, xml_text},
};
