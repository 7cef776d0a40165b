//! The security headers of every response, in one table (OWASP Secure Headers Project; ASVS 5.0,
//! 3.4; docs/reference/wire-contract.md#d37-security-headers).
//!
//! The middleware applies the table to all responses of the application. `transport` applies it to
//! those that are sent without the application.

use actix_web::{
    Error, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        CROSS_ORIGIN_EMBEDDER_POLICY, CROSS_ORIGIN_OPENER_POLICY, CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderMap, HeaderName, HeaderValue, PERMISSIONS_POLICY, REFERRER_POLICY,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_DNS_PREFETCH_CONTROL, X_FRAME_OPTIONS,
    },
    middleware::Next,
    web::Data,
};

use super::{
    connection::Connection,
    headers,
    pages::{docs, secret_url},
    state::HttpState,
};

/// The kind of a response, which decides about its headers.
#[expect(clippy::struct_excessive_bools, reason = "independent properties")]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResponseKind {
    /// True for an HTML page.
    pub(super) is_page: bool,
    /// True for a page of the API documentation, which copies command lines.
    pub(super) is_documentation: bool,
    /// True for a page whose URL has a secret.
    pub(super) has_secret_url: bool,
    /// True if the response tells browsers to use HTTPS only (HSTS).
    pub(super) has_hsts: bool,
    /// True if CORS allows the origin of the request.
    pub(super) is_cross_origin: bool,
}

type Value = fn(ResponseKind) -> Option<&'static str>;

/// Allows only the style sheet, the script, the images and the forms of this service: nothing inline,
/// no frames and no other hosts. Scripts cannot turn text into HTML.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                           connect-src 'self'; form-action 'self'; base-uri 'none'; \
                           frame-ancestors 'none'; require-trusted-types-for 'script'; \
                           trusted-types 'none'";

/// As [`PAGE_POLICY`] without scripts, for a page whose URL has a secret.
const SECRET_URL_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Allows nothing: a browser that displays the response of the API as a document loads and runs
/// nothing.
const API_POLICY: &str = "default-src 'none'; form-action 'none'; base-uri 'none'; \
                          frame-ancestors 'none'; sandbox";

/// Disables every feature of browsers. The pages of this service use none.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), \
                           clipboard-write=(), cross-origin-isolated=(), display-capture=(), \
                           encrypted-media=(), fullscreen=(), gamepad=(), geolocation=(), \
                           gyroscope=(), hid=(), idle-detection=(), magnetometer=(), \
                           microphone=(), midi=(), payment=(), picture-in-picture=(), \
                           publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), \
                           web-share=(), xr-spatial-tracking=()";

/// As [`PERMISSIONS`], for the API documentation, which copies command lines.
const DOCUMENTATION_PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), \
                                         clipboard-read=(), clipboard-write=(self), \
                                         cross-origin-isolated=(), display-capture=(), \
                                         encrypted-media=(), fullscreen=(), gamepad=(), \
                                         geolocation=(), gyroscope=(), hid=(), \
                                         idle-detection=(), magnetometer=(), microphone=(), \
                                         midi=(), payment=(), picture-in-picture=(), \
                                         publickey-credentials-get=(), screen-wake-lock=(), \
                                         serial=(), usb=(), web-share=(), \
                                         xr-spatial-tracking=()";

/// One year, which is the minimum of ASVS 3.4.1.
const TRANSPORT_SECURITY: &str = "max-age=31536000; includeSubDomains";

/// Every header with its value for each kind of response.
const TABLE: [(HeaderName, Value); 11] = [
    (X_CONTENT_TYPE_OPTIONS, |_| Some("nosniff")),
    (CONTENT_SECURITY_POLICY, |kind| {
        Some(match (kind.is_page, kind.has_secret_url) {
            (true, false) => PAGE_POLICY,
            (true, true) => SECRET_URL_POLICY,
            (false, _) => API_POLICY,
        })
    }),
    (X_FRAME_OPTIONS, |_| Some("DENY")),
    // `no-referrer` makes browsers send `Origin: null` with the forms of a page.
    (REFERRER_POLICY, |kind| {
        let names_itself = kind.is_page && !kind.has_secret_url;
        Some(if names_itself { "same-origin" } else { "no-referrer" })
    }),
    (PERMISSIONS_POLICY, |kind| {
        let copies = kind.is_page && kind.is_documentation;
        Some(if copies { DOCUMENTATION_PERMISSIONS } else { PERMISSIONS })
    }),
    (CROSS_ORIGIN_OPENER_POLICY, |_| Some("same-origin")),
    (CROSS_ORIGIN_EMBEDDER_POLICY, |_| Some("require-corp")),
    (CROSS_ORIGIN_RESOURCE_POLICY, |kind| {
        Some(if kind.is_cross_origin { "cross-origin" } else { "same-origin" })
    }),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), |_| Some("none")),
    (X_DNS_PREFETCH_CONTROL, |_| Some("off")),
    // RFC 6797, section 7.2: never over plain HTTP.
    (STRICT_TRANSPORT_SECURITY, |kind| kind.has_hsts.then_some(TRANSPORT_SECURITY)),
];

/// The headers of a response of this kind.
pub(super) fn headers_of(kind: ResponseKind) -> impl Iterator<Item = (HeaderName, &'static str)> {
    TABLE.into_iter().filter_map(move |(name, value)| Some((name, value(kind)?)))
}

/// Middleware that adds the headers to every response.
pub(super) async fn add(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let kind = kind_of(response.headers(), response.request());
    let headers = response.headers_mut();
    for (name, value) in headers_of(kind) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Permissions, tickets and tokens must not be cached; documents set their own header.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

fn kind_of(headers: &HeaderMap, request: &HttpRequest) -> ResponseKind {
    let content_type = headers::lines(headers, &CONTENT_TYPE).next();
    let state = request.app_data::<Data<HttpState>>();
    let sends_hsts = state.is_some_and(|state| state.sends_hsts);
    ResponseKind {
        is_page: content_type.is_some_and(|text| text.starts_with(b"text/html")),
        is_documentation: state.is_some_and(|state| docs::is_docs_page(request, &state.base_path)),
        has_secret_url: secret_url::is_password_page(request),
        has_hsts: sends_hsts && Connection::of(request).is_https,
        is_cross_origin: headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN),
    }
}
