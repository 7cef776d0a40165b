//! Cryptography for this service. Depends on `domain` only.
//!
//! One file for each topic of a security review: hashing, sealing, keys, and the formats of
//! tickets, tokens and the audit log. `crates/hashing-engine` computes the hashes.

pub(crate) mod access_token;
mod aead;
pub(crate) mod anchor;
pub(crate) mod application_token;
pub(crate) mod archive;
mod atomic_file;
pub(crate) mod attempt_digests;
pub(crate) mod audit_chain;
#[cfg(feature = "bench")]
pub(crate) mod bench_support;
pub(crate) mod common_passwords;
pub(crate) mod file_work;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
pub(crate) mod generated_password;
mod hash_text;
pub(crate) mod hashing;
pub(crate) mod identifier;
mod issuer_claims;
pub(crate) mod issuer_keys;
pub(crate) mod issuer_token;
mod key_entry;
pub(crate) mod keyring;
mod keyring_file;
pub(crate) mod keyring_handle;
mod length_prefixed;
mod mac;
pub(crate) mod random;
pub(crate) mod sealing;
pub(crate) mod secret_file;
pub(crate) mod session_cookie;
pub(crate) mod so_ticket;
pub(crate) mod ticket_digest;
pub(crate) mod tls;
pub(crate) mod trusting_client;
pub(crate) mod untrusted_sealing;
pub(crate) mod user_signature;
mod verification_request;
pub(crate) mod webhook_signature;
pub(crate) mod wrapped_keyring;
pub(crate) mod xsrf;
