//! Who is at the other end: from the connection, or from the headers of a proxy that is trusted.
//!
//! Anybody can send `X-Forwarded-*`; only what the configured proxies say is believed
//! (ASVS 5.0, 4.1.3).

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        header::{HOST, HeaderMap},
        uri::Authority,
    },
    middleware::Next,
    web::Data,
};

use super::state::HttpState;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_HOST: &str = "x-forwarded-host";

/// The caller's side of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// The caller's address; `None` when there is no network.
    pub(crate) address: Option<IpAddr>,
    /// True when the caller speaks TLS, to us or to the proxy.
    pub(super) is_https: bool,
    /// The host the caller wanted, with its port.
    pub(super) host: Option<String>,
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
        let authority = request.uri().authority().map(Authority::as_str);
        let host = header(request.headers(), HOST.as_str()).or(authority).map(str::to_owned);
        let direct = Self { address: peer, is_https: state.is_behind_tls, host };
        match peer {
            Some(peer) if state.is_trusted(peer) => direct.forwarded(request.headers(), state),
            _ => direct,
        }
    }

    /// What a trusted proxy says about the caller.
    fn forwarded(mut self, headers: &HeaderMap, state: &HttpState) -> Self {
        // Each proxy adds the address it was called from on the right; what is left of the first
        // one that is not trusted, anybody could have written.
        let addresses = headers.get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let addresses: Vec<&str> = addresses.flat_map(|value| value.split(',')).collect();
        for address in addresses.into_iter().rev() {
            let Some(address) = parse_address(address.trim()) else { break };
            self.address = Some(address);
            if !state.is_trusted(address) {
                break;
            }
        }
        // TLS anywhere on the way is TLS for the caller's cookies; what says otherwise is not
        // believed against the settings.
        let schemes = headers.get_all(FORWARDED_PROTO).filter_map(|value| value.to_str().ok());
        let mut schemes = schemes.flat_map(|value| value.split(','));
        self.is_https |= schemes.any(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
        if let Some(host) = nearest(headers, FORWARDED_HOST) {
            self.host = Some(host.to_owned());
        }
        self
    }
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

fn header<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    headers.get(name)?.to_str().ok()
}

/// An address as proxies write it: some with a port, IPv6 perhaps in brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

/// What the nearest proxy says, should several have said something.
fn nearest<'headers>(headers: &'headers HeaderMap, name: &str) -> Option<&'headers str> {
    let last = headers.get_all(name).filter_map(|value| value.to_str().ok()).last()?;
    last.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
}
