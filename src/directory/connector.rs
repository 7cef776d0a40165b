//! Opens connections to the server: TCP, TLS, bind.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use ldap3::{LdapConnAsync, LdapConnSettings, StdStream};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Mutex as BindLock};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use zeroize::Zeroizing;

use super::{
    connection::{Connection, describe},
    error::{DirectoryError, RETRY_REFUSED},
    message::{self, START_TLS},
    metrics::DirectoryMetrics,
    options::{Encryption, ServerOptions},
    relay::{self, Answers, ReadError, ServerStream},
    result_code,
};
use crate::{
    log_events::ticket_alarm,
    security::{
        file_work::FileWork,
        secret_file::{self, SecretFileError},
        tls::ClientTlsError,
        trusting_client::TrustingClient,
    },
};

/// The setting with the file of the authorities that the client trusts.
pub(crate) const CA_FILE: &str = "directory.ca_file";

/// The TLS configuration, which follows the changes of [`CA_FILE`].
type TrustedTls = TrustingClient<Arc<ClientConfig>, ClientTlsError>;

/// The version of the password file, and its text.
type PasswordFile = (Option<FileVersion>, Result<Zeroizing<String>, SecretFileError>);

/// Opens connections. The pools of a directory share it, and so the memory of a refused password.
pub(super) struct Connector {
    options: ServerOptions,
    /// `None` without encryption.
    tls: Option<TrustedTls>,
    password: FileWork<PasswordFile>,
    metrics: Arc<DirectoryMetrics>,
    /// Held during each bind, so that concurrent connections do not send a wrong password several
    /// times. A password that was accepted can be changed in the directory.
    binding: BindLock<()>,
    refused: Mutex<Option<RefusedPassword>>,
}

/// A password file that the server refused, and when.
#[derive(Debug)]
struct RefusedPassword {
    file: FileVersion,
    at: Instant,
}

/// The content of the password file, and which version of the file it is.
struct Password {
    text: Zeroizing<String>,
    file: Option<FileVersion>,
}

/// What changes when a file is replaced or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    inode: u64,
    modified: Option<SystemTime>,
}

impl FileVersion {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { inode: metadata.ino(), modified: metadata.modified().ok() })
    }
}

impl Connector {
    /// A connector for the server.
    pub(super) fn new(
        options: ServerOptions,
        tls: Option<TrustedTls>,
        metrics: Arc<DirectoryMetrics>,
    ) -> Self {
        Self {
            options,
            tls,
            password: FileWork::default(),
            metrics,
            binding: BindLock::default(),
            refused: Mutex::default(),
        }
    }

    /// The time limit for reading a file: a part of that for a connection.
    fn file_limit(&self) -> Duration {
        self.options.connect_timeout / 2
    }

    /// Opens a connection and binds as the service, within the time limit.
    pub(super) async fn open(&self) -> Result<Connection, DirectoryError> {
        let opened = tokio::time::timeout(self.options.connect_timeout, self.connect_and_bind());
        opened.await.unwrap_or(Err(DirectoryError::TimedOut))
    }

    /// Opens a connection that belongs to nobody yet, within the time limit.
    pub(super) async fn open_unbound(&self) -> Result<Connection, DirectoryError> {
        let opened = tokio::time::timeout(self.options.connect_timeout, self.connect());
        opened.await.unwrap_or(Err(DirectoryError::TimedOut))
    }

    async fn connect_and_bind(&self) -> Result<Connection, DirectoryError> {
        // Without a usable password, no connection is opened.
        drop(self.read_password().await?);
        let connection = self.connect().await?;
        let _binding = self.binding.lock().await;
        let password = self.read_password().await?;
        self.bind(connection, &password).await
    }

    async fn connect(&self) -> Result<Connection, DirectoryError> {
        let address = (self.options.host.as_str(), self.options.port);
        let stream = TcpStream::connect(address).await.map_err(DirectoryError::Unreachable)?;
        // Requests are small, and each waits for its answer.
        stream.set_nodelay(true).map_err(DirectoryError::System)?;
        let stream = self.protect(stream).await?;
        let (near, answers) = relay::start(stream).map_err(DirectoryError::System)?;
        attach(near, answers).await
    }

