//! Maps our enumerations to the vendor's names (docs/reference/wire-contract.md#carriers).

use utoipa::ToSchema;

use crate::domain::{
    InvalidField, Reason,
    credential_type::ValueControl,
    role::Role,
    user::{User, UserType},
};

/// The XML namespace of the vendor's carriers.
pub(super) const CARRIERS: &str =
    "http://schemas.datacontract.org/2004/07/SuperOffice.CRM.Services";

/// The role of administrators.
const ADMINISTRATOR: &str = "Administrator";

/// The role of all other users.
const USER: &str = "User";

// The names of `user_type_name`, for the OpenAPI document.
/// The type of a user.
#[expect(dead_code, reason = "only its schema is used")]
#[expect(clippy::enum_variant_names, reason = "the vendor's names")]
#[derive(ToSchema)]
#[schema(as = UserType)]
pub(super) enum UserTypeName {
    InternalAssociate,
    ResourceAssociate,
    ExternalAssociate,
    AnonymousAssociate,
    SystemAssociate,
}

/// The `UserType` of a user type.
pub(super) fn user_type_name(user_type: UserType) -> &'static str {
    match user_type {
        UserType::Internal => "InternalAssociate",
        UserType::Resource => "ResourceAssociate",
        UserType::External => "ExternalAssociate",
        UserType::Anonymous => "AnonymousAssociate",
        UserType::System => "SystemAssociate",
    }
}

/// The number of a user type. 0 is `Unknown`, which is no type of a user.
fn user_type_number(user_type: UserType) -> u8 {
    match user_type {
        UserType::Internal => 1,
        UserType::Resource => 2,
        UserType::External => 3,
        UserType::Anonymous => 4,
        UserType::System => 5,
    }
}

/// Parses a user type in a request body: its name in any case, or its number, also in quotes and
/// with white space around it.
///
/// # Errors
/// When no user type has that name or number.
pub(super) fn read_user_type(field: &str, text: &str) -> Result<UserType, InvalidField> {
    let number = text.trim().parse::<u8>().ok();
    let is_numbered = |user_type: &UserType| Some(user_type_number(*user_type)) == number;
    let found = UserType::ALL.into_iter().find(is_numbered);
    found.map_or_else(|| read_user_type_name(field, text), Ok)
}

/// Parses the name of a user type, which is case-insensitive.
///
/// # Errors
/// When no user type has that name.
pub(super) fn read_user_type_name(field: &str, name: &str) -> Result<UserType, InvalidField> {
    let is_named = |user_type: &UserType| user_type_name(*user_type).eq_ignore_ascii_case(name);
    let found = UserType::ALL.into_iter().find(is_named);
    found.ok_or_else(|| InvalidField::new(field, Reason::UnknownUserType))
}

/// The `RoleType` of a user type.
pub(super) fn role_type_name(user_type: UserType) -> &'static str {
    match user_type {
        UserType::Internal | UserType::Resource => "Employee",
        UserType::External => "ExternalUser",
        UserType::Anonymous => "Anonymous",
        UserType::System => "System",
    }
}

/// The name of the role of a user.
pub(super) fn role_name(may_administer: bool) -> &'static str {
    if may_administer { ADMINISTRATOR } else { USER }
}

/// The `FunctionRights` of a user. The vendor has no name for a role of this service.
pub(super) fn function_rights(user: &User) -> &'static [&'static str] {
    match user.active_role() {
        _ if user.may_administer_users() => &["user-administrator"],
        Some(Role::HelpDesk) => &["keeper-help-desk"],
        Some(Role::Auditor) => &["keeper-auditor"],
        None => &[],
    }
}

/// Parses the name of a role, which is case-insensitive; true for administrators.
///
/// # Errors
/// When no role has that name.
pub(super) fn read_role(field: &str, name: &str) -> Result<bool, InvalidField> {
    if name.eq_ignore_ascii_case(ADMINISTRATOR) {
        return Ok(true);
    }
    let unknown = || InvalidField::new(field, Reason::UnknownRole);
    name.eq_ignore_ascii_case(USER).then_some(false).ok_or_else(unknown)
}

/// The `CredentialControlType` of an input control.
pub(super) fn control_name(control: ValueControl) -> &'static str {
    match control {
        ValueControl::Static => "Static",
        ValueControl::Edit => "Edit",
        ValueControl::Password => "Password",
        ValueControl::Link => "Link",
        ValueControl::Hidden => "Hidden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_type_has_a_name_and_a_number() {
        for user_type in UserType::ALL {
            let (name, number) = (user_type_name(user_type), user_type_number(user_type));
            for text in [name.to_owned(), name.to_uppercase(), number.to_string()] {
                assert_eq!(read_user_type("f", &text), Ok(user_type), "{text}");
            }
        }
        for (text, user_type) in
            [(" 1 ", UserType::Internal), ("+2", UserType::Resource), ("05", UserType::System)]
        {
            assert_eq!(read_user_type("f", text), Ok(user_type), "{text:?}");
        }
    }

    #[test]
    fn another_number_is_no_user_type() {
        let unknown = InvalidField::new("f", Reason::UnknownUserType);
        for text in ["0", "6", "-1", "257", "1.0", "1e0", "0x1", "1 2", "", " ", "Unknown"] {
            assert_eq!(read_user_type("f", text), Err(unknown.clone()), "{text:?}");
        }
        assert_eq!(read_user_type_name("f", "1"), Err(unknown));
    }
}
