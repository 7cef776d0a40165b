//! Reads the answers of the old system.

use serde::{Deserialize, de::IgnoredAny};

use crate::domain::user::{DisplayName, UserType};

/// The maximum size of an answer, in bytes. Real answers are far smaller.
pub(super) const MAXIMUM_LENGTH: usize = 16 * 1024;

/// The answer to a name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookAnswer {
    /// The password is right.
    Accepted(AcceptedUser),
    /// The password is wrong, or the user may not log in.
    Rejected,
    /// The old system has no such user.
    Unknown,
}

/// What the old system says about a user whom it accepts. Used for a user who does not exist here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AcceptedUser {
    /// `None`: the login name.
    pub(crate) display_name: Option<DisplayName>,
    /// `None`: internal.
    pub(crate) user_type: Option<UserType>,
}

/// What is wrong with an answer, to follow `the answer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerProblem {
    /// Its form, whichever user it is about.
    #[error("{0}")]
    Form(&'static str),
    /// What it says about this user.
    #[error("{0}")]
    User(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnsweredResult {
    Accepted,
    Rejected,
    Unknown,
    /// The answer to a check without a password.
    Pong,
}

/// The answer as sent. An unknown member is refused: a sender of `administrator` expects an effect
/// that it must not have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerBody {
    result: AnsweredResult,
    display_name: Option<String>,
    #[serde(rename = "type")]
    user_type: Option<String>,
}

/// The members of an answer, whatever their values say about the user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outline {
    result: AnsweredResult,
    #[serde(default, rename = "display_name")]
    _display_name: IgnoredAny,
    #[serde(default, rename = "type")]
    _user_type: IgnoredAny,
}

/// The problem of an answer that is no JSON of the documented form.
const MALFORMED: &str =
    "is not a JSON object with the member result, and with display_name and type at most";

/// Reads the answer to a name and a password.
///
/// # Errors
/// The problem of the answer.
pub(super) fn read_answer(text: &[u8]) -> Result<HookAnswer, AnswerProblem> {
    let AnswerBody { result, display_name, user_type } = parse(text)?;
    if let AnsweredResult::Accepted = result {
        let display_name = display_name.map(|name| DisplayName::parse("display_name", &name));
        let display_name = display_name
            .transpose()
            .map_err(|_| AnswerProblem::User("has an invalid display_name"))?;
        let user_type = user_type.as_deref().map(movable_type).transpose()?;
        return Ok(HookAnswer::Accepted(AcceptedUser { display_name, user_type }));
    }
    if display_name.is_some() || user_type.is_some() {
        return Err(AnswerProblem::Form("describes a user whom it does not accept"));
    }
    match result {
        AnsweredResult::Rejected => Ok(HookAnswer::Rejected),
        AnsweredResult::Unknown => Ok(HookAnswer::Unknown),
        AnsweredResult::Accepted | AnsweredResult::Pong => {
            Err(AnswerProblem::Form("has another result than accepted, rejected and unknown"))
        }
    }
}

/// Reads the answer to a check without a password.
///
/// # Errors
/// The problem of the answer.
pub(super) fn read_pong(text: &[u8]) -> Result<(), AnswerProblem> {
    match parse(text)? {
        AnswerBody { result: AnsweredResult::Pong, display_name: None, user_type: None } => Ok(()),
        AnswerBody { .. } => Err(AnswerProblem::Form("to a ping is not {\"result\":\"pong\"}")),
    }
}

/// Reads the members of an answer. A value that cannot be read is a problem of the accepted user: it
/// may be a name that was cut within a character.
fn parse(text: &[u8]) -> Result<AnswerBody, AnswerProblem> {
    serde_json::from_slice(text).map_err(|_| match serde_json::from_slice(text) {
        Ok(Outline { result: AnsweredResult::Accepted, .. }) => AnswerProblem::User(MALFORMED),
        Ok(_) | Err(_) => AnswerProblem::Form(MALFORMED),
    })
}

