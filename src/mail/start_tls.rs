//! The beginning of a connection with STARTTLS (RFC 3207), before TLS.
//!
//! `lettre` would keep what the server sends after its reply to STARTTLS, and read it as replies that
//! came over TLS. Here it ends the connection.

use lettre::transport::smtp::{extension::ClientId, response::Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{error::MailError, server_stream::Transport};

/// The longest reply.
const MAXIMUM_REPLY: usize = 16 * 1024;

/// Asks the server for TLS.
///
/// # Errors
/// When the server does not offer TLS or refuses it, or sends more than its reply.
pub(super) async fn start_tls(
    stream: &mut dyn Transport,
    client: &ClientId,
) -> Result<(), MailError> {
    require_positive(&read_reply(stream).await?)?;
    let offered = ask(stream, &format!("EHLO {client}\r\n")).await?;
    require_positive(&offered)?;
    if !offered.message().any(|line| line.trim_end().eq_ignore_ascii_case("STARTTLS")) {
        return Err(MailError::NoStartTls);
    }
    let reply = ask(stream, "STARTTLS\r\n").await?;
    if reply.is_positive() {
        return Ok(());
    }
    Err(MailError::StartTlsRefused(reply.code().to_string()))
}

fn require_positive(reply: &Response) -> Result<(), MailError> {
    if reply.is_positive() {
        return Ok(());
    }
    Err(MailError::TurnedAway(reply.code().to_string()))
}

async fn ask(stream: &mut dyn Transport, command: &str) -> Result<Response, MailError> {
    stream.write_all(command.as_bytes()).await.map_err(MailError::Unreachable)?;
    stream.flush().await.map_err(MailError::Unreachable)?;
    read_reply(stream).await
}

async fn read_reply(stream: &mut dyn Transport) -> Result<Response, MailError> {
    let mut text = Vec::new();
    while text.len() < MAXIMUM_REPLY {
        if stream.read_buf(&mut text).await.map_err(MailError::Unreachable)? == 0 {
            break;
        }
        let complete = std::str::from_utf8(&text).map(read_reply_text);
        if let Ok(Some(reply)) = complete {
            return reply;
        }
    }
    Err(MailError::InvalidReply)
}

/// Reads a reply of one or more lines; `None` while its last line is missing.
///
/// # Errors
/// When the text is no reply, or has something after it.
pub(super) fn read_reply_text(text: &str) -> Option<Result<Response, MailError>> {
    if !text.ends_with('\n') {
        return None;
    }
    let mut lines = text.split_inclusive('\n');
    // All lines but the last have a hyphen after the code (RFC 5321, 4.2.1).
    lines.find(|line| line.as_bytes().get(3) != Some(&b'-'))?;
    if lines.next().is_some() {
        return Some(Err(MailError::InvalidReply));
    }
    Some(text.parse().map_err(|_| MailError::InvalidReply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_with_its_last_line() {
        for text in ["", "2", "220 ready", "250-a\r\n", "250-a\r\n250-b\r\n250 c"] {
            assert!(read_reply_text(text).is_none(), "{text:?}");
        }
        let reply = read_reply_text("250-mail.example\r\n250-STARTTLS\r\n250 SIZE\r\n").unwrap();
        let reply = reply.unwrap();
        assert!(reply.is_positive());
        assert_eq!(reply.message().collect::<Vec<_>>(), ["mail.example", "STARTTLS", "SIZE"]);
    }

    #[test]
    fn anything_after_a_reply_is_refused() {
        for text in [
            "220 ready\r\n250 injected\r\n",
            "220 ready\r\n250-injected\r\n",
            "220 ready\r\n\r\n",
            "hello\r\n",
            "\r\n",
            "250-a\r\n220 b\r\n",
        ] {
            assert!(read_reply_text(text).unwrap().is_err(), "{text:?}");
        }
    }
}
