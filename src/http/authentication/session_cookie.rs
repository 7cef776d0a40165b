//! The cookie session: its cookies, and `X-XSRF-TOKEN` (protocol.md 2 and 10.27).

use actix_web::{
    cookie::{Cookie, SameSite},
    http::header::{COOKIE, HeaderMap},
};
use secrecy::SecretString;

use crate::{domain::principal::PresentedCredential, http::error::ErrorKind};

/// The cookie of the session, out of reach for scripts.
pub(in crate::http) const SESSION_COOKIE: &str = "ASP.NET_SessionId";
/// The cookie that a page's script copies into the header.
pub(in crate::http) const XSRF_COOKIE: &str = "XSRF-TOKEN";
/// The header with the same value.
pub(in crate::http) const X_XSRF_TOKEN: &str = "x-xsrf-token";

/// What a request without an `Authorization` header presents.
pub(super) fn read(headers: &HeaderMap) -> Result<PresentedCredential, ErrorKind> {
    let mut values = headers.get_all(X_XSRF_TOKEN);
    let Some(value) = values.next() else { return Err(ErrorKind::XsrfMissing) };
    let xsrf = value.to_str().ok().filter(|_| values.next().is_none());
    // Of two, one may have been planted by another host of the domain.
    let is_single = cookies(headers, XSRF_COOKIE).nth(1).is_none();
    let cookie = session_cookie(headers).filter(|_| is_single);
    let (Some(cookie), Some(xsrf)) = (cookie, xsrf) else {
        return Err(ErrorKind::Unauthenticated);
    };
    Ok(PresentedCredential::Session { cookie, xsrf: SecretString::from(xsrf) })
}

/// The one session cookie of a request.
pub(in crate::http) fn session_cookie(headers: &HeaderMap) -> Option<SecretString> {
    single_cookie(headers, SESSION_COOKIE)
}

/// The value of a cookie that is there exactly once.
pub(in crate::http) fn single_cookie(headers: &HeaderMap, name: &str) -> Option<SecretString> {
    let mut values = cookies(headers, name);
    let value = values.next()?;
    values.next().is_none().then(|| SecretString::from(value))
}

/// The values of every cookie of that name.
fn cookies<'headers>(
    headers: &'headers HeaderMap,
    name: &str,
) -> impl Iterator<Item = &'headers str> {
    let lines = headers.get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.filter(move |(given, _)| given.trim() == name).map(|(_, value)| value.trim())
}

/// A cookie for this service's own pages. Without a value, it takes the browser's one away.
pub(in crate::http) fn own_cookie<'cookie>(
    name: &'cookie str,
    value: &'cookie str,
    path: &'cookie str,
    is_https: bool,
) -> Cookie<'cookie> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_path(if path.is_empty() { "/" } else { path });
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(is_https);
    cookie.set_http_only(name != XSRF_COOKIE);
    if value.is_empty() {
        cookie.make_removal();
    }
    cookie
}
