//! The keyring of this installation, and the keys that are derived from it.
//!
//! A key of the keyring is never used directly. HKDF-SHA-256 (RFC 5869) derives one key for each
//! purpose, so that one use cannot affect another. The keyring is a file; the settings contain only
//! its path.

use std::{path::Path, sync::Arc};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    key_entry::KeyEntry,
    length_prefixed::LengthPrefixed,
    mac::{PurposeKey, hmac_sha256},
};
pub(crate) use super::{
    key_entry::{KeyState, KeyringError},
    keyring_file::{KeyringFile, KeyringLock, StoredKeyring},
};

/// A key of the keyring: the keys that were derived from it, one for each purpose.
pub(crate) struct Key {
    id: String,
    state: KeyState,
    pub(super) seal: PurposeKey,
    pub(super) identifier: PurposeKey,
    pub(super) attempts: PurposeKey,
    pub(super) ticket: PurposeKey,
    check: PurposeKey,
    pub(super) audit: PurposeKey,
    pub(super) token: PurposeKey,
    pub(super) xsrf: PurposeKey,
    pub(super) application: PurposeKey,
    pub(super) untrusted: PurposeKey,
    /// For passwords that are generated for a form.
    pub(super) form: PurposeKey,
}

impl Key {
    /// The id that rows and tokens refer to.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The state of the key.
    pub(crate) fn state(&self) -> KeyState {
        self.state
    }

    /// A MAC that identifies the key. It differs from that of another key with the same id.
    pub(crate) fn check_mac(&self) -> Vec<u8> {
        hmac_sha256(&self.check, LengthPrefixed::of("check").field(self.id.as_bytes()).as_bytes())
    }
}

/// All keys. Exactly one is in state writing.
pub(crate) struct Keyring {
    keys: Arc<[Key]>,
    writing: usize,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.keys.iter().map(Key::id)).finish()
    }
}

impl Keyring {
    /// Checks the keys and derives their purpose keys.
    ///
    /// # Errors
    /// When an id or a secret is invalid, or not exactly one key is in state writing.
    pub(crate) fn from_file(file: &KeyringFile) -> Result<Self, KeyringError> {
        let mut keys: Vec<Key> = Vec::with_capacity(file.keys.len());
        for entry in &file.keys {
            if keys.iter().any(|key| key.id == entry.id) {
                return Err(KeyringError::Duplicate(entry.id.clone()));
            }
            keys.push(derive(entry)?);
        }
        let is_writing = |key: &Key| key.state == KeyState::Writing;
        let writing = keys.iter().position(is_writing).ok_or(KeyringError::NotOneWriting)?;
        if keys.iter().filter(|key| is_writing(key)).count() > 1 {
            return Err(KeyringError::NotOneWriting);
        }
        Ok(Self { keys: keys.into(), writing })
    }

    /// Generates a keyring with one key, in a new file with mode 0400.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub(crate) fn generate(path: &Path) -> Result<(), KeyringError> {
        KeyringFile::write_new(path, &KeyringFile::generate()?.to_json()?)
    }

    /// Adds a readable key to a file, and returns its id.
    ///
    /// # Errors
    /// When the file is invalid, or the operating system returns no random bytes.
    pub(crate) fn add_key(file: &mut KeyringFile) -> Result<String, KeyringError> {
        Self::from_file(file)?;
        file.add()
    }

    /// Changes the state of a key in a file. A new writing key makes the previous one readable.
    ///
    /// # Errors
    /// When the file is invalid after the change.
    pub(crate) fn change_key(
        file: &mut KeyringFile,
        id: &str,
        state: KeyState,
    ) -> Result<(), KeyringError> {
        file.change(id, state)?;
        Self::from_file(file).map(drop)
    }

    /// The same keys with another writing key; `None` when the keyring cannot read with it.
    pub(crate) fn with_writing(&self, id: &str) -> Option<Self> {
        let is_readable = |key: &Key| key.id == id && key.state != KeyState::Retired;
        let writing = self.keys.iter().position(is_readable)?;
        Some(Self { keys: Arc::clone(&self.keys), writing })
    }

    /// The key that new data is sealed and signed with.
    #[expect(clippy::indexing_slicing, reason = "from_file found it at this position")]
    pub(crate) fn writing(&self) -> &Key {
        &self.keys[self.writing]
    }

    /// Every key, in any state.
    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Key] {
        &self.keys
    }

    /// The id and the state of every key.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&str, KeyState)> {
        self.keys.iter().enumerate().map(|(index, key)| {
            let state = match key.state {
                _ if index == self.writing => KeyState::Writing,
                // See `with_writing`.
                KeyState::Writing => KeyState::Readable,
                state @ (KeyState::Readable | KeyState::Retired) => state,
            };
            (key.id(), state)
        })
    }

    /// The keys that may unseal and verify.
    pub(crate) fn readable(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.state != KeyState::Retired)
    }

    /// The first readable key of the file. New keys are appended.
    pub(crate) fn oldest_readable(&self) -> &Key {
        self.readable().next().unwrap_or_else(|| self.writing())
    }

    /// The key with this id, including retired keys, which still verify the audit log.
    pub(crate) fn find_any(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The readable key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Key> {
        self.readable().find(|key| key.id == id)
    }
}

