//! What a command changes about a user, and which of it is sensitive.

use crate::{
    domain::{
        audit::AuditKind,
        new_user::NewUser,
        save_user::SaveUser,
        user::{DisplayName, User, UserId, UserType, may_administer_users},
        vendor_ids::VendorIds,
    },
    service::{errors::ChangeUserError, user_transaction::AuditedChange},
};

/// True when a command saves credentials, which is sensitive.
pub(super) fn has_credentials(command: &SaveUser) -> bool {
    !command.credentials.is_empty() || !command.untrusted_credentials.is_empty()
}

/// True when a change gives a user a right over others, or takes one, also without touching the flag or
/// the role: a retired administrator who is enabled again, an external user with a role who becomes an
/// internal one.
pub(super) fn changes_rights(before: &User, after: &User) -> bool {
    before.may_administer_users() != after.may_administer_users()
        || before.active_role() != after.active_role()
}

/// True when a change decides who can log in as the user without a credential that is saved here: with a
/// password by mail, or with one that a directory or an old system verifies. A new login name does,
/// too.
pub(super) fn opens_another_way_in(before: &User, after: &User) -> bool {
    before.is_retired != after.is_retired || before.user_type != after.user_type
}

/// The new user that a command describes.
///
/// # Errors
/// When the login name is missing or invalid.
pub(in crate::service) fn new_user(
    user_id: Option<UserId>,
    command: &mut SaveUser,
) -> Result<NewUser, ChangeUserError> {
    let login_name = command.new_login_name(None)?;
    let login_name = login_name.ok_or(ChangeUserError::UnknownUser)?;
    let display_name = command.display_name.take();
    Ok(NewUser {
        user_id,
        display_name: display_name.unwrap_or_else(|| DisplayName::from(&login_name)),
        login_name,
        user_type: command.user_type.unwrap_or(UserType::Internal),
        is_administrator: command.is_administrator.unwrap_or_default(),
        role: command.role.unwrap_or_default(),
        is_retired: command.is_retired.unwrap_or_default(),
        vendor_ids: command.vendor_ids(VendorIds::default()),
        nick_name: command.nick_name.take().unwrap_or_default(),
    })
}

/// The user after the change, except for the login name and the nickname.
pub(super) fn changed_user(before: &User, command: &SaveUser) -> User {
    let display_name = command.display_name.as_ref().map(|name| name.as_str().to_owned());
    User {
        display_name: display_name.unwrap_or_else(|| before.display_name.clone()),
        user_type: command.user_type.unwrap_or(before.user_type),
        is_administrator: command.is_administrator.unwrap_or(before.is_administrator),
        role: command.role.unwrap_or(before.role),
        is_retired: command.is_retired.unwrap_or(before.is_retired),
        vendor_ids: command.vendor_ids(before.vendor_ids),
        ..before.clone()
    }
}

/// The audited changes between two states of a user.
pub(super) fn changes(
    before: &User,
    after: &User,
    is_renamed: bool,
) -> Vec<AuditedChange<'static>> {
    let acts = |user: &User| may_administer_users(user.user_type, user.is_administrator);
    let is_changed = is_renamed
        || before.display_name != after.display_name
        || before.vendor_ids != after.vendor_ids
        // Has no effect on the rights, for example of an external user.
        || (before.is_administrator != after.is_administrator && acts(before) == acts(after))
        || before.user_type != after.user_type;
    let right =
        if acts(after) { AuditKind::AdministratorGranted } else { AuditKind::AdministratorRevoked };
    let state = if after.is_retired { AuditKind::UserRetired } else { AuditKind::UserReactivated };
    // The event of the new role comes last, because it describes the state after the change.
    let (former, new) =
        if before.role == after.role { (None, None) } else { (before.role, after.role) };
    let all = [
        is_changed.then_some((AuditKind::UserChanged, false)),
        (acts(before) != acts(after)).then_some((right, false)),
        former.map(|role| (AuditKind::role_revoked(role), false)),
        new.map(|role| (AuditKind::role_granted(role), false)),
        (before.is_retired != after.is_retired).then_some((state, after.is_retired)),
    ];
    let change = |(kind, revokes_issued)| AuditedChange::to_user(kind, revokes_issued);
    all.into_iter().flatten().map(change).collect()
}
