//! Settings of mails: section `mail`.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::reader::Reader;
use crate::domain::{
    mail_address::MailAddress,
    smtp_server::{SmtpEncryption, SmtpServer},
};

/// The bounds of `mail.timeout_seconds`.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// The bounds of `mail.link_lifetime_seconds`.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(300);
const LONGEST_LIFETIME: Duration = Duration::from_secs(7200);

/// The bounds of `mail.maximum_per_hour`.
const MAXIMUM_PER_HOUR: u32 = 100;

/// The longest name of the sender, in characters.
const LONGEST_NAME: usize = 100;

const MISSING: &str = "is required, because another setting of mail is set; set it";

/// Where the URL of the mail server is.
#[derive(Debug, Clone)]
pub(crate) enum SmtpSource {
    Url(SecretString),
    File(PathBuf),
}

/// Section `mail`.
#[derive(Debug, Clone)]
pub(crate) struct MailSettings {
    pub(crate) source: SmtpSource,
    pub(crate) starts_tls: bool,
    pub(crate) allows_unencrypted: bool,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) from_name: Option<String>,
    pub(crate) from: MailAddress,
    /// The credential type of the addresses.
    pub(crate) address_type: Option<String>,
    pub(crate) link_lifetime: Duration,
    pub(crate) maximum_per_hour: u32,
    pub(crate) timeout: Duration,
}

impl MailSettings {
    /// Reads the section. `None` if it is not set, or after a problem.
    pub(super) fn take(reader: &mut Reader) -> Option<Self> {
        let source = take_source(reader);
        let ca_file: Option<PathBuf> = reader.optional("mail.ca_file");
        let starts_tls: bool = reader.get("mail.start_tls");
        let allows_unencrypted: bool = reader.get("mail.allow_unencrypted");
        let from_text: Option<String> = reader.optional("mail.from");
        let from = from_text.as_deref().map(parse_sender);
        if from.as_ref().is_some_and(Option::is_none) {
            reader.problem(
                "mail.from",
                "must be an address such as keeper@example.com, or Keeper <keeper@example.com>, on \
                 one line",
            );
        }
        let address_type: Option<String> = reader.optional("mail.address_type");
        let limits = Limits::take(reader);
        let is_used =
            ca_file.is_some() || address_type.is_some() || !starts_tls || allows_unencrypted;
        let required = [("mail.smtp_url", source.is_some()), ("mail.from", from.is_some())];
        if is_used || required.iter().any(|(_, is_set)| *is_set) {
            for (setting, _) in required.iter().filter(|(_, is_set)| !is_set) {
                reader.problem(setting, MISSING);
            }
        }
        let source = source?;
        if let SmtpSource::Url(url) = &source {
            let server = SmtpServer::parse(url, starts_tls);
            check_server(
                reader,
                server.as_ref(),
                starts_tls,
                allows_unencrypted,
                ca_file.is_some(),
            );
        }
        let (from_name, from) = from??;
        Some(Self {
            source,
            starts_tls,
            allows_unencrypted,
            ca_file,
            from_name,
            from,
            address_type,
            link_lifetime: limits.link_lifetime,
            maximum_per_hour: limits.maximum_per_hour,
            timeout: limits.timeout,
        })
    }
}

struct Limits {
    link_lifetime: Duration,
    maximum_per_hour: u32,
    timeout: Duration,
}

impl Limits {
    fn take(reader: &mut Reader) -> Self {
        let limits = Self {
            link_lifetime: reader.seconds("mail.link_lifetime_seconds"),
            maximum_per_hour: reader.get("mail.maximum_per_hour"),
            timeout: reader.seconds("mail.timeout_seconds"),
        };
        if !(SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&limits.link_lifetime) {
            reader.problem("mail.link_lifetime_seconds", "must be between 300 and 7200");
        }
        if !(1..=MAXIMUM_PER_HOUR).contains(&limits.maximum_per_hour) {
            reader.problem("mail.maximum_per_hour", "must be between 1 and 100");
        }
        if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&limits.timeout) {
            reader.problem("mail.timeout_seconds", "must be between 1 and 300");
        }
        limits
    }
}

fn take_source(reader: &mut Reader) -> Option<SmtpSource> {
    let url = reader.secret("mail.smtp_url");
    let file = reader.secret_file("mail.smtp_url_file");
    match (url, file) {
        (Some(url), file) => {
            if file.is_some() {
                let reason = "conflicts with mail.smtp_url; remove either one";
                reader.problem("mail.smtp_url_file", reason);
            }
            Some(SmtpSource::Url(url))
        }
        (None, file) => file.map(SmtpSource::File),
    }
}

/// Checks the server that `mail.smtp_url` names. The connection checks that of the file.
fn check_server(
    reader: &mut Reader,
    server: Option<&SmtpServer>,
    starts_tls: bool,
    allows_unencrypted: bool,
    has_ca_file: bool,
) {
    let Some(server) = server else {
        reader.problem(
            "mail.smtp_url",
            "must be smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST, with a port if it is \
             not 465 or 587, with percent-encoded user name and password or without both, and \
             without path",
        );
        return;
    };
    if server.encryption == SmtpEncryption::Tls && !starts_tls {
        reader.problem("mail.start_tls", "applies to smtp:// only; remove it");
    }
    let is_unencrypted = server.encryption == SmtpEncryption::Nothing;
    let is_exposed = is_unencrypted && !server.is_loopback;
    if is_exposed && !allows_unencrypted {
        reader.problem(
            "mail.start_tls",
            "the password and the links would cross the network in plain text; use smtps:// or \
             STARTTLS. mail.allow_unencrypted = true accepts the risk",
        );
    }
    if !is_exposed && allows_unencrypted {
        reader.problem(
            "mail.allow_unencrypted",
            "has no effect, because the connection is encrypted or on this machine; remove it",
        );
    }
    if is_unencrypted && has_ca_file {
        reader.problem("mail.ca_file", "has no effect without TLS; remove it");
    }
}

/// The name and the address of `NAME <ADDRESS>` or `ADDRESS`.
fn parse_sender(text: &str) -> Option<(Option<String>, MailAddress)> {
    let Some((name, rest)) = text.split_once('<') else {
        return Some((None, MailAddress::parse(text)?));
    };
    let name = name.trim();
    let address = MailAddress::parse(rest.strip_suffix('>')?)?;
    let is_allowed = |c: char| !c.is_control() && !matches!(c, '<' | '>' | '"');
    let is_valid =
        (1..=LONGEST_NAME).contains(&name.chars().count()) && name.chars().all(is_allowed);
    is_valid.then(|| (Some(name.to_owned()), address))
}
