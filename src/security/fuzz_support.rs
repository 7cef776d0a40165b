//! Keys, tokens, tickets and archives, for fuzz targets.

use std::{io::Read, io::Write, path::Path, time::Duration};

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    access_token::{AccessTokenContent, AccessTokens},
    application_token::Applications,
    archive::{ArchiveReader, ArchiveWriter},
    issuer_keys::KeySource,
    issuer_token::{Issuer, IssuerOptions, read_issuer_token},
    keyring::{KeyState, Keyring},
    keyring_file::{KeyringFile, StoredKeyring},
    secret_file, session_cookie, so_ticket,
    tls::{CertificateFiles, ServerTls, TlsFiles, TlsProblems},
    wrapped_keyring::{DataKey, MasterKeyKind, WrappedDataKey},
    xsrf::{XsrfScope, is_xsrf_token, new_xsrf_token},
};
use crate::domain::{stored_credential::HashParameters, user::UserId};

/// The cheapest key derivation.
const CHEAP: HashParameters = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };

/// Encrypts a content, with the cheapest derivation of the key.
#[must_use]
pub fn write_archive(content: &[u8], passphrase: &SecretString) -> Option<Vec<u8>> {
    let mut writer = ArchiveWriter::with_cost(Vec::new(), passphrase, CHEAP).ok()?;
    writer.write_all(content).ok()?;
    writer.finish().ok()
}

/// Decrypts an archive.
///
/// # Errors
/// The text of the error.
pub fn read_archive(archive: &[u8], passphrase: &SecretString) -> Result<Vec<u8>, String> {
    let mut reader = ArchiveReader::new(archive, passphrase).map_err(|error| error.to_string())?;
    let mut content = Vec::new();
    reader.read_to_end(&mut content).map_err(|error| error.to_string())?;
    Ok(content)
}

/// The user and the digest in a ticket.
#[must_use]
pub fn read_ticket(text: &SecretString) -> Option<(i32, Vec<u8>)> {
    let read = so_ticket::read_ticket(text)?;
    Some((read.user_id.as_i32(), read.digest))
}

/// The user and the digest in a session cookie.
#[must_use]
pub fn read_session(text: &SecretString) -> Option<(i32, Vec<u8>)> {
    let read = session_cookie::read_session(text)?;
    Some((read.user_id.as_i32(), read.digest))
}

/// A new ticket and a new session cookie of a user.
#[must_use]
pub fn issue(user_id: i32) -> Option<(SecretString, SecretString)> {
    let user_id = UserId::try_from(user_id).ok()?;
    let ticket = so_ticket::new_ticket(user_id).ok()?;
    Some((ticket.text, session_cookie::new_session(user_id).ok()?.text))
}

/// Reads a file with a certificate chain, its key, and the authorities of client certificates. The
/// latest time at which a certificate of the chain is valid.
///
/// # Errors
/// The texts of the error and of its causes.
pub fn certificates(path: &Path) -> Result<Option<OffsetDateTime>, String> {
    let pair = CertificateFiles { certificate: path.to_owned(), key: path.to_owned() };
    let files = TlsFiles { certificates: vec![pair], client_ca: Some(path.to_owned()) };
    let of_problems = |TlsProblems(problems): TlsProblems| {
        problems.iter().map(|problem| texts(&problem.error)).collect::<String>()
    };
    let loaded = ServerTls::load(files).map_err(of_problems)?;
    // Nothing changed, so the time does not matter.
    loaded.reload(OffsetDateTime::UNIX_EPOCH).map_err(of_problems)?;
    Ok(loaded.expires_at())
}

/// The data key of every wrapped keyring here.
const DATA_KEY: [u8; 32] = [7; 32];

/// Reads a keyring, plain or wrapped under [`DATA_KEY`].
fn open_keyring(path: &Path) -> Result<KeyringFile, String> {
    match StoredKeyring::read(path).map_err(|error| texts(&error))? {
        StoredKeyring::Plain(file) => Ok(file),
        StoredKeyring::Wrapped(wrapped) => {
            let data_key = DataKey::from_bytes(&DATA_KEY).ok_or("a data key has 32 bytes")?;
            KeyringFile::open(&wrapped, data_key).map_err(|error| texts(&error))
        }
    }
}

fn text_of(file: &KeyringFile) -> Result<String, String> {
    file.to_json().map(|text| text.to_string()).map_err(|error| texts(&error))
}

/// The ids and states of the keys of a keyring in a file.
///
/// # Errors
/// The texts of the error and of its causes.
pub fn read_keyring(path: &Path) -> Result<Vec<(String, &'static str)>, String> {
    let keyring = Keyring::from_file(&open_keyring(path)?).map_err(|error| texts(&error))?;
    Ok(keyring.states().map(|(id, state)| (id.to_owned(), state.as_str())).collect())
}

/// The text of a keyring with another key, and the id of that key.
///
/// # Errors
/// The texts of the error and of its causes.
pub fn add_key(path: &Path) -> Result<(String, String), String> {
    let mut file = open_keyring(path)?;
    let id = Keyring::add_key(&mut file).map_err(|error| texts(&error))?;
    Ok((text_of(&file)?, id))
}

