//! Bodies in and out. JSON for now; every format is read into the same [`Document`].

mod body;
mod document;
mod json;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder, body::BoxBody};
use serde::Serialize;

pub(super) use self::{
    body::Body,
    document::{Document, Members},
};

/// An answer with a body, in the format the caller gets.
pub(super) struct Negotiated<T>(pub(super) T);

impl<T: Serialize> Responder for Negotiated<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        write_json(HttpResponse::Ok(), &self.0)
    }
}

/// Writes a value as JSON into a response.
pub(super) fn write_json(
    mut response: HttpResponseBuilder,
    value: &impl Serialize,
) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(body) => response.content_type("application/json; charset=utf-8").body(body),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
