//! How an argument names a user: by id, by login name, or by a number that may be either. No login
//! name has a colon, so `id:7` and `name:7` say which.

use super::output::Failure;
use crate::{
    domain::user::{LoginName, User, UserId},
    service::users::directory::UserDirectory,
};

/// Whom an argument means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UserArgument {
    Id(UserId),
    Name(LoginName),
    /// A bare number: an id, or a login name that looks like one.
    Number(UserId, LoginName),
}

impl UserArgument {
    /// Reads an argument.
    ///
    /// # Errors
    /// When it can be neither an id nor a login name.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let id = |text: &str| text.parse::<i32>().ok().and_then(|id| UserId::try_from(id).ok());
        if let Some(number) = text.strip_prefix("id:") {
            let wrong = || Failure::because("the user: `id:` takes a positive number");
            return id(number).map(Self::Id).ok_or_else(wrong);
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

    /// The user, if there is one.
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

/// A number names two users.
pub(super) fn ambiguous(number: UserId) -> Failure {
    Failure::because(format!(
        "{number} is the id of one user and the login name of another: write id:{number} or \
         name:{number}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_says_which_and_a_bare_number_may_be_either() {
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
