//! What every worker shares.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ipnet::IpNet;

use super::{documents::Documents, transport::ConnectionRegistry};
use crate::{domain::origin_pattern::OriginPattern, service::ServiceHandle};

/// Shared by all workers; built once in `startup`.
pub(crate) struct HttpState {
    pub(crate) service: ServiceHandle,
    pub(crate) readiness: Readiness,
    /// The connections of callers.
    pub(crate) connections: Arc<ConnectionRegistry>,
    /// Answered hosts, in lower case and without port; empty: all.
    pub(crate) allowed_hosts: Vec<String>,
    /// What does not change while the process runs.
    pub(crate) documents: Documents,
    /// The path that everything but health is under; empty: none.
    pub(crate) base_path: String,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call the API.
    pub(crate) cors_origins: Vec<OriginPattern>,
    /// True when a proxy terminates TLS, unless it says otherwise.
    pub(crate) is_behind_tls: bool,
    /// True when this listener answers health too, as `dev`'s does.
    pub(crate) serves_health: bool,
    /// How long a body may take to arrive.
    pub(crate) read_timeout: Duration,
    /// The challenges of a 401, one for each scheme that is offered.
    pub(crate) challenges: Vec<&'static str>,
}

impl HttpState {
    /// True for the address of a proxy that is believed.
    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// False as soon as the process has been told to stop.
#[derive(Default)]
pub(crate) struct Readiness {
    is_stopping: AtomicBool,
}

impl Readiness {
    /// From now on this instance wants no more requests.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// True after [`Self::stop`].
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}
