//! Recognizes hash formats that are not supported, so that the error can name them.

use super::rejection::HashRejection;

/// Prefixes and names of formats. A prefix precedes the shorter ones that it starts with.
const FORMATS: [(&str, &str); 12] = [
    ("$7$", "scrypt ($7$)"),
    ("$s0$", "scrypt ($s0$)"),
    ("scrypt:", "Werkzeug scrypt"),
    ("pbkdf2:", "Werkzeug PBKDF2"),
    ("$bcrypt-sha256$", "passlib bcrypt_sha256"),
    ("md5$", "Django MD5"),
    ("sha1$", "Django SHA-1"),
    ("$y$", "yescrypt"),
    ("$gy$", "gost-yescrypt"),
    ("$S$", "Drupal SHA-512"),
    ("$sha1$", "SHA-1-crypt"),
    ("$3$", "Windows NT"),
];

/// The name of DES-crypt, whose hashes have no prefix: any 13 letters and digits may be one.
pub const DES_CRYPT: &str = "DES-crypt";

/// The length of a hash of DES-crypt.
const DES_CRYPT_LENGTH: usize = 13;

/// The rejection of a text in no supported format.
pub(super) fn reject(text: &str) -> HashRejection {
    if text.starts_with("$2x$") {
        return HashRejection::BrokenBcrypt;
    }
    let format = FORMATS.iter().find(|(prefix, _)| text.starts_with(prefix));
    let name = format.map(|(_, name)| *name);
    match name.or_else(|| is_des_crypt(text).then_some(DES_CRYPT)) {
        Some(name) => HashRejection::Unsupported(name),
        None => HashRejection::Unrecognized,
    }
}

/// True for a text that may be a hash of DES-crypt, which ignores everything after eight bytes.
fn is_des_crypt(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    text.len() == DES_CRYPT_LENGTH && text.bytes().all(is_digit)
}
