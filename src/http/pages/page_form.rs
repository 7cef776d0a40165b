//! The body of a form of a page, whose session and XSRF token `page_session.rs` has checked.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;

use crate::http::{
    error::{ApiError, ErrorKind},
    negotiation::Body,
};

/// Marks a request whose form was accepted by the session's middleware.
#[derive(Debug, Clone, Copy)]
pub(super) struct AcceptedForm {
    /// True for a form that is only to be shown again.
    pub(super) is_resumed: bool,
}

/// A form of a page.
pub(in crate::http) enum PageForm<T> {
    /// The user sent it.
    Submitted(T),
    /// The session ended before the form was accepted, and the user has signed in again. It is to
    /// be shown with these values; nothing may be changed.
    Resumed(T),
}

impl<T: DeserializeOwned + 'static> FromRequest for PageForm<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    /// Fails on a route that is not a page, which is a bug in the route table.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = request.extensions().get::<AcceptedForm>().copied();
        let body = Body::<T>::from_request(request, payload);
        Box::pin(async move {
            let AcceptedForm { is_resumed } = accepted.ok_or(ErrorKind::Internal)?;
            let Body(values) = body.await?;
            Ok(if is_resumed { Self::Resumed(values) } else { Self::Submitted(values) })
        })
    }
}
