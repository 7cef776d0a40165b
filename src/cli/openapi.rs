//! `openapi`: the OpenAPI document of this binary.

use std::process::ExitCode;

use super::{output, output::Failure};
use crate::http;

/// Prints the document, for an installation without a base path.
pub(super) fn run() -> Result<ExitCode, Failure> {
    output::print_result(http::openapi_document("")?)?;
    Ok(ExitCode::SUCCESS)
}
