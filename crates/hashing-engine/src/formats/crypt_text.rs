//! The modular crypt format of SHA-crypt, MD5-crypt and phpass.

use super::{
    crypt::MD5_CRYPT_ROUNDS,
    crypt_base64::{decode, value_of},
    function_output::FunctionOutput,
    hash_function::Algorithm,
    rejection::HashRejection,
};

/// The rounds of SHA-crypt without a number.
const DEFAULT_SHA_CRYPT_ROUNDS: u32 = 5_000;

/// The order of the bytes in the text of MD5-crypt.
const MD5_CRYPT_ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

/// Length of the salt of phpass.
const PHPASS_SALT: usize = 8;

/// Parses a hash. `None` when it is none of these.
///
/// # Errors
/// When such a hash is invalid.
pub(super) fn parse(text: &str) -> Result<Option<FunctionOutput>, HashRejection> {
    let fields: Vec<_> = text.split('$').collect();
    let parsed = match fields.as_slice() {
        ["", "1", salt, output] => parse_md5_crypt(Algorithm::Md5Crypt, salt, output),
        ["", "apr1", salt, output] => parse_md5_crypt(Algorithm::Apr1Crypt, salt, output),
        ["", id @ ("5" | "6"), rest @ ..] => parse_sha_crypt(id, rest),
        ["", "P" | "H", rest] => parse_phpass(rest),
        _ => return Ok(None),
    };
    parsed.ok_or(HashRejection::Unrecognized).flatten().map(Some)
}

type Parsed = Option<Result<FunctionOutput, HashRejection>>;

fn parse_md5_crypt(algorithm: Algorithm, salt: &str, output: &str) -> Parsed {
    let output = decode(output, &MD5_CRYPT_ORDER)?;
    Some(FunctionOutput::new(algorithm, MD5_CRYPT_ROUNDS, salt.as_bytes(), output))
}

/// `salt$output` or `rounds=N$salt$output`.
fn parse_sha_crypt(id: &str, fields: &[&str]) -> Parsed {
    let (rounds, salt, output) = match fields {
        [salt, output] => (DEFAULT_SHA_CRYPT_ROUNDS, salt, output),
        [rounds, salt, output] => (rounds.strip_prefix("rounds=")?.parse().ok()?, salt, output),
        _ => return None,
    };
    let (algorithm, order) = match id {
        "5" => (Algorithm::Sha256Crypt, sha256_crypt_order()),
        _ => (Algorithm::Sha512Crypt, sha512_crypt_order()),
    };
    // With fewer rounds than the format allows, it names the limit.
    if rounds < 1_000 {
        return Some(Err(HashRejection::TooCheap("SHA-crypt rounds=1000")));
    }
    Some(FunctionOutput::new(algorithm, rounds, salt.as_bytes(), decode(output, &order)?))
}

/// Groups of three bytes that are ten apart, in rotating order, and two more.
fn sha256_crypt_order() -> Vec<usize> {
    let group = |first: usize| match first % 3 {
        0 => [first + 20, first + 10, first],
        1 => [first + 10, first, first + 20],
        _ => [first, first + 20, first + 10],
    };
    (0..10).flat_map(group).chain([30, 31]).collect()
}

/// Groups of three bytes that are 21 apart, in rotating order, and one more.
fn sha512_crypt_order() -> Vec<usize> {
    let group = |first: usize| match first % 3 {
        0 => [first + 42, first + 21, first],
        1 => [first, first + 42, first + 21],
        _ => [first + 21, first, first + 42],
    };
    (0..21).flat_map(group).chain([63]).collect()
}

/// A digit for the binary logarithm of the rounds, the salt and the output.
fn parse_phpass(rest: &str) -> Parsed {
    let (digit, rest) = rest.split_at_checked(1)?;
    let (salt, output) = rest.split_at_checked(PHPASS_SALT)?;
    let rounds = 1_u32.checked_shl(value_of(*digit.as_bytes().first()?)?)?;
    let order: Vec<_> = (0..16).collect();
    Some(FunctionOutput::new(Algorithm::Phpass, rounds, salt.as_bytes(), decode(output, &order)?))
}
