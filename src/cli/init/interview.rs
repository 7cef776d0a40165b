//! Asks a question at the terminal until the answer is valid, or takes the given answer.

use std::io::{self, IsTerminal, Write};

use secrecy::{ExposeSecret, SecretString};

use crate::cli::{
    output::{self, Failure},
    secret_input::is_same,
};

/// One question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'text> {
    /// The option with the answer, without its dashes.
    pub(super) option: &'static str,
    pub(super) text: &'text str,
    /// The answer to an empty line. `None`: an answer is required.
    pub(super) default: Option<&'text str>,
}

/// Where answers come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interview {
    /// False without a terminal: questions get their given or their default answer.
    pub(super) is_interactive: bool,
}

impl Interview {
    /// Asks at the terminal, unless there is none or the answers come from a file.
    pub(super) fn new(has_answers_file: bool) -> Self {
        Self { is_interactive: !has_answers_file && io::stdin().is_terminal() }
    }

    /// The valid answer: the given one, a typed one, or the default.
    ///
    /// # Errors
    /// When an answer that cannot be asked for is missing or invalid, or the input ends.
    pub(super) fn ask<T>(
        self,
        question: Question<'_>,
        given: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let Question { option, text, default } = question;
        let invalid = |reason| Failure::new(format!("--{option}: {reason}"));
        if let Some(given) = given {
            let given = if given.is_empty() { Err("must not be empty".into()) } else { Ok(given) };
            return given.and_then(&parse).map_err(invalid);
        }
        if !self.is_interactive {
            let missing = || {
                invalid(
                    "is required without a terminal; pass it, or an answers file (--answers)"
                        .into(),
                )
            };
            return parse(default.ok_or_else(missing)?).map_err(invalid);
        }
        loop {
            let prompt = match default {
                Some(default) => format!("{text} [{default}]: "),
                None => format!("{text}: "),
            };
            let typed = read_line(&prompt)?;
            let parsed = match (typed.as_deref(), default) {
                (Some(""), Some(default)) => parse(default),
                (Some(""), None) => Err("an answer is required".to_owned()),
                (Some(typed), _) => parse(typed),
                (None, _) => Err("is not UTF-8".to_owned()),
            };
            match parsed {
                Ok(answer) => return Ok(answer),
                Err(reason) => say_again(&reason),
            }
        }
    }

    /// A question with the answers yes and no.
    ///
    /// # Errors
    /// When the input ends.
    pub(super) fn confirm(self, text: &str) -> Result<bool, Failure> {
        let question = Question { option: "", text, default: Some("yes") };
        self.ask(question, None, |typed| match typed.to_lowercase().as_str() {
            "y" | "yes" => Ok(true),
            "n" | "no" => Ok(false),
            _ => Err("answer yes or no".to_owned()),
        })
    }

    /// A secret that is not shown while it is typed. Empty without a terminal.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub(super) fn secret(self, prompt: &str) -> Result<SecretString, Failure> {
        if !self.is_interactive {
            return Ok(SecretString::default());
        }
        match rpassword::prompt_password(format!("{prompt}: ")) {
            Ok(typed) => Ok(SecretString::from(typed)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(end_of_input()),
            // The prompt may report Ctrl-C before the signal does.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(stopped()),
            Err(error) => Err(error.into()),
        }
    }

    /// A new secret, typed twice. `None` for an empty one.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub(super) fn new_secret(
        self,
        prompt: &str,
        check: impl Fn(&SecretString) -> Result<(), String>,
    ) -> Result<Option<SecretString>, Failure> {
        loop {
            let secret = self.secret(prompt)?;
            if secret.expose_secret().is_empty() {
                return Ok(None);
            }
            if let Err(reason) = check(&secret) {
                say_again(&reason);
                continue;
            }
            let again = self.secret("    The same password again")?;
            if is_same(&again, &secret) {
                return Ok(Some(secret));
            }
            say_again("the two entries do not match");
        }
    }
}

/// Says why an answer is not accepted, before the question is asked again.
pub(super) fn say_again(reason: &str) {
    output::print_text(format_args!("  {reason}; try again, or stop with Ctrl-C"));
}

/// A line without spaces around it; `None` if it is not UTF-8.
fn read_line(prompt: &str) -> Result<Option<String>, Failure> {
    // Not locked while the terminal is read: after Ctrl-C, another thread reports it.
    write!(io::stderr(), "{prompt}")?;
    io::stderr().flush()?;
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(0) => {
            output::print_text("");
            Err(end_of_input())
        }
        Ok(_) => Ok(Some(line.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The failure of an interview that was stopped.
pub(super) fn stopped() -> Failure {
    Failure::new("stopped; nothing was written")
}

fn end_of_input() -> Failure {
    Failure::new(
        "the input ended before all questions were answered; nothing was written. Run `init` again, \
         or pass the answers as options or in a file (--answers)",
    )
}