/// The text of a keyring with this key as the writing one.
///
/// # Errors
/// The texts of the error and of its causes.
pub fn write_with_key(path: &Path, id: &str) -> Result<String, String> {
    let mut file = open_keyring(path)?;
    Keyring::change_key(&mut file, id, KeyState::Writing).map_err(|error| texts(&error))?;
    text_of(&file)
}

/// The text of a keyring whose keys are wrapped.
///
/// # Errors
/// The texts of the error and of its causes.
pub fn wrap_keyring(path: &Path) -> Result<String, String> {
    let mut file = open_keyring(path)?;
    let data_key = DataKey::from_bytes(&DATA_KEY).ok_or("a data key has 32 bytes")?;
    let wrapped = WrappedDataKey {
        kind: MasterKeyKind::Transit,
        key: "transit/keeper".to_owned(),
        ciphertext: "vault:v1:AA==".to_owned(),
    };
    file.wrap_with(wrapped, data_key);
    text_of(&file)
}

/// A keyring in a file, and what is signed with it.
#[expect(missing_debug_implementations, reason = "it holds keys")]
pub struct Signing {
    keyring: Keyring,
    tokens: AccessTokens,
    applications: Applications,
}

impl Signing {
    /// Reads a keyring. `None` when it is invalid.
    #[must_use]
    pub fn load(keyring: &Path) -> Option<Self> {
        let tokens = AccessTokens {
            context: "Keeper".to_owned(),
            issuer: "issuer".to_owned(),
            audience: "audience".to_owned(),
            lifetime: Duration::from_secs(3600),
        };
        let keyring = Keyring::from_file(&open_keyring(keyring).ok()?).ok()?;
        Some(Self { keyring, tokens, applications: Applications::default() })
    }

    /// Id and key of the signatures of tokens.
    #[must_use]
    pub fn token_key(&self) -> (&str, &[u8]) {
        let key = self.keyring.writing();
        (key.id(), key.token.as_slice())
    }

    /// Issues a token.
    #[must_use]
    pub fn issue_token(
        &self,
        user_id: i32,
        epoch: i64,
        now: OffsetDateTime,
    ) -> Option<SecretString> {
        let user_id = UserId::try_from(user_id).ok()?;
        let content = AccessTokenContent {
            user_id,
            session_epoch: epoch,
            auth_time: now,
            application: None,
            is_of_session: false,
        };
        self.tokens.issue(&self.keyring, &self.applications, &content, now).ok()
    }

    /// User, epoch and time of authentication of a token.
    ///
    /// # Errors
    /// The texts of the error and of its causes.
    pub fn verify_token(&self, text: &SecretString) -> Result<(i32, i64, OffsetDateTime), String> {
        let verified = self.tokens.verify(&self.keyring, &self.applications, text);
        let content = verified.map_err(|error| texts(&error))?;
        Ok((content.user_id.as_i32(), content.session_epoch, content.auth_time))
    }

    /// A new XSRF token for a session with this digest.
    #[must_use]
    pub fn new_xsrf(&self, session: &[u8]) -> Option<SecretString> {
        new_xsrf_token(&self.keyring, XsrfScope::Session(session)).ok()
    }

    /// True for an XSRF token of a session with this digest.
    #[must_use]
    pub fn is_xsrf(&self, session: &[u8], text: &SecretString) -> bool {
        is_xsrf_token(&self.keyring, XsrfScope::Session(session), text)
    }
}

/// An issuer of OpenID Connect, named `https://issuer.example`, for the audience `keeper`.
#[derive(Debug)]
pub struct TrustedIssuer([Issuer; 1]);

impl TrustedIssuer {
    /// Reads the key set of the issuer from a file.
    ///
    /// # Errors
    /// The texts of the error and of its causes.
    pub fn load(key_set: &Path) -> Result<Self, String> {
        let options = IssuerOptions {
            issuer: "https://issuer.example",
            audience: "keeper",
            keys: KeySource::File(key_set.to_owned()),
            credential_type: "ActiveDirectory",
            claim: "sub",
            maximum_age: Duration::from_secs(86_400),
        };
        let issuer = Issuer::load(options, &[]);
        issuer.map(|issuer| Self([issuer])).map_err(|error| texts(&error))
    }

    /// True when this text, as fetched from a URL, replaces the keys.
    #[must_use]
    pub fn replace_keys(&self, fetched: &[u8]) -> bool {
        let [issuer] = &self.0;
        issuer.keys().replace(fetched).is_ok()
    }

    /// The identifier and the time of authentication in a token.
    ///
    /// # Errors
    /// The texts of the error and of its causes.
    pub fn verify(
        &self,
        text: &SecretString,
        now: OffsetDateTime,
    ) -> Result<(SecretString, OffsetDateTime), String> {
        let unverified = read_issuer_token(&self.0, text).map_err(|error| texts(&error))?;
        let identity = unverified.verify(now).map_err(|error| texts(&error))?;
        Ok((identity.identifier, identity.auth_time))
    }
}

/// True when a file with this access control list is refused; `None` when the list is invalid.
#[must_use]
pub fn refuses_acl(owner: u32, group: u32, list: &[u8]) -> Option<bool> {
    secret_file::refuses_acl(owner, group, list)
}

/// The texts of an error and of its causes.
fn texts(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
