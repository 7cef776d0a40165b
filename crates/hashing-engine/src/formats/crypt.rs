//! MD5-crypt and phpass. Both are weak, so their outputs are wrapped in argon2id.

use md5::{Digest, Md5};

/// The rounds of MD5-crypt are fixed.
pub(super) const MD5_CRYPT_ROUNDS: u32 = 1_000;

/// MD5-crypt by Poul-Henning Kamp (FreeBSD 2.0). `magic` is `$1$`, or `$apr1$` for Apache's.
pub(super) fn md5_crypt(secret: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 16] {
    let alternate = digest(&[secret, salt, secret]);
    let mut state = Md5::new().chain_update(secret).chain_update(magic).chain_update(salt);
    for chunk in secret.chunks(alternate.len()) {
        state.update(alternate.get(..chunk.len()).unwrap_or_default());
    }
    let first = secret.get(..1).unwrap_or_default();
    let mut bits = secret.len();
    while bits > 0 {
        state.update(if bits & 1 == 1 { &[0] } else { first });
        bits >>= 1;
    }
    let mut output: [u8; 16] = state.finalize().into();
    for round in 0..MD5_CRYPT_ROUNDS {
        let (start, end): (&[u8], &[u8]) =
            if round & 1 == 1 { (secret, &output) } else { (&output, secret) };
        let salt = if round % 3 == 0 { &[] } else { salt };
        let middle = if round % 7 == 0 { &[] } else { secret };
        output = digest(&[start, salt, middle, end]);
    }
    output
}

/// phpass by Solar Designer: `$P$` of `WordPress` and `$H$` of phpBB.
pub(super) fn phpass(secret: &[u8], rounds: u32, salt: &[u8]) -> [u8; 16] {
    let start = digest(&[salt, secret]);
    (0..rounds).fold(start, |output, _| digest(&[&output, secret]))
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    parts.iter().fold(Md5::new(), Digest::chain_update).finalize().into()
}
