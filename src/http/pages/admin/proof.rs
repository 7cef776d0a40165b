//! What a sensitive form needs besides its own fields: a reason for the audit log, and the caller's
//! own password, if it was last proven too long ago (docs/reference/sensitive-changes.md). The form
//! asks for both together with everything else, so that nothing that was typed is lost.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder};
use secrecy::SecretString;

use crate::{
    domain::{
        InvalidField, Reason,
        action_reason::{ActionReason, MAXIMUM_REASON},
        credential::is_present,
    },
    http::{
        error::{ApiError, ErrorKind},
        pages::{field::Field, forms::Form, frame::PageFrame, html},
        reason_header::KEEPER_REASON,
        request_context::RequestContext,
    },
    service::sessions::sign_in::Sessions,
};

/// The field of the caller's own password.
const OWN_PASSWORD: &str = "OwnPassword";
/// The field of the reason.
const REASON: &str = "Reason";

/// Why a sensitive form is refused before its use case.
pub(super) enum Unproven {
    /// The password is wrong.
    Wrong,
    Failed(ApiError),
}

/// Adds the field for the reason, and the one for the caller's own password unless it was proven
/// recently. `reason` is what was typed.
pub(super) fn with_proof(form: Form, frame: &PageFrame, reason: &str) -> Form {
    let field = Field::text(REASON, frame.text("page-reason"), MAXIMUM_REASON);
    let field = field.with_hint(frame.text("page-reason-hint")).with_purpose("off");
    let form = form.with_field(field.with_value(reason));
    if frame.session().is_none_or(|session| session.is_proof_recent) {
        return form;
    }
    let label = frame.text("page-own-password");
    let field = Field::password(OWN_PASSWORD, label, "current-password", frame);
    form.with_field(field.with_hint(frame.text("page-own-password-hint")))
}

/// Gives the context the reason of a form, and proves the password of the caller if the form has one
/// and it is needed. After that, the form does not ask for the password when it is shown again.
///
/// # Errors
/// When the reason is invalid, or the password is wrong or cannot be verified.
pub(super) async fn prove(
    context: RequestContext,
    frame: &mut PageFrame,
    password: &SecretString,
    reason: &str,
) -> Result<RequestContext, Unproven> {
    let context = if reason.is_empty() {
        context
    } else {
        let reason = ActionReason::parse(REASON, reason);
        context.because(reason.map_err(|invalid| Unproven::Failed(invalid.into()))?)
    };
    if context.principal().is_proof_recent || !is_present(password) {
        return Ok(context);
    }
    let password = password.clone();
    let proven = context.clone().run(|sessions: Arc<Sessions>, caller| async move {
        sessions.prove(caller.change_context(), &password).await
    });
    match proven.await {
        Ok(()) => {
            frame.record_proof();
            Ok(context.proven())
        }
        // A session that has ended meanwhile is found by the next request.
        Err(error) if error.kind == ErrorKind::Unauthenticated => {
            error.log();
            Err(Unproven::Wrong)
        }
        Err(error) => Err(Unproven::Failed(error)),
    }
}

impl Unproven {
    /// The form with the error, and the head of its response.
    ///
    /// # Errors
    /// See [`html::refused`].
    pub(super) fn show(
        self,
        form: Form,
        frame: &PageFrame,
    ) -> Result<(HttpResponseBuilder, Form), ApiError> {
        match self {
            Self::Wrong => {
                let text = frame.text("page-wrong-password");
                let form = form.with_field_error(frame, OWN_PASSWORD, &text);
                Ok((HttpResponse::BadRequest(), form))
            }
            Self::Failed(error) => {
                let (response, kind) = html::refused(error)?;
                Ok((response, form.with_error(frame, &kind)))
            }
        }
    }
}

/// Shows the error of a form; a missing proof or reason at its field.
pub(super) fn with_error(form: Form, frame: &PageFrame, kind: &ErrorKind) -> Form {
    if *kind == ErrorKind::ProofTooOld {
        let missing = InvalidField::new(OWN_PASSWORD, Reason::Required);
        return form.with_error(frame, &missing.into());
    }
    if let ErrorKind::InvalidField(InvalidField { field, reason }) = kind
        && field == KEEPER_REASON
    {
        return form.with_error(frame, &InvalidField::new(REASON, *reason).into());
    }
    form.with_error(frame, kind)
}
