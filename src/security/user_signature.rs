//! The signature of the state of a user, for optimistic locking: a save sends the signature of the
//! state that was read.
//!
//! It is an unkeyed digest. It authenticates nothing and is not secret.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::length_prefixed::LengthPrefixed;
use crate::domain::{user::User, vendor_ids::VendorIds};

/// The signature of the current state of a user.
pub(crate) fn user_signature(user: &User) -> String {
    let flag = |value: bool| [u8::from(value)];
    let fields = LengthPrefixed::of("user")
        .field(&user.user_id.as_i32().to_be_bytes())
        .field(user.login_name.as_bytes())
        .field(user.display_name.as_bytes())
        .field(user.user_type.as_str().as_bytes())
        .field(&flag(user.is_administrator))
        .field(&flag(user.is_retired));
    // Without these values, the signature is that of the releases that do not know them.
    let (ids, nick_name) = (user.vendor_ids, &user.nick_name);
    let fields = if ids == VendorIds::default() && nick_name.is_empty() {
        fields
    } else {
        fields
            .field(&ids.person.as_i32().to_be_bytes())
            .field(&ids.role.as_i32().to_be_bytes())
            .field(&ids.ej_user.as_i32().to_be_bytes())
            .field(nick_name.as_bytes())
    };
    let fields = match user.role {
        None => fields,
        Some(role) => fields.field(role.as_str().as_bytes()),
    };
    let digest = Sha256::digest(fields.as_bytes());
    HEXLOWER.encode(digest.get(..16).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        role::Role,
        user::{UserId, UserType},
        vendor_ids::VendorId,
    };

    #[test]
    fn the_signature_changes_with_every_field_that_a_save_can_change() {
        let user = || User {
            user_id: UserId::try_from(7).unwrap(),
            login_name: "seven".to_owned(),
            display_name: "Seven".to_owned(),
            user_type: UserType::Internal,
            is_administrator: false,
            role: None,
            is_retired: false,
            session_epoch: 0,
            vendor_ids: VendorIds::default(),
            nick_name: String::new(),
        };
        let id = VendorId::parse("f", 7).unwrap();
        let none = VendorIds::default();
        let others = [
            User { user_id: UserId::try_from(8).unwrap(), ..user() },
            User { login_name: "eight".to_owned(), ..user() },
            User { display_name: "Eight".to_owned(), ..user() },
            User { user_type: UserType::System, ..user() },
            User { is_administrator: true, ..user() },
            User { role: Some(Role::HelpDesk), ..user() },
            User { role: Some(Role::Auditor), ..user() },
            User { is_retired: true, ..user() },
            User { vendor_ids: VendorIds { person: id, ..none }, ..user() },
            User { vendor_ids: VendorIds { role: id, ..none }, ..user() },
            User { vendor_ids: VendorIds { ej_user: id, ..none }, ..user() },
            User { nick_name: "VII".to_owned(), ..user() },
        ];
        for other in others {
            assert_ne!(user_signature(&other), user_signature(&user()), "{other:?}");
        }
        let later = User { session_epoch: 9, ..user() };
        assert_eq!(user_signature(&later), user_signature(&user()));
    }
}
