//! The parsers of request heads and bodies, for fuzz targets.

use std::net::IpAddr;

use actix_web::{
    http::header::{HeaderMap, HeaderName, HeaderValue},
    test::TestRequest,
};
use ipnet::IpNet;
use secrecy::SecretString;
use time::OffsetDateTime;
use wire_formats::{Charset, Format};

use super::{
    agents::user::save_credential::SaveCredentialRequest,
    authentication, connection,
    error::ErrorKind,
    hosts,
    keeper::audit_query::{LIST, Parameters as AuditParameters},
    localization::{Language, TimeZone, format_moment},
    path_case, query, reason_header,
    secret_headers::SecretHeaders,
    soap::{
        envelope::{self, Call, Message},
        version::{Binding, SoapVersion},
    },
    user::list_query::Parameters,
};
use crate::{
    domain::{
        credential_type::{CredentialTypes, PASSWORD},
        principal::PresentedCredential,
        save_credential::{NewSecret, SaveCredential},
        user::{LoginName, UserId, UserType},
        user_list::UserOrder,
    },
    telemetry::error_chain,
    trace_context,
};

pub use super::pages::fuzz_support::*;

/// A header line: name and value.
pub type Line<'head> = (&'static str, &'head [u8]);

/// The credential that a request presents.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Presented {
    Password { name: String, password: SecretString },
    Ticket(SecretString),
    Token(SecretString),
    Session { cookie: SecretString, xsrf: SecretString },
}

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The address.
    pub address: IpAddr,
    /// True when a hop used TLS.
    pub is_https: bool,
    /// The host with its port, as a proxy forwarded it.
    pub host: Option<String>,
}

/// A checked request to save a credential.
#[derive(Debug)]
pub struct CheckedSave {
    /// The user.
    pub user_id: i32,
    /// The name of the credential type.
    pub credential_type: String,
    /// The value in the form that is hashed.
    pub value: SecretString,
    /// The text that is shown.
    pub display_value: Option<String>,
}

