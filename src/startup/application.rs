//! Builds the application from its settings, and starts it.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    components::{Background, Components, Lasting, build_for_serving},
    current_issuers::CurrentIssuers,
    database_files::reloadable_files,
    drain::DrainSignals,
    error::StartError,
    initial_users::{InitialUser, add_initial_user},
    keyring::{open_keyring_when_ready, reloadable_keyring, watch_keyring},
    options::{issuer_files, reloadable_issuers},
    reload::{Reloadable, WatchedFiles},
    reload_tasks::{self, ReloadSignal},
    request_state::RequestState,
    running::{Remains, RunningApplication, spawn_background_tasks},
    server::{Transport, serve},
    settings_reload::SettingsReload,
    sockets::InheritedSockets,
    tls::{Certificates, CertificatesInUse},
};
use crate::{
    clock,
    configuration::{ConnectionSettings, LoadedSettings, Settings, ShutdownSettings},
    http::{self, ConnectionLimits, PhaseTimeouts, StatePublisher},
    security::hashing::{Capacity, HashingEngine},
    service::users::saving::Users,
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

/// The maximum number of connections of the operations listener: probes and a few metrics
/// collectors.
const OPERATIONS_CONNECTIONS: usize = 128;

/// The application, listening but not serving yet.
pub struct Application {
    listener: TcpListener,
    operations: Option<TcpListener>,
    certificates: Certificates,
    states: Arc<StatePublisher>,
    database: Database,
    hashing: Arc<HashingEngine>,
    lasting: Arc<Lasting>,
    background: Background,
    shutdown: ShutdownSettings,
    timeouts: PhaseTimeouts,
    anchor_period: Duration,
    reloads: Reloads,
}

/// What operators read when the application starts.
pub(crate) struct StartSummary {
    pub(crate) url: String,
    /// The address of the operations listener, if enabled.
    pub(crate) operations: Option<SocketAddr>,
    /// The hashing capacity, measured at startup.
    pub(crate) capacity: Capacity,
    /// The maximum memory of the process, in KiB.
    pub(crate) memory_ceiling_kib: u64,
}

/// What is read again while the application runs, and the signals of operators.
struct Reloads {
    reloadables: Vec<Reloadable>,
    request_state: RequestState,
    issuers: CurrentIssuers,
    certificates: CertificatesInUse,
    /// `None`: the settings are not read again, as in `dev`.
    on_request: Option<(ReloadSignal, WatchedFiles, LoadedSettings)>,
    drain: Option<DrainSignals>,
}

impl Reloads {
    /// Spawns the tasks that read files again.
    fn spawn(self, tasks: &mut JoinSet<()>, lasting: Arc<Lasting>, states: Arc<StatePublisher>) {
        let Self { reloadables, request_state, issuers, certificates, on_request, drain } = self;
        if let Some(signals) = drain {
            super::drain::spawn(tasks, signals, Arc::clone(&states.current().readiness));
        }
        let metrics = Arc::clone(lasting.reloads());
        let requested = on_request.map(|(signal, file, running)| {
            let running = Mutex::new(running);
            let reload =
                SettingsReload { lasting, states, request_state, issuers, certificates, running };
            (signal, reload.into_reloadable(file))
        });
        reload_tasks::spawn(tasks, reloadables, &metrics, requested);
    }
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
        let issuer_files = WatchedFiles::new(issuer_files(settings));
        let keyring = open_keyring_when_ready(settings, &database).await?;
        let components = build_for_serving(settings, database, keyring)?;
        components.restores.examine(clock::now()).await?;
        let Components { services, issuers, lasting, background, hashing, .. } = components;
        let (database, keyring) = (components.database, components.keyring);
        let mut reloadables = std::mem::take(&mut certificates.reloadables);
        reloadables.extend(reloadable_files(&settings.database, &database));
        let (of_keyring, issuers) = (keyring.clone(), CurrentIssuers::new(issuers));
        reloadables.push(reloadable_keyring(keyring_files, settings, database.clone(), of_keyring));
        reloadables.push(reloadable_issuers(issuer_files, issuers.clone()));
        let maintenance = Arc::clone(lasting.maintenance());
        let request_state = RequestState::new(
            settings,
            (keyring, maintenance),
            certificates.by_listener(),
            operations.is_none(),
        );
        let states = Arc::new(StatePublisher::new(request_state.build(settings, services)));
        let lasting = Arc::new(lasting);
        let reloads = Reloads {
            reloadables,
            request_state,
            issuers,
            certificates: certificates.in_use(),
            on_request: None,
            drain: None,
        };
        Ok(Self {
            listener,
            operations,
            certificates,
            states,
            database,
            hashing,
            lasting,
            background,
            shutdown: settings.shutdown.clone(),
            timeouts: timeouts(&settings.http.connections),
            anchor_period: settings.anchor_period,
            reloads,
        })
    }

    /// Also reads files again at this signal, not only when they change. The settings are read again
    /// when their file changes, and at the signal; `settings` are those of this application.
    pub(crate) fn reload_at(
        mut self,
        signal: ReloadSignal,
        file: WatchedFiles,
        settings: LoadedSettings,
    ) -> Self {
        self.reloads.on_request = Some((signal, file, settings));
        self
    }

    /// Leaves the rotation of a load balancer at these signals, and comes back.
    pub(crate) fn drain_at(mut self, signals: DrainSignals) -> Self {
        self.reloads.drain = Some(signals);
        self
    }

    /// Adds a user with a password, as a command of an operator does.
    ///
    /// # Errors
    /// When a member is invalid or in use, or the database fails.
    pub async fn add_user(&self, user: &InitialUser<'_>) -> Result<(), StartError> {
        Ok(add_initial_user(self.states.current().service.get::<Users>(), user).await?)
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

    /// What operators read when the application starts.
    ///
    /// # Errors
    /// When the operating system fails to return an address.
    pub(crate) fn summary(&self) -> io::Result<StartSummary> {
        Ok(StartSummary {
            url: self.url()?,
            operations: self.operations_address()?,
            capacity: self.hashing.capacity(),
            memory_ceiling_kib: self.lasting.memory_ceiling_kib(),
        })
    }

    /// Starts the web servers and the background tasks. Returns when the servers accept connections.
    /// Must be called on a runtime.
    ///
    /// # Errors
    /// When a web server fails.
    pub fn start(self) -> Result<RunningApplication, StartError> {
        let Self { listener, operations, states, shutdown, timeouts, anchor_period, .. } = self;
        let Self { database, hashing, background, certificates, reloads, lasting, .. } = self;
        http::load_english_texts();
        let connections = Arc::clone(&states.current().connections);
        let api = {
            let (state, registry) = (states.subscribe(), Arc::clone(&connections));
            let has_hsts = {
                let states = Arc::clone(&states);
                Arc::new(move |peer| states.current().has_hsts(peer))
            };
            let build = move || http::application(state.clone());
            let transport = Transport { timeouts, has_hsts, registry, tls: certificates.http };
            serve(listener, shutdown.timeout, transport, build)?
        };
        let operations = match operations {
            None => None,
            Some(listener) => {
                let state = states.subscribe();
                let build = move || http::operations_application(state.clone());
                let maximum = OPERATIONS_CONNECTIONS;
                let limits = ConnectionLimits { maximum, per_address: maximum };
                let registry = connections.for_operations(limits);
                let has_hsts = Arc::new(|_: Option<IpAddr>| false);
                let transport =
                    Transport { timeouts, has_hsts, registry, tls: certificates.operations };
                Some(serve(listener, Duration::ZERO, transport, build)?)
            }
        };
        let remains = Remains::new(&background, anchor_period, hashing, database.clone());
        let mut tasks = spawn_background_tasks(background, database, anchor_period);
        let readiness = Arc::clone(&states.current().readiness);
        reloads.spawn(&mut tasks, lasting, states);
        let grace = shutdown.grace;
        Ok(RunningApplication { api, operations, tasks, readiness, grace, remains })
    }
}

fn timeouts(settings: &ConnectionSettings) -> PhaseTimeouts {
    let ConnectionSettings { read_timeout, idle_timeout, write_timeout, .. } = *settings;
    PhaseTimeouts { read: read_timeout, idle: idle_timeout, write: write_timeout }
}
