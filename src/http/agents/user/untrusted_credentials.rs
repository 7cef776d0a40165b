//! The calls on untrusted credentials, each for the caller and `…ForAssociate`: secrets for other
//! systems, which are given back to their owner and to system users
//! (docs/reference/wire-contract.md#d32-untrusted-credentials).

use std::sync::Arc;

use actix_web::HttpResponse;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use time::{OffsetDateTime, Time};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::{
        InvalidField, Reason,
        untrusted_credential::{
            PublicValue, SaveUntrusted, UntrustedCredential, UntrustedDetails, UntrustedSecret,
            UntrustedType,
        },
        user::UserId,
        validity::Validity,
    },
    http::{
        carriers::{FieldProperties, TableRight},
        error::{ApiError, ErrorKind, MissingRight},
        localization::{TimeZone, format_moment, parse_moment},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::CARRIERS,
    },
    service::untrusted_credentials::untrusted::UntrustedCredentials,
};

// The vendor's `UntrustedCredentials`: docs/reference/wire-contract.md#carriers.
/// A secret for another system.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = UntrustedCredentials)]
pub(in crate::http) struct UntrustedCarrier {
    /// Null: no start.
    valid_from: Option<String>,
    /// Null: no end.
    valid_to: Option<String>,
    comment: String,
    /// Null if the caller is neither the owner nor a system user.
    #[schema(value_type = Option<String>)]
    secret_value: Option<ReturnedSecret>,
    /// Tells the credentials of one type apart, for example a server with an account.
    public_value: String,
    /// False: programs must not use the credential.
    is_active: bool,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for UntrustedCarrier {
    const NAME: &'static str = "UntrustedCredentials";
    const NAMESPACE: &'static str = CARRIERS;
}

/// A secret in the response to a caller who may have it.
struct ReturnedSecret(SecretString);

impl Serialize for ReturnedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

/// The members of an untrusted credential to save; other members of the vendor's carrier are
/// ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = UntrustedCredentialsToSave)]
pub(in crate::http) struct UntrustedToSave {
    /// RFC 3339; without an offset in the zone of `SO-TimeZone`, or in UTC. Omitted, null or empty: no
    /// start.
    valid_from: Option<String>,
    /// As `ValidFrom`; the first moment after the period.
    valid_to: Option<String>,
    #[schema(max_length = 255)]
    comment: Option<String>,
    /// Omitted, null or empty: the stored secret stays.
    #[schema(value_type = Option<String>, max_length = 70)]
    secret_value: Option<SecretString>,
    /// With the type, the key of the credential.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 238)]
    public_value: Option<String>,
    /// Omitted or null: true.
    is_active: Option<bool>,
}

/// An untrusted credential of the caller to save.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SaveUntrustedRequest {
    /// The kind of the other system, for example `imap`, in any case.
    #[schema(required = true, nullable = false, min_length = 1, max_length = 254)]
    r#type: Option<String>,
    #[schema(required = true, nullable = false)]
    credentials: Option<UntrustedToSave>,
}

/// An untrusted credential of a user to save.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SaveUntrustedForAssociateRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false, min_length = 1, max_length = 254)]
    r#type: Option<String>,
    #[schema(required = true, nullable = false)]
    credentials: Option<UntrustedToSave>,
}

/// A type of untrusted credentials of the caller.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetUntrustedRequest {
    #[schema(required = true, nullable = false, min_length = 1, max_length = 254)]
    r#type: Option<String>,
}

/// A type of untrusted credentials of a user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct GetUntrustedForAssociateRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false, min_length = 1, max_length = 254)]
    r#type: Option<String>,
}

/// An untrusted credential of the caller.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct RemoveUntrustedRequest {
    #[schema(required = true, nullable = false, min_length = 1, max_length = 254)]
    r#type: Option<String>,
    #[schema(required = true, nullable = false, min_length = 1, max_length = 238)]
    public_value: Option<String>,
}

/// An untrusted credential of a user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct RemoveUntrustedForAssociateRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
    #[schema(required = true, nullable = false, min_length = 1, max_length = 254)]
    r#type: Option<String>,
    #[schema(required = true, nullable = false, min_length = 1, max_length = 238)]
    public_value: Option<String>,
}

