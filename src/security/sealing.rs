//! Seals stored hashes with XChaCha20-Poly1305, under a key that is not in the database.
//!
//! The associated data binds a sealed hash to its row. A row that was moved to another user, type
//! or version, or whose parameter columns were changed, cannot be unsealed.

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

pub(crate) use super::aead::{SealError, UnsealError};
use super::{
    aead::{FORMAT, decrypt, encrypt},
    keyring::{Key, Keyring},
    length_prefixed::{LengthPrefixed, take_field},
};
use crate::domain::{
    change_cause::ChangeCause,
    stored_credential::{HashParameters, HashScheme, StoredCredential},
    user::UserId,
    validity::Validity,
};

/// The sealed contents of a row.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// The PHC string. Verification uses its parameters, not those of the columns.
    pub(crate) phc: SecretString,
    /// The value itself for identifier types, so that its digest can be computed under a new key.
    pub(crate) identifier: Option<SecretString>,
}

/// The fields of a row that its sealed hash is bound to, besides the key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'row> {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: &'row str,
    pub(crate) version: i64,
    pub(crate) hash_scheme: HashScheme,
    pub(crate) hash_parameters: HashParameters,
    pub(crate) validity: Validity,
    pub(crate) change_required: Option<ChangeCause>,
}

impl<'row> Binding<'row> {
    /// The fields of a row.
    pub(crate) fn of(row: &'row StoredCredential) -> Self {
        Self {
            user_id: row.user_id,
            credential_type: &row.credential_type,
            version: row.version,
            hash_scheme: row.hash_scheme,
            hash_parameters: row.hash_parameters,
            validity: row.validity,
            change_required: row.change_required,
        }
    }
}

/// Seals `envelope` under `key`.
///
/// # Errors
/// When the operating system returns no random bytes, or the envelope is too long for the cipher.
pub(crate) fn seal(
    key: &Key,
    binding: Binding<'_>,
    envelope: &Envelope,
) -> Result<Vec<u8>, SealError> {
    let identifier = envelope.identifier.as_ref().map(|value| value.expose_secret().as_bytes());
    let plain = LengthPrefixed::of(envelope.phc.expose_secret()).optional(identifier);
    encrypt(&key.seal, &associated_data(key.id(), binding), plain.as_bytes())
}

/// Unseals the sealed hash of a row.
///
/// # Errors
/// [`UnsealError::UnknownKey`] or [`UnsealError::Damaged`].
pub(crate) fn unseal(keyring: &Keyring, row: &StoredCredential) -> Result<Envelope, UnsealError> {
    let key = keyring.find(&row.key_id).ok_or(UnsealError::UnknownKey)?;
    let associated = associated_data(key.id(), Binding::of(row));
    let plain = decrypt(&key.seal, &associated, &row.sealed_hash);
    plain.and_then(|plain| read_envelope(&plain)).ok_or(UnsealError::Damaged)
}

fn read_envelope(mut plain: &[u8]) -> Option<Envelope> {
    let text = |bytes: &[u8]| Some(SecretString::from(std::str::from_utf8(bytes).ok()?));
    let phc = text(take_field(&mut plain)?)?;
    let has_identifier = take_field(&mut plain)? == [1];
    let identifier = if has_identifier { Some(text(take_field(&mut plain)?)?) } else { None };
    Some(Envelope { phc, identifier })
}

