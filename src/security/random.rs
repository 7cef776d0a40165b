//! Random bytes from the operating system, the only source for secrets.

/// The operating system returned no random bytes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub(crate) struct RandomError(#[source] getrandom::Error);

/// Returns `N` random bytes.
///
/// # Errors
/// When the operating system returns none. There is no weaker fallback.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::LazyLock, thread};

    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    };
    use secrecy::{ExposeSecret, SecretString};
    use uuid::Uuid;

    use crate::{
        domain::user::UserId,
        security::{
            aead::encrypt,
            generated_password::generate_password,
            key_entry::{KeyEntry, KeyState},
            keyring::{Keyring, tests::ring},
            length_prefixed::LengthPrefixed,
            session_cookie::new_session,
            so_ticket::new_ticket,
            wrapped_keyring::DataKey,
            xsrf::{XsrfScope, new_login_page, new_xsrf_token},
        },
    };

    const THREADS: usize = 8;
    const SECRETS_PER_THREAD: usize = 2_500;

    static RING: LazyLock<Keyring> = LazyLock::new(ring);

    /// Makes a secret and returns its random bytes.
    type Make = fn() -> Vec<u8>;

    fn decoded(text: &SecretString) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text.expose_secret()).unwrap()
    }

    /// The GUID of a ticket, as its bytes.
    fn ticket() -> Vec<u8> {
        let text = new_ticket(UserId::try_from(7).unwrap()).unwrap().text;
        let utf16 = STANDARD.decode(text.expose_secret().trim_start_matches("7T:")).unwrap();
        let guid: String = utf16.into_iter().filter(|byte| *byte != 0).map(char::from).collect();
        Uuid::try_parse(guid.split(';').next().unwrap()).unwrap().into_bytes().to_vec()
    }

    fn session() -> Vec<u8> {
        decoded(&new_session(UserId::try_from(7).unwrap()).unwrap().text).split_off(4)
    }

    fn xsrf_token() -> Vec<u8> {
        let token = new_xsrf_token(&RING, XsrfScope::Session(b"one")).unwrap();
        decoded(&token)[..16].to_vec()
    }

    /// The nonce of a sealed text, which follows the number of its format.
    fn nonce() -> Vec<u8> {
        let sealed = encrypt(&RING.writing().seal, &LengthPrefixed::of("test"), b"").unwrap();
        sealed[1..=24].to_vec()
    }

    /// Each kind with the number of its random bytes.
    const KINDS: [(&str, usize, Make); 8] = [
        ("ticket", 16, ticket),
        ("session", 16, session),
        ("login page", 16, || decoded(&new_login_page().unwrap())),
        ("XSRF token", 16, xsrf_token),
        ("generated password", 18, || decoded(&generate_password().unwrap())),
        ("key", 32, || KeyEntry::generate(KeyState::Writing).unwrap().secret().unwrap().to_vec()),
        ("data key", 32, || DataKey::generate().unwrap().expose().to_vec()),
        ("nonce", 24, nonce),
    ];

    #[test]
    fn secrets_made_by_threads_at_once_are_distinct_and_every_bit_is_random() {
        let expected = THREADS * SECRETS_PER_THREAD;
        for (kind, length, make) in KINDS {
            let secrets: Vec<Vec<u8>> = thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| {
                        scope.spawn(move || -> Vec<_> {
                            (0..SECRETS_PER_THREAD).map(|_| make()).collect()
                        })
                    })
                    .collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            assert!(secrets.iter().all(|secret| secret.len() == length), "{kind}");
            let distinct: HashSet<_> = secrets.iter().collect();
            assert_eq!(distinct.len(), expected, "{kind}");
            for bit in 0..length * 8 {
                let is_set = |secret: &&Vec<u8>| secret[bit / 8] >> (bit % 8) & 1 == 1;
                let set = secrets.iter().filter(is_set).count();
                // Half of 20,000, with nine standard deviations.
                assert!(set.abs_diff(expected / 2) < 637, "{kind}: bit {bit} is set {set} times");
            }
        }
    }
}
