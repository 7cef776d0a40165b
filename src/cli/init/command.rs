//! Runs `init`.

use std::{io, path::Path, process::ExitCode};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use secrecy::ExposeSecret;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    answers::{Answers, read_settings},
    arguments::Arguments,
    folder::Folder,
    installation::Installation,
    interview::{Interview, stopped},
    questions::ask_all,
};
use crate::{
    cli::{
        output::{self, Failure},
        stop::Stop,
    },
    startup,
};

/// Asks, creates the installation, and prints the next steps.
pub(in crate::cli) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    // Before the first question: nothing that is asked could change it.
    let folder = Folder::plan(&arguments.directory)?;
    if let Ok(settings) = read_settings(&[("LOG__LEVEL", "warn")]) {
        startup::start_log(&settings)?;
    }
    let (folder, answers) = ask(arguments, folder, &mut stop).await?;
    let mut installation = Installation::new(&folder, &answers);
    let created = tokio::select! {
        created = installation.create() => created,
        () = stop.requested() => Err(Failure::new("stopped")),
    };
    let generated =
        created.map_err(|failure| Failure::new(format!("{failure}; {}", installation.undo())))?;
    let settings_file = folder.settings_file();
    if let Some(password) = generated {
        output::print_status("the password of the administrator is only shown now:");
        output::print_or_fail(password.expose_secret()).map_err(|failure| {
            Failure::new(format!(
                "the generated password could not be printed: {failure}; set KEEPER_CONFIG to {}, \
                 and save another one with `credential-keeper credential save`",
                settings_file.display()
            ))
        })?;
    }
    output::print_text(next_steps(&settings_file));
    Ok(ExitCode::SUCCESS)
}

/// Asks on a thread of its own, because a read of the terminal cannot be interrupted otherwise.
async fn ask(
    arguments: Arguments,
    folder: Folder,
    stop: &mut Stop,
) -> Result<(Folder, Answers), Failure> {
    let interview = Interview::new(arguments.answers.is_some());
    let terminal = tcgetattr(io::stdin()).ok();
    let (reply, answered) = oneshot::channel();
    let runtime = Handle::current();
    std::thread::Builder::new().name("interview".to_owned()).spawn(move || {
        let answers = arguments
            .given()
            .and_then(|given| runtime.block_on(ask_all(interview, &given, &folder)));
        // The receiver is gone when the command was stopped.
        let _ = reply.send(answers.map(|answers| (folder, answers)));
    })?;
    let answers = tokio::select! {
        // First: a prompt for a secret reports Ctrl-C in both ways.
        biased;
        () = stop.requested() => Err(stopped()),
        answers = answered => answers.unwrap_or_else(|_| Err(stopped())),
    };
    if let (Err(_), Some(terminal)) = (&answers, terminal) {
        // A prompt for a secret may still hide what is typed.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &terminal);
        output::print_text("");
    }
    answers
}

fn next_steps(settings_file: &Path) -> String {
    format!(
        "\nThe installation is ready. Next:\n\n  export KEEPER_CONFIG={}\n  credential-keeper serve\n  \
         credential-keeper doctor\n",
        quoted(&settings_file.display().to_string())
    )
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
