//! The session of a browser: its cookies and `X-XSRF-TOKEN`
//! (docs/reference/wire-contract.md#cookie-sessions and
//! docs/reference/wire-contract.md#d27-sessions).

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite},
    http::header::{COOKIE, HeaderValue},
};
use secrecy::SecretString;

use super::unreadable::UnreadableCredential;
use crate::{
    domain::principal::PresentedCredential,
    http::{
        connection::Connection,
        error::{ApiError, ErrorKind},
        headers::{self, UnreadableHeader},
        secret_headers::{SecretHeaders, X_XSRF_TOKEN},
        state::HttpState,
    },
};

/// The cookie of the session, which scripts cannot read.
pub(in crate::http) const SESSION_COOKIE: &str = "ASP.NET_SessionId";
/// The beginning of a name for which browsers require `Secure`, the path `/` and no `Domain`, so that
/// no other host can set the cookie (RFC 6265bis, section 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";
/// The cookie that a page's script copies into the header.
pub(in crate::http) const XSRF_COOKIE: &str = "XSRF-TOKEN";

/// Reads the credential of a request without an `Authorization` header.
///
/// # Errors
/// When the XSRF header or the session cookie is missing, or one is repeated.
pub(super) fn read(headers: &SecretHeaders) -> Result<PresentedCredential, ApiError> {
    let xsrf = xsrf_header(headers)?.ok_or(ErrorKind::XsrfMissing)?;
    single_cookie(headers, XSRF_COOKIE)?;
    let cookie = single_cookie(headers, SESSION_COOKIE)?;
    let cookie = cookie.ok_or(UnreadableCredential::NoSessionCookie)?;
    Ok(PresentedCredential::Session { cookie, xsrf })
}

/// The value of `X-XSRF-TOKEN`; `None` when it is absent.
///
/// # Errors
/// When the header is repeated.
pub(in crate::http) fn xsrf_header(
    headers: &SecretHeaders,
) -> Result<Option<SecretString>, UnreadableCredential> {
    match headers.single(X_XSRF_TOKEN) {
        Ok(value) => Ok(value.map(SecretString::from)),
        // A value that is not UTF-8 is not a token of this service.
        Err(UnreadableHeader::NotText) => Ok(Some(SecretString::default())),
        Err(error) => Err(UnreadableCredential::Header("X-XSRF-TOKEN", error)),
    }
}

/// The value of a cookie; `None` when it is absent.
///
/// # Errors
/// When the cookie is repeated, because another host of the domain may have set one of the values.
pub(in crate::http) fn single_cookie(
    headers: &SecretHeaders,
    name: &'static str,
) -> Result<Option<SecretString>, UnreadableCredential> {
    let mut values = cookies(headers, name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(UnreadableCredential::RepeatedCookie(name));
    }
    // A value that is not UTF-8 was not set by this service.
    Ok(Some(SecretString::from(headers::text(value).unwrap_or_default())))
}

/// Every value of a cookie. Cookies of other programs on this host may contain any bytes.
fn cookies<'headers>(
    headers: &'headers SecretHeaders,
    name: &str,
) -> impl Iterator<Item = &'headers [u8]> {
    let lines = headers.lines(COOKIE.as_str()).map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| headers::split(line, b';'));
    pairs.filter_map(move |pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let is_named = parts.next()?.trim_ascii() == name.as_bytes();
        parts.next().filter(|_| is_named).map(<[u8]>::trim_ascii)
    })
}

/// True if the cookies of a response are `Secure`.
pub(in crate::http) fn is_secure(request: &HttpRequest, state: &HttpState) -> bool {
    state.has_secure_cookies || Connection::of(request).is_https
}

/// A cookie for the pages of this service. Without a value, it removes the cookie from the browser.
pub(in crate::http) fn own_cookie<'cookie>(
    name: &'cookie str,
    value: &'cookie str,
    request: &HttpRequest,
    state: &'cookie HttpState,
) -> Cookie<'cookie> {
    let mut cookie = Cookie::new(name, value);
    let path = state.base_path.as_str();
    let is_of_host = path.is_empty() || name.starts_with(HOST_PREFIX);
    cookie.set_path(if is_of_host { "/" } else { path });
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(is_secure(request, state));
    cookie.set_http_only(name != XSRF_COOKIE);
    if value.is_empty() {
        cookie.make_removal();
    }
    cookie
}