/// A call in a SOAP message.
#[derive(Debug)]
pub struct SoapCall {
    /// True for an envelope of SOAP 1.2.
    pub is_soap_1_2: bool,
    /// The application token.
    pub application_token: Option<SecretString>,
    /// The element of the operation.
    pub operation: &'static str,
    /// The parameters, in the order of the WSDL.
    pub parameters: Vec<(&'static str, SecretString)>,
}

/// Reads a SOAP message: `text/xml`, or the media type of SOAP 1.2.
///
/// # Errors
/// The message of the fault.
pub fn soap_call(
    bytes: &[u8],
    charset: Charset,
    is_soap_1_2: bool,
    action: Option<&str>,
) -> Result<SoapCall, String> {
    let binding = if is_soap_1_2 { Binding::V1_2 } else { Binding::V1_1 };
    let read = envelope::read(&Message { bytes, charset, binding, action });
    let read = read.map_err(|refused| Language::Unasked.error(&refused.kind))?;
    let (operation, parameters) = match read.call {
        Call::AuthenticateUsernamePassword { user_name, password } => (
            "AuthenticateUsernamePassword",
            vec![("UserName", SecretString::from(user_name)), ("Password", password)],
        ),
        Call::AuthenticateWithAccessToken { access_token } => {
            ("AuthenticateWithAccessToken", vec![("AccessToken", access_token)])
        }
        Call::GetSystemInfo => ("GetSystemInfo", Vec::new()),
    };
    Ok(SoapCall {
        is_soap_1_2: read.version == SoapVersion::V1_2,
        application_token: read.application_token,
        operation,
        parameters,
    })
}

/// Reads the credential from the header lines of a request.
///
/// # Errors
/// The texts of the error and of its causes, as they are logged.
pub fn credential(lines: &[Line<'_>]) -> Result<Presented, String> {
    let lines = lines.iter().filter_map(|(name, value)| {
        HeaderValue::from_bytes(value).ok().map(|value| (*name, value))
    });
    match authentication::credential(&SecretHeaders::of(lines)) {
        Ok(PresentedCredential::Password { name, password }) => {
            Ok(Presented::Password { name, password })
        }
        Ok(PresentedCredential::Ticket(ticket)) => Ok(Presented::Ticket(ticket)),
        Ok(PresentedCredential::Token(token)) => Ok(Presented::Token(token)),
        Ok(PresentedCredential::Session { cookie, xsrf }) => {
            Ok(Presented::Session { cookie, xsrf })
        }
        // Only the pages present this, not the header lines of a request.
        Ok(PresentedCredential::PageSession(_)) => Err("not a credential of the API".to_owned()),
        Err(error) => Err(error_chain(&error)),
    }
}

/// Identifies the caller behind trusted proxies.
///
/// # Errors
/// The name of the invalid header.
pub fn caller(lines: &[Line<'_>], peer: IpAddr, trusted: &[IpNet]) -> Result<Caller, &'static str> {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(&address));
    let (address, is_https, host) =
        connection::fuzz_support::forwarded(&map(lines), peer, is_trusted)?;
    Ok(Caller { address, is_https, host })
}

/// The host of a request with these lines, and without its port.
///
/// # Errors
/// The name of the invalid header.
pub fn host(lines: &[Line<'_>]) -> Result<Option<(String, String)>, &'static str> {
    let mut request = TestRequest::default();
    for (name, value) in &map(lines) {
        request = request.append_header((name, value));
    }
    let host = connection::fuzz_support::host(&request.to_srv_request())?;
    Ok(host.map(|host| (host.clone(), hosts::without_port(&host).to_owned())))
}

/// The reason of a change, or the error, which names the header.
///
/// # Errors
/// The text of the error.
pub fn reason(lines: &[Line<'_>]) -> Result<Option<String>, String> {
    let read = reason_header::read(&map(lines)).map_err(|error| error.to_string())?;
    Ok(read.map(|reason| reason.as_str().to_owned()))
}

/// The tag of the language that a request selects, and a text in it.
#[must_use]
pub fn language(lines: &[Line<'_>]) -> (String, String) {
    let language = Language::of(&map(lines));
    (language.tag().to_owned(), language.page("error-unauthenticated", &[]))
}

/// The name of the time zone that a request selects, and a moment in it.
#[must_use]
pub fn time_zone(lines: &[Line<'_>], moment: OffsetDateTime) -> (Option<String>, String) {
    let zone = TimeZone::of(&map(lines));
    let text = format_moment(moment, zone.as_ref());
    (zone.map(|zone| zone.name().to_owned()), text)
}

/// The user id in the query of a request target, and the target with a normalized path. `None` when
/// the target is not a URI.
#[must_use]
pub fn target(text: &str) -> Option<(Result<i32, String>, String)> {
    let uri: actix_web::http::Uri = text.parse().ok().filter(|_| text.starts_with('/'))?;
    let request = TestRequest::with_uri(text).to_http_request();
    let user_id = query::user_id(&request, "userId");
    let folded = path_case::folded(&uri).unwrap_or(uri);
    let user_id = user_id.map(UserId::as_i32).map_err(|error| error.to_string());
    Some((user_id, folded.to_string()))
}

/// Reads and checks a body of `SaveCredential`.
///
/// # Errors
/// The text of the error.
pub fn read_save(body: &[u8], format: Format, charset: Charset) -> Result<CheckedSave, String> {
    let request: SaveCredentialRequest =
        wire_formats::read(body, format, charset).map_err(|error| error.to_string())?;
    let types = CredentialTypes::new(Vec::new(), PASSWORD).ok_or("no types")?;
    let checked = request.into_unchecked().and_then(|unchecked| unchecked.check(&types));
    let SaveCredential { user_id, credential, .. } = checked.map_err(|error| error.to_string())?;
    let value = match credential.secret {
        NewSecret::Value(value) => value.secret().clone(),
        NewSecret::Hash(hash) => hash,
    };
    Ok(CheckedSave {
        user_id: user_id.as_i32(),
        credential_type: credential.credential_type.as_str().to_owned(),
        value,
        display_value: credential.display_value.map(|text| text.as_str().to_owned()),
    })
}

/// A query of the list of audit events.
#[derive(Debug)]
pub struct AuditListQuery {
    /// The size of the page.
    pub top: u16,
    /// The filter, as Rust writes it.
    pub filter: String,
    /// The position in the query, as Rust writes it.
    pub after: String,
    /// The query string of the page that starts at the position of the query; empty without one.
    pub next: String,
}

/// Reads the query string of the list of audit events.
///
/// # Errors
/// The text of the error, and the parameter that it names.
pub fn audit_query(text: &str) -> Result<AuditListQuery, (String, String)> {
    let refused = |kind: ErrorKind| {
        (Language::Unasked.error(&kind), kind.field().unwrap_or_default().to_owned())
    };
    let parameters = AuditParameters::read(text, &LIST).map_err(refused)?;
    let query = parameters.to_query().map_err(|error| refused(error.into()))?;
    Ok(AuditListQuery {
        top: query.top,
        filter: format!("{:?}", query.filter),
        after: format!("{:?}", query.after),
        next: query.after.map(|after| parameters.next(after)).unwrap_or_default(),
    })
}

/// A query of the list of users.
#[derive(Debug)]
pub struct ListQuery {
    /// The size of the page.
    pub top: u16,
    /// The number of users to skip.
    pub skip: u16,
    /// The condition on the canonical login name, as Rust writes it.
    pub names: String,
    /// The other conditions, and whether the order is descending.
    pub others: String,
    /// The order, with its position.
    pub order: String,
    /// The order with the position of a user.
    pub next_order: String,
    /// The query string of the page after that user.
    pub next: String,
}

/// Reads the query string of the list of users, and writes the one of the page after a user.
///
/// # Errors
/// The text of the error, and the parameter that it names.
pub fn list_query(text: &str, id: u32, name: &str) -> Result<ListQuery, (String, String)> {
    let refused = |kind: ErrorKind| {
        (Language::Unasked.error(&kind), kind.field().unwrap_or_default().to_owned())
    };
    let parameters = Parameters::read(text).map_err(refused)?;
    let query = parameters.to_query().map_err(|error| refused(error.into()))?;
    let (names, next) =
        after_user(&query.order, id, name).ok_or_else(|| refused(ErrorKind::Internal))?;
    Ok(ListQuery {
        top: query.top,
        skip: query.skip,
        names,
        others: format!("{:?} {}", query.filter, query.is_descending),
        order: format!("{:?}", query.order),
        next_order: format!("{next:?}"),
        next: parameters.next(&next),
    })
}

/// The condition of an order on names, and the order after a user.
fn after_user(order: &UserOrder, id: u32, name: &str) -> Option<(String, UserOrder)> {
    let id = i32::try_from(id % (1 << 31)).ok().and_then(|id| UserId::try_from(id.max(1)).ok())?;
    Some(match order {
        UserOrder::Id { .. } => (String::new(), UserOrder::Id { after: Some(id) }),
        UserOrder::Type { .. } => {
            let after = Some((UserType::System, id));
            (String::new(), UserOrder::Type { after })
        }
        UserOrder::Name { names, .. } => {
            let name = LoginName::parse(name).or_else(|_| LoginName::parse("name")).ok()?;
            let after = Some(name.canonical().to_owned());
            (format!("{names:?}"), UserOrder::Name { names: names.clone(), after })
        }
    })
}

/// The trace that a request continues, as the headers of a request to another service.
#[must_use]
pub fn continued_trace(
    traceparent: &str,
    tracestate: Option<&str>,
) -> Option<(String, Option<String>)> {
    let context = trace_context::parse(traceparent, tracestate)?;
    let mut headers = trace_context::headers_of(&context).map(|(_, value)| value);
    Some((headers.next()?, headers.next()))
}

/// A header map of the lines that are valid.
fn map(lines: &[Line<'_>]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            map.append(HeaderName::from_static(name), value);
        }
    }
    map
}
