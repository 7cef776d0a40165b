//! Writes lines: one by one, or in batches.

use tokio::sync::mpsc;

use super::requester::Requester;
use crate::{
    domain::user::UserId,
    service::{
        errors::ChangeUserError,
        import::{
            bulk::{self, BulkImport},
            users::{Imported, ImportedUser, UserImport},
        },
    },
};

/// The result of a line.
pub(super) type Outcome = Result<(Imported, Option<UserId>), ChangeUserError>;

/// What to do with a single line.
pub(super) enum Effect {
    Import,
    /// Only check it. An earlier line may have added the user, if it had been imported.
    Preview {
        is_added_before: bool,
    },
}

/// Results with the numbers of their lines.
pub(super) type Results = Vec<(u64, Outcome)>;

/// Receives the result of each line as soon as it is known, those of a batch together.
pub(super) type ResultSender = mpsc::UnboundedSender<Results>;

/// Imports or checks a line.
pub(super) async fn run_one(
    import: &UserImport,
    requester: &impl Requester,
    effect: Effect,
    user: ImportedUser,
) -> Outcome {
    let context = requester.change_context();
    match effect {
        Effect::Preview { is_added_before } => {
            import.preview(context, &user, is_added_before).await
        }
        Effect::Import => {
            let (imported, user_id) = import.import(context, user).await?;
            Ok((imported, Some(user_id)))
        }
    }
}

/// Imports a batch, and sends the results of its lines.
///
/// # Errors
/// When the failure affects more than one line.
pub(super) async fn import_batch(
    import: &BulkImport,
    requester: &impl Requester,
    batch: Vec<(u64, ImportedUser)>,
    results: &ResultSender,
) -> Result<(), ChangeUserError> {
    let (numbers, users): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let send = |outcomes: Vec<(usize, bulk::Outcome)>| {
        let result = |(index, outcome): (usize, bulk::Outcome)| {
            let outcome = outcome.map(|(imported, user_id)| (imported, Some(user_id)));
            numbers.get(index).map(|number| (*number, outcome))
        };
        // Sending fails only after the import has ended.
        let _ = results.send(outcomes.into_iter().filter_map(result).collect());
    };
    import.import(requester.change_context(), users, send).await
}
