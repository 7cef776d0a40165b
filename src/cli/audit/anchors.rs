//! Prints anchors for `audit anchor`, and reads them for `audit verify` from a log or from the
//! output of `audit anchor`.

use std::{path::Path, process::ExitCode};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::Serialize;
use serde_json::{Map, Value};

use super::lines::{json_object, read_lines};
use crate::{
    cli::output::{self, Failure},
    domain::user::UserId,
    security::anchor::Anchor,
    service::audit::anchors::Anchors,
};

/// An anchor as a JSON line, with the field names of the log.
#[derive(Serialize)]
pub(super) struct Line<'anchor> {
    message: &'static str,
    #[serde(rename = "user.target.id")]
    user_id: String,
    #[serde(rename = "keeper.audit.sequence")]
    sequence: i64,
    #[serde(rename = "keeper.audit.mac")]
    mac: String,
    #[serde(rename = "keeper.key.id")]
    key_id: &'anchor str,
    #[serde(rename = "keeper.anchor.signature")]
    signature: String,
}

/// The names of user id, sequence, MAC, key id and signature.
type Names = [&'static str; 5];

const NAMES: Names = [
    "user.target.id",
    "keeper.audit.sequence",
    "keeper.audit.mac",
    "keeper.key.id",
    "keeper.anchor.signature",
];

/// The names in logs from before the fields had the names of the Elastic Common Schema.
const FORMER_NAMES: Names =
    ["user.id", "audit.sequence", "audit.mac", "key.id", "anchor.signature"];

impl<'anchor> From<&'anchor Anchor> for Line<'anchor> {
    fn from(anchor: &'anchor Anchor) -> Self {
        Self {
            message: "anchor",
            user_id: anchor.user_id.to_string(),
            sequence: anchor.sequence,
            mac: HEXLOWER.encode(&anchor.mac),
            key_id: &anchor.key_id,
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

/// The number of a line with an anchor, and the anchor; `None` if the anchor was changed or cut.
pub(in crate::cli) type AnchorLine = (usize, Option<Anchor>);

/// Opens a file and yields its anchors; other log lines are skipped.
///
/// # Errors
/// When the file cannot be opened, or its beginning cannot be read.
pub(in crate::cli) fn read(
    file: &Path,
) -> Result<impl Iterator<Item = Result<AnchorLine, Failure>>, Failure> {
    Ok(read_lines(file)?.filter_map(|line| match line {
        Ok(line) => anchor_line(line.number, &line.bytes).map(Ok),
        Err(error) => Some(Err(error)),
    }))
}

/// Parses a line as an anchor; `None` for other log lines.
pub(super) fn anchor_line(number: usize, line: &[u8]) -> Option<AnchorLine> {
    let names = [NAMES, FORMER_NAMES];
    let names = names.into_iter().find(|[_, _, mac, ..]| has_member(line, mac))?;
    Some((number, json_object(line).and_then(|members| anchor_with(&members, names))))
}

/// True if a line has the name of a member, also if it was cut behind it.
fn has_member(line: &[u8], name: &str) -> bool {
    let name = format!("\"{name}\"");
    line.windows(name.len()).any(|part| part == name.as_bytes())
}

fn anchor_with(line: &Map<String, Value>, names: Names) -> Option<Anchor> {
    let [user_id, sequence, mac, key_id, signature] = names.map(|name| line.get(name));
    let bytes =
        |value: Option<&Value>| HEXLOWER_PERMISSIVE.decode(value?.as_str()?.as_bytes()).ok();
    // The id was a number in former logs.
    let number = |value: &Value| value.as_i64().and_then(|number| i32::try_from(number).ok());
    let user_id = user_id?.as_str().map_or_else(|| number(user_id?), |text| text.parse().ok())?;
    Some(Anchor {
        user_id: UserId::try_from(user_id).ok()?,
        sequence: sequence?.as_i64()?,
        mac: bytes(mac)?,
        key_id: key_id?.as_str()?.to_owned(),
        signature: bytes(signature)?,
    })
}
