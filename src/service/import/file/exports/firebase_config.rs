//! The hash parameters of a Firebase project, as the console shows them.

use std::path::Path;

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use crate::{security::secret_file, service::import::file::error::InputError};

/// The parameters of Firebase's scrypt. The signer key is a secret.
pub(crate) struct HashConfig {
    prefix: Zeroizing<String>,
}

/// A file with hash parameters is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashConfigError {
    #[error("{0} is missing; copy all parameters from the console")]
    Missing(&'static str),
    #[error("{0} appears twice; keep one")]
    Repeated(&'static str),
    #[error("{0} is invalid; copy all parameters from the console")]
    Invalid(&'static str),
}

const NAMES: [&str; 5] =
    ["algorithm", "base64_signer_key", "base64_salt_separator", "rounds", "mem_cost"];

impl HashConfig {
    /// Reads a file that nobody else can read.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or a parameter is missing or invalid.
    pub(crate) fn read(file: &Path) -> Result<Self, InputError> {
        let text = secret_file::read(file)?;
        Self::parse(&text).map_err(|error| InputError::new(format!("{}: {error}", file.display())))
    }

    /// Parses `hash_config { algorithm: SCRYPT, … }`.
    ///
    /// # Errors
    /// When a parameter is missing or invalid.
    pub(crate) fn parse(text: &str) -> Result<Self, HashConfigError> {
        let [algorithm, signer_key, salt_separator, rounds, mem_cost] =
            NAMES.map(|name| parameter(text, name));
        if algorithm? != "SCRYPT" {
            return Err(HashConfigError::Invalid("algorithm"));
        }
        let signer_key = base_64(signer_key?, "base64_signer_key")?;
        let salt_separator = base_64(salt_separator?, "base64_salt_separator")?;
        let (rounds, mem_cost) = (number(rounds?, "rounds")?, number(mem_cost?, "mem_cost")?);
        let prefix = format!(
            "$firebase-scrypt$ln={mem_cost},r={rounds},p=1,ss={},sk={}",
            *salt_separator, *signer_key
        );
        Ok(Self { prefix: Zeroizing::new(prefix) })
    }

    /// The parameters without the signer key.
    pub(super) fn public_part(&self) -> &str {
        self.prefix.split_once(",sk=").map_or("", |(public, _)| public)
    }

    /// The start of every hash text of the project, up to the salt.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// The value of a parameter: the text between its colon and the end of the line or the comma.
fn parameter<'text>(text: &'text str, name: &'static str) -> Result<&'text str, HashConfigError> {
    let items = text.split(['{', '}', ',', '\n']);
    let mut values = items.filter_map(|item| {
        let (key, value) = item.split_once(':')?;
        (key.trim().trim_matches('"') == name).then(|| value.trim().trim_matches('"'))
    });
    let value = values.next().ok_or(HashConfigError::Missing(name))?;
    if values.next().is_some() { Err(HashConfigError::Repeated(name)) } else { Ok(value) }
}

fn base_64(text: &str, name: &'static str) -> Result<Zeroizing<String>, HashConfigError> {
    let decoded = BASE64.decode(text.as_bytes()).or_else(|_| BASE64_NOPAD.decode(text.as_bytes()));
    let bytes = decoded.map(Zeroizing::new).map_err(|_| HashConfigError::Invalid(name))?;
    Ok(Zeroizing::new(BASE64_NOPAD.encode(&bytes)))
}

fn number(text: &str, name: &'static str) -> Result<u8, HashConfigError> {
    text.parse().map_err(|_| HashConfigError::Invalid(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: c2lnbmVy,\n  \
                          base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n";

    #[test]
    fn the_text_of_the_console_becomes_the_start_of_a_hash() {
        let expected = "$firebase-scrypt$ln=14,r=8,p=1,ss=Bw,sk=c2lnbmVy";
        let config = HashConfig::parse(CONFIG).unwrap();
        assert_eq!(config.prefix(), expected);
        assert_eq!(config.public_part(), "$firebase-scrypt$ln=14,r=8,p=1,ss=Bw");
        let json =
            CONFIG.replace("base64_signer_key: c2lnbmVy", "\"base64_signer_key\": \"c2lnbmVy\"");
        assert_eq!(HashConfig::parse(&json).unwrap().prefix(), expected);
    }

    #[test]
    fn an_invalid_parameter_is_named_and_never_repeated() {
        for (from, to, expected) in [
            ("  rounds: 8,\n", "", HashConfigError::Missing("rounds")),
            ("SCRYPT", "BCRYPT", HashConfigError::Invalid("algorithm")),
            ("c2lnbmVy", "!", HashConfigError::Invalid("base64_signer_key")),
            ("Bw==", "*", HashConfigError::Invalid("base64_salt_separator")),
            ("14", "300", HashConfigError::Invalid("mem_cost")),
            ("mem_cost", "rounds: 8,\n mem_cost", HashConfigError::Repeated("rounds")),
        ] {
            let found = HashConfig::parse(&CONFIG.replacen(from, to, 1));
            assert_eq!(found.err(), Some(expected), "{from}");
        }
    }
}
