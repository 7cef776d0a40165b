//! The settings of the log.

use super::reader::Reader;

/// Section `log`.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, otherwise JSON.
    Auto,
    /// Human-readable text.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogSettings {
    pub(super) fn take(reader: &mut Reader) -> Self {
        let format = reader.parsed("log.format", "must be auto, text or json", |text| match text {
            "auto" => Some(LogFormat::Auto),
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        Self { level: reader.get("log.level"), format: format.unwrap_or(LogFormat::Auto) }
    }
}
