//! A keyring whose keys are encrypted under a data key, which only a master key outside this
//! service can decrypt (envelope encryption). The file alone reveals nothing but ids and states.
//!
//! XChaCha20-Poly1305 seals each key. Its associated data is the id of the key and the list of all
//! ids and states, in their order. So a key does not open after any key of the file was added,
//! removed, moved or given another state without the data key.

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    key_entry::{KeyEntry, KeyState, KeyringError},
    length_prefixed::LengthPrefixed,
    random::{RandomError, random_bytes},
};

/// Separates these seals from those of other formats.
const PURPOSE: &str = "credential-keeper/wrapped-keyring/1";

const NONCE_LENGTH: usize = 24;

/// Where a master key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MasterKeyKind {
    /// In a transit secrets engine of OpenBao or Vault.
    Transit,
    /// On a PKCS#11 token.
    Pkcs11,
}

impl MasterKeyKind {
    /// The name in the file, in settings and on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Transit => "transit",
            Self::Pkcs11 => "pkcs11",
        }
    }
}

/// The data key of a keyring, encrypted under a master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedDataKey {
    pub(crate) kind: MasterKeyKind,
    /// The name of the master key: `MOUNT/KEY` of the transit engine, or the label on the token.
    pub(crate) key: String,
    /// The text that the master key decrypts.
    pub(crate) ciphertext: String,
}

/// The key that encrypts the keys of a wrapped keyring.
#[derive(Clone)]
pub(crate) struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the operating system returns no random bytes.
    pub(crate) fn generate() -> Result<Self, RandomError> {
        Ok(Self(Zeroizing::new(random_bytes()?)))
    }

    /// The key with these bytes; `None` unless there are 32.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(|bytes| Self(Zeroizing::new(bytes))).ok()
    }

    /// The bytes, for the master key to encrypt.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.0).into())
    }
}

/// A key of the file, encrypted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedEntry {
    id: String,
    state: KeyState,
    /// The nonce, then the encrypted 32 bytes with their tag, in Base64.
    sealed: String,
}

/// The contents of a wrapped file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedKeyring {
    wrap: WrappedDataKey,
    keys: Vec<SealedEntry>,
}

impl WrappedKeyring {
    /// Encrypts keys under a data key.
    pub(super) fn seal(
        wrapped: &WrappedDataKey,
        data_key: &DataKey,
        entries: &[KeyEntry],
    ) -> Result<Self, KeyringError> {
        let all = list(entries.iter().map(|entry| (entry.id.as_str(), entry.state)));
        let keys = entries.iter().map(|entry| {
            let secret = entry.secret()?;
            let nonce = random_bytes::<NONCE_LENGTH>()?;
            let aad = associated_data(&all, &entry.id);
            let payload = Payload { msg: secret.as_slice(), aad: aad.as_bytes() };
            let sealed = data_key.cipher().encrypt(&XNonce::from(nonce), payload);
            let sealed = sealed.map_err(|_| KeyringError::BadSecret(entry.id.clone()))?;
            let sealed = STANDARD.encode([nonce.as_slice(), &sealed].concat());
            Ok(SealedEntry { id: entry.id.clone(), state: entry.state, sealed })
        });
        let keys = keys.collect::<Result<_, KeyringError>>()?;
        Ok(Self { wrap: wrapped.clone(), keys })
    }

    /// Decrypts the keys.
    pub(super) fn unseal(&self, data_key: &DataKey) -> Result<Vec<KeyEntry>, KeyringError> {
        let all = list(self.keys());
        let unsealed = self.keys.iter().map(|entry| {
            let secret = unseal(data_key, entry, associated_data(&all, &entry.id).as_bytes());
            let secret = secret.ok_or_else(|| KeyringError::Damaged(entry.id.clone()))?;
            Ok(KeyEntry::new(entry.id.clone(), entry.state, &secret))
        });
        unsealed.collect()
    }

    /// The encrypted data key.
    pub(crate) fn data_key(&self) -> &WrappedDataKey {
        &self.wrap
    }

    /// The ids and states, which are not encrypted and not verified before the keys are decrypted.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, KeyState)> {
        self.keys.iter().map(|entry| (entry.id.as_str(), entry.state))
    }
}

