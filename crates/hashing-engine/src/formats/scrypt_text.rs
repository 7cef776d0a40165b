//! scrypt in the PHC string format, and in the formats of Django and Firebase.

use aes::Aes256;
use argon2::Block;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    super::{
        hash_parameters::{HashParameters, HashScheme},
        scrypt::{ScryptCost, derive},
    },
    fields::{decode_unpadded, values},
    rejection::HashRejection,
};

/// The supported parameters.
const PARAMETERS: &str = "ln=1…31, r=1, 2, 4, 8, 16, 32, p=1…16";

/// The longest salt, with the separator of Firebase.
const MAXIMUM_SALT: usize = 128;

/// A shorter output would match by chance.
const OUTPUT_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// An scrypt hash that can be verified.
#[derive(Clone)]
pub(super) struct ScryptHash {
    cost: ScryptCost,
    salt: Vec<u8>,
    output: Vec<u8>,
    /// Firebase stores this key, encrypted under the output of scrypt.
    signer_key: Option<Zeroizing<Vec<u8>>>,
}

impl ScryptHash {
    /// A hash that no secret matches, for measurements.
    pub(super) fn sample(parameters: HashParameters) -> Option<Self> {
        let cost = ScryptCost::filling(parameters.memory_kib, parameters.iterations)?;
        Some(Self { cost, salt: vec![0; 16], output: vec![0; 32], signer_key: None })
    }

    pub(super) fn scheme(&self) -> HashScheme {
        if self.signer_key.is_some() { HashScheme::FirebaseScrypt } else { HashScheme::Scrypt }
    }

    pub(super) fn parameters(&self) -> HashParameters {
        let (memory_kib, iterations) = (self.cost.memory_kib(), self.cost.passes());
        HashParameters { memory_kib, iterations, parallelism: 1 }
    }

    /// True when the hash was computed from this secret. False when the memory is too small.
    pub(super) fn matches(&self, secret: &[u8], memory: &mut [Block]) -> bool {
        let output = match &self.signer_key {
            None => {
                let mut output = Zeroizing::new(vec![0; self.output.len()]);
                derive(secret, &self.salt, self.cost, memory, &mut output).map(|()| output)
            }
            Some(signer_key) => {
                let mut key = Zeroizing::new([0; 32]);
                derive(secret, &self.salt, self.cost, memory, key.as_mut_slice()).map(|()| {
                    let mut output = signer_key.clone();
                    let start = [0; 16];
                    Ctr128BE::<Aes256>::new((&*key).into(), (&start).into())
                        .apply_keystream(&mut output);
                    output
                })
            }
        };
        output.is_some_and(|output| output.ct_eq(&self.output).into())
    }
}

/// Parses a hash. `None` when it is not scrypt.
///
/// # Errors
/// When an scrypt hash is invalid or not supported.
pub(super) fn parse(text: &str) -> Result<Option<ScryptHash>, HashRejection> {
    let fields: Vec<_> = text.split('$').collect();
    match fields.as_slice() {
        ["", "scrypt", parameters, salt, output] => {
            let invalid = HashRejection::InvalidParameters(PARAMETERS);
            let [log_n, r, p] = values(parameters, ["ln", "r", "p"]).ok_or(invalid)?;
            let cost = parse_cost(log_n, r, p).ok_or(invalid)?;
            checked(cost, decode_unpadded(salt)?, decode_unpadded(output)?, None).map(Some)
        }
        ["", "firebase-scrypt", parameters, salt, output] => {
            parse_firebase(parameters, salt, output).map(Some)
        }
        // Django uses the text of the salt as its bytes.
        ["scrypt", n, salt, r, p, output] => {
            let invalid = HashRejection::InvalidParameters(PARAMETERS);
            let n: u32 = n.parse().map_err(|_| invalid)?;
            let log_n = n.is_power_of_two().then(|| n.ilog2().to_string()).ok_or(invalid)?;
            let cost = parse_cost(&log_n, r, p).ok_or(invalid)?;
            let output = STANDARD.decode(output).map_err(|_| HashRejection::Unrecognized)?;
            checked(cost, salt.as_bytes().to_vec(), output, None).map(Some)
        }
        _ => Ok(None),
    }
}

/// Firebase's parameters, with the separator of the salt (`ss`) and the signer key (`sk`). Padding
/// is accepted, because the exports of Firebase have it.
fn parse_firebase(parameters: &str, salt: &str, output: &str) -> Result<ScryptHash, HashRejection> {
    let invalid = HashRejection::InvalidParameters("ln, r, p, ss, sk");
    let names = ["ln", "r", "p", "ss", "sk"];
    let [log_n, r, p, separator, signer_key] = values(parameters, names).ok_or(invalid)?;
    let cost = parse_cost(log_n, r, p).ok_or(HashRejection::InvalidParameters(PARAMETERS))?;
    let decode = |text: &str| {
        let decoded = STANDARD_NO_PAD.decode(text.trim_end_matches('='));
        decoded.map_err(|_| HashRejection::Unrecognized)
    };
    let signer_key = Zeroizing::new(decode(signer_key)?);
    let (salt, output) = ([decode(salt)?, decode(separator)?].concat(), decode(output)?);
    if signer_key.len() != output.len() {
        return Err(HashRejection::Unrecognized);
    }
    checked(cost, salt, output, Some(signer_key))
}

fn parse_cost(log_n: &str, r: &str, p: &str) -> Option<ScryptCost> {
    ScryptCost::new(log_n.parse().ok()?, r.parse().ok()?, p.parse().ok()?)
}

fn checked(
    cost: ScryptCost,
    salt: Vec<u8>,
    output: Vec<u8>,
    signer_key: Option<Zeroizing<Vec<u8>>>,
) -> Result<ScryptHash, HashRejection> {
    let has_valid_lengths =
        (1..=MAXIMUM_SALT).contains(&salt.len()) && OUTPUT_BYTES.contains(&output.len());
    if !has_valid_lengths {
        return Err(HashRejection::Unrecognized);
    }
    Ok(ScryptHash { cost, salt, output, signer_key })
}
