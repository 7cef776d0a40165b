//! Files of settings, for fuzz targets.

use std::path::Path;

use super::otlp_headers::read_headers;

/// The headers in the file of `telemetry.otlp_headers_file`.
///
/// # Errors
/// The text of the error.
pub fn otlp_headers(file: &Path) -> Result<Vec<(String, String)>, String> {
    let headers = read_headers(file)?;
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    Ok(headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}
