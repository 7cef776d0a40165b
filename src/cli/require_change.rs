//! `credential require-change` and `credential clear-change`: marks credentials that their owners must
//! change.

use std::process::ExitCode;

use clap::{ArgGroup, Args, ValueEnum};

use super::{
    command_context::{self, Operator, ReasonArgument},
    credential_target::{Target, credential_type},
    output::{self, Failure},
    progress,
    stop::Stop,
};
use crate::{
    domain::{change_cause::ChangeCause, credential_type::CredentialType, user::UserId},
    service::{
        Services,
        credentials::change_requirements::{ChangeRequirements, NewMark},
        errors::ChangeUserError,
    },
    storage::change_marks::CredentialOwner,
};

/// The number of users that are read at a time.
const PAGE: i64 = 500;

/// The arguments of `credential require-change`.
#[derive(Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["user", "all"])))]
pub(super) struct RequireArguments {
    /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
    #[arg(long)]
    user: Option<String>,
    /// All users with a credential of the type that is not marked yet, except those who cannot change
    /// theirs themselves (external and anonymous users).
    #[arg(long)]
    all: bool,
    /// Credential type [default: `credentials.default_type`].
    #[arg(long = "type")]
    credential_type: Option<String>,
    /// Why the credential must be changed.
    #[arg(long, value_enum, default_value = "administrator")]
    cause: CauseArgument,
    #[command(flatten)]
    reason: ReasonArgument,
}

/// Causes as command-line values.
#[derive(Clone, Copy, ValueEnum)]
enum CauseArgument {
    /// An administrator or operator requires it.
    Administrator,
    /// Somebody else knows the value, or may know it.
    Compromised,
}

impl From<CauseArgument> for ChangeCause {
    fn from(argument: CauseArgument) -> Self {
        match argument {
            CauseArgument::Administrator => Self::Administrator,
            CauseArgument::Compromised => Self::Compromised,
        }
    }
}

/// Runs `credential require-change`.
pub(super) async fn require(
    services: &Services,
    arguments: RequireArguments,
) -> Result<ExitCode, Failure> {
    let RequireArguments { user, credential_type: name, cause, reason, all: _ } = arguments;
    let operator = reason.operator()?;
    let target = Target { user: user.clone().unwrap_or_default(), credential_type: name };
    let credential_type = credential_type(&services.credentials, &target)?;
    let requirements = &services.credentials.requirements;
    let cause = cause.into();
    let Some(named) = user else {
        return require_all(requirements, &operator, credential_type, cause).await;
    };
    let user = command_context::find_user(&services.users.directory, &named).await?;
    let marked = require_one(requirements, &operator, user.user_id, credential_type, cause).await?;
    if marked && !user.user_type.may_change_password() {
        output::print_status(format_args!(
            "user {} cannot change it themselves; save a new one with `credential save`",
            user.user_id
        ));
    }
    command_context::print_outcome(marked, "change required", "credential not found")
}

async fn require_one(
    requirements: &ChangeRequirements,
    operator: &Operator,
    user_id: UserId,
    credential_type: &CredentialType,
    cause: ChangeCause,
) -> Result<bool, ChangeUserError> {
    let context = operator.change_context();
    let mark = NewMark { cause, version: None };
    requirements.require(context, user_id, credential_type, mark).await
}

/// The results of `--all`.
#[derive(Default)]
struct Counts {
    marked: u64,
    /// Users who could not change a marked credential, and would be locked out.
    skipped: u64,
    failed: u64,
}

impl Counts {
    fn report(&self) -> ExitCode {
        output::print_status(format_args!("required {} changes", self.marked));
        if self.skipped > 0 {
            output::print_status(format_args!(
                "skipped {} users who cannot change theirs themselves; save new ones with \
                 `credential save`",
                self.skipped
            ));
        }
        if self.failed > 0 {
            output::print_status(format_args!(
                "{} failed; run the same command to try them again",
                self.failed
            ));
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

/// Marks the credentials of all users who can change theirs, each in a transaction of its own. After
/// an interruption, the same command marks the others.
async fn require_all(
    requirements: &ChangeRequirements,
    operator: &Operator,
    credential_type: &CredentialType,
    cause: ChangeCause,
) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    let count = requirements.count_unmarked(credential_type).await?;
    let bar = progress::bar(u64::try_from(count).unwrap_or_default(), progress::RATE);
    let (mut counts, mut after) = (Counts::default(), None);
    loop {
        let listed = requirements.list_owners_after(after, credential_type, PAGE).await?;
        let Some(last) = listed.last() else { break };
        after = Some(last.user_id);
        for CredentialOwner { user_id, user_type, is_marked } in listed {
            if stop.is_requested() {
                bar.finish_and_clear();
                output::print_status(format_args!(
                    "required {} changes; stopped, run the same command to resume",
                    counts.marked
                ));
                return Ok(ExitCode::FAILURE);
            }
            if is_marked {
                continue;
            }
            bar.inc(1);
            // A user whose type is invalid is refused below, by name.
            if user_type.is_some_and(|kind| !kind.may_change_password()) {
                counts.skipped += 1;
                continue;
            }
            let operator = operator.with_new_request_id();
            match require_one(requirements, &operator, user_id, credential_type, cause).await {
                Ok(is_marked) => counts.marked += u64::from(is_marked),
                // It would fail for everybody.
                Err(error @ ChangeUserError::Sensitive(_)) => {
                    bar.finish_and_clear();
                    return Err(error.into());
                }
                Err(error) => {
                    counts.failed += 1;
                    bar.suspend(|| output::print_status(format_args!("user {user_id}: {error}")));
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(counts.report())
}

/// Runs `credential clear-change`.
pub(super) async fn clear(
    services: &Services,
    operator: &Operator,
    target: &Target,
) -> Result<ExitCode, Failure> {
    let user = command_context::find_user(&services.users.directory, &target.user).await?;
    let credential_type = credential_type(&services.credentials, target)?;
    let requirements = &services.credentials.requirements;
    let context = operator.change_context();
    let cleared = requirements.clear(context, user.user_id, credential_type, None).await?;
    command_context::print_outcome(cleared, "no change required", "no change was required")
}
