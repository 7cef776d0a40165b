//! Reads what trusted proxies say about the caller in `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! Each proxy adds its part on the right. Anybody could have written the parts left of those of the
//! trusted proxies: they are not even read.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderName};

use super::{Connection, parse_host};
use crate::http::headers;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Connection {
    /// Takes over what the trusted proxy `peer`, and those behind it, say.
    ///
    /// # Errors
    /// Names the header of a trusted proxy that cannot be read.
    pub(super) fn apply_forwarded(
        &mut self,
        headers: &HeaderMap,
        peer: IpAddr,
        is_trusted: impl Fn(IpAddr) -> bool,
    ) -> Result<(), &'static str> {
        let addresses: Vec<_> = headers::elements(headers, &FORWARDED_FOR).collect();
        let chain = proxy_chain(&addresses, peer, is_trusted).ok_or("X-Forwarded-For")?;
        self.address = Some(chain.caller);
        let schemes: Vec<_> = headers::elements(headers, &FORWARDED_PROTO).collect();
        // TLS anywhere on the way is TLS for the caller's cookies; what says otherwise is not
        // believed against the settings.
        for scheme in schemes.iter().rev().take(chain.proxies) {
            self.is_https |= is_secure(scheme).ok_or("X-Forwarded-Proto")?;
        }
        // The nearest proxy's, should several have said something.
        if let Some(host) = headers::elements(headers, &FORWARDED_HOST).last() {
            let host = headers::text(host).and_then(parse_host);
            self.host = Some(host.ok_or("X-Forwarded-Host")?);
        }
        Ok(())
    }
}

/// The way from the caller to here.
#[derive(Debug, PartialEq, Eq)]
struct ProxyChain {
    caller: IpAddr,
    /// Trusted proxies on the way, at least one.
    proxies: usize,
}

/// Follows the addresses from the right, up to the first that is not a trusted proxy's; `None` when
/// one that a trusted proxy added is no address.
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

/// An address as proxies write it: some with a port, IPv6 perhaps in brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

/// True for a scheme with TLS; `None` for what is no scheme of this service. Some proxies say `wss`
/// of a request that asks for an upgrade.
fn is_secure(scheme: &[u8]) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_slice() {
        b"https" | b"wss" => Some(true),
        b"http" | b"ws" => Some(false),
        _ => None,
    }
}
