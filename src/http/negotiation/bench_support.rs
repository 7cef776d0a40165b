//! The parts of negotiation that are measured one by one (`script/bench parts`).

use actix_web::http::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::{body, media_type, reading};
use crate::http::error::ErrorKind;

/// What a body is read as, and what its answer is written as.
pub(in crate::http) fn negotiate(headers: &HeaderMap) -> Option<&'static str> {
    media_type::of_body(headers)?;
    Some(media_type::of_answer(headers).essence)
}

/// Reads a body.
pub(in crate::http) fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<T, ErrorKind> {
    let (format, charset) = media_type::of_body(headers).ok_or(ErrorKind::UnsupportedMediaType)?;
    body::parse(bytes, format, charset, reading::read)
}