/// Describes [`default`].
pub(in crate::http) fn default_operation() -> Operation {
    Operation::new("Returns an unsaved untrusted credential with default values.")
        .answers_carrier::<UntrustedCarrier>()
}

/// Describes [`save_own`].
pub(in crate::http) fn save_own_operation() -> Operation {
    writing("Saves a secret of the caller for another system.").takes::<SaveUntrustedRequest>()
}

/// Describes [`save`].
pub(in crate::http) fn save_operation() -> Operation {
    writing("Saves a secret of the user with the given id for another system.")
        .sensitive()
        .takes::<SaveUntrustedForAssociateRequest>()
        .refuses(ErrorKind::UnknownUser)
}

/// Describes [`list_own`].
pub(in crate::http) fn list_own_operation() -> Operation {
    writing("Returns the caller's secrets for another system.")
        .takes::<GetUntrustedRequest>()
        .answers_list::<UntrustedCarrier>()
}

/// Describes [`list`].
pub(in crate::http) fn list_operation() -> Operation {
    writing("Returns the secrets of the user with the given id for another system.")
        .takes::<GetUntrustedForAssociateRequest>()
        .answers_list::<UntrustedCarrier>()
}

/// Describes [`remove_own`].
pub(in crate::http) fn remove_own_operation() -> Operation {
    writing("Removes a secret of the caller for another system.").takes::<RemoveUntrustedRequest>()
}

/// Describes [`remove`].
pub(in crate::http) fn remove_operation() -> Operation {
    writing("Removes a secret of the user with the given id for another system.")
        .sensitive()
        .takes::<RemoveUntrustedForAssociateRequest>()
        .refuses(ErrorKind::UnknownUser)
}

