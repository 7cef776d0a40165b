//! The answers to the questions of `init`.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf};

use secrecy::SecretString;

use crate::{
    configuration::{Problem, Settings},
    domain::new_login_name::NewLoginName,
    startup,
};

/// The valid answers.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) database: DatabaseAnswer,
    pub(super) host: String,
    pub(super) listen: SocketAddr,
    pub(super) tls: Tls,
    pub(super) administrator: NewLoginName,
    /// `None`: a password is generated.
    pub(super) password: Option<SecretString>,
    pub(super) keyring: PathBuf,
}

/// A database that can be reached and belongs to no installation.
#[derive(Debug)]
pub(super) struct DatabaseAnswer {
    /// The URL with its password.
    pub(super) url: SecretString,
    /// Migrations to apply. Zero: the tables are up to date.
    pub(super) pending_migrations: usize,
}

/// Who terminates TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tls {
    /// Nobody: all clients are on this machine.
    None,
    /// Proxies with these addresses or networks, at least one.
    Proxy(Vec<String>),
    /// The service.
    Certificate { certificate: PathBuf, key: PathBuf },
}

/// True for a name of this machine itself.
pub(super) fn is_loopback_name(host: &str) -> bool {
    LOOPBACK_HOSTS.contains(&host.to_lowercase().as_str())
}

/// The names of this machine for its own clients.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Answers {
    /// The names that clients may use.
    pub(super) fn allowed_hosts(&self) -> Vec<&str> {
        if is_loopback_name(&self.host) { LOOPBACK_HOSTS.to_vec() } else { vec![&self.host] }
    }

    /// The problems of the settings that `serve` would reject.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut variables = vec![
            ("HTTP__LISTEN", self.listen.to_string()),
            ("HTTP__ALLOWED_HOSTS", self.allowed_hosts().join(" ")),
        ];
        match &self.tls {
            Tls::None => {}
            Tls::Proxy(proxies) => variables.extend([
                ("HTTP__TLS_TERMINATED_BY_PROXY", "true".to_owned()),
                ("HTTP__TRUSTED_PROXIES", proxies.join(" ")),
            ]),
            Tls::Certificate { certificate, key } => variables.extend([
                ("HTTP__TLS__CERTIFICATE_FILE", certificate.display().to_string()),
                ("HTTP__TLS__KEY_FILE", key.display().to_string()),
            ]),
        }
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // The database is already checked, and the keyring does not exist yet.
        let others = |problem: &Problem| {
            !["database.url", "keyring.file"].contains(&problem.setting.as_str())
        };
        problems(&variables).into_iter().filter(others).collect()
    }
}

/// The problems of settings, by the names of their variables without prefix, and of the files that
/// they name.
pub(super) fn problems(variables: &[(&str, &str)]) -> Vec<Problem> {
    match read_settings(variables) {
        Err(problems) => problems,
        Ok(settings) => startup::problems_of_serving(&settings),
    }
}

/// Settings from these variables only, without those of the environment.
pub(super) fn read_settings(variables: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
    let variables: HashMap<_, _> = variables
        .iter()
        .map(|(name, value)| (format!("KEEPER__{name}"), (*value).to_owned()))
        .collect();
    Settings::read(None, variables).map_err(|problems| problems.0)
}