fn unseal(data_key: &DataKey, entry: &SealedEntry, aad: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = STANDARD.decode(&entry.sealed).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>()?;
    let payload = Payload { msg: sealed, aad };
    let secret = data_key.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?;
    Zeroizing::new(secret).as_slice().try_into().map(Zeroizing::new).ok()
}

fn list<'key>(keys: impl Iterator<Item = (&'key str, KeyState)>) -> LengthPrefixed {
    keys.fold(LengthPrefixed::default(), |list, (id, state)| {
        list.field(id.as_bytes()).field(state.as_str().as_bytes())
    })
}

fn associated_data(all: &LengthPrefixed, id: &str) -> LengthPrefixed {
    LengthPrefixed::of(PURPOSE).field(all.as_bytes()).field(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut WrappedKeyring);

    fn wrapped_key() -> WrappedDataKey {
        let text = |text: &str| text.to_owned();
        WrappedDataKey { kind: MasterKeyKind::Transit, key: text("t/k"), ciphertext: text("c") }
    }

    fn keys() -> Vec<KeyEntry> {
        let entry = |id: &str, state, byte| KeyEntry::new(id.to_owned(), state, &[byte; 32]);
        vec![
            entry("old", KeyState::Retired, 1),
            entry("now", KeyState::Writing, 2),
            entry("new", KeyState::Readable, 3),
        ]
    }

    /// A damaged copy of a sealed keyring.
    fn changed(
        sealed: &WrappedKeyring,
        change: impl FnOnce(&mut WrappedKeyring),
    ) -> WrappedKeyring {
        let mut copy = serde_json::from_str(&serde_json::to_string(sealed).unwrap()).unwrap();
        change(&mut copy);
        copy
    }

    #[test]
    fn keys_open_with_their_data_key_only() {
        let data_key = DataKey::generate().unwrap();
        let sealed = WrappedKeyring::seal(&wrapped_key(), &data_key, &keys()).unwrap();
        let opened = sealed.unseal(&data_key).unwrap();
        for (opened, entry) in opened.iter().zip(keys()) {
            assert_eq!((&opened.id, opened.state), (&entry.id, entry.state));
            assert_eq!(opened.secret, entry.secret);
        }
        assert_eq!(opened.len(), 3);
        let other = DataKey::generate().unwrap();
        assert!(matches!(sealed.unseal(&other), Err(KeyringError::Damaged(_))));
        let text = serde_json::to_string(&sealed).unwrap();
        assert!(keys().iter().all(|entry| !text.contains(&entry.secret)), "{text}");
    }

    #[test]
    fn a_key_does_not_open_after_any_change_of_the_list() {
        let data_key = DataKey::generate().unwrap();
        let sealed = WrappedKeyring::seal(&wrapped_key(), &data_key, &keys()).unwrap();
        let changes: [(&str, Change); 8] = [
            ("state", |ring| ring.keys[0].state = KeyState::Readable),
            ("states", |ring| {
                ring.keys[1].state = KeyState::Readable;
                ring.keys[2].state = KeyState::Writing;
            }),
            ("id", |ring| ring.keys[0].id = "older".to_owned()),
            ("order", |ring| ring.keys.swap(0, 2)),
            ("removed", |ring| drop(ring.keys.remove(0))),
            ("exchanged secrets", |ring| {
                let moved = std::mem::take(&mut ring.keys[0].sealed);
                let moved = std::mem::replace(&mut ring.keys[1].sealed, moved);
                ring.keys[0].sealed = moved;
            }),
            ("no text", |ring| ring.keys[0].sealed.clear()),
            ("a bit", |ring| {
                let mut bytes = STANDARD.decode(&ring.keys[2].sealed).unwrap();
                bytes[30] ^= 1;
                ring.keys[2].sealed = STANDARD.encode(bytes);
            }),
        ];
        for (name, change) in changes {
            let refused = changed(&sealed, change).unseal(&data_key);
            assert!(matches!(refused, Err(KeyringError::Damaged(_))), "{name}");
        }
        assert!(changed(&sealed, |_| {}).unseal(&data_key).is_ok());
    }
}
