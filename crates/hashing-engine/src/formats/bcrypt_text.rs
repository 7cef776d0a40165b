//! The modular crypt format of bcrypt.

use super::{super::hash_parameters::HashParameters, rejection::HashRejection, unsupported};

/// Parses `$2b$12$…`, also `2a` and `2y`, which mark bugs that were fixed long ago. `2x` marks a
/// hash that was computed with such a bug.
///
/// # Errors
/// When the text is not a bcrypt hash. Names the format if it is known.
pub(super) fn parse_cost(text: &str) -> Result<HashParameters, HashRejection> {
    let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    if !is_bcrypt {
        return Err(unsupported::reject(text));
    }
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashRejection::Unrecognized)?;
    Ok(HashParameters { memory_kib: 0, iterations: parts.get_cost(), parallelism: 1 })
}

/// True when the hash in `text` was computed from this secret.
pub(super) fn matches(text: &str, secret: &[u8]) -> bool {
    bcrypt::verify(secret, text).unwrap_or(false)
}
