//! Prints anchors for `audit anchor`, and reads them for `audit verify` from a log or from the
//! output of `audit anchor`.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::ExitCode,
};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::{
    cli::output::{self, Failure},
    domain::{encoding::bom_length, user::UserId},
    security::anchor::Anchor,
    service::audit::anchors::Anchors,
};

/// An anchor as a JSON line, with the field names of the log.
#[derive(Serialize, Deserialize)]
struct Line {
    message: String,
    #[serde(rename = "user.id")]
    user_id: i32,
    #[serde(rename = "audit.sequence")]
    sequence: i64,
    #[serde(rename = "audit.mac")]
    mac: String,
    #[serde(rename = "key.id")]
    key_id: String,
    #[serde(rename = "anchor.signature")]
    signature: String,
}

impl From<&Anchor> for Line {
    fn from(anchor: &Anchor) -> Self {
        Self {
            message: "anchor".to_owned(),
            user_id: anchor.user_id.as_i32(),
            sequence: anchor.sequence,
            mac: HEXLOWER.encode(&anchor.mac),
            key_id: anchor.key_id.clone(),
            signature: HEXLOWER.encode(&anchor.signature),
        }
    }
}

/// Prints the anchor of every chain.
pub(super) async fn print(anchors: &Anchors) -> Result<ExitCode, Failure> {
    let mut after = 0;
    loop {
        let page = anchors.list_after(after).await?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        after = last.user_id.as_i32();
        for anchor in &page {
            output::print_or_fail(serde_json::to_string(&Line::from(anchor))?)?;
        }
    }
}

/// Reads the anchors of a file with their line numbers, and skips other log lines.
pub(in crate::cli) fn read(
    file: &Path,
) -> Result<impl Iterator<Item = Result<(usize, Anchor), Failure>>, Failure> {
    let failed = |error| Failure::new(format!("cannot read {}: {error}", file.display()));
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let mark = bom_length(reader.fill_buf().map_err(failed)?)
        .map_err(|error| Failure::new(format!("{} {error}", file.display())))?;
    reader.consume(mark);
    let lines = reader.lines();
    Ok((1..).zip(lines).filter_map(|(number, line)| match line {
        Ok(line) => anchor(&line).map(|anchor| Ok((number, anchor))),
        Err(error) => Some(Err(error.into())),
    }))
}

/// Parses a line as an anchor; `None` for other log lines.
fn anchor(line: &str) -> Option<Anchor> {
    let line: Line = serde_json::from_str(line).ok()?;
    Some(Anchor {
        user_id: UserId::try_from(line.user_id).ok()?,
        sequence: line.sequence,
        mac: HEXLOWER_PERMISSIVE.decode(line.mac.as_bytes()).ok()?,
        key_id: line.key_id,
        signature: HEXLOWER_PERMISSIVE.decode(line.signature.as_bytes()).ok()?,
    })
}
