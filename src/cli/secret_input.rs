//! Reads secrets from a terminal or from standard input.

use std::io::{self, IsTerminal, Read};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::output::Failure;
use crate::domain::encoding;

/// The longest input that is read, in bytes. No valid secret is longer.
const MAXIMUM_INPUT: u64 = 64 * 1024;

/// Like [`read_secret`], for a new secret: the prompt asks for it twice.
pub(super) fn read_new_secret(prompt: &str) -> Result<SecretString, Failure> {
    let secret = read_secret(prompt)?;
    if io::stdin().is_terminal() {
        let again = read_secret(&format!("{prompt}, again"))?;
        if !is_same(&secret, &again) {
            return Err(Failure::new("the two entries do not match; try again"));
        }
    }
    Ok(secret)
}

/// True for equal secrets.
pub(super) fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()).into()
}

/// Asks for a secret at the terminal, or reads all of standard input. A byte order mark at the
/// start and one line end at the end are not part of the secret.
pub(super) fn read_secret(prompt: &str) -> Result<SecretString, Failure> {
    if io::stdin().is_terminal() {
        return Ok(SecretString::from(rpassword::prompt_password(format!("{prompt}: "))?));
    }
    read_input()
}

/// Reads all of standard input, as [`read_secret`].
pub(super) fn read_input() -> Result<SecretString, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin().take(MAXIMUM_INPUT).read_to_end(&mut bytes)?;
    let text =
        encoding::text(&bytes).map_err(|error| Failure::new(format!("standard input {error}")))?;
    let secret = text.strip_suffix('\n').unwrap_or(text);
    Ok(SecretString::from(secret.strip_suffix('\r').unwrap_or(secret)))
}
