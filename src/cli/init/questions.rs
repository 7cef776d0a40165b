//! The five questions of `init`.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use super::{
    answers::{Answers, DatabaseAnswer, Tls, is_loopback_name, problems, read_settings},
    arguments::Given,
    folder::Folder,
    interview::{Interview, Question, say_again},
    password::check_password,
};
use crate::{
    cli::{command_context::require, output::Failure},
    configuration::{Settings, parse_network},
    domain::new_login_name::NewLoginName,
    startup,
    storage::{join_password, split_password},
};

/// Asks all questions. Writes nothing.
///
/// # Errors
/// When an answer is missing or invalid and cannot be asked for.
pub(super) async fn ask_all(
    interview: Interview,
    given: &Given,
    folder: &Folder,
) -> Result<Answers, Failure> {
    let database = ask_database(interview, given).await?;
    let host = ask_host(interview, given)?;
    let tls = ask_tls(interview, given, &host)?;
    let listen = ask_listen(given, &tls)?;
    let administrator = ask_administrator(interview, given)?;
    let password = ask_password(interview, &administrator)?;
    let keyring = ask_keyring(interview, given, folder)?;
    let answers = Answers { database, host, listen, tls, administrator, password, keyring };
    require(answers.problems())?;
    Ok(answers)
}

/// Question 1: the database. It must be reachable, and belong to no installation.
async fn ask_database(interview: Interview, given: &Given) -> Result<DatabaseAnswer, Failure> {
    let default = interview.is_interactive.then_some("postgres://keeper@localhost/keeper");
    let text = "1/5 URL of the database, without the password";
    let question = Question { option: "database-url", text, default };
    let url = given.database_url.as_deref();
    let (url, pending_migrations) = loop {
        let url = interview.ask(question, url, parse_database_url)?;
        let url = ask_database_password(interview, url)?;
        match inspect(&url).await {
            Ok(pending) => break (url, pending),
            Err(failure) if interview.is_interactive && given.database_url.is_none() => {
                say_again(&failure.to_string());
            }
            Err(failure) => return Err(failure),
        }
    };
    let may_migrate = pending_migrations == 0
        || given.migrate
        || interview.is_interactive
            && interview.confirm(&format!(
                "    Apply {pending_migrations} migrations, which create the tables"
            ))?;
    if !may_migrate {
        return Err(Failure::new(format!(
            "{pending_migrations} database migrations are pending; pass --migrate, or run \
             `credential-keeper migrate` as the owner of the tables before `init`; nothing was written"
        )));
    }
    Ok(DatabaseAnswer { url, pending_migrations })
}

fn parse_database_url(text: &str) -> Result<SecretString, String> {
    require_valid(&[("DATABASE__URL", text)], "database.")?;
    let url = SecretString::from(text);
    // A URL may contain a private key as text, which belongs into a file.
    let is_public = |(_, password): (String, Option<SecretString>)| {
        password.is_none_or(|password| !password.expose_secret().contains(['\r', '\n']))
    };
    if text.contains("-----BEGIN") || !split_password(&url).is_some_and(is_public) {
        return Err(
            "contains a key as text, or a password that no file can hold; name a file, or change \
             the password"
                .to_owned(),
        );
    }
    Ok(url)
}

/// Asks for the password, unless the URL contains it.
fn ask_database_password(interview: Interview, url: SecretString) -> Result<SecretString, Failure> {
    match split_password(&url) {
        Some((public, None)) if interview.is_interactive => {
            let password = interview.secret("    Password of this database role (empty: none)")?;
            if password.expose_secret().is_empty() {
                return Ok(url);
            }
            Ok(join_password(&public, &password).unwrap_or(url))
        }
        _ => Ok(url),
    }
}

