//! PBKDF2 in the PHC string format, and in the formats of `passlib`, Django, LDAP and ASP.NET.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};

use super::{function_output::FunctionOutput, hash_function::Algorithm, rejection::HashRejection};

/// Keycloak writes 64 bytes for every digest.
const MAXIMUM_OUTPUT: usize = 64;

/// Parses a hash. `None` when it is not PBKDF2.
///
/// # Errors
/// When a PBKDF2 hash is invalid or not supported.
pub(super) fn parse(text: &str) -> Result<Option<FunctionOutput>, HashRejection> {
    let fields: Vec<_> = text.split('$').collect();
    match fields.as_slice() {
        ["", name, costs, salt, output] if name.starts_with("pbkdf2") => {
            let name = if *name == "pbkdf2" { "pbkdf2-sha1" } else { name };
            let (rounds, length) = parse_costs(costs).ok_or(HashRejection::Unrecognized)?;
            // The Base64 alphabet of passlib has a dot instead of the plus.
            let decode = |text: &str| match STANDARD_NO_PAD.decode(text.replace('.', "+")) {
                Ok(bytes) => Ok(bytes),
                Err(_) if text.ends_with('=') => Err(HashRejection::Padded),
                Err(_) => Err(HashRejection::Unrecognized),
            };
            let (salt, output) = (decode(salt)?, decode(output)?);
            if length.is_some_and(|length| length != output.len()) {
                return Err(HashRejection::Unrecognized);
            }
            checked(name, rounds, &salt, output).map(Some)
        }
        // Django uses the text of the salt as its bytes.
        [name, rounds, salt, output] if name.starts_with("pbkdf2_") => {
            let rounds = rounds.parse().map_err(|_| HashRejection::Unrecognized)?;
            let output = STANDARD.decode(output).map_err(|_| HashRejection::Unrecognized)?;
            checked(&name.replace('_', "-"), rounds, salt.as_bytes(), output).map(Some)
        }
        _ => parse_aspnet(text),
    }
}

/// Parses `i=600000`, `i=600000,l=32` or, in the format of passlib, `600000`: the rounds, and the
/// length of the output.
fn parse_costs(costs: &str) -> Option<(u32, Option<usize>)> {
    let Some(costs) = costs.strip_prefix("i=") else { return Some((costs.parse().ok()?, None)) };
    match costs.split_once(",l=") {
        None => Some((costs.parse().ok()?, None)),
        Some((rounds, length)) => Some((rounds.parse().ok()?, Some(length.parse().ok()?))),
    }
}

/// A hash whose digest and lengths are supported.
fn checked(
    name: &str,
    rounds: u32,
    salt: &[u8],
    output: Vec<u8>,
) -> Result<FunctionOutput, HashRejection> {
    let algorithm = match name {
        "pbkdf2-sha1" => Algorithm::Pbkdf2Sha1,
        "pbkdf2-sha256" => Algorithm::Pbkdf2Sha256,
        "pbkdf2-sha512" => Algorithm::Pbkdf2Sha512,
        _ => return Err(HashRejection::Unsupported("PBKDF2 (with that digest)")),
    };
    if output.len() > MAXIMUM_OUTPUT {
        return Err(HashRejection::Unrecognized);
    }
    FunctionOutput::new(algorithm, rounds, salt, output)
}

/// Parses a hash of ASP.NET Identity: Base64 without a prefix. Version 2 is a zero byte, a salt of
/// 16 bytes and an output of 32. Version 3 is a byte of one; PRF, rounds and salt length as
/// big-endian numbers of 32 bits; salt and output.
fn parse_aspnet(text: &str) -> Result<Option<FunctionOutput>, HashRejection> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    match bytes.split_first() {
        Some((0, rest)) if rest.len() == 16 + 32 => {
            let (salt, output) = rest.split_at(16);
            FunctionOutput::new(Algorithm::Pbkdf2Sha1, 1_000, salt, output.to_vec()).map(Some)
        }
        Some((1, rest)) => parse_aspnet_3(rest).transpose(),
        _ => Ok(None),
    }
}

/// `None` when the lengths are not those of ASP.NET Identity.
fn parse_aspnet_3(bytes: &[u8]) -> Option<Result<FunctionOutput, HashRejection>> {
    let (header, rest) = bytes.split_first_chunk::<12>()?;
    let [prf, rounds, salt_length] = header.as_chunks::<4>().0 else { return None };
    let [prf, rounds, salt_length] =
        [prf, rounds, salt_length].map(|word| u32::from_be_bytes(*word));
    let (salt, output) = rest.split_at_checked(usize::try_from(salt_length).ok()?)?;
    if salt.len() < 16 || !(16..=MAXIMUM_OUTPUT).contains(&output.len()) {
        return None;
    }
    let algorithm = match prf {
        0 => Algorithm::Pbkdf2Sha1,
        1 => Algorithm::Pbkdf2Sha256,
        2 => Algorithm::Pbkdf2Sha512,
        _ => return None,
    };
    Some(FunctionOutput::new(algorithm, rounds, salt, output.to_vec()))
}
