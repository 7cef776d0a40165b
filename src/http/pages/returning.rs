//! The part of a sign-in form that leads back to what needed the session.

use super::{forms::Form, return_to::ReturnTo};

/// Adds what the sign-in returns to.
pub(super) fn returning(mut form: Form, return_to: &ReturnTo) -> Form {
    if let Some(page) = &return_to.page {
        form = form.with_hidden("Next", page.as_str());
    }
    if let Some(kept) = &return_to.form {
        form =
            form.with_hidden("KeptAction", kept.action()).with_hidden("KeptFields", kept.fields());
    }
    form
}
