//! Builds the delivery of mails from the settings, and checks these.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{error::StartError, parts::Parts};
use crate::{
    configuration::{MailSettings, Problem, Problems, Settings, SmtpSource},
    domain::smtp_server::SmtpEncryption,
    http,
    mail::{CA_FILE, MailClient, MailError, MailOptions, Sender, ServerSource},
    security::tls::client_config,
    service::mail::{
        delivery::MailDelivery, links::LinkOptions, metrics::MailMetrics, recipients::Recipients,
        requests::PasswordMails,
    },
    telemetry::error_chain,
};

/// The maximum time from the content of a mail to the reply (RFC 5321, 4.5.3.2.6).
const CONTENT_TIMEOUT: Duration = Duration::from_mins(10);

/// What requests and the delivery of mails share.
pub(super) struct Mail {
    pub(super) metrics: Arc<MailMetrics>,
    recipients: Arc<Recipients>,
    wake: Arc<Notify>,
    /// The maximum number of mails to one address. `None`: the installation sends no mails.
    maximum: Option<u32>,
}

impl Mail {
    /// What requests mails.
    pub(super) fn requests(&self, parts: &Parts) -> Arc<PasswordMails> {
        Arc::new(PasswordMails {
            database: parts.database(),
            transactions: parts.transactions(),
            recipients: Arc::clone(&self.recipients),
            metrics: Arc::clone(&self.metrics),
            wake: Arc::clone(&self.wake),
            maximum: self.maximum,
        })
    }
}

/// Builds the parts of mails, and the delivery if the installation sends mails. It connects on
/// demand.
///
/// # Errors
/// When a setting or a file cannot be used.
pub(super) fn open_mail(
    parts: &Parts,
    settings: &Settings,
) -> Result<(Mail, Option<MailDelivery>), StartError> {
    let metrics = Arc::<MailMetrics>::default();
    let wake = Arc::<Notify>::default();
    let mail = settings.mail.as_ref();
    let address_type = mail.and_then(|mail| mail.address_type.as_deref());
    let recipients = Arc::new(Recipients {
        keyring: parts.keyring(),
        address_type: address_type.and_then(|name| parts.types.find(name)).cloned(),
        types: Arc::clone(&parts.types),
    });
    let delivery = match mail {
        None => None,
        Some(mail) => Some(MailDelivery {
            database: parts.database(),
            keyring: parts.keyring(),
            transactions: parts.transactions(),
            recipients: Arc::clone(&recipients),
            client: client(settings, mail).map_err(failed)?,
            write_texts: http::write_password_mail,
            links: LinkOptions { page_url: page_url(settings), lifetime: mail.link_lifetime },
            maximum: mail.maximum_per_hour,
            metrics: Arc::clone(&metrics),
            wake: Arc::clone(&wake),
        }),
    };
    let maximum = mail.map(|mail| mail.maximum_per_hour);
    Ok((Mail { metrics, recipients, wake, maximum }, delivery))
}

fn failed(problem: Problem) -> StartError {
    StartError::Setting(Problems(vec![problem]).to_string())
}

/// The page that sets a password, as users reach it.
fn page_url(settings: &Settings) -> String {
    let origin = settings.http.public_url.as_ref().map(|url| url.origin.as_str());
    let base_path = &settings.http.base_path;
    format!("{}{base_path}{}", origin.unwrap_or_default(), http::PASSWORD_PAGE)
}

fn client(settings: &Settings, mail: &MailSettings) -> Result<MailClient, Problem> {
    let options = options(settings, mail);
    let setting = options.source.setting();
    MailClient::new(options).map_err(|error| problem(&error, setting))
}

/// The problem of an error, under the setting that it is about: `source` has the URL of the server.
fn problem(error: &MailError, source: &'static str) -> Problem {
    if let MailError::UrlFile(error) = error {
        return Problem::new("mail.smtp_url_file", error_chain(error));
    }
    let setting = if matches!(error, MailError::TlsSetup(_)) { "mail.ca_file" } else { source };
    Problem::new(setting, error_chain(error))
}

fn options(settings: &Settings, mail: &MailSettings) -> MailOptions {
    MailOptions {
        source: match &mail.source {
            SmtpSource::Url(url) => ServerSource::Url(url.clone()),
            SmtpSource::File(file) => ServerSource::File(file.clone()),
        },
        starts_tls: mail.starts_tls,
        allows_unencrypted: mail.allows_unencrypted,
        ca_file: mail.ca_file.clone(),
        sender: Sender { name: mail.from_name.clone(), address: mail.from.clone() },
        client_host: settings
            .http
            .public_url
            .as_ref()
            .map_or_else(|| "localhost".to_owned(), |url| url.host.clone()),
        timeout: mail.timeout,
        content_timeout: CONTENT_TIMEOUT,
    }
}

/// How the connection to the mail server is protected: true if it is encrypted or on this machine.
pub(crate) fn is_mail_protected(settings: &Settings, mail: &MailSettings) -> bool {
    options(settings, mail)
        .server()
        .is_ok_and(|server| server.encryption != SmtpEncryption::Nothing || server.is_loopback)
}

/// Connects to the mail server of the settings and logs in, without sending a mail.
///
/// # Errors
/// The problem, as a text for the operator.
pub(crate) async fn check_mail(settings: &Settings, mail: &MailSettings) -> Result<(), String> {
    let client = client(settings, mail).map_err(|problem| problem.to_string())?;
    client.check().await.map_err(|error| error_chain(&error))
}

/// Problems of the files. Does not connect.
pub(super) fn problems_of_mail(settings: &Settings, mail: &MailSettings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let options = options(settings, mail);
    let server = options.server();
    if let Err(error) = &server {
        problems.push(problem(error, options.source.setting()));
    }
    let is_plain = server.is_ok_and(|server| server.encryption == SmtpEncryption::Nothing);
    if !is_plain && let Err(error) = client_config(CA_FILE, mail.ca_file.as_deref()) {
        problems.push(Problem::new(CA_FILE, error_chain(&error)));
    }
    problems
}
