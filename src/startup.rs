//! Puts the application together from its settings, runs it, and takes it down in order.

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpServer, dev::ServerHandle, web::Data};
use secrecy::SecretString;
use tokio::task::JoinHandle;

use crate::{
    clock,
    configuration::{DatabaseSettings, Problem, Settings, ShutdownSettings},
    http::{self, HttpState, Readiness},
    security::{
        access_token::AccessTokens,
        hashing::{Capacity, HashingEngine, HashingError, HashingOptions},
        issuer_token::{Issuer, IssuerError, IssuerOptions},
        keyring::{Keyring, KeyringError},
    },
    service::{EnabledSchemes, Rules, Service, ServiceHandle},
    storage::{
        self, ConnectOptions, Database, StorageError,
        installation::{self, InstallationKind},
    },
    telemetry::error_chain,
};

/// Connections a worker of the web server keeps at most.
const CONNECTIONS_PER_WORKER: usize = 8192;

/// Why the application did not start. Each is one sentence for whoever starts it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {}", reason(.source))]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A setting is missing or wrong.
    #[error("{0}")]
    Setting(String),
    /// The keys cannot be used.
    #[error(transparent)]
    Keyring(Box<dyn std::error::Error + Send + Sync>),
    /// An issuer's key set cannot be used.
    #[error(transparent)]
    Issuer(Box<dyn std::error::Error + Send + Sync>),
    /// The hashing engine did not start.
    #[error(transparent)]
    Hashing(Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be used.
    #[error(transparent)]
    Storage(Box<dyn std::error::Error + Send + Sync>),
    /// The database is older than this binary.
    #[error("{0} migrations are not applied; run `credential-keeper migrate`")]
    PendingMigrations(usize),
    /// The database belongs to the other kind of installation.
    #[error("this is a {0} database; dev and serve never share one")]
    WrongKind(&'static str),
    /// The web server did not start or failed.
    #[error("the web server failed")]
    Server(#[source] io::Error),
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program is listening there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

impl From<KeyringError> for StartError {
    fn from(error: KeyringError) -> Self {
        Self::Keyring(Box::new(error))
    }
}

impl From<IssuerError> for StartError {
    fn from(error: IssuerError) -> Self {
        Self::Issuer(Box::new(error))
    }
}

impl From<HashingError> for StartError {
    fn from(error: HashingError) -> Self {
        Self::Hashing(Box::new(error))
    }
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Box::new(error))
    }
}

/// Listens on an address, before anything slower is started.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })
}

/// Opens the connection pool that the settings describe.
pub(crate) async fn connect(settings: &DatabaseSettings) -> Result<Database, StartError> {
    let missing = || StartError::Setting("database.url: is required".to_owned());
    let url = settings.url.as_ref().ok_or_else(missing)?;
    let password = match &settings.password_file {
        None => None,
        Some(file) => Some(read_password(file)?),
    };
    let options = ConnectOptions {
        url,
        password: password.as_ref(),
        maximum_connections: settings.maximum_connections,
        acquire_timeout: settings.acquire_timeout,
        lock_timeout: settings.lock_timeout,
        statement_timeout: settings.statement_timeout,
    };
    Ok(storage::connect(&options).await?)
}

fn read_password(file: &std::path::Path) -> Result<SecretString, StartError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        StartError::Setting(format!(
            "{} cannot be read: {}",
            file.display(),
            error.kind()
        ))
    })?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// Fails unless every migration of this binary is applied.
pub(crate) async fn require_migrations(pool: &Database) -> Result<(), StartError> {
    match storage::pending_migrations(pool).await? {
        0 => Ok(()),
        pending => Err(StartError::PendingMigrations(pending)),
    }
}

/// Applies the missing migrations to a database of that kind, and marks one that is not yet.
///
/// A trial's passwords are published, and a real installation must not be tried things out on: so
/// `dev` and `serve` never share a database.
pub(crate) async fn migrate(database: &Database, kind: InstallationKind) -> Result<(), StartError> {
    require_kind(database, kind).await?;
    storage::migrate(database).await?;
    Ok(installation::insert_kind(database, kind, clock::now()).await?)
}

