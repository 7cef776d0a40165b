//! Session cookies: base64url of the user id and 128 random bits (protocol.md 10.27).
//!
//! The user id inside makes every look-up one by user. Only a keyed digest (`ticket_digest.rs`) of
//! its digest is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};
use crate::domain::user::UserId;

/// Bytes of the user id, in front of the random ones.
const USER_ID: usize = size_of::<i32>();
/// Random bytes.
const RANDOM: usize = 16;

/// A session that was just made; its text goes to the browser once.
pub(crate) struct NewSession {
    pub(crate) text: SecretString,
    pub(crate) digest: Vec<u8>,
}

/// What a well-formed cookie points at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SessionReference {
    pub(crate) user_id: UserId,
    pub(crate) digest: Vec<u8>,
}

/// Makes a session for a user.
///
/// # Errors
/// When there are no random bytes.
pub(crate) fn new_session(user_id: UserId) -> Result<NewSession, RandomError> {
    let random = Zeroizing::new(random_bytes::<RANDOM>()?);
    let bytes = Zeroizing::new([&user_id.as_i32().to_be_bytes()[..], &random[..]].concat());
    let text = SecretString::from(URL_SAFE_NO_PAD.encode(&bytes));
    Ok(NewSession { text, digest: Sha256::digest(&bytes).to_vec() })
}

/// Reads a cookie's value; `None` unless [`new_session`] could have made it.
pub(crate) fn read_session(text: &SecretString) -> Option<SessionReference> {
    // The engine refuses every spelling but the canonical one.
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.expose_secret()).ok()?);
    let (user_id, random) = bytes.split_first_chunk::<USER_ID>()?;
    let user_id = UserId::try_from(i32::from_be_bytes(*user_id)).ok()?;
    (random.len() == RANDOM)
        .then(|| SessionReference { user_id, digest: Sha256::digest(&bytes).to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_session_reads_back_and_no_two_are_alike() {
        let user_id = UserId::try_from(7).unwrap();
        let (one, two) = (new_session(user_id).unwrap(), new_session(user_id).unwrap());
        let read = read_session(&one.text).unwrap();
        assert_eq!(read, SessionReference { user_id, digest: one.digest });
        assert_ne!(two.digest, read.digest);
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let session = new_session(UserId::try_from(7).unwrap()).unwrap();
        let text = session.text.expose_secret();
        let nobody = URL_SAFE_NO_PAD.encode([0; USER_ID + RANDOM]);
        for other in ["", "AAAA", &format!("{text}="), &format!("{text}AAAA"), &text[1..], &nobody]
        {
            assert!(read_session(&SecretString::from(other)).is_none(), "{other}");
        }
    }
}
