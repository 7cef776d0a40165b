//! What the tests share.

mod assertions;
mod command;
pub(crate) mod compose;
mod credentials;
mod database_container;
mod issuer;
mod key_server;
mod server;
mod slow_answer;
mod test_app;

pub(crate) use self::{
    assertions::Answer,
    command::{Finished, keeper, run_with_input},
    credentials::Credentials,
    database_container::{DatabaseContainer, succeed},
    issuer::TestIssuer,
    key_server::KeyServer,
    server::{Server, started},
    slow_answer::SlowAnswer,
    test_app::{ADMINISTRATOR, PLAIN, RETIRED, TestApp, password_of},
};

/// The heart.
pub(crate) const SAVE: &str = "/api/v1/Agents/User/SaveCredential";
/// What users can log in with.
pub(crate) const TYPES: &str = "/api/v1/Agents/User/GetCredentialTypes";
/// Who am I.
pub(crate) const WHO: &str = "/api/v1/User/currentPrincipal";
/// A Bearer token for whoever asks.
pub(crate) const TOKEN: &str = "/api/v1/User/currentToken";
/// A ticket for a password.
pub(crate) const TICKETS: &str = "/keeper/tickets";
/// The ticket of the request.
pub(crate) const CURRENT_TICKET: &str = "/keeper/tickets/current";

/// A text's bytes as PostgreSQL shows them.
pub(crate) fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
