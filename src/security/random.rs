//! The operating system's random numbers, the only ones used for anything secret.

/// The operating system could not give random bytes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct RandomError(#[source] getrandom::Error);

/// `N` fresh random bytes.
///
/// # Errors
/// When the operating system cannot give them; nothing weaker is used instead.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}
