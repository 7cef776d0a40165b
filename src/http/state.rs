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

use super::{documents::Documents, transport::ConnectionRegistry};
use crate::{domain::origin_pattern::OriginPattern, service::ServiceHandle};

/// The shared state; `startup` builds it once.
pub(crate) struct HttpState {
    pub(crate) service: ServiceHandle,
    pub(crate) readiness: Readiness,
    /// The client connections.
    pub(crate) connections: Arc<ConnectionRegistry>,
    /// The served hosts, in lower case and without port; empty for every host.
    pub(crate) allowed_hosts: Vec<String>,
    /// The documents, which do not change while the process runs.
    pub(crate) documents: Documents,
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
    /// True when this listener also serves health checks, as in `dev`.
    pub(crate) serves_health: bool,
    /// The certificates of the listeners with TLS.
    pub(crate) certificates: Vec<ListenerCertificate>,
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
        match self.tls {
            TlsTermination::Nobody => false,
            TlsTermination::Service => true,
            TlsTermination::Proxy => self.is_proxy(peer),
        }
    }

    /// True if responses that the application does not make have HSTS for this peer.
    pub(crate) fn has_hsts(&self, peer: Option<IpAddr>) -> bool {
        self.sends_hsts && self.is_https(peer)
    }

    /// False for a peer that would send its secrets in clear text: with TLS at a proxy, a host that
    /// is neither a trusted proxy nor this machine.
    pub(super) fn admits(&self, peer: Option<IpAddr>) -> bool {
        let is_loopback = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
        self.tls != TlsTermination::Proxy || is_loopback || self.is_proxy(peer)
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

/// The certificate of a listener, which changes when its file does.
pub(crate) struct ListenerCertificate {
    /// The section of its settings: `http` or `operations`.
    pub(crate) listener: &'static str,
    /// Returns the end of its validity.
    pub(crate) expires_at: Box<dyn Fn() -> Option<OffsetDateTime> + Send + Sync>,
}

/// The readiness of this instance, which ends when a shutdown begins.
#[derive(Default)]
pub(crate) struct Readiness {
    is_stopping: AtomicBool,
}

impl Readiness {
    /// Marks this instance as not ready for requests.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// True after [`Self::stop`].
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}
