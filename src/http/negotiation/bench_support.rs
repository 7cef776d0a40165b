//! The steps of negotiation that `script/bench components` measures.

use actix_web::http::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::media_type::{answer_format, body_format};
use crate::http::error::ErrorKind;

/// Chooses the formats of request and response.
pub(in crate::http) fn negotiate(headers: &HeaderMap) -> Option<&'static str> {
    body_format(headers)?;
    Some(answer_format(headers).0.essence)
}

/// Reads a body.
pub(in crate::http) fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<T, ErrorKind> {
    let (format, charset) = body_format(headers).ok_or(ErrorKind::UnsupportedMediaType)?;
    Ok(wire_formats::read(bytes, format, charset)?)
}
