//! The cookie session: its cookies, and `X-XSRF-TOKEN` (protocol.md 2 and 10.27).

use actix_web::{
    cookie::{Cookie, SameSite},
    http::header::COOKIE,
};
use secrecy::SecretString;

use crate::{
    domain::principal::PresentedCredential,
    http::{
        error::ErrorKind,
        presented::{Presented, X_XSRF_TOKEN},
    },
};

/// The cookie of the session, out of reach for scripts.
pub(in crate::http) const SESSION_COOKIE: &str = "ASP.NET_SessionId";
/// The cookie that a page's script copies into the header.
pub(in crate::http) const XSRF_COOKIE: &str = "XSRF-TOKEN";

/// What a request without an `Authorization` header presents.
pub(super) fn read(headers: &Presented) -> Result<PresentedCredential, ErrorKind> {
    let xsrf = xsrf_header(headers)?.ok_or(ErrorKind::XsrfMissing)?;
    single_cookie(headers, XSRF_COOKIE)?;
    let cookie = single_cookie(headers, SESSION_COOKIE)?.ok_or(ErrorKind::Unauthenticated)?;
    Ok(PresentedCredential::Session { cookie, xsrf })
}

/// The value of `X-XSRF-TOKEN`, if there is one.
///
/// # Errors
/// When there are several.
pub(in crate::http) fn xsrf_header(headers: &Presented) -> Result<Option<SecretString>, ErrorKind> {
    let values = headers.get_all(X_XSRF_TOKEN).map(|value| value.to_str().unwrap_or_default());
    at_most_one(values)
}

/// The value of a cookie, if there is one.
///
/// # Errors
/// When there are several: one may have been planted by another host of the domain.
pub(in crate::http) fn single_cookie(
    headers: &Presented,
    name: &str,
) -> Result<Option<SecretString>, ErrorKind> {
    at_most_one(cookies(headers, name))
}

fn at_most_one<'values>(
    mut values: impl Iterator<Item = &'values str>,
) -> Result<Option<SecretString>, ErrorKind> {
    let value = values.next().map(SecretString::from);
    if values.next().is_none() { Ok(value) } else { Err(ErrorKind::Unauthenticated) }
}

/// The values of every cookie of that name.
fn cookies<'headers>(
    headers: &'headers Presented,
    name: &str,
) -> impl Iterator<Item = &'headers str> {
    let lines = headers.get_all(COOKIE.as_str()).filter_map(|line| line.to_str().ok());
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
