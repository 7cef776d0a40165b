//! Writes a response body.

use serde::Serialize;
use serde_json::Value;

use crate::{
    error::WriteError,
    media_type::Format,
    select::Selection,
    xml_writing::{self, XmlNames},
};

/// Writes the selected members of a value as text. Forms are a format of requests only: for
/// [`Format::Form`], the text is JSON.
///
/// # Errors
/// When the value does not serialize.
pub fn write<T: Serialize + XmlNames>(
    value: &T,
    format: Format,
    selection: &Selection,
) -> Result<String, WriteError> {
    let mut value: Value = serde_json::to_value(value)?;
    selection.apply(&mut value);
    match format {
        Format::Xml => Ok(xml_writing::write::<T>(&value)?),
        Format::Json | Format::Form => Ok(serde_json::to_string(&value)?),
    }
}
