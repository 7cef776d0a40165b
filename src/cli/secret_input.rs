//! Secrets that are typed or piped in.

use std::io::{self, IsTerminal, Read};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::output::Failure;

/// Longer inputs cannot be a secret of ours.
const MAXIMUM_INPUT: u64 = 64 * 1024;

/// Asks for a secret at the terminal, or reads all of stdin. One line end at the end is not part
/// of it.
pub(super) fn read_secret(prompt: &str) -> Result<SecretString, Failure> {
    if io::stdin().is_terminal() {
        return Ok(SecretString::from(rpassword::prompt_password(format!("{prompt}: "))?));
    }
    let mut text = Zeroizing::new(String::new());
    io::stdin().take(MAXIMUM_INPUT).read_to_string(&mut text)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    Ok(SecretString::from(secret.strip_suffix('\r').unwrap_or(secret)))
}
