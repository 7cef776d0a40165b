//! `CreateDefaultUser`, `CreateDefaultUserFromUserType`, `SaveUser` and `ValidateUser`: users to be,
//! and users that become others (protocol.md 8.4,
//! [ADR 21](../../../../docs/adr/0021-users-in-the-vendors-carriers.md)).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    save_credential::CredentialCarrier,
    user_carrier::{CarrierWriting, UserCarrier},
};
use crate::{
    domain::{InvalidField, Reason, save_user::UncheckedSaveUser, user::UserType},
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{self, Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::{UserTypeName, read_role, read_user_type},
    },
    service::users::saving::Users,
};

/// The users that a new one is to be one of.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct DefaultUserRequest {
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
}

/// Of a role, what a request is looked at for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct RoleName {
    /// `Administrator` or `User`.
    value: Option<String>,
}

/// Of a user, what a request is looked at for. What is missing, null or empty stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SaveUserRequest {
    /// The user's id; 0 or none: a new user.
    #[schema(minimum = 0)]
    associate_id: Option<i32>,
    /// The login name.
    #[schema(max_length = 239)]
    name: Option<String>,
    /// The login name, too: whichever is another one than it was.
    #[schema(max_length = 239)]
    user_name: Option<String>,
    /// The name that people read.
    #[schema(max_length = 254)]
    tooltip: Option<String>,
    /// For example `InternalAssociate`.
    r#type: Option<String>,
    role: Option<RoleName>,
    /// True: the user may not log in any more.
    deleted: Option<bool>,
    /// As the user was read with it: one who has been changed since is refused.
    request_signature: Option<String>,
    /// Those with a value are added or replaced; the user's others stay.
    credentials: Option<Vec<CredentialCarrier>>,
}

/// A user that somebody thinks of.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ValidateUserRequest {
    #[schema(required = true, nullable = false)]
    user: Option<SaveUserRequest>,
}

/// The place of [`default`] in the documents.
pub(in crate::http) fn default_operation() -> Operation {
    Operation::new("Gives a user to be filled in and saved.").answers_carrier::<UserCarrier>()
}

/// The place of [`default_from_type`] in the documents.
pub(in crate::http) fn default_from_type_operation() -> Operation {
    Operation::new("Gives a user of a type, to be filled in and saved.")
        .takes::<DefaultUserRequest>()
        .answers_carrier::<UserCarrier>()
}

/// The place of [`save`] in the documents.
pub(in crate::http) fn save_operation() -> Operation {
    Operation::new("Adds a user, or changes one, with credentials.")
        .takes::<SaveUserRequest>()
        .answers_carrier::<UserCarrier>()
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::LoginNameTaken)
        .refuses(ErrorKind::Outdated)
        .refuses(ErrorKind::IdentifierTaken)
        .refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
        .refuses(ErrorKind::OutcomeUnknown)
}

/// The place of [`validate`] in the documents.
pub(in crate::http) fn validate_operation() -> Operation {
    Operation::new("Tells, member by member, why a user could not be saved.")
        .takes::<ValidateUserRequest>()
        .answers_whole::<BTreeMap<String, String>>(200)
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
}

/// Gives a user to be saved.
pub(in crate::http) async fn default() -> Negotiated<UserCarrier> {
    Negotiated(UserCarrier::unsaved(UserType::Internal))
}

/// Gives a user of a type to be saved.
pub(in crate::http) async fn default_from_type(
    Body(request): Body<DefaultUserRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let required = || InvalidField::new("UserType", Reason::Required);
    let name = request.user_type.ok_or_else(required)?;
    Ok(Negotiated(UserCarrier::unsaved(read_user_type("UserType", &name)?)))
}

/// Saves a user, and answers them as they are now.
pub(in crate::http) async fn save(
    context: RequestContext,
    Body(request): Body<SaveUserRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let checked = request.into_unchecked().check(context.types());
    let first = |problems: Vec<InvalidField>| problems.into_iter().next();
    let command =
        checked.map_err(|problems| first(problems).map_or(ErrorKind::Internal, ErrorKind::from))?;
    let as_carrier = CarrierWriting::of(&context);
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    Ok(Negotiated(as_carrier.user(saved.await?)))
}

/// Tells why a user could not be saved; nothing when they could.
pub(in crate::http) async fn validate(
    context: RequestContext,
    head: HttpRequest,
    Body(request): Body<ValidateUserRequest>,
) -> Result<HttpResponse, ApiError> {
    let required = || InvalidField::new("User", Reason::Required);
    let unchecked = request.user.ok_or_else(required)?.into_unchecked();
    let language = context.language().clone();
    let problems = match unchecked.check(context.types()) {
        Err(problems) => problems,
        Ok(command) => {
            let found = context.read(|users: Arc<Users>, caller| async move {
                users.problems(caller.change_context(), &command).await
            });
            found.await?
        }
    };
    let texts = problems.iter().map(|of| (of.field.clone(), language.invalid_field(of)));
    let texts: BTreeMap<String, String> = texts.collect();
    Ok(negotiation::write(HttpResponse::Ok(), head.headers(), &texts))
}

impl SaveUserRequest {
    fn into_unchecked(self) -> UncheckedSaveUser {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let role = said(self.role.and_then(|role| role.value));
        let credentials = self.credentials.unwrap_or_default();
        UncheckedSaveUser {
            associate_id: self.associate_id,
            name: self.name,
            user_name: self.user_name,
            display_name: self.tooltip,
            user_type: said(self.r#type).map(|name| read_user_type("Type", &name)),
            is_administrator: role.map(|name| read_role("Role.Value", &name)),
            is_retired: self.deleted,
            signature: self.request_signature,
            credentials: credentials.into_iter().map(CredentialCarrier::into_unchecked).collect(),
        }
    }
}
