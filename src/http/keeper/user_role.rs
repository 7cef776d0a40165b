//! `/keeper/users/{id}/role`: reads and sets the role of a user beside the administrator right
//! (docs/reference/rights.md).

use std::sync::Arc;

use actix_web::web::Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::{
        InvalidField, Reason,
        role::Role,
        save_user::SaveUser,
        user::{User, UserReference},
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::users::{directory::UserDirectory, saving::Users},
};

/// The role to set.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct UserRoleRequest {
    /// `help_desk`, `auditor` or `none`.
    role: Option<String>,
}

/// The rights of a user over other users.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct UserRoleInfo {
    /// `help_desk`, `auditor` or `none`.
    role: &'static str,
    /// True for administrators and system users, whose right includes every role.
    is_administrator: bool,
}

impl XmlNames for UserRoleInfo {
    const NAME: &'static str = "UserRoleInfo";
    const NAMESPACE: &'static str = "";
}

impl From<&User> for UserRoleInfo {
    fn from(user: &User) -> Self {
        Self { role: Role::optional_text(user.role), is_administrator: user.may_administer_users() }
    }
}

/// Describes [`read`].
pub(in crate::http) fn read_operation() -> Operation {
    Operation::new("Returns the role of a user.")
        .answers_carrier::<UserRoleInfo>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
        .refuses(ErrorKind::UnknownUser)
}

/// Describes [`set`].
pub(in crate::http) fn set_operation() -> Operation {
    Operation::new(
        "Sets the role of a user. For administrators only; nobody can change their own role.",
    )
    .sensitive()
    .takes::<UserRoleRequest>()
    .answers_carrier::<UserRoleInfo>()
    .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
    .refuses(ErrorKind::Forbidden(MissingRight::OwnRole))
    .refuses(ErrorKind::UnknownUser)
    .refuses(ErrorKind::OutcomeUnknown)
}

/// Returns the role.
pub(in crate::http) async fn read(
    context: RequestContext,
    user: Path<String>,
) -> Result<Negotiated<UserRoleInfo>, ApiError> {
    let user = UserReference::Id(query::user_id_of_path(&user)?);
    let found = context.read(|directory: Arc<UserDirectory>, caller| async move {
        directory.read(&caller.principal, user).await
    });
    let found = found.await?.ok_or(ErrorKind::UnknownUser)?;
    Ok(Negotiated(UserRoleInfo::from(&found.user)))
}

/// Sets the role.
pub(in crate::http) async fn set(
    context: RequestContext,
    user: Path<String>,
    Body(request): Body<UserRoleRequest>,
) -> Result<Negotiated<UserRoleInfo>, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let text = request.role.ok_or_else(|| InvalidField::new("Role", Reason::Required))?;
    let role = Role::parse_optional("Role", &text)?;
    let command = SaveUser { role: Some(role), ..SaveUser::of(user_id) };
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    Ok(Negotiated(UserRoleInfo::from(&saved.await?.user)))
}
