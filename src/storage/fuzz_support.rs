//! Database URLs, for fuzz targets.

use std::path::PathBuf;

use secrecy::SecretString;

use super::database_url::DatabaseUrl;

/// True when a URL has a password, and the files that it names.
///
/// # Errors
/// The text of the error.
pub fn database_url(text: &SecretString) -> Result<(bool, Vec<PathBuf>), String> {
    let url = DatabaseUrl::parse(text).map_err(|error| error.to_string())?;
    let files = [url.root_certificate, url.client_certificate, url.client_key];
    Ok((url.has_password, files.into_iter().flatten().collect()))
}