/// Fails when the database is of another kind.
pub(crate) async fn require_kind(
    database: &Database,
    kind: InstallationKind,
) -> Result<(), StartError> {
    match installation::find_kind(database).await? {
        Some(found) if found != kind => Err(StartError::WrongKind(found.as_str())),
        _ => Ok(()),
    }
}

/// The service that the settings describe, with its keys read and its hashing threads running.
pub(crate) fn build_service(settings: &Settings, pool: Database) -> Result<Service, StartError> {
    let missing = |setting: &str| StartError::Setting(format!("{setting}: is required"));
    let keyring_file = settings
        .keyring_file
        .as_ref()
        .ok_or_else(|| missing("keyring.file"))?;
    let types = settings
        .credential_types()
        .ok_or_else(|| missing("credentials.default_type"))?;
    let maximum_threads = settings.hashing.threads;
    let hashing = HashingEngine::start(&HashingOptions {
        parameters: settings.hash_parameters(),
        maximum_memory_kib: settings.hashing.maximum_memory_kib,
        threads: (maximum_threads > 0).then_some(maximum_threads),
        deadline: settings.hashing.deadline,
    })?;
    Ok(Service {
        pool,
        keyring: Keyring::load(keyring_file)?,
        hashing,
        types,
        access_tokens: AccessTokens {
            context: settings.access_tokens.context.clone(),
            issuer: settings.access_tokens.issuer.clone(),
            audience: settings.access_tokens.audience.clone(),
            lifetime: settings.access_tokens.lifetime,
        },
        issuers: load_issuers(settings)?,
        rules: rules(settings),
    })
}

/// What is wrong with the files that the settings name.
pub(crate) fn problems_of_files(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |setting: &str, error: &(dyn std::error::Error + 'static)| {
        let reason = error_chain(error);
        problems.push(Problem {
            setting: setting.to_owned(),
            reason,
        });
    };
    if let Some(Err(error)) = settings.keyring_file.as_deref().map(Keyring::load) {
        refuse("keyring.file", &error);
    }
    if let Some(Err(error)) = settings
        .database
        .password_file
        .as_deref()
        .map(read_password)
    {
        refuse("database.password_file", &error);
    }
    if let Err(error) = load_issuers(settings) {
        refuse("authentication.issuers", &error);
    }
    problems
}

fn load_issuers(settings: &Settings) -> Result<Vec<Issuer>, IssuerError> {
    let load = |entry: &crate::configuration::IssuerSettings| {
        Issuer::load(&IssuerOptions {
            issuer: &entry.issuer,
            audience: &entry.audience,
            jwks_file: &entry.jwks_file,
            credential_type: &entry.credential_type,
            claim: &entry.claim,
        })
    };
    settings.authentication.issuers.iter().map(load).collect()
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        schemes: EnabledSchemes {
            basic: settings.authentication.basic,
            so_ticket: settings.authentication.so_ticket,
            bearer: settings.authentication.bearer,
        },
        ticket_lifetime: settings.tickets.lifetime,
        maximum_tickets: settings.tickets.maximum_per_user,
        absolute_lifetime: settings.absolute_lifetime,
        single_per_user: settings.credentials.single_per_user,
    }
}

/// The whole application, listening but not yet answering.
pub struct Application {
    listener: TcpListener,
    operations: Option<TcpListener>,
    state: Data<HttpState>,
    service: Arc<Service>,
    shutdown: ShutdownSettings,
    read_timeout: Duration,
}

impl Application {
    /// Builds the application around a pool, on the addresses of the settings. Port 0 takes a
    /// free one. Must be called on the runtime that the pool belongs to.
    ///
    /// # Errors
    /// When an address is taken, or keys, issuers or hashing cannot be had.
    pub fn build(settings: &Settings, pool: Database) -> Result<Self, StartError> {
        Self::build_on(listen(settings.http.listen)?, settings, pool)
    }

