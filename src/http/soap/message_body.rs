//! Extracts the body of a SOAP message, within the limits of every body.

use std::{future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, dev,
    http::header::{HeaderMap, HeaderName},
    web::Bytes,
};
use wire_formats::{Charset, media_type};

use super::{
    envelope::{self, Envelope, Message},
    version::Binding,
};
use crate::http::{
    error::{ApiError, EnvelopeFault, ErrorKind},
    headers, negotiation,
};

/// The action of a message in SOAP 1.1.
const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// An envelope in the body of a request.
pub(in crate::http) struct SoapMessage(pub(in crate::http) Envelope);

impl FromRequest for SoapMessage {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let binding = binding(request.headers());
        let received = negotiation::received(request, payload, binding.is_some());
        let request = request.clone();
        Box::pin(async move {
            let bytes = received.await?;
            let binding = binding.unwrap_or(Binding::V1_1);
            read(&request, binding, &bytes).map(Self).map_err(ApiError::from)
        })
    }
}

/// The binding of a request; `None` for an unsupported media type.
pub(super) fn binding(headers: &HeaderMap) -> Option<Binding> {
    let content_type = negotiation::content_type(headers);
    let is_of = |binding: &Binding| media_type::is_essence(content_type, binding.essence());
    Binding::ALL.into_iter().find(is_of)
}

/// Reads the envelope, and leaves its version with the request for [`super::faults`].
fn read(request: &HttpRequest, binding: Binding, bytes: &Bytes) -> Result<Envelope, ErrorKind> {
    if bytes.is_empty() {
        return Err(EnvelopeFault::NoEnvelope.into());
    }
    let content_type = negotiation::content_type(request.headers());
    let charset: Charset = media_type::body_charset(content_type);
    let action = action(request.headers(), binding);
    let read = action.and_then(|action| {
        let message = Message { bytes, charset, binding, action };
        envelope::read(&message)
    });
    let version = match &read {
        Ok(envelope) => Some(envelope.version),
        Err(refused) => refused.version,
    };
    if let Some(version) = version {
        request.extensions_mut().insert(version);
    }
    read.map_err(|refused| refused.kind)
}

/// The action of a message: `SOAPAction`, or the parameter of `application/soap+xml`. An empty one
/// says nothing.
fn action(headers: &HeaderMap, binding: Binding) -> Result<Option<&str>, envelope::Refused> {
    let given = match binding {
        Binding::V1_1 => headers::single(headers, &SOAP_ACTION).map_err(|_| envelope::Refused {
            version: None,
            kind: EnvelopeFault::OtherAction.into(),
        })?,
        Binding::V1_2 => media_type::parameter(negotiation::content_type(headers), "action"),
    };
    let text = given.map(|text| text.trim().trim_matches('"'));
    Ok(text.filter(|text| !text.is_empty()))
}
