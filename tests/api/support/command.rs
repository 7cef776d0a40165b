//! The binary, as an operator runs it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

/// What a command did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// It worked; gives back what it printed.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// It failed with exit code 1 and that text in its complaint, which is no backtrace.
    #[track_caller]
    pub(crate) fn failed_saying(self, text: &str) {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(self.stderr.contains(text), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

impl Finished {
    /// It answered no: exit code 1 without a complaint.
    #[track_caller]
    pub(crate) fn answered_no(self) {
        assert_eq!((self.code, self.stderr.as_str()), (1, ""), "{self:?}");
    }

    /// The command line was wrong.
    #[track_caller]
    pub(crate) fn failed_as_usage(self) {
        assert_eq!(self.code, 2, "{self:?}");
    }
}

/// The binary with these arguments, and no settings but those that are added.
pub(crate) fn keeper(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credential-keeper"));
    command.args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("KEEPER") {
            command.env_remove(name);
        }
    }
    command.env("KEEPER__LOG__FORMAT", "json");
    command
}

/// Runs a command with that text on stdin.
pub(crate) fn run_with_input(mut command: Command, input: &str) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails early may close its stdin first.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