/// The number of pending migrations of an unused database.
async fn inspect(url: &SecretString) -> Result<usize, Failure> {
    let settings = read_settings(&[("DATABASE__URL", url.expose_secret())]);
    let settings = settings.map_err(|_| Failure::new("database.url: is invalid"))?;
    let database = startup::connect(&settings).await?;
    Ok(startup::pending_migrations_of_unused(&database).await?)
}

/// Question 2: the host name.
fn ask_host(interview: Interview, given: &Given) -> Result<String, Failure> {
    let text = "2/5 Host name that clients use";
    let question = Question { option: "host", text, default: Some("localhost") };
    interview.ask(question, given.host.as_deref(), |text| {
        if text.contains(char::is_whitespace) {
            return Err("must be one host name".to_owned());
        }
        require_valid(&[("HTTP__ALLOWED_HOSTS", text)], "http.allowed_hosts")?;
        Ok(text.to_owned())
    })
}

/// Question 3: who terminates TLS.
fn ask_tls(interview: Interview, given: &Given, host: &str) -> Result<Tls, Failure> {
    let default = if is_loopback_name(host) { "none" } else { "proxy" };
    let text = "3/5 TLS: none (clients on this machine only), proxy, or your certificate file";
    let question = Question { option: "tls", text, default: Some(default) };
    loop {
        let answer = interview.ask(question, given.tls.as_deref(), |text| match text {
            "none" if !is_loopback_name(host) => Err(format!(
                "clients of {host} are on other machines, and need TLS; answer proxy, or name a \
                 certificate file"
            )),
            text => Ok(text.to_owned()),
        })?;
        let unused = match answer.as_str() {
            "none" => {
                given.proxy.as_ref().map(|_| "proxy").or(given.tls_key.as_ref().map(|_| "tls-key"))
            }
            "proxy" => given.tls_key.as_ref().map(|_| "tls-key"),
            _ => given.proxy.as_ref().map(|_| "proxy"),
        };
        if let Some(unused) = unused {
            return Err(Failure::new(format!(
                "--{unused}: has no effect with --tls {answer}; remove it"
            )));
        }
        match answer.as_str() {
            "none" => return Ok(Tls::None),
            "proxy" => return ask_proxy(interview, given),
            certificate => match ask_key(interview, given, certificate)? {
                Ok(tls) => return Ok(tls),
                Err(reason) if interview.is_interactive && given.tls.is_none() => {
                    say_again(&reason);
                }
                Err(reason) => return Err(Failure::new(format!("--tls: {reason}"))),
            },
        }
    }
}

fn ask_proxy(interview: Interview, given: &Given) -> Result<Tls, Failure> {
    let text = "    Address of the proxy, as the service sees it; separate several with spaces";
    let question = Question { option: "proxy", text, default: Some("127.0.0.1") };
    interview.ask(question, given.proxy.as_deref(), |text| {
        require_valid(&[("HTTP__TRUSTED_PROXIES", text)], "http.trusted_proxies")?;
        let proxies: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        if proxies.is_empty() {
            return Err("must not be empty".to_owned());
        }
        Ok(Tls::Proxy(proxies))
    })
}

