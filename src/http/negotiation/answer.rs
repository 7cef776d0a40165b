//! Writes a response in the format and the charset that the client prefers, with the members that
//! it selects.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, Responder, body::BoxBody,
    http::header::HeaderMap,
};
use serde::Serialize;
use wire_formats::{Selection, XmlNames};

use super::media_type::answer_format;
use crate::http::localization::{SO_TIME_ZONE, TimeZone};

/// A response body in the negotiated format, with the members that `$select` names.
pub(in crate::http) struct Negotiated<T>(pub(in crate::http) T);

impl<T: Serialize + XmlNames> Responder for Negotiated<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        write_selected(HttpResponse::Ok(), request, &self.0)
    }
}

/// Writes the members of a value that the request selects.
pub(in crate::http) fn write_selected<T: Serialize + XmlNames>(
    response: HttpResponseBuilder,
    request: &HttpRequest,
    value: &T,
) -> HttpResponse {
    let selection = Selection::from_query(request.query_string());
    answer(response, request.headers(), value, &selection)
}

/// Writes a value with all members into the response to a request with these headers.
pub(in crate::http) fn write<T: Serialize + XmlNames>(
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
    let (media_type, charset) = answer_format(headers);
    let Ok(text) = wire_formats::write(value, media_type.format, selection) else {
        return HttpResponse::InternalServerError().finish();
    };
    if let Some(zone) = TimeZone::of(headers) {
        response.insert_header((SO_TIME_ZONE, zone.name()));
    }
    response
        .content_type(format!("{}; charset={}", media_type.essence, charset.as_str()))
        .body(charset.encode(text))
}
