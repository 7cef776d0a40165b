//! Extracts a request body: checks the media type, receives at most 64 KiB within the timeout, and
//! deserializes it into the type that the handler expects.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest, dev,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING, UPGRADE},
    web::{Bytes, BytesMut, Data, Payload},
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use wire_formats::{Charset, Format, ReadError};

use super::media_type::body_format;
use crate::http::{
    error::{ApiError, BodyFault, ErrorKind},
    headers,
    state::HttpState,
    transport::read_body,
};

/// The maximum size of a body in bytes (docs/reference/wire-contract.md#d25-limits).
pub(in crate::http) const MAXIMUM_BODY: usize = 64 * 1024;

/// A request body that is an object.
pub(in crate::http) struct Body<T>(pub(in crate::http) T);

/// A request body that is an object and must not be missing.
pub(in crate::http) struct RequiredBody<T>(pub(in crate::http) T);

/// A request body that is a list.
pub(in crate::http) struct ListBody<T>(pub(in crate::http) Vec<T>);

/// Deserializes a value from bytes in a format and a charset.
type Read<T> = fn(&[u8], Format, Charset) -> Result<T, ReadError>;

type Extracted<B> = Pin<Box<dyn Future<Output = Result<B, ApiError>>>>;

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let read = extract(request, payload, wire_formats::read::<T>);
        Box::pin(async move { read.await.map(Self) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for RequiredBody<T> {
    type Error = ApiError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let read = extract(request, payload, wire_formats::read_required::<T>);
        Box::pin(async move { read.await.map(Self) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for ListBody<T> {
    type Error = ApiError;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let read = extract(request, payload, wire_formats::read_list::<T>);
        Box::pin(async move { read.await.map(Self) })
    }
}

fn extract<T>(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    read: Read<T>,
) -> impl Future<Output = Result<T, ApiError>> + use<T> {
    let payload = Payload::from_request(request, payload).into_inner();
    let request = request.clone();
    async move {
        let Some((format, charset)) = format(&request)? else {
            return Ok(read(&[], Format::Json, Charset::Utf8).map_err(ErrorKind::from)?);
        };
        let bytes = receive_in_time(&request, payload).await?;
        Ok(read(&bytes, format, charset).map_err(ErrorKind::from)?)
    }
}

/// The bytes of the body of a request whose media type `is_supported`. Without a body, they are
/// empty.
pub(in crate::http) fn received(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    is_supported: bool,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let payload = Payload::from_request(request, payload).into_inner();
    let request = request.clone();
    async move {
        if !has_body(&request) {
            return Ok(Bytes::new());
        }
        if !is_supported || !is_plain(&request) {
            return Err(ErrorKind::UnsupportedMediaType.into());
        }
        receive_in_time(&request, payload).await
    }
}

/// Receives a body within the timeout.
async fn receive_in_time(
    request: &HttpRequest,
    payload: Result<Payload, actix_web::Error>,
) -> Result<Bytes, ApiError> {
    let payload = payload.map_err(|_| BodyFault::EndedEarly)?;
    let timeout = request
        .app_data::<Data<HttpState>>()
        .map_or_else(Default::default, |state| state.read_timeout);
    let reading = read_body(request);
    let received = receive(payload, length_despite_upgrade(request.headers())?);
    tokio::select! {
        received = tokio::time::timeout(timeout, received) => {
            Ok(received.map_err(|_| ErrorKind::RequestTimeout)??)
        }
        () = reading.malformed() => Err(BodyFault::Framework.into()),
    }
}

/// The format of the body; `None` when there is no body.
fn format(request: &HttpRequest) -> Result<Option<(Format, Charset)>, ErrorKind> {
    if !has_body(request) {
        return Ok(None);
    }
    let format = body_format(request.headers()).filter(|_| is_plain(request));
    format.map(Some).ok_or(ErrorKind::UnsupportedMediaType)
}

/// True for a request with a body.
fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let mut lengths = headers::lines(headers, &CONTENT_LENGTH);
    lengths.any(|length| length.trim_ascii() != b"0") || headers.contains_key(TRANSFER_ENCODING)
}

/// True for a body that is not compressed.
fn is_plain(request: &HttpRequest) -> bool {
    let mut codings = headers::elements(request.headers(), &CONTENT_ENCODING);
    codings.all(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

/// The length of the body of a request with an `Upgrade` header. actix-web treats everything that
/// follows such a request as one stream. This service supports no upgrade, so it ignores the header
/// (RFC 9110, section 7.8) and reads `Content-Length` bytes.
fn length_despite_upgrade(headers: &HeaderMap) -> Result<Option<usize>, ErrorKind> {
    if !headers.contains_key(UPGRADE) || headers.contains_key(TRANSFER_ENCODING) {
        return Ok(None);
    }
    let length = headers::single(headers, &CONTENT_LENGTH).map_err(|_| BodyFault::Framework)?;
    let Some(length) = length else { return Ok(None) };
    let length = length.trim().parse().map_err(|_| BodyFault::Framework)?;
    if length > MAXIMUM_BODY { Err(ErrorKind::BodyTooLarge) } else { Ok(Some(length)) }
}

async fn receive(mut payload: Payload, length: Option<usize>) -> Result<Bytes, ErrorKind> {
    let Some(length) = length else {
        return payload
            .to_bytes_limited(MAXIMUM_BODY)
            .await
            .map_err(|_| ErrorKind::BodyTooLarge)?
            .map_err(|_| BodyFault::EndedEarly.into());
    };
    let mut bytes = BytesMut::with_capacity(length);
    while bytes.len() < length {
        let chunk = payload.next().await.and_then(Result::ok).ok_or(BodyFault::EndedEarly)?;
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(length);
    Ok(bytes.freeze())
}
