//! The use cases: authorize, hash, store and audit. Only this layer starts transactions.
//!
//! Each folder is a capability, with structs that hold only what its use cases need; `startup`
//! assembles them. No use case hashes inside a transaction or while it holds a connection.

#[macro_use]
mod connection;

pub(crate) mod activity;
pub(crate) mod audit;
pub(crate) mod authentication;
pub(crate) mod credentials;
pub(crate) mod directory;
pub(crate) mod errors;
mod handle;
mod identifier_owner;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod mail;
pub(crate) mod operations;
pub(crate) mod restore;
mod services;
pub(crate) mod sessions;
pub(crate) mod throttling;
mod unsealing;
pub(crate) mod untrusted_credentials;
pub(crate) mod user_transaction;
pub(crate) mod users;

pub(crate) use self::{
    handle::{Interrupted, ServiceHandle},
    services::{Capability, Services},
};

// Errors of the layers below, re-exported for `http`, which does not depend on these layers.
pub(crate) use crate::{
    security::{access_token::TokenRefused, hashing::HashingError, random::RandomError},
    storage::StorageError,
};
