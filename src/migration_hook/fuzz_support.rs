//! The parsers of answers of the old system and of its keys, for fuzz targets.

use super::answer::{AnswerProblem, HookAnswer, read_answer, read_pong};
use crate::security::webhook_signature::WebhookKeys;

/// What an answer of the old system decides: the display name and the type of an accepted user;
/// `Ok(None)` for a refused one.
///
/// # Errors
/// The problem of the answer.
#[expect(clippy::type_complexity, reason = "plain values for the target")]
pub fn migration_answer(
    text: &[u8],
) -> Result<Option<(Option<String>, Option<&'static str>)>, &'static str> {
    let answer = read_answer(text)
        .map_err(|(AnswerProblem::Form(problem) | AnswerProblem::User(problem))| problem)?;
    Ok(match answer {
        HookAnswer::Accepted(user) => Some((
            user.display_name.map(|name| name.as_str().to_owned()),
            user.user_type.map(crate::domain::user::UserType::as_str),
        )),
        HookAnswer::Rejected | HookAnswer::Unknown => None,
    })
}

/// True for the answer to a check without a password.
#[must_use]
pub fn is_migration_pong(text: &[u8]) -> bool {
    read_pong(text).is_ok()
}

/// The number of signatures with the keys of a file; `None` when it contains no keys.
#[must_use]
pub fn sign_with(keys: &str, body: &[u8]) -> Option<usize> {
    let keys = WebhookKeys::parse(keys)?;
    Some(keys.sign("msg_1", 0, body).split(' ').count())
}
