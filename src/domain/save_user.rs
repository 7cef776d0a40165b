//! The command that adds a user or changes one (docs/reference/wire-contract.md#user-calls,
//! `SaveUser`).

use time::OffsetDateTime;

use super::{
    credential_type::CredentialTypes,
    invalid_field::{InvalidField, Reason},
    new_login_name::NewLoginName,
    nick_name::NickName,
    role::Role,
    save_credential::{NewCredential, UncheckedCredential},
    untrusted_credential::SaveUntrusted,
    user::{DisplayName, LoginName, UserId, UserType},
    vendor_ids::{VendorId, VendorIds},
};

/// The member of most requests that has the login name.
const USER_NAME: &str = "UserName";

/// A login name as received, with the member that has it.
#[derive(Debug)]
pub(crate) struct GivenLoginName {
    /// The member as the caller spells it, for errors.
    field: &'static str,
    name: LoginName,
}

impl From<LoginName> for GivenLoginName {
    fn from(name: LoginName) -> Self {
        Self { field: USER_NAME, name }
    }
}

impl GivenLoginName {
    /// The name.
    pub(crate) fn name(&self) -> &LoginName {
        &self.name
    }
}

/// The new state of a user. `None` keeps a member, or means the default for a new user.
#[derive(Debug, Default)]
pub(crate) struct SaveUser {
    /// `None`: a new user.
    pub(crate) user_id: Option<UserId>,
    /// As received; at most one may differ from the current name.
    pub(crate) login_names: Vec<GivenLoginName>,
    pub(crate) display_name: Option<DisplayName>,
    pub(crate) user_type: Option<UserType>,
    pub(crate) is_administrator: Option<bool>,
    /// `Some(None)` revokes the role.
    #[expect(clippy::option_option, reason = "as for other members, `None` keeps it")]
    pub(crate) role: Option<Option<Role>>,
    pub(crate) is_retired: Option<bool>,
    pub(crate) person_id: Option<VendorId>,
    pub(crate) role_id: Option<VendorId>,
    pub(crate) ej_user_id: Option<VendorId>,
    pub(crate) nick_name: Option<NickName>,
    /// The signature of the user when they were read; `None`: no check for changes.
    pub(crate) signature: Option<String>,
    /// The save fails if the user was changed after this time; `None`: no check for changes.
    pub(crate) unmodified_since: Option<OffsetDateTime>,
    /// True: the change fails unless the user is external.
    pub(crate) is_for_external_users: bool,
    /// Credentials to add or replace; others stay.
    pub(crate) credentials: Vec<NewCredential>,
    /// Untrusted credentials to add or replace; others stay. Only imports have them.
    pub(crate) untrusted_credentials: Vec<SaveUntrusted>,
}

impl SaveUser {
    /// A command for that user that changes nothing yet.
    pub(crate) fn of(user_id: UserId) -> Self {
        Self { user_id: Some(user_id), ..Self::default() }
    }

    /// The vendor's ids after the change.
    pub(crate) fn vendor_ids(&self, current: VendorIds) -> VendorIds {
        VendorIds {
            person: self.person_id.unwrap_or(current.person),
            role: self.role_id.unwrap_or(current.role),
            ej_user: self.ej_user_id.unwrap_or(current.ej_user),
        }
    }

    /// The new nickname, if it differs from `current`.
    pub(crate) fn new_nick_name(&self, current: &str) -> Option<&NickName> {
        self.nick_name.as_ref().filter(|name| name.as_str() != current)
    }

    /// True when the command may change users of that type.
    pub(crate) fn may_change(&self, user_type: UserType) -> bool {
        !self.is_for_external_users || user_type == UserType::External
    }

    /// The new login name, if it differs from `current`.
    ///
    /// # Errors
    /// When two different names are given, a new user has none, or the name is invalid. Names the
    /// member that has the name.
    pub(crate) fn new_login_name(
        &self,
        current: Option<&str>,
    ) -> Result<Option<NewLoginName>, InvalidField> {
        let mut new_names = self.new_names(current);
        let Some(first) = new_names.next() else {
            let required = InvalidField::new("Name", Reason::Required);
            return if current.is_none() { Err(required) } else { Ok(None) };
        };
        if new_names.any(|other| other.name != first.name) {
            return Err(InvalidField::new(USER_NAME, Reason::Contradiction));
        }
        let in_member = |refused: InvalidField| InvalidField::new(first.field, refused.reason);
        NewLoginName::try_from(first.name.clone()).map(Some).map_err(in_member)
    }

    /// The member that has the new login name, for errors.
    pub(crate) fn field_of_new_login_name(&self, current: Option<&str>) -> &'static str {
        self.new_names(current).next().map_or(USER_NAME, |first| first.field)
    }

    /// The given names that differ from `current`.
    fn new_names(&self, current: Option<&str>) -> impl Iterator<Item = &GivenLoginName> {
        self.login_names.iter().filter(move |given| Some(given.name.as_str()) != current)
    }
}

