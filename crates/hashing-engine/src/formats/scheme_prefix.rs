//! Prefixes that LDAP servers and Django write in front of a hash in another format.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{function_output::FunctionOutput, hash_function::Algorithm, rejection::HashRejection};

/// Schemes in braces whose value is a hash in its own format.
const TRANSPARENT: [&str; 9] = [
    "CRYPT",
    "BCRYPT",
    "BLF-CRYPT",
    "ARGON2",
    "ARGON2I",
    "ARGON2ID",
    "SHA256-CRYPT",
    "SHA512-CRYPT",
    "MD5-CRYPT",
];

/// Schemes in braces whose value is Base64 of a digest, then the salt if the scheme has one.
const DIGESTS: [(&str, Algorithm, bool); 11] = [
    ("MD5", Algorithm::Md5, false),
    ("SMD5", Algorithm::Md5, true),
    ("SHA", Algorithm::Sha1, false),
    ("SHA1", Algorithm::Sha1, false),
    ("SSHA", Algorithm::Sha1, true),
    ("SHA256", Algorithm::Sha256, false),
    ("SSHA256", Algorithm::Sha256, true),
    ("SHA384", Algorithm::Sha384, false),
    ("SSHA384", Algorithm::Sha384, true),
    ("SHA512", Algorithm::Sha512, false),
    ("SSHA512", Algorithm::Sha512, true),
];

/// A text without its prefix.
pub(super) enum Unprefixed<'text> {
    /// A text in another format.
    Text(Cow<'text, str>),
    /// bcrypt over the hexadecimal SHA-256 of the secret.
    BcryptSha256(&'text str),
    /// A digest.
    Digest(FunctionOutput),
}

/// Reads the prefix of a text. A text without one is returned as it is.
///
/// # Errors
/// When the prefix is not supported, or the digest after it is invalid.
pub(super) fn strip(text: &str) -> Result<Unprefixed<'_>, HashRejection> {
    if let Some((scheme, value)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return strip_braces(scheme, value);
    }
    if let Some(bcrypt) = text.strip_prefix("bcrypt_sha256$") {
        return Ok(Unprefixed::BcryptSha256(bcrypt));
    }
    let without_prefix = match text.strip_prefix("argon2$") {
        Some(rest) => Cow::Owned(format!("${rest}")),
        None => Cow::Borrowed(text.strip_prefix("bcrypt$").unwrap_or(text)),
    };
    Ok(Unprefixed::Text(without_prefix))
}

fn strip_braces<'text>(
    scheme: &str,
    value: &'text str,
) -> Result<Unprefixed<'text>, HashRejection> {
    let is = |name: &&str| scheme.eq_ignore_ascii_case(name);
    if TRANSPARENT.iter().any(is) {
        return Ok(Unprefixed::Text(Cow::Borrowed(value)));
    }
    if let Some((_, algorithm, has_salt)) = DIGESTS.iter().find(|(name, ..)| is(name)) {
        return parse_digest(*algorithm, *has_salt, value).map(Unprefixed::Digest);
    }
    // The format of passlib and OpenLDAP: rounds$salt$output.
    let name = scheme.to_ascii_lowercase();
    if name.starts_with("pbkdf2") && value.contains('$') {
        return Ok(Unprefixed::Text(Cow::Owned(format!("${name}${value}"))));
    }
    Err(HashRejection::Unsupported("LDAP (with that scheme)"))
}

fn parse_digest(
    algorithm: Algorithm,
    has_salt: bool,
    value: &str,
) -> Result<FunctionOutput, HashRejection> {
    let bytes = STANDARD.decode(value).map_err(|_| HashRejection::Unrecognized)?;
    let parts = bytes.split_at_checked(algorithm.output_length());
    let (output, salt) = parts.ok_or(HashRejection::Unrecognized)?;
    if salt.is_empty() == has_salt {
        return Err(HashRejection::Unrecognized);
    }
    FunctionOutput::new(algorithm, 1, salt, output.to_vec())
}
