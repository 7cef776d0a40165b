//! Writes the results of an import as CSV or JSON lines, as the command `import` prints them.

use std::fmt::Write as _;

use serde_json::json;

use super::job::JobResult;
use crate::{domain::user::UserId, service::audit::export_format::ExportFormat};

/// What comes before the first result.
pub(crate) fn heading(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Csv => "line,result,user_id,field,reason\r\n",
        ExportFormat::JsonLines => "",
    }
}

/// Appends the line of a result.
pub(crate) fn write(format: ExportFormat, result: &JobResult, text: &mut String) {
    let JobResult { number, kind, user_id, field, reason } = result;
    match format {
        ExportFormat::Csv => {
            let user_id = user_id.map(|id| id.to_string()).unwrap_or_default();
            let (field, reason) = (quoted(field), quoted(reason));
            let kind = kind.as_str();
            // Writing to a string never fails.
            let _ = write!(text, "{number},{kind},{user_id},{field},{reason}\r\n");
        }
        ExportFormat::JsonLines => {
            let mut object = json!({"line": number, "result": kind.as_str()});
            let members = [
                ("user_id", user_id.map(|id: UserId| json!(id.as_i32()))),
                ("field", (!field.is_empty()).then(|| json!(field))),
                ("reason", (!reason.is_empty()).then(|| json!(reason))),
            ];
            for (name, value) in members {
                if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
                    object.insert(name.to_owned(), value);
                }
            }
            text.push_str(&object.to_string());
            text.push('\n');
        }
    }
}

/// A field of RFC 4180. The texts are those of this service, so none starts a formula.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
