//! Sends events as syslog messages over TLS (RFC 5424 and RFC 5425).
//!
//! Syslog has no acknowledgments. Each batch therefore has a connection of its own, which this client
//! closes first. The server may end TLS in return, or only the connection, as rsyslog does. Neither says
//! that it has read everything: a server that is stopped ends TLS of its own accord. TCP says so: a system
//! resets a connection that its program closes with unread data, or before data arrives. After a reset,
//! the batch is repeated. What a server has read and not processed is lost unnoticed.

use std::{io::ErrorKind, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::lookup_host,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{
    connect::connect,
    error::SinkError,
    syslog_message::{SyslogFormat, frame},
    tls::client_config,
};
use crate::{
    domain::audit_stream::StreamedEvent,
    security::file_work::{FileWork, LIMIT},
};

/// The shortest time in which a reset can follow the end of a connection.
const SHORTEST_RESET_TIME: Duration = Duration::from_millis(50);

/// A syslog server.
#[derive(Debug, Clone)]
pub(crate) struct SyslogOptions {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None`: the authorities of the operating system.
    pub(crate) ca_file: Option<PathBuf>,
    /// The files with the certificate and the key of this client, if the server asks for one.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    pub(crate) format: SyslogFormat,
    /// The longest time of a batch.
    pub(crate) timeout: Duration,
    /// The name of this host in messages.
    pub(crate) client_host: String,
}

/// Sends events to a syslog server.
pub(crate) struct SyslogSink {
    options: SyslogOptions,
    server: ServerName<'static>,
    work: FileWork<Result<Arc<ClientConfig>, SinkError>>,
}

impl SyslogSink {
    /// Reads the certificates, which are read again for each batch. Connects to nothing.
    ///
    /// # Errors
    /// When the host is invalid, or a file cannot be used.
    pub(crate) fn new(options: SyslogOptions) -> Result<Self, SinkError> {
        // The first event would find an unusable file otherwise.
        read_files(&options)?;
        let server = ServerName::try_from(options.host.clone());
        let server = server.map_err(|_| SinkError::InvalidAddress)?;
        Ok(Self { options, server, work: FileWork::default() })
    }

    /// Sends events; returns when the server has read them.
    ///
    /// # Errors
    /// When the server was not reached, or did not confirm in time.
    pub(super) async fn send(&self, events: &[StreamedEvent]) -> Result<(), SinkError> {
        let SyslogOptions { format, client_host, timeout, .. } = &self.options;
        let mut bytes = Vec::new();
        for event in events {
            frame(event, *format, client_host, &mut bytes);
        }
        let sent = tokio::time::timeout(*timeout, self.transfer(&bytes)).await;
        sent.unwrap_or_else(|_| Err(SinkError::TimedOut { host: self.host() }))
    }

    async fn transfer(&self, bytes: &[u8]) -> Result<(), SinkError> {
        let unconfirmed = |source| SinkError::Unconfirmed { host: self.host(), source };
        // A renewed certificate is used without a restart.
        let options = self.options.clone();
        let tls = self.work.run(LIMIT, move || read_files(&options)).await??;
        let unreachable = |source| SinkError::Unreachable { host: self.host(), source };
        let SyslogOptions { host, port, timeout, .. } = &self.options;
        let addresses: Vec<_> =
            lookup_host((host.as_str(), *port)).await.map_err(unreachable)?.collect();
        let (stream, connect_time) = connect(&addresses, *timeout).await.map_err(unreachable)?;
        let reset_time = (connect_time * 3).max(SHORTEST_RESET_TIME);
        let connector = TlsConnector::from(tls);
        let connected = connector.connect(self.server.clone(), stream).await;
        let mut stream =
            connected.map_err(|source| SinkError::Handshake { host: self.host(), source })?;
        stream.write_all(bytes).await.map_err(unconfirmed)?;
        // Ends TLS in this direction. The server reads everything before that, and then ends its own.
        stream.shutdown().await.map_err(unconfirmed)?;
        let mut ignored = [0; 512];
        loop {
            match stream.read(&mut ignored).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(unconfirmed(error)),
            }
        }
        // If the server closes the connection before it has read everything, a reset arrives within a
        // round trip.
        tokio::time::sleep(reset_time).await;
        match stream.get_ref().0.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(unconfirmed(error)),
        }
    }

    /// Connects without sending a message.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(super) async fn check(&self) -> Result<(), SinkError> {
        self.send(&[]).await
    }

    fn host(&self) -> String {
        format!("{}:{}", self.options.host, self.options.port)
    }
}

/// Reads the certificates and the key.
fn read_files(options: &SyslogOptions) -> Result<Arc<ClientConfig>, SinkError> {
    let client = options.client.as_ref().map(|(certificate, key)| (&**certificate, &**key));
    client_config(options.ca_file.as_deref(), client)
}

/// Splits an address such as `siem.example.com:6514` or `[2001:db8::1]:6514`.
///
/// # Errors
/// When it has no host or no port.
pub(crate) fn split_address(address: &str) -> Result<(String, u16), SinkError> {
    let (host, port) = address.rsplit_once(':').ok_or(SinkError::InvalidAddress)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_valid = !host.is_empty() && (bare.is_some() || !host.contains(':'));
    let port = port.parse().ok().filter(|port| is_valid && *port != 0);
    let port = port.ok_or(SinkError::InvalidAddress)?;
    Ok((bare.unwrap_or(host).to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (address, expected) in [
            ("siem.example.com:6514", Some(("siem.example.com", 6514))),
            ("192.0.2.7:1", Some(("192.0.2.7", 1))),
            ("[2001:db8::1]:6514", Some(("2001:db8::1", 6514))),
            ("siem.example.com", None),
            ("siem.example.com:", None),
            ("siem.example.com:0", None),
            ("siem.example.com:65536", None),
            ("2001:db8::1:6514", None),
            (":6514", None),
            ("", None),
        ] {
            let found = split_address(address).ok();
            let found = found.as_ref().map(|(host, port)| (host.as_str(), *port));
            assert_eq!(found, expected, "{address}");
        }
    }
}
