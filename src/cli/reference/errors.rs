//! `errors.md`: every error of the API.

use super::markdown::{Document, code};
use crate::http::{self, ErrorDescription, ErrorText};

const INTRODUCTION: &str = "\
    Every error response has `ErrorType`, `Code` and `Message`. Programs should use `Code`, \
    which is stable. `Message` is in the language of the caller; this document has the English \
    texts.";

/// Writes the document.
pub(super) fn document() -> String {
    let mut document = Document::new("Errors", INTRODUCTION);
    document.section("Codes");
    let rows: Vec<_> = http::describe_errors().iter().map(row).collect();
    document.table(["Status", "ErrorType", "Code", "Example message", "When"], &rows);
    let texts = http::describe_error_texts();
    for group in texts.chunk_by(|one, other| one.code == other.code) {
        let name = group.first().map_or("", |text| text.code);
        document.section(&format!("Messages of {}", code(name)));
        let row = |text: &ErrorText| [code(&text.key), text.text.clone()];
        let rows: Vec<_> = group.iter().map(row).collect();
        document.table(["Text", "Message"], &rows);
    }
    document.finish()
}

fn row(error: &ErrorDescription) -> [String; 5] {
    [
        error.status.to_string(),
        code(error.error_type),
        code(error.code),
        error.text.clone(),
        error.occasion.to_owned(),
    ]
}
