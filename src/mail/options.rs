//! The options of the client.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::error::MailError;
use crate::{
    domain::{
        mail_address::MailAddress,
        smtp_server::{SmtpEncryption, SmtpServer},
    },
    security::secret_file,
};

/// Where the URL of the server is.
#[derive(Debug, Clone)]
pub(crate) enum ServerSource {
    /// In a setting.
    Url(SecretString),
    /// In a secret file, which is read for each connection.
    File(PathBuf),
}

impl ServerSource {
    /// The setting.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::Url(_) => "mail.smtp_url",
            Self::File(_) => "mail.smtp_url_file",
        }
    }
}

/// The author of the mails.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) name: Option<String>,
    pub(crate) address: MailAddress,
}

/// All options.
#[derive(Debug, Clone)]
pub(crate) struct MailOptions {
    pub(crate) source: ServerSource,
    /// False: `smtp://` is not encrypted.
    pub(crate) starts_tls: bool,
    /// True: the connection to another machine may be unencrypted.
    pub(crate) allows_unencrypted: bool,
    /// `None`: the authorities of the operating system.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) sender: Sender,
    /// The host of the public URL of this service, which names it to the server.
    pub(crate) client_host: String,
    /// The maximum time to connect, and to hand over a mail without its content.
    pub(crate) timeout: Duration,
    /// The maximum time to hand over the content and to wait for the reply.
    pub(crate) content_timeout: Duration,
}

impl MailOptions {
    /// Reads the server and its login.
    ///
    /// # Errors
    /// When the file cannot be read, or the URL is invalid or would send mails in plain text.
    pub(crate) fn server(&self) -> Result<SmtpServer, MailError> {
        let server = match &self.source {
            ServerSource::Url(url) => SmtpServer::parse(url, self.starts_tls),
            ServerSource::File(file) => {
                let text = secret_file::read(file).map_err(MailError::UrlFile)?;
                SmtpServer::parse(&SecretString::from(text.as_str()), self.starts_tls)
            }
        };
        let server = server.ok_or(MailError::InvalidUrl(self.source.setting()))?;
        let is_exposed = server.encryption == SmtpEncryption::Nothing && !server.is_loopback;
        if is_exposed && !self.allows_unencrypted {
            return Err(MailError::Unencrypted);
        }
        Ok(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_url_is_reported_under_its_setting() {
        let text = |source: ServerSource| {
            let options = MailOptions {
                source,
                starts_tls: true,
                allows_unencrypted: false,
                ca_file: None,
                sender: Sender {
                    name: None,
                    address: MailAddress::parse("keeper@example.com").unwrap(),
                },
                client_host: "localhost".to_owned(),
                timeout: Duration::ZERO,
                content_timeout: Duration::ZERO,
            };
            options.server().err().unwrap().to_string()
        };
        let url = text(ServerSource::Url(SecretString::from("marker")));
        assert!(url.starts_with("mail.smtp_url does not contain a valid URL"), "{url}");
    }
}
