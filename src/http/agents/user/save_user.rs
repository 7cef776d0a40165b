//! `CreateDefaultUser`, `CreateDefaultUserFromUserType`, `SaveUser` and `ValidateUser` add and change
//! users (docs/reference/wire-contract.md#user-calls,
//! [ADR 21](../../../../docs/adr/0021-vendor-user-carriers.md)).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    save_credential::CredentialCarrier,
    user_carrier::{CarrierWriting, UserCarrier},
};
use crate::{
    domain::{
        InvalidField, Reason,
        credential_type::CredentialTypes,
        save_user::{SaveUser, UncheckedSaveUser},
        user::UserType,
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        localization::Language,
        negotiation::{self, Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::{UserTypeName, read_role, read_user_type},
    },
    service::users::saving::Users,
};

/// The type of a new user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct DefaultUserRequest {
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
}

/// A role; other members of the vendor's carrier are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct NewRole {
    /// The vendor's id of the role, which gives no rights; 0 removes it.
    #[schema(minimum = 0)]
    id: Option<i32>,
    /// `Administrator` or `User`.
    value: Option<String>,
}

/// A person; other members of the vendor's carrier are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct NewPerson {
    /// The vendor's id of the person; 0 removes it.
    #[schema(minimum = 0)]
    person_id: Option<i32>,
}

/// The members of a user that can be saved. Omitted, null and empty members are not changed, except
/// that an empty `NickName`, and 0 for `EjUserId`, `Person.PersonId` or `Role.Id`, remove the value.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SaveUserRequest {
    /// The user's id; 0 or omitted for a new user.
    #[schema(minimum = 0)]
    associate_id: Option<i32>,
    /// The login name.
    #[schema(max_length = 239)]
    name: Option<String>,
    /// Also the login name. If both members are present, the one with a new value is used.
    #[schema(max_length = 239)]
    user_name: Option<String>,
    /// The display name.
    #[schema(max_length = 254)]
    tooltip: Option<String>,
    /// For example `InternalAssociate`.
    r#type: Option<String>,
    role: Option<NewRole>,
    person: Option<NewPerson>,
    /// The vendor's id of the user in its customer service system; 0 removes it.
    #[schema(minimum = 0)]
    ej_user_id: Option<i32>,
    /// The nickname, which is unique; an empty text removes it.
    #[schema(max_length = 239)]
    nick_name: Option<String>,
    /// True disables the user.
    deleted: Option<bool>,
    /// The signature from the last read. The save fails if the user has changed since.
    request_signature: Option<String>,
    /// Credentials with a value are added or replaced; all others are not changed. Those of a new user
    /// need a value.
    credentials: Option<Vec<CredentialCarrier>>,
}

/// A user to validate.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ValidateUserRequest {
    #[schema(required = true, nullable = false)]
    user: Option<SaveUserRequest>,
}

/// Describes [`default`].
pub(in crate::http) fn default_operation() -> Operation {
    Operation::new("Returns an unsaved user with default values.").answers_carrier::<UserCarrier>()
}

/// Describes [`default_from_type`].
pub(in crate::http) fn default_from_type_operation() -> Operation {
    Operation::new("Returns an unsaved user of the given type with default values.")
        .takes::<DefaultUserRequest>()
        .answers_carrier::<UserCarrier>()
}

/// Describes [`save`].
pub(in crate::http) fn save_operation() -> Operation {
    saving("Adds or changes a user, including credentials.").answers_carrier::<UserCarrier>()
}

/// Describes a call that takes a user and saves it.
pub(in crate::http) fn saving(summary: &'static str) -> Operation {
    changing(summary).takes::<SaveUserRequest>()
}

/// Describes the change of a user.
pub(super) fn changing(summary: &'static str) -> Operation {
    Operation::new(summary)
        .sensitive()
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::LoginNameTaken)
        .refuses(ErrorKind::NickNameTaken)
        .refuses(ErrorKind::LastAdministrator)
        .refuses(ErrorKind::Outdated)
        .refuses(ErrorKind::IdentifierTaken)
        .refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Describes [`validate`].
pub(in crate::http) fn validate_operation() -> Operation {
    validating().takes::<ValidateUserRequest>()
}

/// Describes the validation of a user.
pub(in crate::http) fn validating() -> Operation {
    Operation::new("Validates a user without saving it; returns a reason for each invalid member.")
        .answers_whole::<BTreeMap<String, String>>(200)
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
}

/// Returns a new user.
pub(in crate::http) async fn default() -> Negotiated<UserCarrier> {
    Negotiated(UserCarrier::unsaved(UserType::Internal))
}

