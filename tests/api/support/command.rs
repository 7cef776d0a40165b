//! Runs the binary as an operator does.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// The exit code and the output of a command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandOutput {
    /// Asserts success, and returns the printed text.
    #[track_caller]
    pub(crate) fn assert_success(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// Asserts that `rotate-key add` succeeded, and returns the id of the new key.
    #[track_caller]
    pub(crate) fn added_key(self) -> String {
        let (_, key) = self.stderr.split_once("added key ").unwrap_or_else(|| panic!("{self:?}"));
        let key = key.split(';').next().unwrap().to_owned();
        self.assert_success();
        key
    }

    /// Asserts exit code 1 and an error message that contains `text` and no panic.
    #[track_caller]
    pub(crate) fn assert_error(self, text: &str) {
        assert_eq!(self.code, 1, "{self:?}");
        assert!(self.stderr.contains(text), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }

    /// Asserts a negative answer: exit code 1 without an error message.
    #[track_caller]
    pub(crate) fn assert_negative_answer(self) {
        assert_eq!((self.code, self.stderr.as_str()), (1, ""), "{self:?}");
    }

    /// Asserts exit code 2: the command line was invalid.
    #[track_caller]
    pub(crate) fn assert_usage_error(self) {
        assert_eq!(self.code, 2, "{self:?}");
    }
}

/// The binary of this build, or that of `TEST_BINARY`, such as a release.
pub(crate) fn binary() -> PathBuf {
    let other = std::env::var_os("TEST_BINARY").map(PathBuf::from);
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_credential-keeper").into())
}

/// The binary with these arguments; it inherits no settings from this process.
pub(crate) fn keeper(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("KEEPER") {
            command.env_remove(name);
        }
    }
    command.env("KEEPER__LOG__FORMAT", "json");
    command
}

/// Runs a command with `input` on stdin.
pub(crate) fn run_with_input(mut command: Command, input: &str) -> CommandOutput {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that fails early may close stdin before everything is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    CommandOutput {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
