//! What separates data keys from other data under the same master key.

/// Authenticated together with every data key, so that no other ciphertext of the same master key
/// is taken for one.
pub(super) const PURPOSE: &[u8] = b"credential-keeper/data-key/1";
