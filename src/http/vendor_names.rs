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

/// Parses the name of a user type, which is case-insensitive.
///
/// # Errors
/// When no user type has that name.
pub(super) fn read_user_type(field: &str, name: &str) -> Result<UserType, InvalidField> {
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
