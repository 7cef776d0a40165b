//! The errors of the API, as pages list them.

use askama::Template;

use crate::http::error_descriptions::{ErrorDescription, describe_errors};

/// Errors with status, code, message and occasion.
#[derive(Template)]
#[template(path = "docs/error_list.html")]
pub(super) struct ErrorList {
    errors: Vec<ErrorDescription>,
}

impl ErrorList {
    /// The errors with one of these statuses.
    pub(super) fn of_statuses(statuses: &[u16]) -> Self {
        let errors = describe_errors().into_iter();
        Self { errors: errors.filter(|error| statuses.contains(&error.status)).collect() }
    }
}

#[derive(Template)]
#[template(path = "docs/errors.html")]
struct ErrorsTemplate<'page> {
    base_path: &'page str,
    errors: ErrorList,
}

/// Renders the page of all errors.
///
/// # Errors
/// When the template cannot be rendered.
pub(super) fn errors_page(base_path: &str) -> Result<String, askama::Error> {
    ErrorsTemplate { base_path, errors: ErrorList { errors: describe_errors() } }.render()
}
