//! HMAC-SHA-256 under the keys of this installation.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A derived key of 32 bytes for one purpose.
pub(super) type PurposeKey = Zeroizing<[u8; 32]>;

/// HMAC-SHA-256 (RFC 2104) of `text`.
pub(super) fn hmac_sha256(key: &PurposeKey, text: &[u8]) -> Vec<u8> {
    // RFC 2104 pads a key that is shorter than the block with zeros.
    let mut block = Zeroizing::new([0; 64]);
    let (head, _) = block.split_at_mut(key.len());
    head.copy_from_slice(key.as_slice());
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}
