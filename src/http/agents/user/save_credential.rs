//! `POST /api/v1/Agents/User/SaveCredential`: adds or replaces the credential of one type.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        InvalidField, Reason,
        save_credential::{UncheckedCredential, UncheckedSaveCredential},
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
    },
    service::credentials::saving::Credentials,
};

/// The credential to save, and the user who owns it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SaveCredentialRequest {
    /// The user's id (the vendor's associate id).
    #[schema(required = true, nullable = false, minimum = 1)]
    user_id: Option<i32>,
    #[schema(required = true, nullable = false)]
    credential: Option<CredentialCarrier>,
}

// The vendor's `Credential`: docs/reference/wire-contract.md#carriers.
/// A credential of one type.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = Credential)]
pub(super) struct CredentialCarrier {
    r#type: Option<CredentialTypeName>,
    /// The secret, or the identifier of the user in another system.
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    value: Option<SecretString>,
    /// A text that is shown instead of the value; the login name by default.
    #[schema(max_length = 254)]
    display_value: Option<String>,
}

/// The name of a credential type; other members of the vendor's carrier are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct CredentialTypeName {
    /// For example `CRM5/PASSWORD`; if omitted, the default type of the installation.
    #[schema(max_length = 254)]
    r#type: Option<String>,
}

/// Describes the operation.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Adds a credential to a user, or replaces the credential of the same type.")
        .sensitive()
        .takes::<SaveCredentialRequest>()
        .answers::<bool>()
        .refuses(ErrorKind::Forbidden(MissingRight::SaveCredential))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::IdentifierTaken)
        .refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Saves the credential and returns the literal `true` (docs/reference/wire-contract.md#overview).
pub(in crate::http) async fn save_credential(
    context: RequestContext,
    Body(request): Body<SaveCredentialRequest>,
) -> Result<Negotiated<bool>, ApiError> {
    let command = request.into_unchecked()?.check(context.types())?;
    tracing::Span::current()
        .record("user.id", command.user_id.as_i32())
        .record("credential.type", command.credential.credential_type.as_str());
    context
        .run(|credentials: Arc<Credentials>, caller| async move {
            credentials.save(caller.change_context(), command).await
        })
        .await?;
    Ok(Negotiated(true))
}

impl SaveCredentialRequest {
    pub(in crate::http) fn into_unchecked(self) -> Result<UncheckedSaveCredential, InvalidField> {
        let required = || InvalidField::new("Credential", Reason::Required);
        let credential = self.credential.ok_or_else(required)?.into_unchecked();
        Ok(UncheckedSaveCredential { user_id: self.user_id, credential })
    }
}

impl CredentialCarrier {
    /// The display value as received.
    pub(super) fn display_value(&self) -> Option<&str> {
        self.display_value.as_deref()
    }

    pub(super) fn into_unchecked(self) -> UncheckedCredential {
        let Self { r#type, value, display_value } = self;
        let type_name = r#type.and_then(|carrier| carrier.r#type);
        UncheckedCredential { type_name, value, display_value, ..UncheckedCredential::default() }
    }
}
