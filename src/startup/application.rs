//! Builds the application from its settings, runs it and shuts it down.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::web::Data;
use tokio::task::JoinSet;

use super::{
    components::{Background, build},
    database_files::reloadable_files,
    descriptors,
    error::StartError,
    initial_users::{InitialUser, add_initial_user},
    keyring::{open_keyring_when_ready, reloadable_keyring, watch_keyring},
    options::{enabled_schemes, reloadable_issuers, watch_issuers},
    reload::{self, ReloadSignal, Reloadable},
    server::{Transport, serve},
    sockets::InheritedSockets,
    systemd,
    tls::Certificates,
};
use crate::{
    clock,
    configuration::{ConnectionSettings, Settings, ShutdownSettings},
    http::{
        self, ConnectionLimits, ConnectionRegistry, HttpState, PhaseTimeouts, Readiness,
        TlsTermination,
    },
    security::hashing::{Capacity, HashingEngine},
    service::{ServiceHandle, operations::reload_metrics::ReloadMetrics, users::saving::Users},
    storage::Database,
};

/// Listens on an address. Call this before slower steps, to report a conflict immediately.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    // The standard library sets a backlog of 128. A burst of connections can be larger, and clients
    // retry a dropped connection only after a second.
    rustix::net::listen(&listener, BACKLOG).map_err(|error| failed(error.into()))?;
    Ok(listener)
}

/// The maximum number of connections that wait to be accepted. The operating system may allow
/// fewer.
const BACKLOG: i32 = 4096;

/// The timeout of each of the final steps: logging anchors, and closing database connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of connections of the operations listener: probes and a few metrics
/// collectors.
const OPERATIONS_CONNECTIONS: usize = 128;

/// The application, listening but not serving yet.
pub struct Application {
    listener: TcpListener,
    operations: Option<TcpListener>,
    certificates: Certificates,
    state: Data<HttpState>,
    database: Database,
    hashing: Arc<HashingEngine>,
    memory_ceiling_kib: u64,
    background: Background,
    shutdown: ShutdownSettings,
    timeouts: PhaseTimeouts,
    anchor_period: Duration,
    reloads: Reloads,
}

/// What is read again while the application runs.
struct Reloads {
    reloadables: Vec<Reloadable>,
    metrics: Arc<ReloadMetrics>,
    signal: Option<ReloadSignal>,
}

impl Application {
    /// Builds the application on the addresses of the settings, or on the sockets with these
    /// addresses that systemd opened. Port 0 selects a free port. Must be called on the runtime that
    /// the database was opened on.
    ///
    /// # Errors
    /// When an address is in use, the keyring does not match the database, or the keyring, an
    /// issuer or the hashing engine fails to load.
    pub async fn build(settings: &Settings, database: Database) -> Result<Self, StartError> {
        let mut sockets = InheritedSockets::take()?;
        let mut open = |address| sockets.remove(address).map_or_else(|| listen(address), Ok);
        let listener = open(settings.http.listen)?;
        let operations = settings.operations.listen.map(open).transpose()?;
        sockets.require_empty()?;
        Self::build_on(listener, operations, settings, database).await
    }

    /// Like [`Self::build`], on open listeners for the API and for operations.
    pub(crate) async fn build_on(
        listener: TcpListener,
        operations: Option<TcpListener>,
        settings: &Settings,
        database: Database,
    ) -> Result<Self, StartError> {
        let mut certificates = Certificates::load(settings)?;
        let keyring_files = watch_keyring(settings);
        let keyring = open_keyring_when_ready(settings, &database).await?;
        let issuer_files = watch_issuers(settings);
        let components = build(settings, database, keyring)?;
        components.restores.examine(clock::now()).await?;
        let (database, keyring) = (components.database.clone(), components.keyring.clone());
        let mut reloadables = std::mem::take(&mut certificates.reloadables);
        reloadables.extend(reloadable_files(&settings.database, &database));
        reloadables.push(reloadable_keyring(keyring_files, settings, database, keyring));
        if !issuer_files.is_empty() {
            reloadables.push(reloadable_issuers(issuer_files, components.issuers));
        }
        let state = Data::new(HttpState {
            service: ServiceHandle::on_current_runtime(
                components.services,
                components.keyring,
                settings.http.answer_timeout,
            ),
            readiness: Readiness::default(),
            connections: connection_registry(settings),
            documents: http::documents(&settings.http.base_path),
            allowed_hosts: settings
                .http
                .allowed_hosts
                .iter()
                .map(|host| host.to_lowercase())
                .collect(),
            serves_health: operations.is_none(),
            base_path: settings.http.base_path.clone(),
            trusted_proxies: settings.http.trusted_proxies.clone(),
            cors_origins: settings.cors_origins(),
            has_secure_cookies: settings.http.has_secure_cookies,
            sends_hsts: settings.http.sends_hsts,
            tls: tls_termination(settings),
            certificates: certificates.by_listener(),
            read_timeout: settings.http.connections.read_timeout,
            challenges: http::challenges(
                enabled_schemes(settings),
                settings.authentication.basic_challenge,
            ),
        });
        Ok(Self {
            listener,
            operations,
            certificates,
            state,
            database: components.database,
            hashing: components.hashing,
            memory_ceiling_kib: components.memory_ceiling_kib,
            background: components.background,
            shutdown: settings.shutdown.clone(),
            timeouts: timeouts(&settings.http.connections),
            anchor_period: settings.anchor_period,
            reloads: Reloads { reloadables, metrics: components.reloads, signal: None },
        })
    }