    /// As [`Self::build`], on a listener that is already open.
    pub(crate) fn build_on(
        listener: TcpListener,
        settings: &Settings,
        pool: Database,
    ) -> Result<Self, StartError> {
        let operations = settings.operations.listen.map(listen).transpose()?;
        let service = Arc::new(build_service(settings, pool)?);
        let state = Data::new(HttpState {
            service: ServiceHandle::on_current_runtime(Arc::clone(&service)),
            readiness: Readiness::default(),
            allowed_hosts: settings
                .http
                .allowed_hosts
                .iter()
                .map(|host| host.to_lowercase())
                .collect(),
            serves_health: operations.is_none(),
            read_timeout: settings.http.read_timeout,
            challenges: http::challenges(
                service.rules.schemes,
                settings.authentication.basic_challenge,
            ),
        });
        Ok(Self {
            listener,
            operations,
            state,
            service,
            shutdown: settings.shutdown.clone(),
            read_timeout: settings.http.read_timeout,
        })
    }

    /// The address of the API, with the real port.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address of the operations listener, when there is one.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn operations_address(&self) -> io::Result<Option<SocketAddr>> {
        self.operations
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
    }

    /// What hashing can do here, measured at start.
    pub(crate) fn capacity(&self) -> Capacity {
        self.service.hashing.capacity()
    }

    /// Answers until `stop` comes. Then readiness says 503 for the grace, the listener closes,
    /// and what was accepted is finished.
    ///
    /// # Errors
    /// When the web server fails.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self {
            listener,
            operations,
            state,
            service,
            shutdown,
            read_timeout,
        } = self;
        let timeout = shutdown.timeout;
        let application = {
            let state = state.clone();
            serve(listener, timeout, read_timeout, move || {
                http::application(state.clone())
            })?
        };
        let operations = match operations {
            None => None,
            Some(listener) => {
                let state = state.clone();
                let build = move || http::operations_application(state.clone());
                Some(serve(listener, Duration::ZERO, read_timeout, build)?)
            }
        };
        let sweeper = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.sweep().await }
        });
        stop.await;
        state.readiness.stop();
        tokio::time::sleep(shutdown.grace).await;
        application.stop().await?;
        if let Some(operations) = operations {
            operations.stop().await?;
        }
        sweeper.abort();
        service.hashing.close();
        tracing::info!(hashes = service.hashing.hashed(), "stopped");
        service.pool.close().await;
        Ok(())
    }
}

/// A web server that is running.
struct Running {
    handle: ServerHandle,
    server: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Closes the listener, finishes what was accepted, and ends.
    async fn stop(self) -> Result<(), StartError> {
        self.handle.stop(true).await;
        self.server
            .await
            .map_err(io::Error::other)
            .and_then(|ended| ended)
            .map_err(StartError::Server)
    }
}

fn serve<F, A, B>(
    listener: TcpListener,
    shutdown_timeout: Duration,
    read_timeout: Duration,
    build: F,
) -> Result<Running, StartError>
where
    F: Fn() -> actix_web::App<A> + Send + Clone + 'static,
    A: actix_web::dev::ServiceFactory<
            actix_web::dev::ServiceRequest,
            Config = (),
            Response = actix_web::dev::ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: actix_web::body::MessageBody + 'static,
{
    let server = HttpServer::new(build)
        .disable_signals()
        .max_connections(CONNECTIONS_PER_WORKER)
        .client_request_timeout(read_timeout)
        // A caller that closes its side has gone away; its work is cancelled.
        .h1_allow_half_closed(false)
        .shutdown_timeout(shutdown_timeout.as_secs())
        .listen(listener)
        .map_err(StartError::Server)?
        .run();
    let handle = server.handle();
    Ok(Running {
        handle,
        server: tokio::spawn(server),
    })
}
