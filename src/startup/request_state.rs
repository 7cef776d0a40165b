//! Builds the state that requests share, at the start and at each reload of the settings.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;

use super::{descriptors, options::enabled_schemes};
use crate::{
    configuration::{ConnectionSettings, Settings},
    http::{
        self, ConnectionLimits, ConnectionRegistry, Documents, HttpState, ListenerCertificate,
        Readiness, RequestMetrics, TlsTermination,
    },
    security::keyring_handle::KeyringHandle,
    service::{ServiceHandle, Services, operations::maintenance::Maintenance},
};

/// What other parts of the process also use.
type Shared = (KeyringHandle, Arc<Maintenance>);

/// What every state shares.
pub(super) struct RequestState {
    keyring: KeyringHandle,
    maintenance: Arc<Maintenance>,
    readiness: Arc<Readiness>,
    connections: Arc<ConnectionRegistry>,
    requests: Arc<RequestMetrics>,
    documents: Arc<Documents>,
    certificates: Arc<[ListenerCertificate]>,
    /// The time limit of a use case.
    answer_timeout: Duration,
    serves_health: bool,
}

impl RequestState {
    /// Nothing of this depends on settings that are reloaded.
    pub(super) fn new(
        settings: &Settings,
        (keyring, maintenance): Shared,
        certificates: Vec<ListenerCertificate>,
        serves_health: bool,
    ) -> Self {
        Self {
            keyring,
            maintenance,
            readiness: Arc::default(),
            connections: connection_registry(settings),
            requests: Arc::default(),
            documents: Arc::new(http::documents(&settings.http.base_path)),
            certificates: certificates.into(),
            answer_timeout: settings.http.answer_timeout,
            serves_health,
        }
    }

    /// The state under these settings. Use cases run on the current runtime.
    pub(super) fn build(&self, settings: &Settings, services: Services) -> HttpState {
        let (http, keyring) = (&settings.http, self.keyring.clone());
        HttpState {
            service: ServiceHandle::on_current_runtime(services, keyring, self.answer_timeout),
            readiness: Arc::clone(&self.readiness),
            connections: Arc::clone(&self.connections),
            requests: Arc::clone(&self.requests),
            documents: Arc::clone(&self.documents),
            allowed_hosts: http.allowed_hosts.iter().map(|host| host.to_lowercase()).collect(),
            serves_health: self.serves_health,
            base_path: http.base_path.clone(),
            trusted_proxies: http.trusted_proxies.clone(),
            cors_origins: settings.cors_origins(),
            has_secure_cookies: http.has_secure_cookies,
            sends_hsts: http.sends_hsts,
            maintenance: Arc::clone(&self.maintenance),
            tls: tls_termination(settings),
            certificates: Arc::clone(&self.certificates),
            read_timeout: http.connections.read_timeout,
            challenges: http::challenges(
                enabled_schemes(settings),
                settings.authentication.basic_challenge,
            ),
        }
    }

    /// Replaces the networks whose connections have no limit per address.
    pub(super) fn set_proxies(&self, networks: &[IpNet]) {
        self.connections.set_unlimited(networks.to_vec());
    }
}

fn tls_termination(settings: &Settings) -> TlsTermination {
    if settings.http.tls.is_enabled() {
        TlsTermination::Service
    } else if settings.http.tls_terminated_by_proxy {
        TlsTermination::Proxy
    } else {
        TlsTermination::Nobody
    }
}

/// An empty registry of client connections.
fn connection_registry(settings: &Settings) -> Arc<ConnectionRegistry> {
    let ConnectionSettings { maximum, per_address, .. } = settings.http.connections;
    let maximum = descriptors::allowed_connections(maximum);
    let limits = ConnectionLimits { maximum, per_address: per_address.min(maximum) };
    ConnectionRegistry::new(limits, settings.http.trusted_proxies.clone())
}
