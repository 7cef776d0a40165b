//! What a user was when they were read, as one text: whoever saves them tells by it what they saw.
//!
//! It proves nothing and hides nothing; whoever may read a user may know it.

use sha2::{Digest, Sha256};

use super::length_prefixed::LengthPrefixed;
use crate::domain::{hexadecimal, user::User};

/// The signature of a user as they are.
pub(crate) fn user_signature(user: &User) -> String {
    let flag = |is: bool| [u8::from(is)];
    let fields = LengthPrefixed::of("user")
        .field(&user.user_id.as_i32().to_be_bytes())
        .field(user.login_name.as_bytes())
        .field(user.display_name.as_bytes())
        .field(user.user_type.as_str().as_bytes())
        .field(&flag(user.is_administrator))
        .field(&flag(user.is_retired));
    let digest = Sha256::digest(fields.as_bytes());
    hexadecimal::text(digest.get(..16).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::{UserId, UserType};

    #[test]
    fn it_changes_with_all_that_a_save_can_change_and_with_nothing_else() {
        let user = || User {
            user_id: UserId::try_from(7).unwrap(),
            login_name: "seven".to_owned(),
            display_name: "Seven".to_owned(),
            user_type: UserType::Internal,
            is_administrator: false,
            is_retired: false,
            session_epoch: 0,
        };
        let others = [
            User { user_id: UserId::try_from(8).unwrap(), ..user() },
            User { login_name: "eight".to_owned(), ..user() },
            User { display_name: "Eight".to_owned(), ..user() },
            User { user_type: UserType::System, ..user() },
            User { is_administrator: true, ..user() },
            User { is_retired: true, ..user() },
        ];
        for other in others {
            assert_ne!(user_signature(&other), user_signature(&user()), "{other:?}");
        }
        let later = User { session_epoch: 9, ..user() };
        assert_eq!(user_signature(&later), user_signature(&user()));
    }
}