/// Returns a new user of a user type.
pub(in crate::http) async fn default_from_type(
    Body(request): Body<DefaultUserRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let required = || InvalidField::new("UserType", Reason::Required);
    let name = request.user_type.ok_or_else(required)?;
    Ok(Negotiated(UserCarrier::unsaved(read_user_type("UserType", &name)?)))
}

/// Saves a user and returns it as it is stored.
pub(in crate::http) async fn save(
    context: RequestContext,
    Body(request): Body<SaveUserRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let command = request.into_command(context.types())?;
    let as_carrier = CarrierWriting::of(&context);
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    Ok(Negotiated(as_carrier.user(saved.await?)))
}

/// Returns a reason for each invalid member of a user; empty when the user can be saved.
pub(in crate::http) async fn validate(
    context: RequestContext,
    head: HttpRequest,
    Body(request): Body<ValidateUserRequest>,
) -> Result<HttpResponse, ApiError> {
    let required = || InvalidField::new("User", Reason::Required);
    let user = request.user.ok_or_else(required)?;
    write_problems(context, head, user).await
}

/// Returns a reason for each invalid member of a user.
pub(in crate::http) async fn write_problems(
    context: RequestContext,
    head: HttpRequest,
    user: SaveUserRequest,
) -> Result<HttpResponse, ApiError> {
    let unchecked = user.into_unchecked();
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
    let texts = texts_by_field(&problems, &language);
    Ok(negotiation::write(HttpResponse::Ok(), head.headers(), &texts))
}

/// The message of each invalid member, with all its reasons.
fn texts_by_field(problems: &[InvalidField], language: &Language) -> BTreeMap<String, String> {
    let mut reasons: BTreeMap<&str, Vec<Reason>> = BTreeMap::new();
    for problem in problems {
        reasons.entry(problem.field.as_str()).or_default().push(problem.reason);
    }
    reasons
        .into_iter()
        .map(|(field, reasons)| (field.to_owned(), language.reasons(field, &reasons)))
        .collect()
}

impl SaveUserRequest {
    /// The command with these members.
    ///
    /// # Errors
    /// Names the first invalid member.
    pub(in crate::http) fn into_command(
        self,
        types: &CredentialTypes,
    ) -> Result<SaveUser, ErrorKind> {
        self.into_unchecked().check(types).map_err(first)
    }

    /// The command that changes a user whom the request names otherwise than by `AssociateId`.
    ///
    /// # Errors
    /// Names the first invalid member.
    pub(in crate::http) fn into_change(
        self,
        types: &CredentialTypes,
    ) -> Result<SaveUser, ErrorKind> {
        let unchecked = UncheckedSaveUser { requires_values: false, ..self.into_unchecked() };
        unchecked.check(types).map_err(first)
    }

    /// The id as received.
    pub(super) fn associate_id(&self) -> Option<i32> {
        self.associate_id
    }

    /// The login names as received.
    pub(super) fn login_names(&self) -> impl Iterator<Item = &str> {
        [&self.user_name, &self.name].into_iter().filter_map(Option::as_deref)
    }

    /// The texts that describe the person: the display name, and those of the credentials.
    pub(super) fn descriptions(&self) -> impl Iterator<Item = &str> {
        let credentials = self.credentials.iter().flatten();
        let shown = credentials.filter_map(CredentialCarrier::display_value);
        self.tooltip.as_deref().into_iter().chain(shown)
    }

    fn into_unchecked(self) -> UncheckedSaveUser {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (role_id, role) = self.role.map_or((None, None), |role| (role.id, given(role.value)));
        let credentials = self.credentials.unwrap_or_default();
        UncheckedSaveUser {
            associate_id: self.associate_id,
            name: self.name,
            user_name: self.user_name,
            display_name: self.tooltip,
            user_type: given(self.r#type).map(|name| read_user_type("Type", &name)),
            is_administrator: role.map(|name| read_role("Role.Value", &name)),
            role: None,
            is_retired: self.deleted,
            person_id: self.person.and_then(|person| person.person_id),
            role_id,
            ej_user_id: self.ej_user_id,
            nick_name: self.nick_name,
            signature: self.request_signature,
            requires_values: true,
            credentials: credentials.into_iter().map(CredentialCarrier::into_unchecked).collect(),
        }
    }
}

/// The first of several problems.
fn first(problems: Vec<InvalidField>) -> ErrorKind {
    problems.into_iter().next().map_or(ErrorKind::Internal, ErrorKind::from)
}
