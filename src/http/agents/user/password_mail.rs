//! `SendChangePasswordEMail` sends a user a mail with a link to set a new password
//! (docs/reference/wire-contract.md#d34-password-reset-mail).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    domain::user::UserId,
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        negotiation::{Body, Negotiated},
        operation::Operation,
        request_context::RequestContext,
        vendor_names::CARRIERS,
    },
    service::mail::requests::PasswordMails,
};

/// The user who should get a mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SendChangePasswordEMailRequest {
    /// The user's id.
    #[schema(required = true, nullable = false, minimum = 1)]
    associate_id: Option<i32>,
}

/// Whether an operation was started. The vendor's carrier.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct OperationResult {
    /// False if this installation sends no mails.
    success: bool,
    /// Why not; empty on success.
    message: String,
}

impl XmlNames for OperationResult {
    const NAME: &'static str = "OperationResult";
    const NAMESPACE: &'static str = CARRIERS;
}

/// Describes [`send`].
pub(in crate::http) fn operation() -> Operation {
    Operation::new(
        "Sends the user with the given id a mail with a link to set a new password. The result does not tell whether the user exists or has an address.",
    )
    .takes::<SendChangePasswordEMailRequest>()
    .answers_carrier::<OperationResult>()
    .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
    .refuses(ErrorKind::OutcomeUnknown)
}

/// Queues the mail.
pub(in crate::http) async fn send(
    context: RequestContext,
    Body(request): Body<SendChangePasswordEMailRequest>,
) -> Result<Negotiated<OperationResult>, ApiError> {
    let user_id = UserId::require("AssociateId", request.associate_id)?;
    let language = context.language().clone();
    let tag = language.tag();
    let sends_mails = context
        .run(|mails: Arc<PasswordMails>, caller| async move {
            mails.request(caller.change_context(), user_id, tag).await
        })
        .await?;
    let message =
        if sends_mails { String::new() } else { language.message("mail-not-configured", &[]) };
    Ok(Negotiated(OperationResult { success: sends_mails, message }))
}
