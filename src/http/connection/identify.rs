//! Identifies the caller: from the connection, or from the headers of a trusted proxy.
//!
//! Any client can send `X-Forwarded-*`, so only the values of configured proxies are used
//! (ASVS 5.0, 4.1.3). A request with an invalid value from a trusted proxy is refused, because
//! the address of the proxy itself would be wrong in the audit log and for throttling.

use std::net::IpAddr;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::HOST,
    middleware::Next,
    web::Data,
};

use super::{forwarded::Forwarded, host::parse_host};
use crate::{
    domain::{InvalidField, Reason},
    http::{
        error::{ApiError, ErrorKind},
        headers,
        state::HttpState,
    },
};

/// The caller's side of a request.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Connection {
    /// The caller's address; `None` when the connection has none.
    pub(in crate::http) address: Option<IpAddr>,
    /// True when the caller uses TLS, to this service or to a proxy.
    pub(in crate::http) is_https: bool,
    /// The host of the request, with its port.
    pub(in crate::http) host: Option<String>,
    /// Why [`check`] refuses the request.
    fault: Option<Fault>,
}

/// Why the connection of a request is refused.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The peer is not a trusted proxy, and only proxies have TLS.
    NotProxied,
    /// This header is invalid.
    InvalidHeader(&'static str),
}

/// The cause of [`Fault::NotProxied`], for the log.
#[derive(Debug, thiserror::Error)]
#[error(
    "the peer is not a proxy of http.trusted_proxies; connect through the proxy, or add the address \
     of the peer if it is one"
)]
struct UntrustedPeer;

impl Fault {
    fn error(self) -> ApiError {
        match self {
            Self::NotProxied => ApiError::caused(ErrorKind::ProxyRequired, UntrustedPeer),
            Self::InvalidHeader(name) => {
                ErrorKind::from(InvalidField::new(name, Reason::InvalidHeader)).into()
            }
        }
    }
}

impl Connection {
    /// The connection of a request that passed [`identify`].
    pub(in crate::http) fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// The origin (RFC 6454) of this service, as the caller sees it.
    pub(in crate::http) fn origin(&self) -> Option<String> {
        let (scheme, default_port) =
            if self.is_https { ("https", ":443") } else { ("http", ":80") };
        let host = self.host.as_deref()?.to_lowercase();
        Some(format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(&host)))
    }

    fn read(request: &ServiceRequest, state: &HttpState) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        let mut connection =
            Self { address: peer, is_https: state.is_https(peer), ..Self::default() };
        if !state.admits(peer) {
            connection.fault = Some(Fault::NotProxied);
        } else if let Err(name) = connection.read_headers(request, state) {
            connection.fault = Some(Fault::InvalidHeader(name));
        }
        connection
    }

    /// Reads `Host` and the headers of trusted proxies.
    ///
    /// # Errors
    /// The name of the header that is invalid.
    fn read_headers(
        &mut self,
        request: &ServiceRequest,
        state: &HttpState,
    ) -> Result<(), &'static str> {
        let named = host(request);
        if let Some(peer) = self.address.filter(|peer| state.is_trusted(*peer)) {
            let is_trusted = |address| state.is_trusted(address);
            let forwarded = Forwarded::read(request.headers(), peer, is_trusted)?;
            self.address = Some(forwarded.address);
            self.is_https |= forwarded.is_https;
            self.host = forwarded.host;
        }
        // Last, so that a request with an invalid host still has the scheme of its caller.
        let named = named?;
        self.host = self.host.take().or(named);
        Ok(())
    }
}

/// The host of the request (RFC 9112, section 3.2): that of the request target, else that of
/// `Host`, which may be empty.
pub(super) fn host(request: &ServiceRequest) -> Result<Option<String>, &'static str> {
    let named = headers::single(request.headers(), &HOST).map_err(|_| "Host")?;
    let named = named.filter(|host| !host.is_empty()).map(parse_host);
    let named = named.map(|host| host.ok_or("Host")).transpose()?;
    Ok(request.uri().authority().map(|authority| authority.as_str().to_owned()).or(named))
}

/// Middleware that identifies the caller.
pub(in crate::http) async fn identify(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<Data<HttpState>>();
    let connection = state.map(|state| Connection::read(&request, state)).unwrap_or_default();
    request.extensions_mut().insert(connection);
    next.call(request).await
}

/// Middleware that refuses requests that [`identify`] found a fault in.
pub(in crate::http) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(fault) = Connection::of(request.request()).fault {
        return Ok(request.error_response(fault.error()));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
