//! Delivers mails, one after the other, on a connection that is kept for a while.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
    extension::ClientId,
};
use secrecy::ExposeSecret;
use tokio::{net::TcpStream, sync::Mutex};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{
    error::MailError,
    message::OutgoingMail,
    options::MailOptions,
    server_stream::{ServerStream, Transport},
    start_tls::start_tls,
    tls::client_config,
};
use crate::domain::smtp_server::{SmtpEncryption, SmtpLogin, SmtpServer};

/// A connection that was idle for longer is closed. Servers close idle connections, too.
const MAXIMUM_IDLE: Duration = Duration::from_secs(30);

/// The maximum number of mails on one connection.
const MAXIMUM_MAILS: u32 = 100;

/// What a server sends first. After STARTTLS it sends nothing, and `lettre` waits for it.
const GREETING: &[u8] = b"220 TLS\r\n";

/// An open connection.
struct Connection {
    smtp: AsyncSmtpConnection,
    used_at: Instant,
    mails: u32,
}

impl Connection {
    fn is_reusable(&self) -> bool {
        self.mails < MAXIMUM_MAILS && self.used_at.elapsed() < MAXIMUM_IDLE
    }
}

/// Delivers mails to the server of the options.
pub(crate) struct MailClient {
    options: MailOptions,
    /// `None` while the settings name a server without TLS.
    tls: Option<Arc<ClientConfig>>,
    /// Held during a delivery. Lost with its connection when the delivery fails or is canceled.
    idle: Mutex<Option<Connection>>,
}

impl MailClient {
    /// A client that connects on demand.
    ///
    /// # Errors
    /// When the server or the authorities of TLS cannot be read.
    pub(crate) fn new(options: MailOptions) -> Result<Self, MailError> {
        let is_encrypted = options.server()?.encryption != SmtpEncryption::Nothing;
        let tls = is_encrypted.then(|| client_config(options.ca_file.as_deref())).transpose()?;
        Ok(Self { options, tls, idle: Mutex::default() })
    }

    /// The maximum time of a delivery.
    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Delivers a mail; the server is then responsible for it.
    ///
    /// # Errors
    /// See [`MailError`].
    pub(crate) async fn send(&self, mail: &OutgoingMail<'_>) -> Result<(), MailError> {
        let message = mail.build(&self.options.sender)?;
        let delivery = async {
            let mut idle = self.idle.lock().await;
            let mut connection = match reuse(idle.take()).await {
                Some(connection) => connection,
                None => self.open().await?,
            };
            let content = zeroize::Zeroizing::new(message.formatted());
            let sent = connection.smtp.send(message.envelope(), &content).await;
            sent.map_err(|error| MailError::of_delivery(&error))?;
            connection.mails += 1;
            connection.used_at = Instant::now();
            *idle = Some(connection);
            Ok(())
        };
        tokio::time::timeout(self.options.timeout, delivery)
            .await
            .unwrap_or(Err(MailError::TimedOut))
    }

    /// Closes a connection that was idle for long.
    pub(crate) async fn close_idle(&self) {
        let mut idle = self.idle.lock().await;
        if let Some(mut connection) = idle.take_if(|connection| !connection.is_reusable()) {
            let _ = tokio::time::timeout(MAXIMUM_IDLE, connection.smtp.quit()).await;
        }
    }

    /// Connects, negotiates TLS and logs in, without sending a mail.
    ///
    /// # Errors
    /// See [`MailError`].
    pub(crate) async fn check(&self) -> Result<(), MailError> {
        let opened = tokio::time::timeout(self.options.timeout, self.open()).await;
        let mut connection = opened.unwrap_or(Err(MailError::TimedOut))?;
        let _ = tokio::time::timeout(MAXIMUM_IDLE, connection.smtp.quit()).await;
        Ok(())
    }

    async fn open(&self) -> Result<Connection, MailError> {
        let server = self.options.server()?;
        let address = (server.host.as_str(), server.port);
        let stream = TcpStream::connect(address).await.map_err(MailError::Unreachable)?;
        stream.set_nodelay(true).map_err(MailError::Unreachable)?;
        let peer = stream.peer_addr().map_err(MailError::Unreachable)?;
        let client = client_id(&self.options.client_host);
        let (transport, greeting) = self.protect(stream, &server, &client).await?;
        let stream = Box::new(ServerStream::new(transport, peer, greeting));
        let connected = AsyncSmtpConnection::connect_with_transport(stream, &client).await;
        let mut smtp = connected.map_err(|error| MailError::of_connection(&error))?;
        if let Some(login) = &server.login {
            log_in(&mut smtp, login).await?;
        }
        Ok(Connection { smtp, used_at: Instant::now(), mails: 0 })
    }

    /// Negotiates TLS. Returns the connection with what is read on it first.
    async fn protect(
        &self,
        mut stream: TcpStream,
        server: &SmtpServer,
        client: &ClientId,
    ) -> Result<(Box<dyn Transport>, &'static [u8]), MailError> {
        let greeting = match server.encryption {
            SmtpEncryption::Nothing => return Ok((Box::new(stream), b"")),
            SmtpEncryption::Tls => &b""[..],
            SmtpEncryption::StartTls => {
                start_tls(&mut stream, client).await?;
                GREETING
            }
        };
        // The file changed from a server without TLS to one with TLS.
        let config = match &self.tls {
            Some(config) => Arc::clone(config),
            None => client_config(self.options.ca_file.as_deref())?,
        };
        let name = server_name(&server.host)?;
        let connected = TlsConnector::from(config).connect(name, stream).await;
        Ok((Box::new(connected.map_err(MailError::Tls)?), greeting))
    }
}

/// The connection, if it still works.
async fn reuse(connection: Option<Connection>) -> Option<Connection> {
    let mut connection = connection.filter(Connection::is_reusable)?;
    connection.smtp.test_connected().await.then_some(connection)
}

async fn log_in(smtp: &mut AsyncSmtpConnection, login: &SmtpLogin) -> Result<(), MailError> {
    let credentials = Credentials::new(
        login.user.expose_secret().to_owned(),
        login.password.expose_secret().to_owned(),
    );
    let accepted = smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
    accepted
        .map_err(|error| MailError::LoginRefused(error.status().map(|code| code.to_string())))?;
    Ok(())
}

/// How this service names itself to the server.
fn client_id(host: &str) -> ClientId {
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}

/// The name that the certificate must have.
fn server_name(host: &str) -> Result<ServerName<'static>, MailError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(ServerName::from(address));
    }
    let invalid = |error| MailError::Tls(std::io::Error::other(error));
    ServerName::try_from(host.to_owned()).map_err(invalid)
}
