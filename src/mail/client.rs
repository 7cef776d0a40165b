//! Delivers mails, one after the other, on a connection that is kept for a while.

use std::{
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
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
    options::{MailOptions, ServerSource},
    server_stream::{ServerStream, Transport},
    start_tls::start_tls,
};
use crate::{
    domain::smtp_server::{SmtpEncryption, SmtpLogin, SmtpServer},
    security::{
        file_work::FileWork,
        secret_file::SecretFileError,
        tls::{ClientTlsError, client_config},
        trusting_client::TrustingClient,
    },
};

/// A connection that was idle for longer is closed. Servers close idle connections, too.
const MAXIMUM_IDLE: Duration = Duration::from_secs(30);

/// The maximum number of mails on one connection.
const MAXIMUM_MAILS: u32 = 100;

/// The setting with the file of the authorities that the client trusts.
pub(crate) const CA_FILE: &str = "mail.ca_file";

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
    /// Follows the changes of [`CA_FILE`].
    tls: TrustingClient<Arc<ClientConfig>, ClientTlsError>,
    /// Reads `mail.smtp_url_file`.
    url_file: FileWork<Result<SmtpServer, MailError>>,
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
        let build = |ca_file: Option<&Path>| client_config(CA_FILE, ca_file);
        let tls = TrustingClient::new(CA_FILE, options.ca_file.clone(), build);
        if is_encrypted {
            drop(tls.read()?);
        }
        Ok(Self { options, tls, url_file: FileWork::default(), idle: Mutex::default() })
    }

    /// The maximum time of a delivery.
    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout + self.options.content_timeout
    }

    /// Delivers a mail; the server is then responsible for it.
    ///
    /// # Errors
    /// See [`MailError`].
    pub(crate) async fn send(&self, mail: &OutgoingMail<'_>) -> Result<(), MailError> {
        let message = mail.build(&self.options.sender)?;
        let content = zeroize::Zeroizing::new(message.formatted());
        let mut idle = self.idle.lock().await;
        let begun = tokio::time::timeout(self.options.timeout, async {
            let mut connection = match reuse(idle.take()).await {
                Some(connection) => connection,
                None => self.open().await?,
            };
            begin_mail(&mut connection.smtp, message.envelope(), content.is_ascii()).await?;
            Ok(connection)
        });
        let mut connection = begun.await.unwrap_or(Err(MailError::TimedOut))?;
        // The server may be slow from here on, and has the mail: giving up early would send it twice.
        let sent = connection.smtp.message(&content);
        match tokio::time::timeout(self.options.content_timeout, sent).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(MailError::of_content(&error)),
            Err(_) => return Err(MailError::OutcomeUnknown),
        }
        connection.mails += 1;
        connection.used_at = Instant::now();
        *idle = Some(connection);
        Ok(())
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
        let server = self.server().await?;
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

    /// The server and its login, of which a file has the present ones.
    async fn server(&self) -> Result<SmtpServer, MailError> {
        let ServerSource::File(file) = &self.options.source else { return self.options.server() };
        let options = self.options.clone();
        let read = self.url_file.run(self.file_limit(), move || options.server()).await;
        read.unwrap_or_else(|error| {
            Err(MailError::UrlFile(SecretFileError::Unreadable(file.clone(), error.into())))
        })
    }

    /// The time limit for reading a file: a part of that for a connection.
    fn file_limit(&self) -> Duration {
        self.options.timeout / 2
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
        let config = self.tls.read_within(self.file_limit()).await?;
        let name = server_name(&server.host)?;
        let connected = TlsConnector::from(config).connect(name, stream).await;
        Ok((Box::new(connected.map_err(MailError::Tls)?), greeting))
    }
}

/// Hands over a mail up to its content.
async fn begin_mail(
    smtp: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    is_ascii: bool,
) -> Result<(), MailError> {
    let mut parameters = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        require(smtp, Extension::SmtpUtfEight)?;
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !is_ascii {
        require(smtp, Extension::EightBitMime)?;
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let refused = |error| MailError::of_delivery(&error);
    smtp.command(Mail::new(envelope.from().cloned(), parameters)).await.map_err(refused)?;
    for recipient in envelope.to() {
        smtp.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(refused)?;
    }
    smtp.command(Data).await.map_err(refused)?;
    Ok(())
}

fn require(smtp: &AsyncSmtpConnection, extension: Extension) -> Result<(), MailError> {
    let is_supported = smtp.server_info().supports_feature(extension);
    if is_supported { Ok(()) } else { Err(MailError::Unsendable) }
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
    accepted.map_err(|error| MailError::of_login(&error))?;
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use secrecy::SecretString;
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        domain::mail_address::MailAddress,
        mail::{Sender, ServerSource},
    };

    /// Accepts a mail, but never replies to its content.
    async fn accept_silently(listener: TcpListener) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.write_all(b"220 localhost\r\n").await.unwrap();
        while stream.read_line(&mut line).await.unwrap() > 0 {
            let is_content = line == "DATA\r\n";
            let reply = if is_content { "354 go on\r\n" } else { "250 OK\r\n" };
            stream.write_all(reply.as_bytes()).await.unwrap();
            if is_content {
                break;
            }
            line.clear();
        }
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn without_a_reply_to_the_content_the_outcome_is_unknown() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let address = MailAddress::parse("anna@example.com").unwrap();
        let options = MailOptions {
            source: ServerSource::Url(SecretString::from(url)),
            starts_tls: false,
            allows_unencrypted: false,
            ca_file: None,
            sender: Sender { name: None, address: address.clone() },
            client_host: "localhost".to_owned(),
            timeout: Duration::from_secs(60),
            content_timeout: Duration::from_millis(100),
        };
        let client = MailClient::new(options).unwrap();
        assert_eq!(client.timeout(), Duration::from_millis(60_100));
        let mail = OutgoingMail {
            recipient: &address,
            subject: "New".to_owned(),
            body: "password".to_owned().into(),
            id: "1".to_owned(),
            date: SystemTime::UNIX_EPOCH,
        };
        let server = tokio::spawn(accept_silently(listener));
        let sent = client.send(&mail).await;
        assert!(matches!(sent, Err(MailError::OutcomeUnknown)), "{sent:?}");
        server.abort();
    }
}
