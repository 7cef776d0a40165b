//! Runs the binary as a separate process, for tests of signals and crashes.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
    thread::JoinHandle,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[path = "log_schema.rs"]
mod log_schema;

use log_schema::assert_lines_fit_schema;

/// A process that has printed its ready line.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<JoinHandle<String>>,
    /// False for the last release, whose log has other names.
    has_schema: bool,
    /// The text after `ready `.
    pub(crate) ready: String,
}

impl Server {
    /// Starts a command and waits for its ready line.
    ///
    /// # Errors
    ///
    /// The text on stderr, if the command ends before it is ready.
    pub(crate) fn start(mut command: Command) -> Result<Self, String> {
        let released = env::var_os("REPLICAS_RELEASED");
        let has_schema = released.is_none_or(|released| command.get_program() != released);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        // Drained continuously, so that the process never blocks on a full pipe.
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Some(ready) = line.trim_end().strip_prefix("ready ") else {
            let status = child.wait().unwrap();
            assert!(
                !status.success(),
                "the process exited successfully before it was ready: {line}"
            );
            return Err(stderr.join().unwrap());
        };
        let ready = ready.to_owned();
        Ok(Self { child, stdout, stderr: Some(stderr), has_schema, ready })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the process to exit; returns whether it succeeded, and its log, whose lines in JSON
    /// fit the schema.
    pub(crate) fn wait(mut self) -> (bool, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        let log = self.stderr.take().unwrap().join().unwrap();
        self.check_log(&log);
        (status.success(), log)
    }

    fn check_log(&self, log: &str) {
        if self.has_schema {
            assert_lines_fit_schema(log);
        }
    }
}

/// The log line that `serve` writes when it has started.
pub(crate) fn started(log: &str) -> Value {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["message"] == "started");
    line.unwrap_or_else(|| panic!("the log has no line `started`: {log}"))
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed test must not leave a process behind.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::INT);
            let _ = self.child.wait();
        }
        if let Some(log) = self.stderr.take().filter(|_| !std::thread::panicking()) {
            self.check_log(&log.join().unwrap());
        }
    }
}