/// Asks for the key. The inner error is a problem of the pair.
fn ask_key(
    interview: Interview,
    given: &Given,
    certificate: &str,
) -> Result<Result<Tls, String>, Failure> {
    let certificate = std::path::absolute(certificate)?;
    let text = "    File with the private key of the certificate";
    let question = Question { option: "tls-key", text, default: None };
    let key = interview.ask(question, given.tls_key.as_deref(), |text| {
        std::path::absolute(text).map_err(|error| error.to_string())
    })?;
    let shown = |file: &PathBuf| file.display().to_string();
    let variables = [
        ("HTTP__TLS__CERTIFICATE_FILE", shown(&certificate)),
        ("HTTP__TLS__KEY_FILE", shown(&key)),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let valid = require_valid(&variables, "http.tls");
    Ok(valid.map(|()| Tls::Certificate { certificate, key }))
}

/// The address of the API, which follows from TLS.
fn ask_listen(given: &Given, tls: &Tls) -> Result<SocketAddr, Failure> {
    let default = match tls {
        Tls::None => "127.0.0.1:8080",
        Tls::Proxy(proxies) => address_for_proxies(proxies),
        Tls::Certificate { .. } => "0.0.0.0:8443",
    };
    let text = given.listen.as_deref().unwrap_or(default);
    let reason = "--listen: must be an address and a port, such as 127.0.0.1:8080";
    text.parse().map_err(|_| Failure::new(reason))
}

/// The default address of the API. Other machines reach it only if a proxy is on another machine. A
/// proxy reaches it with an address of its own family, the one that is trusted, unless proxies of both
/// families are on this machine: then only those with IPv4 do.
fn address_for_proxies(proxies: &[String]) -> &'static str {
    let networks: Vec<_> = proxies.iter().filter_map(|proxy| parse_network(proxy)).collect();
    let is_local = networks
        .iter()
        .all(|network| network.network().is_loopback() && network.broadcast().is_loopback());
    let is_ipv6 = |network: &IpNet| network.addr().is_ipv6();
    if is_local {
        if networks.iter().all(is_ipv6) { "[::1]:8080" } else { "127.0.0.1:8080" }
    } else if networks.iter().any(is_ipv6) {
        // Accepts IPv4, too.
        "[::]:8080"
    } else {
        "0.0.0.0:8080"
    }
}

/// Question 4: the first administrator.
fn ask_administrator(interview: Interview, given: &Given) -> Result<NewLoginName, Failure> {
    let text = "4/5 Login name of the first administrator";
    let question = Question { option: "administrator", text, default: Some("admin") };
    interview.ask(question, given.administrator.as_deref(), |text| {
        NewLoginName::parse(text).map_err(|error| error.reason.to_string())
    })
}

/// The password of the administrator; `None` to generate it.
fn ask_password(
    interview: Interview,
    administrator: &NewLoginName,
) -> Result<Option<SecretString>, Failure> {
    let settings = read_settings(&[]);
    let settings: Settings =
        settings.map_err(|_| Failure::new("the default settings are invalid"))?;
    interview.new_secret("    Password (empty: generate one and print it once)", |password| {
        check_password(&settings, administrator, password)
    })
}

/// Question 5: the file for the keyring.
fn ask_keyring(interview: Interview, given: &Given, folder: &Folder) -> Result<PathBuf, Failure> {
    let default = folder.default_keyring().display().to_string();
    let text = "5/5 File for the keyring, without which no stored credential can be read";
    let question = Question { option: "keyring", text, default: Some(&default) };
    interview.ask(question, given.keyring.as_deref(), |text| folder.new_keyring(text))
}

/// Fails with the first problem of the settings that begin with `prefix`.
fn require_valid(variables: &[(&str, &str)], prefix: &str) -> Result<(), String> {
    let found = problems(variables).into_iter().find(|problem| problem.setting.starts_with(prefix));
    found.map_or(Ok(()), |problem| Err(problem.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_address_is_reachable_for_the_proxies() {
        for (proxies, address) in [
            (&["127.0.0.1"][..], "127.0.0.1:8080"),
            (&["127.0.0.2", "::1"], "127.0.0.1:8080"),
            (&["127.0.0.0/8"], "127.0.0.1:8080"),
            (&["::1"], "[::1]:8080"),
            (&["10.0.0.2"], "0.0.0.0:8080"),
            (&["127.0.0.1", "10.0.0.0/8"], "0.0.0.0:8080"),
            (&["fd00::2"], "[::]:8080"),
            (&["10.0.0.2", "::1"], "[::]:8080"),
        ] {
            let proxies: Vec<_> = proxies.iter().map(ToString::to_string).collect();
            assert_eq!(address_for_proxies(&proxies), address, "{proxies:?}");
            assert!(address.parse::<SocketAddr>().is_ok(), "{address}");
        }
    }
}
