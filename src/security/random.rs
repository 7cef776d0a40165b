//! Random bytes from the operating system, the only source for secrets.

/// The operating system returned no random bytes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub(crate) struct RandomError(#[source] getrandom::Error);

/// Returns `N` random bytes.
///
/// # Errors
/// When the operating system returns none. There is no weaker fallback.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}
