//! Names, hosts, origins and texts, for fuzz targets.

use secrecy::SecretString;

use super::{
    device::Device, host_name::is_host_name, mail_address::MailAddress,
    new_login_name::NewLoginName, origin_pattern::OriginPattern, smtp_server::SmtpServer,
    text::nfkc_case_fold, user::LoginName,
};

/// An e-mail address as mails have it; `None` when the text is none.
#[must_use]
pub fn mail_address(text: &str) -> Option<String> {
    MailAddress::parse(text).map(|address| address.to_string())
}

/// The host and the port of the URL of a mail server, and whether it has a login; `None` when the
/// URL is invalid.
#[must_use]
pub fn smtp_server(url: &str, starts_tls: bool) -> Option<(String, u16, bool)> {
    let server = SmtpServer::parse(&SecretString::from(url), starts_tls)?;
    Some((server.host, server.port, server.login.is_some()))
}

/// The canonical form of a login name.
///
/// # Errors
/// The text of the error.
pub fn login_name(text: &str) -> Result<String, String> {
    let name = LoginName::parse(text).map_err(|error| error.to_string())?;
    Ok(name.canonical().to_owned())
}

/// A new login name with a number appended.
///
/// # Errors
/// The text of the error.
pub fn new_login_name(text: &str, number: u32) -> Result<String, String> {
    let name = NewLoginName::parse(text).map_err(|error| error.to_string())?;
    Ok(name.variant(number).as_str().to_owned())
}

/// The valid login name that is most similar to a text.
#[must_use]
pub fn similar_login_name(text: &str) -> Option<String> {
    NewLoginName::similar_to(text).map(|name| name.as_str().to_owned())
}

/// The form in which names are compared.
#[must_use]
pub fn fold(text: &str) -> String {
    nfkc_case_fold(text)
}

/// True for the name of a host.
#[must_use]
pub fn is_host(text: &str) -> bool {
    is_host_name(text)
}

/// True when an origin matches a pattern; `None` when the pattern is invalid.
#[must_use]
pub fn origin_matches(pattern: &str, origin: &str) -> Option<bool> {
    OriginPattern::parse(pattern).map(|pattern| pattern.matches(origin))
}

/// The text and the name of the device that `User-Agent` describes.
#[must_use]
pub fn device(header: &str) -> Option<(String, String)> {
    let device = Device::parse(header)?;
    Some((device.as_str().to_owned(), device.name().to_string()))
}
