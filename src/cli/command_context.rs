//! The context of a command: the settings, the components of the service, and the context of the
//! changes that the command makes.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::{
    output::{self, Failure},
    user_argument::UserArgument,
};
use crate::{
    clock,
    configuration::{LoadedSettings, Problem, Problems, Settings},
    domain::{
        InvalidField, action_reason::ActionReason, change_context::ChangeContext,
        client_info::ClientInfo, principal::Actor, user::User,
    },
    service::users::directory::UserDirectory,
    startup::{self, Components},
    storage::{Database, privileges::GrantedRole},
    telemetry::export::Export,
};

/// Longer than any hash can wait in the queue.
const NO_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// Reads the settings and starts logging.
pub(super) fn read_settings() -> Result<Settings, Failure> {
    let settings = Settings::from_environment().map_err(|problems| invalid_settings(&problems))?;
    startup::start_log(&settings)?;
    Ok(settings)
}

/// Like [`read_settings`], for a process that can read them again, and exports its log and traces.
pub(super) fn load_settings() -> Result<(LoadedSettings, Option<Export>), Failure> {
    let loaded =
        LoadedSettings::from_environment().map_err(|problems| invalid_settings(&problems))?;
    let export = startup::start_log_and_export(loaded.settings())?;
    Ok((loaded, export))
}

/// Fails with all problems, if any.
pub(super) fn require(problems: Vec<Problem>) -> Result<(), Failure> {
    if problems.is_empty() { Ok(()) } else { Err(invalid_settings(&Problems(problems))) }
}

/// The failure of a command whose settings have problems.
pub(super) fn invalid_settings(problems: &Problems) -> Failure {
    Failure::new(format!("invalid settings:\n{problems}"))
}

/// The keyring file of the settings.
pub(super) fn keyring_file(settings: &Settings) -> Result<PathBuf, Failure> {
    let file = settings.keyring_file.clone();
    file.ok_or_else(|| Failure::new("keyring.file: is required; set it to the keyring file"))
}

/// The components of the configured installation, without a listener.
pub(super) async fn open() -> Result<Components, Failure> {
    let mut settings = read_settings()?;
    // One hash at a time is enough for a command.
    settings.hashing.threads = 1;
    open_with(settings, GrantedRole::Service).await
}

/// Like [`open`], for a command that only reads what the auditor may read.
pub(super) async fn open_for_audit() -> Result<Components, Failure> {
    let mut settings = read_settings()?;
    settings.hashing.threads = 1;
    open_with(settings, GrantedRole::Auditor).await
}

/// Like [`open`], for a command that hashes on all threads. Hashes have no deadline: no caller
/// waits for a response.
pub(super) async fn open_for_import() -> Result<Components, Failure> {
    let mut settings = read_settings()?;
    settings.hashing.deadline = NO_DEADLINE;
    open_with(settings, GrantedRole::Service).await
}

/// Like [`open`], with settings that are already read, and the database role that the command needs.
pub(super) async fn open_with(
    settings: Settings,
    needed: GrantedRole,
) -> Result<Components, Failure> {
    require(settings.problems_of_commands())?;
    let database = startup::connect_for_command(&settings).await?;
    build(settings, database, needed).await
}

/// Like [`open_with`], with the timeouts of the service, which `doctor` examines.
pub(super) async fn open_with_timeouts(
    settings: Settings,
    needed: GrantedRole,
) -> Result<Components, Failure> {
    require(settings.problems_of_commands())?;
    let database = startup::connect(&settings).await?;
    build(settings, database, needed).await
}

async fn build(
    settings: Settings,
    database: Database,
    needed: GrantedRole,
) -> Result<Components, Failure> {
    startup::require_privileges(&database, needed).await?;
    startup::require_migrations(&database).await?;
    let keyring = startup::open_keyring(&settings, &database, needed).await?;
    Ok(startup::build(&settings, database, keyring)?)
}

/// Finds the user of an argument; see [`UserArgument`].
pub(super) async fn find_user(directory: &UserDirectory, named: &str) -> Result<User, Failure> {
    let found = UserArgument::parse(named)?.find(directory).await?;
    found.ok_or_else(|| Failure::new("user not found; run `user list` to list all users"))
}

/// The client information of a command, for audit events.
fn client_info() -> ClientInfo {
    ClientInfo { address: None, request_id: Uuid::new_v4().to_string(), device: None }
}

/// The argument of a command that changes users.
#[derive(Args, Default)]
pub(super) struct ReasonArgument {
    /// Reason of the change, for its audit events.
    #[arg(long)]
    reason: Option<String>,
}

impl ReasonArgument {
    /// The operator who runs the command, with this reason.
    ///
    /// # Errors
    /// When the reason is invalid.
    pub(super) fn operator(&self) -> Result<Operator, InvalidField> {
        let parse = |text: &String| ActionReason::parse("--reason", text);
        Ok(Operator::new(self.reason.as_ref().map(parse).transpose()?))
    }
}

/// The operator who runs a command, with one request id for its changes.
pub(super) struct Operator {
    client_info: ClientInfo,
    reason: Option<ActionReason>,
}

impl Operator {
    /// An operator with a new request id.
    pub(super) fn new(reason: Option<ActionReason>) -> Self {
        let client_info = client_info();
        Self { client_info, reason }
    }

    /// The same operator with a new request id.
    pub(super) fn with_new_request_id(&self) -> Self {
        Self::new(self.reason.clone())
    }

    /// The context of a change that the operator makes now.
    pub(super) fn change_context(&self) -> ChangeContext<'_> {
        let (client_info, reason) = (&self.client_info, self.reason.as_ref());
        ChangeContext { actor: Actor::Command, client_info, reason, now: clock::now() }
    }
}

/// Formats a time as RFC 3339 in UTC.
pub(super) fn timestamp(time: OffsetDateTime) -> Value {
    time.format(&Rfc3339).map_or(Value::Null, Value::String)
}

/// Prints the result of a command that can have a negative result, and returns its exit code.
pub(super) fn print_outcome(
    is_success: bool,
    success: &str,
    otherwise: &str,
) -> Result<ExitCode, Failure> {
    output::print_result(if is_success { success } else { otherwise })?;
    Ok(if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
