//! The replies of a mail server, for fuzz targets.

use super::start_tls::read_reply_text;

/// The number of lines of a reply, or `Err` for a text that is no reply; `None` while its last line is
/// missing.
#[must_use]
pub fn smtp_reply(text: &str) -> Option<Result<usize, ()>> {
    let reply = read_reply_text(text)?;
    Some(reply.map(|reply| reply.message().count()).map_err(drop))
}
