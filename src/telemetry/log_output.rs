//! The destination of log lines: standard error.

use std::io::{self, Write};

use crate::log_events::LOST_LINES;

/// Writes log lines to standard error, and counts those that cannot be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogOutput;

impl Write for LogOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write(bytes)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(line).inspect_err(|_| LOST_LINES.record())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
