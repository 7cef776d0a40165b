//! Arguments that name a user by id, by login name, or by a number that can be either. `id:7` and
//! `name:7` are unambiguous, because a login name has no colon.

use super::output::Failure;
use crate::{
    domain::user::{LoginName, User, UserId},
    service::users::directory::UserDirectory,
};

/// A parsed user argument.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UserArgument {
    Id(UserId),
    Name(LoginName),
    /// A number without prefix: an id, or a login name of digits.
    Number(UserId, LoginName),
}

impl UserArgument {
    /// Parses an argument.
    ///
    /// # Errors
    /// When the text is neither a valid id nor a valid login name.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let id = |text: &str| text.parse::<i32>().ok().and_then(|id| UserId::try_from(id).ok());
        if let Some(number) = text.strip_prefix("id:") {
            let invalid = || Failure::new("invalid user id: `id:` takes a positive number");
            return id(number).map(Self::Id).ok_or_else(invalid);
        }
        if let Some(name) = text.strip_prefix("name:") {
            return Ok(Self::Name(LoginName::parse(name)?));
        }
        let name = LoginName::parse(text)?;
        Ok(match id(text) {
            Some(user_id) => Self::Number(user_id, name),
            None => Self::Name(name),
        })
    }

    /// Finds the user.
    ///
    /// # Errors
    /// When a number is the id of one user and the login name of another.
    pub(super) async fn find(&self, directory: &UserDirectory) -> Result<Option<User>, Failure> {
        match self {
            Self::Id(user_id) => Ok(directory.find_by_id(*user_id).await?),
            Self::Name(name) => Ok(directory.find_by_name(name).await?),
            Self::Number(user_id, name) => {
                let by_id = directory.find_by_id(*user_id).await?;
                let by_name = directory.find_by_name(name).await?;
                match (by_id, by_name) {
                    (Some(by_id), Some(by_name)) if by_id.user_id != by_name.user_id => {
                        Err(ambiguous(*user_id))
                    }
                    (by_id, by_name) => Ok(by_id.or(by_name)),
                }
            }
        }
    }
}

/// The failure for a number that matches two users.
pub(super) fn ambiguous(number: UserId) -> Failure {
    Failure::new(format!(
        "{number} is the id of one user and the login name of another; write id:{number} or \
         name:{number}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_selects_id_or_name_and_a_plain_number_matches_both() {
        let id = |id: i32| UserId::try_from(id).unwrap();
        let name = |name: &str| LoginName::parse(name).unwrap();
        for (text, expected) in [
            ("7", UserArgument::Number(id(7), name("7"))),
            ("id:7", UserArgument::Id(id(7))),
            ("name:7", UserArgument::Name(name("7"))),
            ("anna", UserArgument::Name(name("anna"))),
            ("name:anna", UserArgument::Name(name("anna"))),
            ("0", UserArgument::Name(name("0"))),
            ("99999999999", UserArgument::Name(name("99999999999"))),
        ] {
            assert_eq!(UserArgument::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["", "id:", "id:anna", "id:0", "name:", "name:a:b", "user:7"] {
            assert!(UserArgument::parse(text).is_err(), "{text}");
        }
    }
}