/// The type of a user that the old system may choose: one without rights over other users.
fn movable_type(text: &str) -> Result<UserType, AnswerProblem> {
    match UserType::parse(text) {
        Some(user_type @ (UserType::Internal | UserType::External)) => Ok(user_type),
        Some(UserType::Resource | UserType::Anonymous | UserType::System) | None => {
            Err(AnswerProblem::User("has another type than internal and external"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_answers_are_read() {
        let accepted = |display_name: Option<&str>, user_type| {
            let display_name = display_name.map(|name| DisplayName::parse("", name).unwrap());
            HookAnswer::Accepted(AcceptedUser { display_name, user_type })
        };
        for (text, expected) in [
            (r#"{"result":"rejected"}"#, HookAnswer::Rejected),
            (" {\"result\" : \"unknown\"}\n", HookAnswer::Unknown),
            (r#"{"result":"accepted"}"#, accepted(None, None)),
            (r#"{"result":"accepted","display_name":null,"type":null}"#, accepted(None, None)),
            (
                r#"{"type":"external","display_name":"Åsa","result":"accepted"}"#,
                accepted(Some("Åsa"), Some(UserType::External)),
            ),
        ] {
            assert_eq!(read_answer(text.as_bytes()).unwrap(), expected, "{text}");
        }
        assert!(read_pong(br#"{"result":"pong"}"#).is_ok());
    }

    #[test]
    fn every_other_answer_is_no_answer() {
        for text in [
            "",
            "accepted",
            "true",
            r#""accepted""#,
            "[]",
            "{}",
            r#"{"result":"accepted""#,
            r#"{"result":"accepted"}{"#,
            r#"{"result":"Accepted"}"#,
            r#"{"result":true}"#,
            r#"{"result":null}"#,
            r#"{"result":"accepted","result":"accepted"}"#,
            r#"{"result":"rejected","result":"accepted"}"#,
            r#"{"result":"accepted","administrator":true}"#,
            r#"{"result":"accepted","display_name":""}"#,
            r#"{"result":"accepted","display_name":" "}"#,
            r#"{"result":"accepted","display_name":"a\u0000"}"#,
            r#"{"result":"accepted","display_name":7}"#,
            r#"{"result":"accepted","type":"system"}"#,
            r#"{"result":"accepted","type":"anonymous"}"#,
            r#"{"result":"accepted","type":"resource"}"#,
            r#"{"result":"accepted","type":"Internal"}"#,
            r#"{"result":"rejected","display_name":"Ada"}"#,
            r#"{"result":"unknown","type":"internal"}"#,
            r#"{"result":"pong"}"#,
            "\u{feff}{\"result\":\"accepted\"}",
        ] {
            assert!(read_answer(text.as_bytes()).is_err(), "{text}");
        }
        let long = format!(r#"{{"result":"accepted","display_name":"{}"}}"#, "x".repeat(255));
        assert!(read_answer(long.as_bytes()).is_err());
        assert!(read_answer(b"{\"result\":\"accepted\",\"display_name\":\"\xff\"}").is_err());
        for text in [r#"{"result":"accepted"}"#, r#"{"result":"pong","type":"internal"}"#, "pong"] {
            assert!(read_pong(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_description_of_an_accepted_user_is_a_problem_of_that_user() {
        let long = format!(r#"{{"result":"accepted","display_name":"{}"}}"#, "x".repeat(255));
        for (text, is_of_user) in [
            (long.as_str(), true),
            (r#"{"result":"accepted","display_name":" "}"#, true),
            (r#"{"result":"accepted","type":"system"}"#, true),
            (r#"{"result":"accepted","type":7}"#, true),
            (r#"{"result":"accepted","display_name":7}"#, true),
            (r#"{"result":"accepted","display_name":"Ada \ud83d"}"#, true),
            (r#"{"result":"rejected","display_name":7}"#, false),
            (r#"{"result":"accepted","display_name":7,"display_name":7}"#, false),
            (r#"{"result":"accepted","display_name":"Ada}"#, false),
            (r#"{"result":"accepted","administrator":true}"#, false),
            (r#"{"result":"rejected","display_name":"Ada"}"#, false),
            (r#"{"result":"pong"}"#, false),
            ("accepted", false),
        ] {
            let problem = read_answer(text.as_bytes()).unwrap_err();
            assert_eq!(matches!(problem, AnswerProblem::User(_)), is_of_user, "{text}");
        }
        let in_latin_1 = b"{\"result\":\"accepted\",\"display_name\":\"Ren\xe9\"}";
        assert_eq!(read_answer(in_latin_1), Err(AnswerProblem::User(MALFORMED)));
    }
}
