//! The random number of a form that generates a password. A form that is sent twice gets the same
//! password, whichever of the two responses the browser shows
//! ([ADR 70](../../../../docs/adr/0070-repeated-forms.md)).

use uuid::Uuid;

use crate::http::pages::forms::Form;

/// The hidden field.
const FORM_ID: &str = "FormId";

/// Adds the number to a form; a form that is shown again keeps its own.
pub(super) fn with_form_id(form: Form, sent: &str) -> Form {
    let form_id = parse(sent).unwrap_or_else(Uuid::new_v4);
    form.with_kept(FORM_ID, &form_id.to_string())
}

/// The number as sent; `None` in a form of an earlier release.
pub(super) fn parse(sent: &str) -> Option<Uuid> {
    Uuid::parse_str(sent).ok()
}