/// The description of a call that appends an audit event.
fn writing(summary: &'static str) -> Operation {
    Operation::new(summary)
        .refuses(ErrorKind::Forbidden(MissingRight::UntrustedCredentials))
        .refuses(ErrorKind::KeyUnavailable)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Returns a new credential.
pub(in crate::http) async fn default() -> Negotiated<UntrustedCarrier> {
    Negotiated(UntrustedCarrier {
        valid_from: None,
        valid_to: None,
        comment: String::new(),
        secret_value: None,
        public_value: String::new(),
        is_active: true,
        table_right: Some(TableRight::READ_ONLY),
        field_properties: None,
    })
}

/// Saves a credential of the caller.
pub(in crate::http) async fn save_own(
    context: RequestContext,
    Body(request): Body<SaveUntrustedRequest>,
) -> Result<HttpResponse, ApiError> {
    let user_id = context.principal().user_id();
    let command = command(&context, request.r#type.as_deref(), request.credentials)?;
    save_for(context, user_id, command).await
}

/// Saves a credential of a user.
pub(in crate::http) async fn save(
    context: RequestContext,
    Body(request): Body<SaveUntrustedForAssociateRequest>,
) -> Result<HttpResponse, ApiError> {
    let user_id = UserId::require("AssociateId", request.associate_id)?;
    let command = command(&context, request.r#type.as_deref(), request.credentials)?;
    save_for(context, user_id, command).await
}

/// Returns the caller's credentials of a type.
pub(in crate::http) async fn list_own(
    context: RequestContext,
    Body(request): Body<GetUntrustedRequest>,
) -> Result<Negotiated<Vec<UntrustedCarrier>>, ApiError> {
    let user_id = context.principal().user_id();
    list_of(context, user_id, request.r#type.as_deref()).await
}

/// Returns a user's credentials of a type.
pub(in crate::http) async fn list(
    context: RequestContext,
    Body(request): Body<GetUntrustedForAssociateRequest>,
) -> Result<Negotiated<Vec<UntrustedCarrier>>, ApiError> {
    let user_id = UserId::require("AssociateId", request.associate_id)?;
    list_of(context, user_id, request.r#type.as_deref()).await
}

/// Removes a credential of the caller.
pub(in crate::http) async fn remove_own(
    context: RequestContext,
    Body(request): Body<RemoveUntrustedRequest>,
) -> Result<HttpResponse, ApiError> {
    let user_id = context.principal().user_id();
    let public_value = request.public_value.as_deref();
    remove_from(context, user_id, request.r#type.as_deref(), public_value).await
}

/// Removes a credential of a user.
pub(in crate::http) async fn remove(
    context: RequestContext,
    Body(request): Body<RemoveUntrustedForAssociateRequest>,
) -> Result<HttpResponse, ApiError> {
    let user_id = UserId::require("AssociateId", request.associate_id)?;
    let public_value = request.public_value.as_deref();
    remove_from(context, user_id, request.r#type.as_deref(), public_value).await
}

async fn save_for(
    context: RequestContext,
    user_id: UserId,
    command: SaveUntrusted,
) -> Result<HttpResponse, ApiError> {
    context
        .run(move |untrusted: Arc<UntrustedCredentials>, caller| async move {
            untrusted.save(caller.change_context(), user_id, command).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn list_of(
    context: RequestContext,
    user_id: UserId,
    type_name: Option<&str>,
) -> Result<Negotiated<Vec<UntrustedCarrier>>, ApiError> {
    let credential_type = UntrustedType::require("Type", type_name)?;
    let zone = context.time_zone().cloned();
    let found = context.run(move |untrusted: Arc<UntrustedCredentials>, caller| async move {
        untrusted.list(caller.change_context(), user_id, &credential_type).await
    });
    let carrier = |found| carrier(found, zone.as_ref());
    Ok(Negotiated(found.await?.into_iter().map(carrier).collect()))
}

async fn remove_from(
    context: RequestContext,
    user_id: UserId,
    type_name: Option<&str>,
    public_value: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let credential_type = UntrustedType::require("Type", type_name)?;
    let public_value = PublicValue::require("PublicValue", public_value)?;
    context
        .run(move |untrusted: Arc<UntrustedCredentials>, caller| async move {
            let change = caller.change_context();
            untrusted.remove(change, user_id, &credential_type, &public_value).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn command(
    context: &RequestContext,
    type_name: Option<&str>,
    credentials: Option<UntrustedToSave>,
) -> Result<SaveUntrusted, InvalidField> {
    let credential_type = UntrustedType::require("Type", type_name)?;
    let required = || InvalidField::new("Credentials", Reason::Required);
    let given = credentials.ok_or_else(required)?;
    let public_value =
        PublicValue::require("Credentials.PublicValue", given.public_value.as_deref())?;
    let parse = |secret| UntrustedSecret::parse("Credentials.SecretValue", secret);
    let secret = given.secret_value.map(parse).transpose()?.flatten();
    let zone = context.time_zone();
    let from = read_moment("Credentials.ValidFrom", given.valid_from.as_deref(), zone)?;
    let to = read_moment("Credentials.ValidTo", given.valid_to.as_deref(), zone)?;
    // First the start alone, so that an error names the right member.
    Validity::parse("Credentials.ValidFrom", from, None)?;
    let validity = Validity::parse("Credentials.ValidTo", from, to)?;
    let is_active = given.is_active.unwrap_or(true);
    let details =
        UntrustedDetails::parse("Credentials.Comment", given.comment, is_active, validity)?;
    Ok(SaveUntrusted { credential_type, public_value, secret, details })
}

/// Reads a moment in RFC 3339. Without an offset, as .NET writes a date without a zone, it is in that
/// zone or in UTC. Midnight of 1 January of the year 1, with any offset, is no moment: .NET and the
/// vendor write it for a missing one.
fn read_moment(
    field: &str,
    text: Option<&str>,
    zone: Option<&TimeZone>,
) -> Result<Option<OffsetDateTime>, InvalidField> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refuse = || InvalidField::new(field, Reason::NotMoment);
    let moment = parse_moment(text, zone).ok_or_else(refuse)?;
    let is_missing = moment.year() == 1 && moment.ordinal() == 1 && moment.time() == Time::MIDNIGHT;
    Ok(Some(moment).filter(|_| !is_missing))
}

fn carrier(found: UntrustedCredential, zone: Option<&TimeZone>) -> UntrustedCarrier {
    let UntrustedCredential { public_value, details, secret } = found;
    UntrustedCarrier {
        valid_from: details.validity.from().map(|moment| format_moment(moment, zone)),
        valid_to: details.validity.to().map(|moment| format_moment(moment, zone)),
        comment: details.comment().to_owned(),
        secret_value: secret.map(|secret| ReturnedSecret(secret.secret().clone())),
        public_value,
        is_active: details.is_active,
        table_right: Some(TableRight::READ_ONLY),
        field_properties: None,
    }
}
