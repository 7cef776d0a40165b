//! Adds users with a known password: the demo users of `dev`, and the users of tests.

use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    clock,
    domain::{
        InvalidField,
        action_reason::ActionReason,
        change_context::ChangeContext,
        client_info::ClientInfo,
        credential::CredentialValue,
        new_login_name::NewLoginName,
        new_user::NewUser,
        nick_name::NickName,
        principal::Actor,
        user::{DisplayName, UserId, UserType},
        vendor_ids::VendorIds,
    },
    service::{
        errors::{AddUserError, ChangeUserError},
        users::saving::Users,
    },
};

/// An internal user with a password.
#[derive(Debug, Clone, Copy)]
pub struct InitialUser<'text> {
    /// The id, at least 1.
    pub id: i32,
    /// The login name, which is also the display name.
    pub login_name: &'text str,
    /// The initial password.
    pub password: &'text str,
    /// True for an administrator.
    pub is_administrator: bool,
}

/// Adds a user as a command of an operator does.
///
/// # Errors
/// When a member is invalid or in use, or the database fails.
pub(crate) async fn add_initial_user(
    users: &Users,
    initial: &InitialUser<'_>,
) -> Result<(), AddUserError> {
    let (user, password) = parse(initial).map_err(ChangeUserError::from)?;
    let client_info =
        ClientInfo { address: None, request_id: Uuid::new_v4().to_string(), device: None };
    // In case every sensitive change needs a reason.
    let reason = ActionReason::parse("reason", "initial user").map_err(ChangeUserError::from)?;
    let (actor, reason) = (Actor::Command, Some(&reason));
    let context = ChangeContext { actor, client_info: &client_info, reason, now: clock::now() };
    users.add(context, &user, password, None).await.map(drop)
}

fn parse(initial: &InitialUser<'_>) -> Result<(NewUser, CredentialValue), InvalidField> {
    let user = NewUser {
        user_id: Some(UserId::try_from(initial.id)?),
        login_name: NewLoginName::parse(initial.login_name)?,
        display_name: DisplayName::parse("Tooltip", initial.login_name)?,
        user_type: UserType::Internal,
        is_administrator: initial.is_administrator,
        role: None,
        is_retired: false,
        vendor_ids: VendorIds::default(),
        nick_name: NickName::default(),
    };
    let password = CredentialValue::parse("Password", &SecretString::from(initial.password))?;
    Ok((user, password))
}