/// Format, key id, user id, canonical type, version and the columns that are not sealed.
fn associated_data(key_id: &str, binding: Binding<'_>) -> LengthPrefixed {
    let parameters = binding.hash_parameters;
    let fields = LengthPrefixed::of("sealed hash")
        .field(&[FORMAT])
        .field(key_id.as_bytes())
        .field(&binding.user_id.as_i32().to_be_bytes())
        .field(binding.credential_type.as_bytes())
        .field(&binding.version.to_be_bytes())
        .field(binding.hash_scheme.as_str().as_bytes())
        .field(&parameters.memory_kib.to_be_bytes())
        .field(&parameters.iterations.to_be_bytes())
        .field(&parameters.parallelism.to_be_bytes());
    // Rows that were sealed before validity, or the requirement to change, existed have none.
    let fields = if binding.validity.is_always() {
        fields
    } else {
        let seconds = |time: OffsetDateTime| time.unix_timestamp().to_be_bytes();
        let (from, to) = (binding.validity.from().map(seconds), binding.validity.to().map(seconds));
        fields
            .optional(from.as_ref().map(<[u8; 8]>::as_slice))
            .optional(to.as_ref().map(<[u8; 8]>::as_slice))
    };
    match binding.change_required {
        None => fields,
        Some(reason) => fields.field(b"change required").field(reason.as_str().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::{ring, ring_before};

    const PARAMETERS: HashParameters =
        HashParameters { memory_kib: 64, iterations: 2, parallelism: 1 };

    fn row() -> StoredCredential {
        sealed_by(&ring())
    }

    fn sealed_by(keyring: &Keyring) -> StoredCredential {
        let binding = Binding {
            user_id: UserId::try_from(7).unwrap(),
            credential_type: "ActiveDirectory",
            version: 3,
            hash_scheme: HashScheme::Argon2id,
            hash_parameters: PARAMETERS,
            validity: validity(Some(100)),
            change_required: Some(ChangeCause::Compromised),
        };
        let envelope = Envelope {
            phc: SecretString::from("$argon2id$…"),
            identifier: Some(SecretString::from("S-1-5")),
        };
        StoredCredential {
            user_id: binding.user_id,
            credential_type: binding.credential_type.to_owned(),
            sealed_hash: seal(keyring.writing(), binding, &envelope).unwrap(),
            key_id: keyring.writing().id().to_owned(),
            hash_scheme: HashScheme::Argon2id,
            hash_parameters: PARAMETERS,
            version: 3,
            validity: binding.validity,
            change_required: binding.change_required,
        }
    }

    fn validity(to: Option<i64>) -> Validity {
        let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        Validity::parse("f", None, to.map(time)).unwrap()
    }

    #[test]
    fn a_sealed_envelope_is_unsealed() {
        let envelope = unseal(&ring(), &row()).unwrap();
        assert_eq!(envelope.phc.expose_secret(), "$argon2id$…");
        assert_eq!(envelope.identifier.unwrap().expose_secret(), "S-1-5");
    }

    #[test]
    fn a_row_is_unsealed_after_a_key_rotation() {
        assert!(unseal(&ring(), &sealed_by(&ring_before())).is_ok());
    }

    #[test]
    fn every_field_of_the_associated_data_is_bound() {
        type Edit = fn(&mut StoredCredential);
        let edits: [(&str, Edit); 12] = [
            ("key id", |row| row.key_id = "old".to_owned()),
            ("user id", |row| row.user_id = UserId::try_from(8).unwrap()),
            ("type", |row| {
                row.credential_type = "CRM5/PASSWORD".to_owned();
            }),
            ("version", |row| row.version += 1),
            ("scheme", |row| row.hash_scheme = HashScheme::Argon2i),
            ("memory", |row| row.hash_parameters.memory_kib += 1),
            ("iterations", |row| row.hash_parameters.iterations += 1),
            ("parallelism", |row| row.hash_parameters.parallelism += 1),
            ("end", |row| row.validity = validity(Some(101))),
            ("no end", |row| row.validity = validity(None)),
            ("cause", |row| row.change_required = Some(ChangeCause::Administrator)),
            ("no reason", |row| row.change_required = None),
        ];
        for (field, edit) in edits {
            let mut row = row();
            edit(&mut row);
            assert_eq!(unseal(&ring(), &row).unwrap_err(), UnsealError::Damaged, "{field}");
        }
    }

    #[test]
    fn a_changed_bit_or_missing_byte_is_detected() {
        let row = row();
        for index in 0..row.sealed_hash.len() {
            let mut changed = row.clone();
            changed.sealed_hash[index] ^= 1;
            assert_eq!(unseal(&ring(), &changed).unwrap_err(), UnsealError::Damaged);
            changed.sealed_hash.truncate(index);
            assert_eq!(unseal(&ring(), &changed).unwrap_err(), UnsealError::Damaged);
        }
    }

    #[test]
    fn an_unknown_or_retired_key_is_not_reported_as_damage() {
        for key_id in ["nobody", "gone"] {
            let row = StoredCredential { key_id: key_id.to_owned(), ..row() };
            assert_eq!(unseal(&ring(), &row).unwrap_err(), UnsealError::UnknownKey);
        }
    }

    #[test]
    fn two_seals_of_one_envelope_differ() {
        assert_ne!(row().sealed_hash, row().sealed_hash);
    }
}