    /// Also reads files again at this signal, not only when they change.
    pub(crate) fn reload_at(mut self, signal: ReloadSignal) -> Self {
        self.reloads.signal = Some(signal);
        self
    }

    /// Adds a user with a password, as a command of an operator does.
    ///
    /// # Errors
    /// When a member is invalid or in use, or the database fails.
    pub async fn add_user(&self, user: &InitialUser<'_>) -> Result<(), StartError> {
        Ok(add_initial_user(self.state.service.get::<Users>(), user).await?)
    }

    /// The address of the API with its actual port.
    ///
    /// # Errors
    /// When the operating system fails to return it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The URL of the API with its actual port.
    ///
    /// # Errors
    /// When the operating system fails to return the address.
    pub fn url(&self) -> io::Result<String> {
        let scheme = if self.certificates.http.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.address()?))
    }

    /// The address of the operations listener, if enabled.
    ///
    /// # Errors
    /// When the operating system fails to return it.
    pub fn operations_address(&self) -> io::Result<Option<SocketAddr>> {
        self.operations.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// The hashing capacity, measured at startup.
    pub(crate) fn capacity(&self) -> Capacity {
        self.hashing.capacity()
    }

    /// The maximum memory of the process, in KiB.
    pub(crate) fn memory_ceiling_kib(&self) -> u64 {
        self.memory_ceiling_kib
    }

    /// Serves until `stop` completes. Then readiness returns 503 for the grace period, the listener
    /// closes, and accepted requests finish.
    ///
    /// # Errors
    /// When the web server fails.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self { listener, operations, state, shutdown, timeouts, anchor_period, .. } = self;
        let Self { database, hashing, background, certificates, reloads, .. } = self;
        let timeout = shutdown.timeout;
        let mut application = {
            let (state, registry) = (state.clone(), Arc::clone(&state.connections));
            let has_hsts = {
                let state = state.clone();
                Arc::new(move |peer| state.has_hsts(peer))
            };
            let build = move || http::application(state.clone());
            let transport = Transport { timeouts, has_hsts, registry, tls: certificates.http };
            serve(listener, timeout, transport, build)?
        };
        let operations = match operations {
            None => None,
            Some(listener) => {
                let state = state.clone();
                let build = move || http::operations_application(state.clone());
                let registry = ConnectionRegistry::new(ConnectionLimits {
                    maximum: OPERATIONS_CONNECTIONS,
                    per_address: OPERATIONS_CONNECTIONS,
                    unlimited: Vec::new(),
                });
                let has_hsts = Arc::new(|_: Option<IpAddr>| false);
                let transport =
                    Transport { timeouts, has_hsts, registry, tls: certificates.operations };
                Some(serve(listener, Duration::ZERO, transport, build)?)
            }
        };
        let (anchors, recorder) =
            (Arc::clone(&background.anchors), Arc::clone(&background.recorder));
        let mut tasks = spawn_background_tasks(background, database.clone(), anchor_period);
        let Reloads { reloadables, metrics, signal } = reloads;
        reload::spawn(&mut tasks, reloadables, &metrics, signal);
        application.run_until(stop).await?;
        systemd::notify_stopping();
        state.readiness.stop();
        tokio::time::sleep(shutdown.grace).await;
        application.stop().await?;
        if let Some(operations) = operations {
            operations.stop().await?;
        }
        tasks.abort_all();
        if !anchor_period.is_zero()
            && tokio::time::timeout(CLOSE_TIMEOUT, anchors.log_rest()).await.is_err()
        {
            tracing::warn!("timed out logging the last audit anchors");
        }
        recorder.record_rest().await;
        hashing.close();
        tracing::info!(hashes = hashing.hashed(), "stopped");
        // An unresponsive database must not keep the process from exiting.
        if tokio::time::timeout(CLOSE_TIMEOUT, database.close()).await.is_err() {
            tracing::warn!("timed out closing the database connections");
        }
        Ok(())
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
    let connections = &settings.http.connections;
    let maximum = descriptors::allowed_connections(connections.maximum);
    ConnectionRegistry::new(ConnectionLimits {
        maximum,
        per_address: connections.per_address.min(maximum),
        unlimited: settings.http.trusted_proxies.clone(),
    })
}

fn timeouts(settings: &ConnectionSettings) -> PhaseTimeouts {
    let ConnectionSettings { read_timeout, idle_timeout, write_timeout, .. } = *settings;
    PhaseTimeouts { read: read_timeout, idle: idle_timeout, write: write_timeout }
}

/// Spawns the background tasks, which run until shutdown.
fn spawn_background_tasks(
    background: Background,
    database: Database,
    anchor_period: Duration,
) -> JoinSet<()> {
    let Background { anchors, recorder, housekeeping, .. } = background;
    let Background { last_uses, rehashing, list_checks, mail_delivery, .. } = background;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { housekeeping.run().await });
    tasks.spawn(async move { recorder.run().await });
    tasks.spawn(async move { rehashing.run().await });
    if let Some(list_checks) = list_checks {
        tasks.spawn(async move { list_checks.run().await });
    }
    tasks.spawn(async move { last_uses.run(&database).await });
    tasks.spawn(systemd::feed_watchdog());
    if let Some(mail_delivery) = mail_delivery {
        tasks.spawn(async move { mail_delivery.run().await });
    }
    if !anchor_period.is_zero() {
        tasks.spawn(async move { anchors.run(anchor_period).await });
    }
    tasks
}
