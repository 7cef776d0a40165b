//! `ResolveUserFromInfo` finds the user of a credential, or adds one
//! (docs/reference/wire-contract.md#finding-or-adding-a-user).

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use super::{
    save_credential::CredentialCarrier,
    user_carrier::{CarrierWriting, UserCarrier},
};
use crate::{
    domain::{
        InvalidField, Reason,
        resolve_user::{ResolveUser, UncheckedResolveUser},
    },
    http::{
        carriers::{FieldProperties, TableRight},
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::{CARRIERS, UserTypeName, read_user_type},
    },
    service::users::saving::Users,
};

/// The user to find or to add. `PhoneNumbers` is ignored: the service has no persons.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ResolveUserRequest {
    /// The vendor requires it; otherwise it is ignored, because the service has no contacts.
    #[schema(required = true, nullable = false, minimum = 1)]
    contact_id: Option<i32>,
    /// The display name of a new user.
    #[schema(max_length = 254)]
    person_name: Option<String>,
    /// The first one may become the login name of a new user.
    emails: Option<Vec<String>>,
    #[schema(required = true, nullable = false, value_type = UserTypeName)]
    user_type: Option<String>,
    /// `DisplayValue` is required for a credential type that is no identifier: it is the login name.
    #[schema(required = true, nullable = false)]
    credential: Option<CredentialCarrier>,
}

// The vendor's `ResolvedUser`: docs/reference/wire-contract.md#carriers.
/// A user, and whether the call added them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ResolvedUser {
    user: Option<UserCarrier>,
    /// True when the call added the user.
    person_created: bool,
    table_right: Option<TableRight>,
    field_properties: Option<FieldProperties>,
}

impl XmlNames for ResolvedUser {
    const NAME: &'static str = "ResolvedUser";
    const NAMESPACE: &'static str = CARRIERS;
    const ITEMS: &'static [(&'static str, &'static str)] = UserCarrier::ITEMS;
}

/// Describes [`resolve`].
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Finds the user of a credential, or adds one with the credential.")
        .sensitive()
        .takes::<ResolveUserRequest>()
        .answers_carrier::<ResolvedUser>()
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::LoginNameTaken)
        .refuses(ErrorKind::IdentifierTaken)
        .refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Finds a user, or adds one.
pub(in crate::http) async fn resolve(
    context: RequestContext,
    Body(request): Body<ResolveUserRequest>,
) -> Result<Negotiated<ResolvedUser>, ApiError> {
    let command = request.into_command(&context)?;
    let as_carrier = CarrierWriting::of(&context);
    let resolved = context.run(|users: Arc<Users>, caller| async move {
        users.resolve(caller.change_context(), command).await
    });
    let resolved = resolved.await?;
    Ok(Negotiated(ResolvedUser {
        user: Some(as_carrier.user(resolved.found)),
        person_created: resolved.is_added,
        table_right: Some(TableRight::READ_ONLY),
        field_properties: None,
    }))
}

impl ResolveUserRequest {
    fn into_command(self, context: &RequestContext) -> Result<ResolveUser, InvalidField> {
        let required = |field: &str| InvalidField::new(field, Reason::Required);
        let credential = self.credential.ok_or_else(|| required("Credential"))?;
        let user_type = self.user_type.ok_or_else(|| required("UserType"));
        let unchecked = UncheckedResolveUser {
            contact_id: self.contact_id,
            person_name: self.person_name,
            emails: self.emails.unwrap_or_default(),
            user_type: user_type.and_then(|name| read_user_type("UserType", &name)),
            credential: credential.into_unchecked(),
        };
        unchecked.check(context.types())
    }
}