fn derive(entry: &KeyEntry) -> Result<Key, KeyringError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if entry.id.is_empty() || entry.id.len() > 64 || !entry.id.chars().all(is_plain) {
        return Err(KeyringError::BadId(entry.id.clone()));
    }
    let bad_secret = || KeyringError::BadSecret(entry.id.clone());
    let secret = entry.secret()?;
    let purpose = |name: &str| purpose_key(secret.as_slice(), name).ok_or_else(bad_secret);
    Ok(Key {
        id: entry.id.clone(),
        state: entry.state,
        seal: purpose("seal")?,
        identifier: purpose("identifier")?,
        attempts: purpose("attempts")?,
        // The label is part of the stored format.
        ticket: purpose("derived")?,
        check: purpose("check")?,
        audit: purpose("audit")?,
        token: purpose("token")?,
        xsrf: purpose("xsrf")?,
        application: purpose("application")?,
        untrusted: purpose("untrusted")?,
        form: purpose("form")?,
    })
}

/// HKDF-SHA-256 without salt (the input is uniformly random), the purpose as `info`.
fn purpose_key(secret: &[u8], purpose: &str) -> Option<PurposeKey> {
    let mut key = Zeroizing::new([0; 32]);
    let info = format!("credential-keeper/1/{purpose}");
    Hkdf::<Sha256>::new(None, secret).expand(info.as_bytes(), key.as_mut_slice()).ok()?;
    Some(key)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;
    use crate::security::secret_file::SecretFileError;

    fn entry(id: &str, state: KeyState, byte: u8) -> KeyEntry {
        KeyEntry::new(id.to_owned(), state, &[byte; 32])
    }

    /// A keyring whose writing key is `new`, with `old` readable and `gone` retired.
    pub(crate) fn ring() -> Keyring {
        let keys = vec![
            entry("old", KeyState::Readable, 1),
            entry("new", KeyState::Writing, 2),
            entry("gone", KeyState::Retired, 3),
        ];
        Keyring::from_file(&KeyringFile::plain(keys)).unwrap()
    }

    /// The keyring before the rotation: `old` is the writing key.
    pub(crate) fn ring_before() -> Keyring {
        let keys = vec![entry("old", KeyState::Writing, 1)];
        Keyring::from_file(&KeyringFile::plain(keys)).unwrap()
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_key() {
        let ring = ring();
        let mut all: Vec<[u8; 32]> = Vec::new();
        for key in ring.all() {
            let others = [*key.attempts, *key.check, *key.audit, *key.token, *key.xsrf];
            let more = [*key.seal, *key.identifier, *key.ticket, *key.application, *key.untrusted];
            all.extend(more.into_iter().chain(others).chain([*key.form]));
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_retired_key_is_not_found() {
        assert!(ring().find("old").is_some());
        assert!(ring().find("gone").is_none());
        assert_eq!(ring().writing().id(), "new");
    }

    #[test]
    fn a_readable_key_can_take_the_place_of_the_writing_key() {
        let before = ring().with_writing("old").unwrap();
        assert_eq!(before.writing().id(), "old");
        assert!(before.find("new").is_some());
        assert!(ring().with_writing("gone").is_none());
        assert!(ring().with_writing("none").is_none());
    }

    #[test]
    fn a_keyring_has_exactly_one_writing_key_and_unique_ids() {
        let refused =
            |keys: Vec<KeyEntry>| Keyring::from_file(&KeyringFile::plain(keys)).unwrap_err();
        let readable = || entry("a", KeyState::Readable, 1);
        let writing = |id| entry(id, KeyState::Writing, 1);
        assert!(matches!(refused(vec![readable()]), KeyringError::NotOneWriting));
        assert!(matches!(refused(vec![writing("a"), writing("b")]), KeyringError::NotOneWriting));
        assert!(matches!(refused(vec![readable(), writing("a")]), KeyringError::Duplicate(_)));
        assert!(matches!(refused(vec![writing("a b")]), KeyringError::BadId(_)));
        let mut short = writing("a");
        short.secret = STANDARD.encode([1; 31]);
        assert!(matches!(refused(vec![short]), KeyringError::BadSecret(_)));
    }

    #[test]
    fn a_generated_file_has_mode_0400_and_an_accessible_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        Keyring::generate(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        assert!(StoredKeyring::read(&path).is_ok());
        assert!(matches!(Keyring::generate(&path), Err(KeyringError::Exists(_))));
        for mode in [0o404, 0o402, 0o420] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let refused = StoredKeyring::read(&path).err().unwrap();
            let is_too_open =
                matches!(refused, KeyringError::File(SecretFileError::TooOpen { .. }));
            assert!(is_too_open, "{mode:o}: {refused:?}");
        }
    }
}
