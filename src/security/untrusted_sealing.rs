//! Seals untrusted credentials with XChaCha20-Poly1305, under a purpose key of their own.
//!
//! The associated data binds a secret to all other columns of its row. A row that was moved to
//! another user, type or public value, or that was changed, cannot be unsealed. All sealed secrets
//! have the same length, so that a stolen table does not tell how long a secret is.

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    aead::{FORMAT, SealError, UnsealError, decrypt, encrypt},
    keyring::{Key, Keyring},
    length_prefixed::{LengthPrefixed, take_field},
};
use crate::domain::{
    untrusted_credential::{
        MAXIMUM_SECRET_BYTES, StoredUntrusted, UntrustedDetails, UntrustedSecret,
    },
    user::UserId,
};

/// The length of every secret before it is encrypted: its own length, the text, and zeros.
const PADDED_LENGTH: usize = 4 + MAXIMUM_SECRET_BYTES;

/// The fields of a row that its secret is bound to, besides the key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UntrustedBinding<'row> {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: &'row str,
    pub(crate) public_value: &'row str,
    pub(crate) details: &'row UntrustedDetails,
    pub(crate) version: i64,
}

impl<'row> UntrustedBinding<'row> {
    /// The fields of a row.
    pub(crate) fn of(row: &'row StoredUntrusted) -> Self {
        Self {
            user_id: row.user_id,
            credential_type: &row.credential_type,
            public_value: &row.public_value,
            details: &row.details,
            version: row.version,
        }
    }
}

/// Seals a secret under `key`.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn seal_untrusted(
    key: &Key,
    binding: UntrustedBinding<'_>,
    secret: &UntrustedSecret,
) -> Result<Vec<u8>, SealError> {
    let plain = LengthPrefixed::of(secret.secret().expose_secret());
    let mut padded = Zeroizing::new([0; PADDED_LENGTH]);
    let text = padded.get_mut(..plain.as_bytes().len()).ok_or(SealError::TooLong)?;
    text.copy_from_slice(plain.as_bytes());
    encrypt(&key.untrusted, &associated_data(key.id(), binding), padded.as_slice())
}

/// Unseals the secret of a row.
///
/// # Errors
/// [`UnsealError::UnknownKey`] or [`UnsealError::Damaged`].
pub(crate) fn unseal_untrusted(
    keyring: &Keyring,
    row: &StoredUntrusted,
) -> Result<UntrustedSecret, UnsealError> {
    let key = keyring.find(&row.key_id).ok_or(UnsealError::UnknownKey)?;
    let associated = associated_data(key.id(), UntrustedBinding::of(row));
    let plain = decrypt(&key.untrusted, &associated, &row.sealed_secret);
    plain.and_then(|plain| read_secret(&plain)).ok_or(UnsealError::Damaged)
}

fn read_secret(mut plain: &[u8]) -> Option<UntrustedSecret> {
    let text = std::str::from_utf8(take_field(&mut plain)?).ok()?;
    Some(UntrustedSecret::unsealed(SecretString::from(text)))
}

/// Format, key id, and the columns that are not sealed.
fn associated_data(key_id: &str, binding: UntrustedBinding<'_>) -> LengthPrefixed {
    let details = binding.details;
    let seconds = |time: OffsetDateTime| time.unix_timestamp().to_be_bytes();
    let (from, to) = (details.validity.from().map(seconds), details.validity.to().map(seconds));
    LengthPrefixed::of("untrusted credential")
        .field(&[FORMAT])
        .field(key_id.as_bytes())
        .field(&binding.user_id.as_i32().to_be_bytes())
        .field(binding.credential_type.as_bytes())
        .field(binding.public_value.as_bytes())
        .field(&binding.version.to_be_bytes())
        .field(details.comment().as_bytes())
        .field(&[u8::from(details.is_active)])
        .optional(from.as_ref().map(<[u8; 8]>::as_slice))
        .optional(to.as_ref().map(<[u8; 8]>::as_slice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::validity::Validity,
        security::keyring::tests::{ring, ring_before},
    };

    fn validity(to: Option<i64>) -> Validity {
        let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        Validity::parse("f", None, to.map(time)).unwrap()
    }

    fn details(comment: &str, is_active: bool, to: Option<i64>) -> UntrustedDetails {
        UntrustedDetails::parse("f", Some(comment.to_owned()), is_active, validity(to)).unwrap()
    }

    fn sealed_by(keyring: &Keyring, secret: &str) -> StoredUntrusted {
        let mut row = StoredUntrusted {
            user_id: UserId::try_from(7).unwrap(),
            credential_type: "imap".to_owned(),
            public_value: "mail/me".to_owned(),
            details: details("c", true, Some(100)),
            sealed_secret: Vec::new(),
            key_id: keyring.writing().id().to_owned(),
            version: 3,
        };
        let secret = UntrustedSecret::parse("f", secret.into()).unwrap().unwrap();
        row.sealed_secret =
            seal_untrusted(keyring.writing(), UntrustedBinding::of(&row), &secret).unwrap();
        row
    }

    #[test]
    fn a_secret_of_any_length_is_unsealed_and_all_have_the_same_sealed_length() {
        for secret in ["s".to_owned(), "ö & <x>".to_owned(), "🦀".repeat(70)] {
            let row = sealed_by(&ring(), &secret);
            let unsealed = unseal_untrusted(&ring(), &row).unwrap();
            assert_eq!(unsealed.secret().expose_secret(), secret);
            assert_eq!(row.sealed_secret.len(), 325);
        }
    }

    #[test]
    fn a_row_is_unsealed_after_a_key_rotation() {
        assert!(unseal_untrusted(&ring(), &sealed_by(&ring_before(), "s")).is_ok());
    }

    #[test]
    fn every_other_column_is_bound() {
        type Edit = fn(&mut StoredUntrusted);
        let edits: [(&str, Edit); 9] = [
            ("key id", |row| row.key_id = "old".to_owned()),
            ("user id", |row| row.user_id = UserId::try_from(8).unwrap()),
            ("type", |row| row.credential_type = "smtp".to_owned()),
            ("public value", |row| row.public_value = "evil/me".to_owned()),
            ("version", |row| row.version += 1),
            ("comment", |row| row.details = details("d", true, Some(100))),
            ("active", |row| row.details = details("c", false, Some(100))),
            ("end", |row| row.details = details("c", true, Some(101))),
            ("no end", |row| row.details = details("c", true, None)),
        ];
        for (field, edit) in edits {
            let mut row = sealed_by(&ring(), "s");
            edit(&mut row);
            let refused = unseal_untrusted(&ring(), &row).unwrap_err();
            assert_eq!(refused, UnsealError::Damaged, "{field}");
        }
    }

    #[test]
    fn a_changed_bit_or_missing_byte_is_detected() {
        let row = sealed_by(&ring(), "s");
        for index in 0..row.sealed_secret.len() {
            let mut changed = row.clone();
            changed.sealed_secret[index] ^= 1;
            assert_eq!(unseal_untrusted(&ring(), &changed).unwrap_err(), UnsealError::Damaged);
            changed.sealed_secret.truncate(index);
            assert_eq!(unseal_untrusted(&ring(), &changed).unwrap_err(), UnsealError::Damaged);
        }
    }

    #[test]
    fn an_unknown_or_retired_key_is_not_reported_as_damage() {
        for key_id in ["nobody", "gone"] {
            let row = StoredUntrusted { key_id: key_id.to_owned(), ..sealed_by(&ring(), "s") };
            assert_eq!(unseal_untrusted(&ring(), &row).unwrap_err(), UnsealError::UnknownKey);
        }
    }
}
