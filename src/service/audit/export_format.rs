//! Writes audit events as CSV or JSON lines.

use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::domain::{audit::AuditEntry, user::UserId};

/// The columns, which are also the members of a JSON line. They have the names of the table.
const COLUMNS: [&str; 10] = [
    "occurred_at",
    "user_id",
    "sequence",
    "kind",
    "actor_user_id",
    "scheme",
    "address",
    "request_id",
    "credential_type",
    "reason",
];

/// The characters with which a spreadsheet starts a formula.
const STARTS_OF_FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A format of exported events, in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// RFC 4180, with a heading.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl ExportFormat {
    /// The format with that name: `csv` or `jsonl`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Csv, Self::JsonLines].into_iter().find(|format| format.extension() == name)
    }

    /// The extension of a file, which is also the name of the format.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    /// The media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl",
        }
    }

    /// What comes before the first event.
    pub(crate) fn heading(self) -> String {
        match self {
            Self::Csv => format!("{}\r\n", COLUMNS.join(",")),
            Self::JsonLines => String::new(),
        }
    }

    /// Appends the line of an event.
    pub(crate) fn write(self, event: &AuditEntry, text: &mut String) {
        match self {
            Self::Csv => write_csv(event, text),
            Self::JsonLines => write_json(event, text),
        }
    }
}

fn write_csv(event: &AuditEntry, text: &mut String) {
    let number = |id: UserId| id.to_string();
    let fields = [
        Some(moment(event.occurred_at)),
        Some(event.user_id.to_string()),
        Some(event.sequence.to_string()),
        Some(safe(&event.kind)),
        event.actor.map(number),
        Some(safe(&event.scheme)),
        event.address.as_deref().map(safe),
        event.request_id.as_deref().map(safe),
        event.credential_type.as_deref().map(safe),
        event.reason.as_deref().map(safe),
    ];
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&quoted(field.unwrap_or_default()));
    }
    text.push_str("\r\n");
}

fn write_json(event: &AuditEntry, text: &mut String) {
    let line = json!({
        "occurred_at": moment(event.occurred_at),
        "user_id": event.user_id.as_i32(),
        "sequence": event.sequence,
        "kind": event.kind,
        "actor_user_id": event.actor.map(UserId::as_i32),
        "scheme": event.scheme,
        "address": event.address,
        "request_id": event.request_id,
        "credential_type": event.credential_type,
        "reason": event.reason,
    });
    text.push_str(&line.to_string());
    text.push('\n');
}

fn moment(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// A text that a spreadsheet shows and does not calculate (CWE-1236): a formula gets an apostrophe
/// in front.
fn safe(text: &str) -> String {
    let is_formula = text.starts_with(STARTS_OF_FORMULAS);
    format!("{}{text}", if is_formula { "'" } else { "" })
}

/// A field in quotes, if it needs them.
fn quoted(field: String) -> String {
    if field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(reason: Option<&str>) -> AuditEntry {
        AuditEntry {
            user_id: UserId::try_from(7).unwrap(),
            sequence: 3,
            occurred_at: OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap(),
            kind: "credential_saved".to_owned(),
            actor: None,
            scheme: "command".to_owned(),
            address: None,
            request_id: Some("request".to_owned()),
            credential_type: None,
            reason: reason.map(str::to_owned),
        }
    }

    fn line(format: ExportFormat, reason: Option<&str>) -> String {
        let mut text = String::new();
        format.write(&event(reason), &mut text);
        text
    }

    #[test]
    fn a_line_of_csv_is_quoted_and_has_no_formula() {
        let start = "2026-09-21T14:13:20Z,7,3,credential_saved,,command,,request,,";
        for (text, field) in [
            ("case 7", "case 7"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("a,b", "\"a,b\""),
            ("a \"b\"\nc", "\"a \"\"b\"\"\nc\""),
            ("=\"a\",1", "\"'=\"\"a\"\",1\""),
            ("Zażółć 🦀", "Zażółć 🦀"),
        ] {
            assert_eq!(line(ExportFormat::Csv, Some(text)), format!("{start}{field}\r\n"));
        }
        assert_eq!(line(ExportFormat::Csv, None), format!("{start}\r\n"));
        let columns = ExportFormat::Csv.heading().split(',').count();
        assert_eq!(columns, start.split(',').count());
    }

    #[test]
    fn a_json_line_has_every_column() {
        let text = line(ExportFormat::JsonLines, Some("=a\n\"b\""));
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let members: Vec<_> = read.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, COLUMNS);
        assert_eq!(read["reason"], "=a\n\"b\"");
        assert_eq!(read["actor_user_id"], serde_json::Value::Null);
    }
}
