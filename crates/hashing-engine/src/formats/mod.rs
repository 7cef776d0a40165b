//! Text formats of password hashes: the PHC string format, and those of other systems.

pub(crate) mod argon2_text;
mod bcrypt_text;
pub(crate) mod cost_limits;
pub(crate) mod foreign_hash;
mod pbkdf2_text;
pub(crate) mod phc;
pub(crate) mod rejection;
pub(crate) mod stored_hash;
mod unsupported;

#[cfg(test)]
mod tests;
