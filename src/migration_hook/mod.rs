//! The HTTP client of the old system that users move from (`migration.hook_url`): asks it whether a
//! name and a password are right (docs/how-to/move-users-at-login.md).

mod answer;
mod client;
mod error;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod metrics;
mod options;
mod request;

pub(crate) use self::{
    answer::{AcceptedUser, HookAnswer},
    client::{MigrationHook, http_client},
    error::HookError,
    metrics::HookMetrics,
    options::HookOptions,
    request::read_keys,
};
