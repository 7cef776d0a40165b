//! Bodies in and out: every format is read into the same tree, and every answer is written in the
//! format that the caller gets (protocol.md 4).

#[cfg(feature = "bench")]
pub(super) mod bench_support;
mod body;
mod charset;
mod document;
mod form;
mod json;
pub(super) mod media_type;
mod reading;
mod scalars;
mod select;
mod xml;
mod xml_writing;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, Responder, body::BoxBody,
    http::header::HeaderMap,
};
use serde::Serialize;
use serde_json::Value;

pub(super) use self::{
    body::{Body, ListBody, MAXIMUM_BODY},
    xml_writing::{CARRIERS, Texts, XmlNames},
};
use self::{media_type::Format, select::Selection};
use super::localization::{SO_TIME_ZONE, TimeZone};

/// What the documents list.
pub(super) mod media_types {
    pub(in crate::http) use super::media_type::{of_answers, of_requests};
}

/// An answer with a body, in the format the caller gets, with the members the caller selects.
pub(super) struct Negotiated<T>(pub(super) T);

impl<T: Serialize + XmlNames> Responder for Negotiated<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let selection = Selection::of_query(request.query_string());
        answer(HttpResponse::Ok(), request.headers(), &self.0, &selection)
    }
}

/// Writes a value, whole, into a response to a request with these headers.
pub(super) fn write<T: Serialize + XmlNames>(
    response: HttpResponseBuilder,
    headers: &HeaderMap,
    value: &T,
) -> HttpResponse {
    answer(response, headers, value, &Selection::default())
}

fn answer<T: Serialize + XmlNames>(
    mut response: HttpResponseBuilder,
    headers: &HeaderMap,
    value: &T,
    selection: &Selection,
) -> HttpResponse {
    let (media_type, charset) =
        (media_type::of_answer(headers), media_type::charset_of_answer(headers));
    let Some(text) = text::<T>(value, media_type.format, selection) else {
        return HttpResponse::InternalServerError().finish();
    };
    if let Some(zone) = TimeZone::of(headers) {
        response.insert_header((SO_TIME_ZONE, zone.name()));
    }
    response
        .content_type(format!("{}; charset={}", media_type.essence, charset.as_str()))
        .body(charset.encode(text))
}

fn text<T: Serialize + XmlNames>(
    value: &T,
    format: Format,
    selection: &Selection,
) -> Option<String> {
    let mut value: Value = serde_json::to_value(value).ok()?;
    selection.apply(&mut value);
    match format {
        Format::Xml => xml_writing::write::<T>(&value).ok(),
        Format::Json | Format::Form => serde_json::to_string(&value).ok(),
    }
}

#[cfg(test)]
mod tests;
