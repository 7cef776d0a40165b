//! Tests of the User agent.

mod authorization;
mod contract;
mod credential_types;
mod delete_credential;
mod external_user_races;
mod external_users;
mod further_users;
mod identifiers;
mod named_user_races;
mod names;
mod passwords;
mod refusals;
mod rights;
mod save_credential;
mod save_credential_refusals;
mod untrusted_credentials;
mod untrusted_moves;
mod users;
mod validation;
mod validity;
mod vendor_ids;

/// The path of one call of the User agent.
fn agent(name: &str) -> String {
    format!("/api/v1/Agents/User/{name}")
}
