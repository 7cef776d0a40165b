//! The answers file of `init`, for fuzz targets.

use super::arguments::{Given, parse};

/// The answers that a file has, by the names of their members.
///
/// # Errors
/// The number of the invalid line.
pub fn init_answers(text: &str) -> Result<Vec<(&'static str, String)>, usize> {
    let Given { database_url, host, listen, tls, tls_key, proxy, administrator, keyring, migrate } =
        parse(text)?;
    let texts = [
        ("database_url", database_url),
        ("host", host),
        ("listen", listen),
        ("tls", tls),
        ("tls_key", tls_key),
        ("proxy", proxy),
        ("administrator", administrator),
        ("keyring", keyring),
        ("migrate", migrate.then(|| "true".to_owned())),
    ];
    Ok(texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect())
}
