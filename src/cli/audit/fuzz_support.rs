//! Anchors in a log, for fuzz targets.

use super::anchors::{Line, anchor_line};
use crate::{domain::user::UserId, security::anchor::Anchor};

/// The anchor of a line, as a line of `audit anchor`. `Err` if it was changed or cut; `None` for
/// another line of a log.
#[must_use]
pub fn read_anchor(line: &[u8]) -> Option<Result<String, ()>> {
    let (_, anchor) = anchor_line(1, line)?;
    Some(anchor.map(|anchor| write(&anchor)).ok_or(()))
}

/// An anchor as a line of `audit anchor`; `None` if the user id is invalid.
#[must_use]
pub fn written_anchor(
    user_id: i32,
    sequence: i64,
    key_id: &str,
    mac: &[u8],
    signature: &[u8],
) -> Option<String> {
    let anchor = Anchor {
        user_id: UserId::try_from(user_id).ok()?,
        sequence,
        mac: mac.to_vec(),
        key_id: key_id.to_owned(),
        signature: signature.to_vec(),
    };
    Some(write(&anchor))
}

fn write(anchor: &Anchor) -> String {
    serde_json::to_string(&Line::from(anchor)).unwrap_or_default()
}
