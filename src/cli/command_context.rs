//! The context of commands on the database: settings, the components of the service, and users.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    output::{self, Failure},
    user_argument::UserArgument,
};
use crate::{
    clock,
    configuration::{Problem, Problems, Settings},
    domain::{
        change_context::ChangeContext, client_info::ClientInfo, principal::Actor, user::User,
    },
    service::users::directory::UserDirectory,
    startup::{self, Components},
    telemetry,
};

/// Longer than any hash waits.
const NO_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// Reads the settings and starts the log.
pub(super) fn read_settings() -> Result<Settings, Failure> {
    let settings = Settings::from_environment().map_err(|problems| refuse(&problems))?;
    telemetry::start(&settings.log)
        .map_err(|error| Failure::because(format!("log.level: {error}")))?;
    Ok(settings)
}

/// Fails when there is a problem, with all of them.
pub(super) fn require(problems: Vec<Problem>) -> Result<(), Failure> {
    if problems.is_empty() { Ok(()) } else { Err(refuse(&Problems(problems))) }
}

fn refuse(problems: &Problems) -> Failure {
    Failure::because(format!("the settings are not usable:\n{problems}"))
}

/// The keyring that the settings name.
pub(super) fn keyring_file() -> Result<PathBuf, Failure> {
    let file = read_settings()?.keyring_file;
    file.ok_or_else(|| Failure::because("keyring.file: is required"))
}

/// The components of the configured installation, without a listener.
pub(super) async fn open() -> Result<Components, Failure> {
    let mut settings = read_settings()?;
    // One hash at a time is enough for a command.
    settings.hashing.threads = 1;
    open_with(settings).await
}

/// The same for a command that hashes as much as the machine can; nobody waits for an answer.
pub(super) async fn open_for_import() -> Result<Components, Failure> {
    let mut settings = read_settings()?;
    settings.hashing.deadline = NO_DEADLINE;
    open_with(settings).await
}

pub(super) async fn open_with(settings: Settings) -> Result<Components, Failure> {
    require(settings.problems_of_commands())?;
    let database = startup::connect(&settings).await?;
    startup::require_migrations(&database).await?;
    startup::require_keyring(&settings, &database).await?;
    Ok(startup::build(&settings, database)?)
}

/// The user that an argument names; see [`UserArgument`].
pub(super) async fn find_user(directory: &UserDirectory, named: &str) -> Result<User, Failure> {
    let found = UserArgument::parse(named)?.find(directory).await?;
    found.ok_or_else(|| Failure::because("there is no such user"))
}

/// Where a command's changes come from, for the audit chain.
pub(super) fn client_info() -> ClientInfo {
    ClientInfo { address: None, request_id: Uuid::new_v4().to_string() }
}

/// An operator, who makes a change now.
pub(super) fn change_context(client_info: &ClientInfo) -> ChangeContext<'_> {
    ChangeContext { actor: Actor::Command, client_info, now: clock::now() }
}

/// A moment as results have it: RFC 3339, in UTC.
pub(super) fn moment(at: OffsetDateTime) -> Value {
    at.format(&Rfc3339).map_or(Value::Null, Value::String)
}

/// Answers yes or no, also by the exit code.
pub(super) fn answer(is_yes: bool, yes: &str, no: &str) -> Result<ExitCode, Failure> {
    output::print_result(if is_yes { yes } else { no })?;
    Ok(if is_yes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
