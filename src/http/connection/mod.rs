//! Who is at the other end: from the connection, or from the headers of a proxy that is trusted.
//!
//! Anybody can send `X-Forwarded-*`; only what the configured proxies say is believed
//! (ASVS 5.0, 4.1.3). An invalid value of a trusted proxy is refused: with the proxy's own address
//! in its place, evidence and limits would name the wrong party.

mod forwarded;

use std::net::IpAddr;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{header::HOST, uri::Authority},
    middleware::Next,
    web::Data,
};

use super::{
    error::{ApiError, ErrorKind},
    headers,
    state::HttpState,
};
use crate::domain::{InvalidField, Reason};

/// The caller's side of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// The caller's address; `None` when there is no network.
    pub(crate) address: Option<IpAddr>,
    /// True when the caller speaks TLS, to us or to the proxy.
    pub(super) is_https: bool,
    /// The host the caller wanted, with its port.
    pub(super) host: Option<String>,
    /// The header that decides one of these and cannot be read: the request is refused.
    unreadable: Option<&'static str>,
}

impl Connection {
    /// The connection of a request that went through [`identify`].
    pub(super) fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Scheme and host, as an origin (RFC 6454) names this service.
    pub(super) fn origin(&self) -> Option<String> {
        let (scheme, default_port) =
            if self.is_https { ("https", ":443") } else { ("http", ":80") };
        let host = self.host.as_deref()?.to_lowercase();
        Some(format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(&host)))
    }

    fn read(request: &ServiceRequest, state: &HttpState) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let mut connection =
            Self { address: peer, is_https: state.is_behind_tls, ..Self::default() };
        let read = connection.read_headers(request, state);
        connection.unreadable = read.err();
        connection
    }

    /// What the headers say.
    ///
    /// # Errors
    /// Names the one that cannot be read.
    fn read_headers(
        &mut self,
        request: &ServiceRequest,
        state: &HttpState,
    ) -> Result<(), &'static str> {
        self.host = host(request)?;
        match self.address {
            Some(peer) if state.is_trusted(peer) => {
                self.apply_forwarded(request.headers(), peer, |address| state.is_trusted(address))
            }
            _ => Ok(()),
        }
    }
}

/// The host that the caller wanted (RFC 9112, section 3.2): what stands in the request's target, else
/// in `Host`, which may be empty.
fn host(request: &ServiceRequest) -> Result<Option<String>, &'static str> {
    let named = headers::single(request.headers(), &HOST).map_err(|_| "Host")?;
    let named = named.filter(|host| !host.is_empty()).map(parse_host);
    let named = named.map(|host| host.ok_or("Host")).transpose()?;
    Ok(request.uri().authority().map(|authority| authority.as_str().to_owned()).or(named))
}

/// A host, perhaps with a port.
fn parse_host(text: &str) -> Option<String> {
    let is_host = text.parse::<Authority>().is_ok() && !text.contains('@');
    is_host.then(|| text.to_owned())
}

/// Middleware that finds out who is at the other end.
pub(super) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<Data<HttpState>>();
    let connection = state.map(|state| Connection::read(&request, state)).unwrap_or_default();
    request.extensions_mut().insert(connection);
    next.call(request).await
}

/// Middleware that refuses requests of which [`identify`] could not read who is at the other end.
pub(super) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(name) = Connection::of(request.request()).unreadable {
        let refused = ErrorKind::from(InvalidField::new(name, Reason::InvalidHeader));
        return Ok(request.error_response(ApiError::from(refused)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
