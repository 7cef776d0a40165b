//! Hashes that are known by sight and not supported, so that a refusal can name them.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::domain::Reason;

/// What the texts begin with; a longer one that begins like another comes first.
const FAMILIES: [(&str, &str); 21] = [
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

/// Why a text of no supported scheme is refused.
pub(super) fn reason(text: &str) -> Reason {
    if text.starts_with("$2x$") {
        return Reason::BrokenBcrypt;
    }
    let family = FAMILIES.iter().find(|(prefix, _)| text.starts_with(prefix));
    let name = family.map(|(_, name)| *name);
    match name.or_else(|| is_aspnet(text).then_some("ASP.NET Identity")) {
        Some(name) => Reason::UnsupportedHash(name),
        None => Reason::UnknownHash,
    }
}

/// ASP.NET Identity has no prefix: Base64 of a format byte, and of version 3 a PRF, rounds and a
/// length, then salt and output.
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
