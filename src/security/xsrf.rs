//! XSRF tokens: random bytes, and a MAC over them and their scope (docs/reference/wire-contract.md;
//! signed double-submit cookie of the OWASP CSRF cheat sheet).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{
    keyring::{Key, Keyring},
    length_prefixed::LengthPrefixed,
    mac::hmac_sha256,
    random::{RandomError, random_bytes},
};

/// Number of random bytes in front of the MAC.
const RANDOM: usize = 16;

/// The scope that a token is valid for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum XsrfScope<'scope> {
    /// The session with this digest.
    Session(&'scope [u8]),
    /// The login page with this text as its cookie.
    LoginPage(&'scope SecretString),
}

/// Generates a token for a scope.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn new_xsrf_token(
    keyring: &Keyring,
    scope: XsrfScope<'_>,
) -> Result<SecretString, RandomError> {
    let random = random_bytes::<RANDOM>()?;
    let mac = mac(keyring.writing(), scope, &random);
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode([&random[..], &mac].concat())))
}

/// True when [`new_xsrf_token`] generated this token for the scope, under any readable key.
pub(crate) fn is_xsrf_token(keyring: &Keyring, scope: XsrfScope<'_>, text: &SecretString) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(text.expose_secret()) else { return false };
    let Some((random, given)) = bytes.split_at_checked(RANDOM) else { return false };
    keyring.readable().any(|key| mac(key, scope, random).ct_eq(given).into())
}

/// Generates the random text that identifies a login page until its form is submitted.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn new_login_page() -> Result<SecretString, RandomError> {
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(random_bytes::<RANDOM>()?)))
}

fn mac(key: &Key, scope: XsrfScope<'_>, random: &[u8]) -> Vec<u8> {
    let (label, content) = match scope {
        XsrfScope::Session(digest) => ("xsrf session", digest),
        XsrfScope::LoginPage(text) => ("xsrf login page", text.expose_secret().as_bytes()),
    };
    hmac_sha256(&key.xsrf, LengthPrefixed::of(label).field(content).field(random).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::{ring, ring_before};

    #[test]
    fn a_token_is_valid_for_its_own_scope_only() {
        let page = new_login_page().unwrap();
        let scopes =
            [XsrfScope::Session(b"one"), XsrfScope::Session(b"two"), XsrfScope::LoginPage(&page)];
        for (made_for, scope) in scopes.iter().enumerate() {
            let token = new_xsrf_token(&ring(), *scope).unwrap();
            for (asked_for, scope) in scopes.iter().enumerate() {
                assert_eq!(is_xsrf_token(&ring(), *scope, &token), made_for == asked_for);
            }
        }
    }

    #[test]
    fn a_token_is_valid_after_a_key_rotation() {
        let scope = XsrfScope::Session(b"one");
        let token = new_xsrf_token(&ring_before(), scope).unwrap();
        assert!(is_xsrf_token(&ring(), scope, &token));
        assert!(!is_xsrf_token(&ring_before(), scope, &new_xsrf_token(&ring(), scope).unwrap()));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let scope = XsrfScope::Session(b"one");
        let token = new_xsrf_token(&ring(), scope).unwrap();
        let text = token.expose_secret();
        for other in ["", "AAAA", "!", &text[1..], &format!("{text}A"), &text.to_lowercase()] {
            assert!(!is_xsrf_token(&ring(), scope, &SecretString::from(other)));
        }
    }
}
