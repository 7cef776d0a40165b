//! Text formats of password hashes: the PHC string format, and those of other systems.

pub(crate) mod argon2_text;
mod bcrypt_text;
pub(crate) mod cost_limits;
mod crypt;
mod crypt_base64;
mod crypt_text;
mod fields;
pub(crate) mod foreign_hash;
mod function_output;
pub(crate) mod hash_function;
mod pbkdf2_text;
pub(crate) mod phc;
pub(crate) mod rejection;
mod scheme_prefix;
mod scrypt_text;
pub(crate) mod stored_hash;
pub(crate) mod unsupported;
pub(crate) mod wrapped_hash;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
