//! The state that all workers of the HTTP server share.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ipnet::IpNet;
use time::OffsetDateTime;

use super::{documents::Documents, request_metrics::RequestMetrics, transport::ConnectionRegistry};
use crate::{
    domain::origin_pattern::OriginPattern,
    service::{ServiceHandle, operations::maintenance::Maintenance},
};

/// The shared state; `startup` builds it at the start and at each reload of the settings.
pub(crate) struct HttpState {
    pub(crate) service: ServiceHandle,
    pub(crate) readiness: Arc<Readiness>,
    /// The client connections.
    pub(crate) connections: Arc<ConnectionRegistry>,
    /// Counts the requests.
    pub(crate) requests: Arc<RequestMetrics>,
    /// The served hosts, in lower case and without port; empty for every host.
    pub(crate) allowed_hosts: Vec<String>,
    /// The OpenAPI document and the API documentation.
    pub(crate) documents: Arc<Documents>,
    /// The path prefix of everything except health; empty for none.
    pub(crate) base_path: String,
    /// The proxies whose `X-Forwarded-*` headers are trusted.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The origins whose pages may call the API.
    pub(crate) cors_origins: Vec<OriginPattern>,
    /// Who terminates the TLS of the API.
    pub(crate) tls: TlsTermination,
    /// False in `dev`: HSTS would hold for every service on localhost, and outlast the demo.
    pub(crate) sends_hsts: bool,
    /// False for a demo over plain HTTP: some browsers refuse `Secure` cookies there.
    pub(crate) has_secure_cookies: bool,
    /// Refuses changes while this instance is read-only or too many audit events are undelivered, and
    /// counts those in progress.
    pub(crate) maintenance: Arc<Maintenance>,
    /// True when this listener also serves health checks, as in `dev`.
    pub(crate) serves_health: bool,
    /// The certificates of the listeners with TLS.
    pub(crate) certificates: Arc<[ListenerCertificate]>,
    /// The timeout for receiving a body.
    pub(crate) read_timeout: Duration,
    /// The challenges of a 401, one for each offered scheme.
    pub(crate) challenges: Vec<&'static str>,
}

impl HttpState {
    /// True for the address of a trusted proxy.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// True if clients reach this service over TLS when they connect from this address. A header of
    /// a trusted proxy may say so as well.
    pub(super) fn is_https(&self, peer: Option<IpAddr>) -> bool {
        self.tls.is_https(self.is_proxy(peer))
    }

    /// True if responses that the application does not make have HSTS for this peer.
    pub(crate) fn has_hsts(&self, peer: Option<IpAddr>) -> bool {
        self.sends_hsts && self.is_https(peer)
    }

    /// See [`TlsTermination::admits`].
    pub(super) fn admits(&self, peer: Option<IpAddr>) -> bool {
        self.tls.admits(peer, self.is_proxy(peer))
    }

    fn is_proxy(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.is_trusted(peer.to_canonical()))
    }
}

/// Who terminates the TLS of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsTermination {
    /// Clients use plain HTTP, on loopback only.
    Nobody,
    /// This service.
    Service,
    /// The trusted proxies, which use plain HTTP themselves.
    Proxy,
}

impl TlsTermination {
    /// True if a client uses TLS that connects itself, or through a trusted proxy.
    fn is_https(self, is_proxy: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Service => true,
            Self::Proxy => is_proxy,
        }
    }

    /// False for a peer that would send its secrets in clear text: with TLS at a proxy, a host that
    /// is neither a trusted proxy nor this machine.
    fn admits(self, peer: Option<IpAddr>, is_proxy: bool) -> bool {
        let is_loopback = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        self != Self::Proxy || is_loopback || is_proxy
    }
}

/// The certificate of a listener, which changes when its file does.
pub(crate) struct ListenerCertificate {
    /// The section of its settings: `http` or `operations`.
    pub(crate) listener: &'static str,
    /// Returns the end of its validity.
    pub(crate) expires_at: Box<dyn Fn() -> Option<OffsetDateTime> + Send + Sync>,
}

/// The readiness of this instance, which ends when a shutdown begins, and is interrupted while it is
/// drained.
#[derive(Default)]
pub(crate) struct Readiness {
    is_stopping: AtomicBool,
    is_draining: AtomicBool,
}

impl Readiness {
    /// Marks this instance as not ready for requests.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Takes this instance out of the rotation of a load balancer, or puts it back.
    pub(crate) fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Relaxed);
    }

    /// True while this instance is drained.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// True after [`Self::stop`].
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_and_this_machine_may_bypass_tls() {
        use TlsTermination::{Nobody, Proxy, Service};
        for (tls, peer, is_proxy, is_admitted, is_https) in [
            (Proxy, "192.0.2.7", true, true, true),
            (Proxy, "192.0.2.7", false, false, false),
            (Proxy, "2001:db8::7", false, false, false),
            (Proxy, "::ffff:192.0.2.7", false, false, false),
            // Health checks and operators of this machine.
            (Proxy, "127.0.0.1", false, true, false),
            (Proxy, "::1", false, true, false),
            (Proxy, "::ffff:127.0.0.1", false, true, false),
            (Service, "192.0.2.7", false, true, true),
            (Nobody, "127.0.0.1", false, true, false),
        ] {
            let address = Some(peer.parse().unwrap());
            assert_eq!(tls.admits(address, is_proxy), is_admitted, "{tls:?} {peer}");
            assert_eq!(tls.is_https(is_proxy), is_https, "{tls:?} {peer}");
        }
        assert!(!Proxy.admits(None, false), "a peer without an address");
    }
}