/// The members of a user as received.
#[derive(Debug, Default)]
pub(crate) struct UncheckedSaveUser {
    pub(crate) associate_id: Option<i32>,
    pub(crate) name: Option<String>,
    pub(crate) user_name: Option<String>,
    pub(crate) display_name: Option<String>,
    /// Already parsed.
    pub(crate) user_type: Option<Result<UserType, InvalidField>>,
    pub(crate) is_administrator: Option<Result<bool, InvalidField>>,
    pub(crate) role: Option<Result<Option<Role>, InvalidField>>,
    pub(crate) is_retired: Option<bool>,
    /// 0 removes it, as in the next two members.
    pub(crate) person_id: Option<i32>,
    pub(crate) role_id: Option<i32>,
    pub(crate) ej_user_id: Option<i32>,
    /// Empty removes it.
    pub(crate) nick_name: Option<String>,
    pub(crate) signature: Option<String>,
    pub(crate) credentials: Vec<UncheckedCredential>,
    /// True: a credential of a new user without a value is invalid. A user who was read has none of
    /// the values, so those of an existing user may lack it.
    pub(crate) requires_values: bool,
}

impl UncheckedSaveUser {
    /// Checks every member.
    ///
    /// # Errors
    /// Names all invalid members.
    pub(crate) fn check(self, types: &CredentialTypes) -> Result<SaveUser, Vec<InvalidField>> {
        let mut problems = Vec::new();
        let mut keep = |problem| problems.push(problem);
        // Clients send empty texts for members without a value.
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        let id = self.associate_id.filter(|id| *id != 0);
        let user_id = id.map(|id| UserId::require("AssociateId", Some(id)));
        let names = [("Name", present(self.name)), (USER_NAME, present(self.user_name))];
        let names = names.map(|(field, text)| {
            let name = text.map(|text| LoginName::require(field, Some(&text)));
            name.map(|name| name.map(|name| GivenLoginName { field, name }))
        });
        let display_name =
            present(self.display_name).map(|text| DisplayName::parse("Tooltip", &text));
        let vendor_id = |field: &str, id: Option<i32>| id.map(|id| VendorId::parse(field, id));
        let mut credentials: Vec<NewCredential> = Vec::new();
        for (index, unchecked) in self.credentials.into_iter().enumerate() {
            let field = format!("Credentials[{index}]");
            match unchecked.check_if_present(&field, types) {
                Ok(Some(new)) if credentials.iter().any(|other| other.has_type_of(&new)) => {
                    keep(InvalidField::new(format!("{field}.Type.Type"), Reason::Contradiction));
                }
                Ok(None) if self.requires_values && id.is_none() => {
                    keep(InvalidField::new(format!("{field}.Value"), Reason::Required));
                }
                Ok(new) => credentials.extend(new),
                Err(problem) => keep(problem),
            }
        }
        let command = SaveUser {
            user_id: valid(user_id, &mut keep),
            login_names: names.into_iter().filter_map(|name| valid(name, &mut keep)).collect(),
            display_name: valid(display_name, &mut keep),
            user_type: valid(self.user_type, &mut keep),
            is_administrator: valid(self.is_administrator, &mut keep),
            role: valid(self.role, &mut keep),
            is_retired: self.is_retired,
            person_id: valid(vendor_id("Person.PersonId", self.person_id), &mut keep),
            role_id: valid(vendor_id("Role.Id", self.role_id), &mut keep),
            ej_user_id: valid(vendor_id("EjUserId", self.ej_user_id), &mut keep),
            nick_name: valid(
                self.nick_name.map(|text| NickName::parse("NickName", &text)),
                &mut keep,
            ),
            signature: present(self.signature),
            unmodified_since: None,
            is_for_external_users: false,
            credentials,
            untrusted_credentials: Vec::new(),
        };
        if problems.is_empty() { Ok(command) } else { Err(problems) }
    }
}

/// The parsed value, if any. Collects the problem of an invalid one.
fn valid<T>(
    parsed: Option<Result<T, InvalidField>>,
    keep: &mut impl FnMut(InvalidField),
) -> Option<T> {
    parsed.and_then(|parsed| parsed.map_err(keep).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(names: &[&str]) -> SaveUser {
        let fields = ["Name", USER_NAME].into_iter();
        let given = |(field, name): (&'static str, &&str)| {
            let name = LoginName::parse(name).unwrap();
            GivenLoginName { field, name }
        };
        let login_names = fields.zip(names).map(given).collect();
        SaveUser { login_names, ..SaveUser::default() }
    }

    #[test]
    fn one_of_two_names_may_differ() {
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

    #[test]
    fn an_error_of_a_new_login_name_names_the_member_that_has_it() {
        for (names, current, field) in [
            (vec!["\u{3000}"], None, "Name"),
            (vec!["\u{3000}", "a"], Some("a"), "Name"),
            (vec!["a", "\u{3000}"], Some("a"), "UserName"),
            (vec!["\u{3000}", "\u{3000}"], Some("a"), "Name"),
        ] {
            let command = command(&names);
            assert_eq!(command.new_login_name(current).unwrap_err().field, field, "{names:?}");
            assert_eq!(command.field_of_new_login_name(current), field, "{names:?}");
        }
        let name = LoginName::parse("\u{3000}").unwrap();
        let command = SaveUser { login_names: vec![name.into()], ..SaveUser::default() };
        assert_eq!(command.new_login_name(None).unwrap_err().field, "UserName");
    }
}
