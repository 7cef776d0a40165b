//! Recognizes hash formats that are not supported, so that the error can name them.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::rejection::HashRejection;

/// Prefixes and names of formats. A prefix precedes the shorter ones that it starts with.
const FORMATS: [(&str, &str); 21] = [
    ("$scrypt$", "scrypt"),
    ("$7$", "scrypt"),
    ("scrypt$", "Django scrypt"),
    ("argon2$", "Django argon2"),
    ("bcrypt$", "Django bcrypt"),
    ("bcrypt_sha256$", "Django bcrypt_sha256"),
    ("$bcrypt-sha256$", "passlib bcrypt_sha256"),
    ("md5$", "Django MD5"),
    ("sha1$", "Django SHA-1"),
    ("$1$", "md5crypt"),
    ("$apr1$", "md5crypt"),
    ("$5$", "sha256crypt"),
    ("$6$", "sha512crypt"),
    ("$y$", "yescrypt"),
    ("$gy$", "gost-yescrypt"),
    ("$P$", "phpass"),
    ("$H$", "phpass"),
    ("{BCRYPT}", "LDAP bcrypt"),
    ("{SSHA", "LDAP salted SHA"),
    ("{SHA", "LDAP SHA"),
    ("{", "LDAP"),
];

/// The rejection of a text in no supported format.
pub(super) fn reject(text: &str) -> HashRejection {
    if text.starts_with("$2x$") {
        return HashRejection::BrokenBcrypt;
    }
    let format = FORMATS.iter().find(|(prefix, _)| text.starts_with(prefix));
    let name = format.map(|(_, name)| *name);
    match name.or_else(|| is_aspnet(text).then_some("ASP.NET Identity")) {
        Some(name) => HashRejection::Unsupported(name),
        None => HashRejection::Unrecognized,
    }
}

/// True for a hash of ASP.NET Identity, which has no prefix: Base64 of a format byte, in version 3
/// the PRF, rounds and length, then salt and output.
fn is_aspnet(text: &str) -> bool {
    const VERSION_2: usize = 1 + 16 + 32;
    const VERSION_3_HEADER: usize = 1 + 3 * 4;
    let bytes = STANDARD.decode(text).unwrap_or_default();
    match bytes.first() {
        Some(0) => bytes.len() == VERSION_2,
        Some(1) => bytes.len() > VERSION_3_HEADER + 16,
        _ => false,
    }
}
