//! CORS for pages of the configured origins (docs/reference/wire-contract.md#requests-in-a-browser
//! and docs/reference/wire-contract.md#d24-cors).
//!
//! Such pages authenticate with an `Authorization` header. Cookies are not allowed, so CORS
//! credentials are off.

use actix_cors::Cors;
use actix_web::http::{
    Method,
    header::{
        ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE, RETRY_AFTER,
    },
};

use super::{headers, reason_header, secret_headers::X_XSRF_TOKEN};
use crate::domain::origin_pattern::OriginPattern;

/// How long a browser may cache the response to a preflight, in seconds.
const MAXIMUM_AGE: usize = 3600;

/// The middleware for these origins.
pub(super) fn middleware(origins: Vec<OriginPattern>) -> Cors {
    let header_name = HeaderName::from_static;
    Cors::default()
        .allowed_origin_fn(move |origin, _| {
            let origin = headers::text(origin.as_bytes());
            origin.is_some_and(|origin| origins.iter().any(|pattern| pattern.matches(origin)))
        })
        .allowed_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allowed_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            ACCEPT,
            ACCEPT_LANGUAGE,
            IF_MODIFIED_SINCE,
            IF_UNMODIFIED_SINCE,
            header_name(X_XSRF_TOKEN),
            header_name("x-request-id"),
            header_name("so-apptoken"),
            header_name("so-language"),
            header_name("so-culture"),
            header_name("so-timezone"),
            header_name("so-browser-tz-offset"),
            header_name("soapaction"),
            reason_header::KEEPER_REASON_NAME,
        ])
        .expose_headers([RETRY_AFTER, header_name("x-request-id"), header_name("so-timezone")])
        .max_age(MAXIMUM_AGE)
}