    /// Reads the password, unless the server refused it. The service reads the file for each
    /// connection, so an agent may replace it. An empty one is refused: a bind without a password
    /// succeeds without authentication (RFC 4513, 5.1.2).
    async fn read_password(&self) -> Result<Password, DirectoryError> {
        let path = self.options.password_file.clone();
        let read = move || (FileVersion::of(&path), secret_file::read(&path));
        let (file, text) = self.password.run(self.file_limit(), read).await.map_err(|error| {
            let path = self.options.password_file.clone();
            DirectoryError::Password(SecretFileError::Unreadable(path, error.into()))
        })?;
        if self.is_suspended(file) {
            return Err(DirectoryError::BindSuspended);
        }
        Ok(Password { text: text.map_err(DirectoryError::Password)?, file })
    }

    /// Negotiates TLS.
    async fn protect(
        &self,
        mut stream: TcpStream,
    ) -> Result<Box<dyn ServerStream>, DirectoryError> {
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let config = tls.read_within(self.file_limit()).await?;
        if self.options.encryption == Encryption::StartTls {
            start_tls(&mut stream).await?;
        }
        let name = server_name(&self.options.host)?;
        let connector = TlsConnector::from(config);
        let stream = connector.connect(name, stream).await.map_err(DirectoryError::Tls)?;
        Ok(Box::new(stream))
    }

    async fn bind(
        &self,
        mut connection: Connection,
        password: &Password,
    ) -> Result<Connection, DirectoryError> {
        let text = password.text.trim_end_matches(['\r', '\n']);
        let bound = connection.bind(&self.options.bind_dn, text).await?;
        match bound.rc {
            result_code::SUCCESS => {
                self.metrics.set_bind_refused(false);
                *lock(&self.refused) = None;
                Ok(connection)
            }
            result_code::INVALID_CREDENTIALS => {
                self.suspend(password.file);
                Err(DirectoryError::BindRefused)
            }
            result_code::REFERRAL => Err(DirectoryError::Referral),
            code => Err(DirectoryError::BindFailed(code)),
        }
    }

    fn is_suspended(&self, file: Option<FileVersion>) -> bool {
        let is_same = |refused: &RefusedPassword| {
            Some(refused.file) == file && refused.at.elapsed() < RETRY_REFUSED
        };
        lock(&self.refused).as_ref().is_some_and(is_same)
    }

    fn suspend(&self, file: Option<FileVersion>) {
        ticket_alarm!(
            directory.bind_dn = self.options.bind_dn,
            "the directory refused the password of the service; correct directory.bind_dn or \
             directory.password_file"
        );
        self.metrics.set_bind_refused(true);
        *lock(&self.refused) = file.map(|file| RefusedPassword { file, at: Instant::now() });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Attaches `ldap3` to the near end of the relay.
async fn attach(
    near: std::os::unix::net::UnixStream,
    answers: Arc<Answers>,
) -> Result<Connection, DirectoryError> {
    let system = |error| DirectoryError::System(io::Error::other(error));
    let url = url::Url::parse("ldapi:///").map_err(system)?;
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(near));
    let opened = LdapConnAsync::from_url_with_settings(settings, &url).await;
    let (driver, ldap) = opened.map_err(|error| describe(&error, &answers))?;
    // It ends when the handle is dropped or the relay closes. Its error reaches the handle, too.
    tokio::spawn(async move { drop(driver.drive().await) });
    Ok(Connection::new(ldap, answers))
}

/// Asks the server for TLS. Bytes that follow the answer are read as TLS, so that nobody can insert
/// answers before the negotiation.
async fn start_tls(stream: &mut TcpStream) -> Result<(), DirectoryError> {
    stream.write_all(START_TLS).await.map_err(DirectoryError::Unreachable)?;
    let answer = relay::read_message(stream).await.map_err(|error| match error {
        ReadError::Message(error) => DirectoryError::InvalidMessage(error),
        ReadError::Io(error) => DirectoryError::Unreachable(error),
    })?;
    let answer = answer.ok_or(DirectoryError::Closed)?;
    match message::start_tls_result(&answer).map_err(DirectoryError::InvalidMessage)? {
        result_code::SUCCESS => Ok(()),
        code => Err(DirectoryError::StartTlsRefused(code)),
    }
}

/// The name that the certificate must have.
fn server_name(host: &str) -> Result<ServerName<'static>, DirectoryError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(ServerName::from(address));
    }
    let invalid = |error| DirectoryError::Tls(io::Error::other(error));
    ServerName::try_from(host.to_owned()).map_err(invalid)
}
