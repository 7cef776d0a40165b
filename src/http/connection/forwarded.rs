//! Reads the headers that trusted proxies add: `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! Each proxy appends its value on the right. Values to the left of those of the trusted proxies
//! may be forged and are ignored.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName};

use super::host::parse_host;
use crate::http::headers;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The values that trusted proxies forward.
pub(super) struct Forwarded {
    pub(super) address: IpAddr,
    /// True when any hop used TLS.
    pub(super) is_https: bool,
    /// `None` when no proxy sends it.
    pub(super) host: Option<String>,
}

impl Forwarded {
    /// Reads the headers of the trusted proxy `peer` and of the proxies before it.
    ///
    /// # Errors
    /// The name of the header that is invalid.
    pub(super) fn read(
        headers: &HeaderMap,
        peer: IpAddr,
        is_trusted: impl Fn(IpAddr) -> bool,
    ) -> Result<Self, &'static str> {
        let addresses: Vec<_> = headers::elements(headers, &FORWARDED_FOR).collect();
        let chain = proxy_chain(&addresses, peer, is_trusted).ok_or("X-Forwarded-For")?;
        let mut forwarded = Self { address: chain.caller, is_https: false, host: None };
        let schemes: Vec<_> = headers::elements(headers, &FORWARDED_PROTO).collect();
        // Cookies are secure when any hop used TLS. A header cannot override the setting.
        for scheme in schemes.iter().rev().take(chain.proxies) {
            forwarded.is_https |= is_secure(scheme).ok_or("X-Forwarded-Proto")?;
        }
        // The value of the nearest proxy.
        if let Some(host) = headers::elements(headers, &FORWARDED_HOST).last() {
            let host = headers::text(host).and_then(parse_host);
            forwarded.host = Some(host.ok_or("X-Forwarded-Host")?);
        }
        Ok(forwarded)
    }
}

/// The proxies between the caller and this service.
#[derive(Debug, PartialEq, Eq)]
struct ProxyChain {
    caller: IpAddr,
    /// The number of trusted proxies, at least one.
    proxies: usize,
}

/// Follows the addresses from the right to the first that does not belong to a trusted proxy.
/// `None` when a trusted proxy added an invalid address.
fn proxy_chain(
    addresses: &[&[u8]],
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<ProxyChain> {
    let mut chain = ProxyChain { caller: peer, proxies: 1 };
    for address in addresses.iter().rev() {
        chain.caller = parse_address(headers::text(address)?)?;
        if !is_trusted(chain.caller) {
            break;
        }
        chain.proxies += 1;
    }
    Some(chain)
}

/// Parses an address as proxies write it: optionally with a port, IPv6 optionally in brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

/// True for a scheme with TLS; `None` for an unknown scheme. Some proxies send `wss` for a request
/// with an `Upgrade` header.
fn is_secure(scheme: &[u8]) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_slice() {
        b"https" | b"wss" => Some(true),
        b"http" | b"ws" => Some(false),
        _ => None,
    }
}
