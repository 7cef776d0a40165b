//! An event as a syslog message: JSON or CEF in the format of RFC 5424, framed as RFC 5425 says.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::event_text::write_event;
use crate::domain::{audit::ChainLink, audit_stream::StreamedEvent, user::UserId};

/// The facility "log audit" (13) and the severity "notice" (5).
const PRIORITY: u8 = 13 * 8 + 5;

/// The name of the program in messages.
const APP_NAME: &str = "credential-keeper";

/// The format of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyslogFormat {
    Json,
    /// The Common Event Format, version 0.
    Cef,
}

/// Appends the message with its length.
pub(super) fn frame(
    event: &StreamedEvent,
    format: SyslogFormat,
    client_host: &str,
    bytes: &mut Vec<u8>,
) {
    let content = match format {
        SyslogFormat::Json => write_event(event),
        SyslogFormat::Cef => cef(event),
    };
    let AuditTexts { time, kind } = texts(event);
    let message = format!("<{PRIORITY}>1 {time} {client_host} {APP_NAME} - {kind} - {content}");
    bytes.extend_from_slice(format!("{} {message}", message.len()).as_bytes());
}

/// What the header of a message says about an event.
struct AuditTexts {
    time: String,
    kind: &'static str,
}

fn texts(event: &StreamedEvent) -> AuditTexts {
    let event = &event.link.event;
    AuditTexts { time: rfc3339(event.occurred_at), kind: event.kind.as_str() }
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// The name of a host in messages: printable ASCII without spaces, or `-`.
pub(crate) fn host_name(name: &str) -> String {
    let safe: String = name.chars().filter(char::is_ascii_graphic).take(255).collect();
    if safe.is_empty() { "-".to_owned() } else { safe }
}

fn cef(streamed: &StreamedEvent) -> String {
    let ChainLink { event, key_id, mac } = &streamed.link;
    let kind = event.kind.as_str();
    let severity = if event.kind.is_sensitive() { 6 } else { 3 };
    let mut text = format!(
        "CEF:0|Credential Keeper|{APP_NAME}|{}|{kind}|{}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        kind.replace('_', " ")
    );
    let mut add = |name: &str, value: &str| {
        if !text.ends_with('|') {
            text.push(' ');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&escaped(value));
    };
    let milliseconds = event.occurred_at.unix_timestamp_nanos() / 1_000_000;
    add("rt", &milliseconds.to_string());
    add("externalId", &format!("{}-{}", event.user_id, event.sequence));
    add("duid", &event.user_id.to_string());
    if let Some(actor) = event.actor.map(UserId::as_i32) {
        add("suid", &actor.to_string());
    }
    match event.address.as_deref() {
        Some(address) if address.contains(':') => add("c6a2", address),
        Some(address) => add("src", address),
        None => {}
    }
    add("requestContext", &event.request_id);
    if let Some(reason) = &event.reason {
        add("reason", reason);
    }
    for (field, label, value) in [
        ("cn1", "sequence", event.sequence.to_string()),
        ("cn2", "position", streamed.position.to_string()),
        ("cn3", "session epoch", event.session_epoch.to_string()),
        ("cs1", "scheme", event.scheme.to_owned()),
        ("cs2", "credential type", event.credential_type.clone().unwrap_or_default()),
        ("cs3", "key id", key_id.clone()),
        ("cs4", "mac", data_encoding::HEXLOWER.encode(mac)),
        ("cs5", "time", rfc3339(event.occurred_at)),
    ] {
        if !value.is_empty() {
            add(field, &value);
            add(&format!("{field}Label"), label);
        }
    }
    text
}

/// A value of an extension: `\`, `=` and line breaks are escaped.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '=' => text.push_str("\\="),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit_sinks::event_text::tests::event;

    fn message(format: SyslogFormat) -> String {
        let mut bytes = Vec::new();
        frame(&event(41), format, "keeper-1", &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        message.to_owned()
    }

    #[test]
    fn a_message_has_the_header_of_rfc_5424_and_the_event() {
        let json = message(SyslogFormat::Json);
        let header = "<109>1 2026-09-21T14:13:20.123456Z keeper-1 credential-keeper - \
                      credential_saved - ";
        assert_eq!(json, format!("{header}{}", write_event(&event(41))));
        let cef = message(SyslogFormat::Cef);
        let mac = "ab".repeat(32);
        assert_eq!(
            cef.strip_prefix(header).unwrap(),
            format!(
                "CEF:0|Credential Keeper|credential-keeper|{}|credential_saved|credential saved|3|\
                 rt=1790000000123 externalId=7-3 duid=7 suid=1 src=192.0.2.7 \
                 requestContext=4bf92f35 reason=case \"7\"\\nline \\= 2 | \\\\ ] \
                 cn1=3 cn1Label=sequence cn2=41 cn2Label=position cn3=2 cn3Label=session epoch \
                 cs1=basic cs1Label=scheme cs2=CRM5/PASSWORD cs2Label=credential type \
                 cs3=k1 cs3Label=key id cs4={mac} cs4Label=mac \
                 cs5=2026-09-21T14:13:20.123456Z cs5Label=time",
                env!("CARGO_PKG_VERSION")
            )
        );
    }

    #[test]
    fn a_host_name_has_no_characters_that_end_a_field() {
        assert_eq!(host_name("keeper 1\n.example"), "keeper1.example");
        assert_eq!(host_name("åäö"), "-");
        assert_eq!(host_name(&"x".repeat(300)).len(), 255);
    }
}
