//! Reads a request body: media type first, then at most 64 KiB within the time allowed.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest, dev,
    http::header::{CONTENT_LENGTH, CONTENT_TYPE},
    web::{Bytes, Data, Payload},
};

use super::{Document, json};
use crate::http::{
    error::{ApiError, ErrorKind},
    state::HttpState,
};

/// The largest body (protocol.md 10.25).
const MAXIMUM_BODY: usize = 64 * 1024;

/// Media types whose bodies are JSON (protocol.md 4.1).
const JSON_TYPES: [&str; 4] = [
    "application/json",
    "text/json",
    "application/json-patch+json",
    "application/merge-patch+json",
];

/// A request body that was read and parsed.
pub(in crate::http) struct Body(pub(in crate::http) Document);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let payload = Payload::from_request(request, payload).into_inner();
        let request = request.clone();
        Box::pin(async move {
            check_head(&request)?;
            let payload = payload.map_err(|_| ErrorKind::MalformedBody("it cannot be read"))?;
            let timeout = request
                .app_data::<Data<HttpState>>()
                .map_or_else(Default::default, |state| state.read_timeout);
            let bytes = tokio::time::timeout(timeout, read(payload))
                .await
                .map_err(|_| ErrorKind::RequestTimeout)??;
            Ok(Self(json::parse(&bytes)?))
        })
    }
}

/// Refuses what is too long by its own word, or in a format that is not read.
fn check_head(request: &HttpRequest) -> Result<(), ErrorKind> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAXIMUM_BODY) {
        return Err(ErrorKind::BodyTooLarge);
    }
    let media_type = header(CONTENT_TYPE).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let is_json = JSON_TYPES.iter().any(|json| essence.eq_ignore_ascii_case(json));
    if is_json { Ok(()) } else { Err(ErrorKind::UnsupportedMediaType) }
}

async fn read(payload: Payload) -> Result<Bytes, ErrorKind> {
    payload
        .to_bytes_limited(MAXIMUM_BODY)
        .await
        .map_err(|_| ErrorKind::BodyTooLarge)?
        .map_err(|_| ErrorKind::MalformedBody("it ended too early"))
}
