//! `CreateDefaultUserFromUserTypeAndPersonId`, `CreateDefaultUserFromUserTypeAndCredential` and
//! `GET /api/v1/User/Default` return users that are not saved
//! (docs/reference/wire-contract.md#user-calls and docs/reference/wire-contract.md#other-endpoints).

use actix_web::HttpRequest;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::user_carrier::{CarrierWriting, UserCarrier};
use crate::{
    domain::{
        InvalidField, Reason, save_credential::UncheckedCredential, user::UserType,
        vendor_ids::VendorId,
    },
    http::{
        error::ApiError,
        negotiation::{Body, Negotiated},
        openapi::parameters,
        operation::Operation,
        query,
        request_context::RequestContext,
        vendor_names::{UserTypeName, read_user_type, user_type_name},
    },
};

/// The parameters of the query.
const USER_TYPE: &str = "userType";
const PERSON_ID: &str = "personId";

/// The type and the person of a new user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct DefaultUserOfPersonRequest {
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
    /// The vendor's id of the person; 0 or omitted only for system and anonymous users.
    #[schema(minimum = 0)]
    person_id: Option<i32>,
}

/// The type and the credential of a new user. `ContactId` is ignored: the service has no contacts.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct DefaultUserOfCredentialRequest {
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
    /// For example `ActiveDirectory`; if omitted, the default type of the installation.
    #[schema(max_length = 254)]
    credential_type: Option<String>,
    /// The secret or the identifier. It is checked, and not returned.
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    credential_value: Option<SecretString>,
    /// A text that is shown instead of the value.
    #[schema(max_length = 254)]
    credential_display_value: Option<String>,
}

/// Describes [`of_person`].
pub(in crate::http) fn of_person_operation() -> Operation {
    Operation::new("Returns an unsaved user of the given type with a person id.")
        .takes::<DefaultUserOfPersonRequest>()
        .answers_carrier::<UserCarrier>()
}

/// Describes [`of_query`].
pub(in crate::http) fn of_query_operation() -> Operation {
    let names = UserType::ALL.map(user_type_name);
    let user_type = "The type of the user; by default `InternalAssociate`.";
    let person_id = "The vendor's id of the person; by default none.";
    Operation::new("Returns an unsaved user with default values.")
        .answers_carrier::<UserCarrier>()
        .accepts(parameters::choice(USER_TYPE, user_type, &names))
        .accepts(parameters::id(PERSON_ID, person_id))
}

/// Describes [`of_credential`].
pub(in crate::http) fn of_credential_operation() -> Operation {
    Operation::new("Returns an unsaved user of the given type with a credential without its value.")
        .takes::<DefaultUserOfCredentialRequest>()
        .answers_carrier::<UserCarrier>()
}

/// Returns a new user of a person.
pub(in crate::http) async fn of_person(
    Body(request): Body<DefaultUserOfPersonRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let user_type = user_type(request.user_type.as_deref())?;
    let needs_person = !matches!(user_type, UserType::System | UserType::Anonymous);
    let person_id = request.person_id.filter(|id| *id != 0);
    let person = match person_id {
        None if !needs_person => VendorId::default(),
        _ => VendorId::require("PersonId", request.person_id)?,
    };
    Ok(Negotiated(UserCarrier::unsaved_of_person(user_type, person)))
}

/// Returns a new user of the type and the person in the query, both of which are optional.
pub(in crate::http) async fn of_query(
    request: HttpRequest,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let is_given = |text: &String| !text.is_empty();
    let given = |name| query::optional(&request, name).map(|value| value.filter(is_given));
    let user_type = given(USER_TYPE)?.map(|name| read_user_type(USER_TYPE, &name)).transpose()?;
    let person_id = given(PERSON_ID)?.map(|text| query::integer(PERSON_ID, &text)).transpose()?;
    let person = VendorId::parse(PERSON_ID, person_id.unwrap_or_default())?;
    let user_type = user_type.unwrap_or(UserType::Internal);
    Ok(Negotiated(UserCarrier::unsaved_of_person(user_type, person)))
}

/// Returns a new user with a credential. Nothing is looked up, so the answer does not tell whether
/// another user has the identifier.
pub(in crate::http) async fn of_credential(
    context: RequestContext,
    Body(request): Body<DefaultUserOfCredentialRequest>,
) -> Result<Negotiated<UserCarrier>, ApiError> {
    let user_type = user_type(request.user_type.as_deref())?;
    let unchecked = UncheckedCredential {
        type_name: request.credential_type,
        value: request.credential_value,
        display_value: request.credential_display_value,
        ..UncheckedCredential::default()
    };
    let credential = unchecked
        .check("Credential", context.types())
        .map_err(|problem| in_this_request(&problem))?;
    if !credential.credential_type.is_allowed_for(user_type) {
        return Err(InvalidField::new("CredentialType", Reason::TypeNotForUser).into());
    }
    Ok(Negotiated(CarrierWriting::of(&context).unsaved_with_credential(user_type, &credential)))
}

fn user_type(name: Option<&str>) -> Result<UserType, InvalidField> {
    let required = || InvalidField::new("UserType", Reason::Required);
    read_user_type("UserType", name.ok_or_else(required)?)
}

/// The problem with the member name of this request.
fn in_this_request(problem: &InvalidField) -> InvalidField {
    let field = match problem.field.as_str() {
        "Credential.Type.Type" => "CredentialType",
        "Credential.DisplayValue" => "CredentialDisplayValue",
        _ => "CredentialValue",
    };
    InvalidField::new(field, problem.reason)
}
