//! Password hashing on a bounded number of threads, with a fixed amount of memory.
//!
//! Password hashes are expensive on purpose, so the engine limits their cost in several ways:
//!
//! - a fixed number of threads, each with memory that is allocated once and reused;
//! - a queue of bounded length, with a deadline for each job;
//! - fair queuing between clients, by a [`FairnessKey`] that the application chooses;
//! - admission control, which refuses a request before any other work is done for it;
//! - single flight: equal requests of one client at the same time share one hash;
//! - a cache of recent verifications.
//!
//! New hashes are argon2id in the PHC string format. The engine also verifies hashes of other
//! systems (argon2, bcrypt, scrypt, PBKDF2 and SHA-crypt), at the cost of a new hash or more, so
//! that response times do not reveal which hash an account has, or whether it exists. A hash that
//! is fast or weak ([`WeakHash`]) is wrapped in argon2id before it is stored.
//!
//! The engine logs nothing. It reports operational problems as an [`EngineEvent`], and
//! registers its metrics with [`HashingEngine::register_metrics`].
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use hashing_engine::{
//!     HashParameters, HashingEngine, HashingOptions, SecretForms, StoredHash,
//! };
//!
//! let options = HashingOptions {
//!     parameters: HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 },
//!     maximum_memory_kib: 64,
//!     threads: Some(1),
//!     deadline: Duration::from_secs(1),
//!     longest_delay: Duration::from_secs(5),
//!     maximum_verified: 100,
//!     verified_lifetime: Duration::from_secs(60),
//! };
//! let client = "192.0.2.1";
//! let engine = HashingEngine::start(&options, |event| eprintln!("{event}"))?;
//!
//! let hash = StoredHash::Own(engine.hash(client, b"correct horse").await?);
//! let (right, wrong) = (SecretForms::from("correct horse"), SecretForms::from("wrong"));
//! assert!(engine.verify_hash(client, right, Some(&hash)).await?);
//! assert!(!engine.verify_hash(client, wrong, Some(&hash)).await?);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod admission;
#[cfg(feature = "bench")]
mod bench_support;
mod capacity;
mod cost_meter;
mod derived_key;
mod engine;
mod error;
mod event;
mod fair_queue;
mod fairness_key;
mod formats;
#[cfg(feature = "fuzz")]
pub mod fuzz_support;
mod hash_parameters;
mod hasher;
mod job;
mod kernel;
mod metrics;
mod options;
mod pool;
mod random;
mod refusal_timing;
mod scrypt;
mod secret_forms;
mod single_flight;
mod verification;
mod verification_cache;
mod verification_key;
mod verification_request;
mod weight;

#[cfg(feature = "bench")]
pub use self::bench_support::HashBench;
pub use self::{
    admission::Admission,
    capacity::Capacity,
    cost_meter::{CostMeter, MeasuredCost},
    derived_key::derive_key,
    engine::HashingEngine,
    error::HashingError,
    event::{EngineEvent, OnEvent},
    fairness_key::FairnessKey,
    formats::{
        foreign_hash::ForeignHash,
        phc::{NotPhc, PhcHash},
        rejection::HashRejection,
        stored_hash::{AcceptedHash, StoredHash},
        unsupported::DES_CRYPT,
        wrapped_hash::{WeakHash, WrappedHash},
    },
    hash_parameters::{HashParameters, HashScheme},
    kernel::Tag,
    metrics::EngineCounts,
    options::HashingOptions,
    random::RandomError,
    secret_forms::SecretForms,
    single_flight::{Flight, FlightOutcome, SingleFlight},
    verification::CacheKeys,
    verification_key::VerificationDigest,
    verification_request::{RowStamp, Verification, VerificationOutcome, VerificationRequest},
};

#[cfg(test)]
mod counts_tests;
#[cfg(test)]
mod speed_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrapping_tests;
