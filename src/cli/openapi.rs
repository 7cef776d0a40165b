//! `openapi`: prints the OpenAPI document.

use std::process::ExitCode;

use super::{output, output::Failure};
use crate::http;

/// Prints the document of an installation without a base path.
pub(super) fn run() -> Result<ExitCode, Failure> {
    output::print_result(http::openapi_document("")?)?;
    Ok(ExitCode::SUCCESS)
}
