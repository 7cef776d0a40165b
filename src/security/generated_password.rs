//! Generates passwords.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    keyring::Key,
    length_prefixed::LengthPrefixed,
    mac::hmac_sha256,
    random::{RandomError, random_bytes},
};
use crate::domain::user::UserId;

/// The number of bytes of a password. They are 24 characters that need no escaping in shells and URLs.
const LENGTH: usize = 18;

/// A form that asks for a generated password.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormOfPassword<'form> {
    /// The user who sends it.
    pub(crate) actor: Option<UserId>,
    /// The user and the version of the credential that it replaces, so that no two passwords of a user
    /// are the same.
    pub(crate) subject: &'form str,
    /// The random number in the form. `None`: each request gets another password.
    pub(crate) form_id: Option<Uuid>,
}

/// Generates a password of 144 random bits.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn generate_password() -> Result<SecretString, RandomError> {
    let bytes = Zeroizing::new(random_bytes::<LENGTH>()?);
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Generates the password of a form: the same one when the form is sent twice
/// ([ADR 70](../../docs/adr/0070-repeated-forms.md)). It is a MAC of the random number in the form, and
/// thus as hard to guess as [`generate_password`] for everybody without the keyring. A form gets
/// another one with each `attempt`.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn password_of_form(
    key: &Key,
    form: FormOfPassword<'_>,
    attempt: u8,
) -> Result<SecretString, RandomError> {
    let FormOfPassword { actor, subject, form_id } = form;
    let (Some(actor), Some(form_id)) = (actor, form_id) else { return generate_password() };
    let text = LengthPrefixed::of("password of form")
        .field(&actor.as_i32().to_be_bytes())
        .field(subject.as_bytes())
        .field(form_id.as_bytes())
        .field(&[attempt]);
    let mac = Zeroizing::new(hmac_sha256(&key.form, text.as_bytes()));
    let bytes = mac.first_chunk::<LENGTH>().map_or(&[][..], |bytes| &bytes[..]);
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::security::keyring::tests::{ring, ring_before};

    #[test]
    fn a_form_has_one_password_and_each_other_form_another_one() {
        let actor = |id| Some(UserId::try_from(id).unwrap());
        let form = |number, subject, form| FormOfPassword {
            actor: actor(number),
            subject,
            form_id: Some(Uuid::from_u128(form)),
        };
        let forms = [form(1, "a", 1), form(2, "a", 1), form(1, "b", 1), form(1, "a", 2)];
        let (ring, before) = (ring(), ring_before());
        let mut passwords = Vec::new();
        for key in [ring.writing(), before.writing()] {
            for (form, attempt) in forms.iter().flat_map(|form| [(form, 0), (form, 1)]) {
                let password = password_of_form(key, *form, attempt).unwrap();
                let again = password_of_form(key, *form, attempt).unwrap();
                assert_eq!(password.expose_secret(), again.expose_secret());
                assert_eq!(password.expose_secret().len(), 24);
                passwords.push(password.expose_secret().to_owned());
            }
        }
        let without = FormOfPassword { form_id: None, ..forms[0] };
        for _ in 0..2 {
            let random = password_of_form(ring.writing(), without, 0).unwrap();
            passwords.push(random.expose_secret().to_owned());
        }
        let count = passwords.len();
        passwords.sort_unstable();
        passwords.dedup();
        assert_eq!(passwords.len(), count);
    }
}
