//! Operations with keys, for `script/bench components`.

use std::time::Duration;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{
    access_token::{AccessTokenContent, AccessTokens},
    application_token::Applications,
    keyring::{Keyring, KeyringFile},
    sealing::{Binding, Envelope, seal, unseal},
};
use crate::domain::{
    stored_credential::{HashParameters, HashScheme, StoredCredential},
    user::UserId,
    validity::Validity,
};

pub use super::hashing::HashBench;

/// The default parameters.
const PARAMETERS: HashParameters =
    HashParameters { memory_kib: 19_456, iterations: 2, parallelism: 1 };

/// As long as a real PHC string.
const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                   AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A keyring and what is computed with it.
#[expect(missing_debug_implementations, reason = "it holds keys")]
pub struct KeyBench {
    keyring: Keyring,
    tokens: AccessTokens,
    applications: Applications,
    user_id: UserId,
}

impl KeyBench {
    /// Generates a keyring. `None` when that fails.
    #[must_use]
    pub fn new() -> Option<Self> {
        let tokens = AccessTokens {
            context: "Keeper".to_owned(),
            issuer: "issuer".to_owned(),
            audience: "audience".to_owned(),
            lifetime: Duration::from_secs(3600),
        };
        let user_id = UserId::try_from(1).ok()?;
        Some(Self {
            keyring: Keyring::from_file(&KeyringFile::generate().ok()?).ok()?,
            tokens,
            applications: Applications::default(),
            user_id,
        })
    }

    /// Seals a hash and unseals it again.
    #[must_use]
    pub fn seal_and_unseal(&self) -> Option<()> {
        let key = self.keyring.writing();
        let binding = Binding {
            user_id: self.user_id,
            credential_type: "CRM5/PASSWORD",
            version: 1,
            hash_scheme: HashScheme::Argon2id,
            hash_parameters: PARAMETERS,
            validity: Validity::default(),
            change_required: None,
        };
        let envelope = Envelope { phc: SecretString::from(PHC), identifier: None };
        let row = StoredCredential {
            user_id: self.user_id,
            credential_type: "CRM5/PASSWORD".to_owned(),
            sealed_hash: seal(key, binding, &envelope).ok()?,
            key_id: key.id().to_owned(),
            hash_scheme: HashScheme::Argon2id,
            hash_parameters: PARAMETERS,
            version: 1,
            validity: Validity::default(),
            change_required: None,
        };
        unseal(&self.keyring, &row).ok().map(drop)
    }

    /// Issues a token that is valid from `now`.
    #[must_use]
    pub fn issue_token(&self, now: OffsetDateTime) -> Option<SecretString> {
        let content = AccessTokenContent {
            user_id: self.user_id,
            session_epoch: 0,
            auth_time: now,
            application: None,
            is_of_session: false,
        };
        self.tokens.issue(&self.keyring, &self.applications, &content, now).ok()
    }

    /// Verifies a token.
    #[must_use]
    pub fn verify_token(&self, token: &SecretString) -> Option<()> {
        self.tokens.verify(&self.keyring, &self.applications, token).ok().map(drop)
    }
}
