//! The command that adds a user or changes one (protocol.md 8.4, `SaveUser`).

use super::{
    credential_type::CredentialTypes,
    invalid_field::{InvalidField, Reason},
    new_login_name::NewLoginName,
    save_credential::{NewCredential, UncheckedCredential},
    user::{DisplayName, LoginName, UserId, UserType},
};

/// What a user becomes. `None` leaves a thing as it is; of a new user, as new users are.
#[derive(Debug, Default)]
pub(crate) struct SaveUser {
    /// `None`: a new one.
    pub(crate) user_id: Option<UserId>,
    /// As they were sent; at most one may be another one than the user has.
    pub(crate) login_names: Vec<LoginName>,
    pub(crate) display_name: Option<DisplayName>,
    pub(crate) user_type: Option<UserType>,
    pub(crate) is_administrator: Option<bool>,
    pub(crate) is_retired: Option<bool>,
    /// What the user was when they were read; none: whatever they are.
    pub(crate) signature: Option<String>,
    /// Added or replaced; others stay.
    pub(crate) credentials: Vec<NewCredential>,
}

impl SaveUser {
    /// A change of that user, which is none yet.
    pub(crate) fn of(user_id: UserId) -> Self {
        Self { user_id: Some(user_id), ..Self::default() }
    }

    /// The login name that the user gets, if another one than `current`.
    ///
    /// # Errors
    /// When two different ones are asked for, a new user has none, or nobody could read it.
    pub(crate) fn new_login_name(
        &self,
        current: Option<&str>,
    ) -> Result<Option<NewLoginName>, InvalidField> {
        let is_new = |name: &&LoginName| Some(name.as_str()) != current;
        let mut asked = self.login_names.iter().filter(is_new);
        let first = asked.next();
        if first.is_none() && current.is_none() {
            return Err(InvalidField::new("Name", Reason::Required));
        }
        if asked.any(|other| Some(other) != first) {
            return Err(InvalidField::new("UserName", Reason::Contradiction));
        }
        first.cloned().map(NewLoginName::try_from).transpose()
    }
}

/// The members of a user, as they were sent.
#[derive(Debug, Default)]
pub(crate) struct UncheckedSaveUser {
    pub(crate) associate_id: Option<i32>,
    pub(crate) name: Option<String>,
    pub(crate) user_name: Option<String>,
    pub(crate) display_name: Option<String>,
    /// Already read; unknown ones are `Err`.
    pub(crate) user_type: Option<Result<UserType, InvalidField>>,
    pub(crate) is_administrator: Option<Result<bool, InvalidField>>,
    pub(crate) is_retired: Option<bool>,
    pub(crate) signature: Option<String>,
    pub(crate) credentials: Vec<UncheckedCredential>,
}

impl UncheckedSaveUser {
    /// Checks every member.
    ///
    /// # Errors
    /// Names all that are refused.
    pub(crate) fn check(self, types: &CredentialTypes) -> Result<SaveUser, Vec<InvalidField>> {
        let mut refused = Vec::new();
        let mut keep = |problem| refused.push(problem);
        // Clients send empty texts for what they have nothing to say about.
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let id = self.associate_id.filter(|id| *id != 0);
        let user_id = id.map(|id| UserId::require("AssociateId", Some(id)));
        let names = [("Name", said(self.name)), ("UserName", said(self.user_name))];
        let names =
            names.map(|(field, text)| text.map(|text| LoginName::require(field, Some(&text))));
        let display_name = said(self.display_name).map(|text| DisplayName::parse("Tooltip", &text));
        let mut credentials: Vec<NewCredential> = Vec::new();
        for (index, unchecked) in self.credentials.into_iter().enumerate() {
            let field = format!("Credentials[{index}]");
            match unchecked.check_if_any(&field, types) {
                Ok(Some(new)) if credentials.iter().any(|of| of.is_of_type_of(&new)) => {
                    keep(InvalidField::new(format!("{field}.Type.Type"), Reason::Contradiction));
                }
                Ok(new) => credentials.extend(new),
                Err(problem) => keep(problem),
            }
        }
        let command = SaveUser {
            user_id: taken(user_id, &mut keep),
            login_names: names.into_iter().filter_map(|name| taken(name, &mut keep)).collect(),
            display_name: taken(display_name, &mut keep),
            user_type: taken(self.user_type, &mut keep),
            is_administrator: taken(self.is_administrator, &mut keep),
            is_retired: self.is_retired,
            signature: said(self.signature),
            credentials,
        };
        if refused.is_empty() { Ok(command) } else { Err(refused) }
    }
}

/// What was read, if anything; what was refused is kept.
fn taken<T>(
    read: Option<Result<T, InvalidField>>,
    keep: &mut impl FnMut(InvalidField),
) -> Option<T> {
    read.and_then(|read| read.map_err(keep).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(names: &[&str]) -> SaveUser {
        let names = names.iter().map(|name| LoginName::parse(name).unwrap());
        SaveUser { login_names: names.collect(), ..SaveUser::default() }
    }

    #[test]
    fn one_of_the_two_names_may_be_another_one() {
        for (names, current, expected) in [
            (vec!["a", "a"], Some("a"), None),
            (vec!["b", "a"], Some("a"), Some("b")),
            (vec!["a", "b"], Some("a"), Some("b")),
            (vec!["b", "b"], Some("a"), Some("b")),
            (vec![], Some("a"), None),
            (vec!["b"], None, Some("b")),
        ] {
            let command = command(&names);
            let name = command.new_login_name(current).unwrap();
            assert_eq!(name.as_ref().map(NewLoginName::as_str), expected, "{names:?}");
        }
        assert_eq!(command(&["b", "c"]).new_login_name(Some("a")).unwrap_err().field, "UserName");
        assert_eq!(command(&[]).new_login_name(None).unwrap_err().field, "Name");
    }
}
