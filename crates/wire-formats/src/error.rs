//! Errors of reading and writing.

use std::io;

/// A request body that cannot be read. No variant contains a rejected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The body as a whole is invalid.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A member has an invalid value.
    #[error("{path}: {error}")]
    Member {
        /// The path of the member, such as `Credential.Names[1]`, in the spelling of the type.
        path: String,
        /// The problem with its value.
        error: MemberError,
    },
    /// A member is given more than once.
    #[error("a member is given more than once")]
    DuplicateMember {
        /// The path of the member; `None` when the type does not have it.
        path: Option<String>,
    },
}

/// A problem with a body as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is not JSON, or is nested deeper than the JSON parser allows.
    #[error("the body is not valid JSON")]
    NotJson,
    /// The body is not XML.
    #[error("the body is not well-formed XML")]
    NotXml,
    /// A percent sequence, a bracket or a key of a form is invalid.
    #[error("the body is not a valid form")]
    NotForm,
    /// A form contains a control character that is not percent-encoded.
    #[error("the form contains a control character that is not encoded")]
    ControlCharacter,
    /// The bytes are not UTF-8.
    #[error("the body is not valid UTF-8")]
    NotUtf8,
    /// The bytes are not UTF-16 in little-endian order.
    #[error("the body is not valid UTF-16 (little-endian)")]
    NotUtf16,
    /// The charset is neither UTF-8 nor UTF-16.
    #[error("the charset of the body is not supported")]
    UnsupportedCharset,
    /// The body starts with a byte order mark.
    #[error("the body starts with a byte order mark")]
    ByteOrderMark,
    /// The XML contains a document type declaration.
    #[error("the XML contains a document type declaration")]
    DocumentType,
    /// The body is nested too deeply.
    #[error("the body is nested too deeply")]
    TooDeep,
    /// The body has too many members and items, or an XML element too many attributes.
    #[error("the body has too many members")]
    TooManyValues,
    /// The body is not an object.
    #[error("the body is not an object")]
    NotObject,
    /// The body is not a list.
    #[error("the body is not a list")]
    NotList,
    /// The body is empty or null, and an object is required.
    #[error("the body is missing")]
    Missing,
}

/// A problem with the value of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The value is not an integer.
    #[error("must be an integer")]
    NotInteger,
    /// The number is out of range.
    #[error("is out of range")]
    OutOfRange,
    /// The value is not a boolean.
    #[error("must be true or false")]
    NotBoolean,
    /// The value is not a string.
    #[error("must be a string")]
    NotText,
    /// The value is not an object.
    #[error("must be an object")]
    NotObject,
    /// The value is not a list.
    #[error("must be a list")]
    NotList,
}

/// A value that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The value does not serialize.
    #[error("the value cannot be serialized")]
    Serialize(#[from] serde_json::Error),
    /// The XML cannot be written.
    #[error("the XML cannot be written")]
    Xml(#[from] io::Error),
}
