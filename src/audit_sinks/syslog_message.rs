//! An event as a syslog message: JSON or CEF in the format of RFC 5424, framed as RFC 5425 says.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::event_text::write_event;
use crate::domain::{audit::AuditKind, audit_stream::StreamedEvent};

/// The facility "log audit" (13) and the severity "notice" (5).
const PRIORITY: u8 = 13 * 8 + 5;

/// The name of the program in messages.
const APP_NAME: &str = "credential-keeper";

/// The longest kind in a header, which is that of `MSGID`.
const MAXIMUM_KIND: usize = 32;

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
    kind: String,
}

fn texts(event: &StreamedEvent) -> AuditTexts {
    AuditTexts {
        time: event.occurred_at.map_or_else(|| "-".to_owned(), rfc3339),
        kind: header_field(&event.kind, MAXIMUM_KIND),
    }
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// The name of a host in messages: printable ASCII without spaces, or `-`.
pub(crate) fn host_name(name: &str) -> String {
    header_field(name, 255)
}

/// A field of a header: printable ASCII without spaces, or `-`.
fn header_field(text: &str, maximum: usize) -> String {
    let safe: String = text.chars().filter(char::is_ascii_graphic).take(maximum).collect();
    if safe.is_empty() { "-".to_owned() } else { safe }
}

fn cef(event: &StreamedEvent) -> String {
    let mut extension = String::new();
    let mut add = |name: &str, value: &str| {
        if !extension.is_empty() {
            extension.push(' ');
        }
        extension.push_str(name);
        extension.push('=');
        extension.push_str(&escaped(value));
    };
    if let Some(time) = event.occurred_at {
        let milliseconds = time.unix_timestamp_nanos() / 1_000_000;
        add("rt", &milliseconds.to_string());
    }
    add("externalId", &format!("{}-{}", event.user_id, event.sequence));
    add("duid", &event.user_id.to_string());
    if let Some(actor) = event.actor_user_id {
        add("suid", &actor.to_string());
    }
    match event.address.as_deref() {
        Some(address) if address.contains(':') => {
            add("c6a2", address);
            add("c6a2Label", "Source IPv6 Address");
        }
        Some(address) => add("src", address),
        None => {}
    }
    add("requestContext", &event.request_id);
    if let Some(reason) = &event.reason {
        add("reason", reason);
    }
    for (field, label, value) in [
        ("cn1", "sequence", event.sequence.to_string()),
        ("cn2", "position", event.position.to_string()),
        ("cn3", "session epoch", event.session_epoch.to_string()),
        ("cs1", "scheme", event.scheme.clone()),
        ("cs2", "credential type", event.credential_type.clone().unwrap_or_default()),
        ("cs3", "key id", event.key_id.clone()),
        ("cs4", "mac", data_encoding::HEXLOWER.encode(&event.mac)),
        ("cs5", "time", event.occurred_at.map(rfc3339).unwrap_or_default()),
    ] {
        if !value.is_empty() {
            add(field, &value);
            add(&format!("{field}Label"), label);
        }
    }
    format!("{}{extension}", cef_header(event))
}

/// The header of the Common Event Format, in which `\` and `|` are escaped.
fn cef_header(event: &StreamedEvent) -> String {
    let is_sensitive = AuditKind::parse(&event.kind).is_some_and(AuditKind::is_sensitive);
    let severity = if is_sensitive { 6 } else { 3 };
    let kind = header_field(&event.kind, MAXIMUM_KIND).replace('\\', "\\\\").replace('|', "\\|");
    format!(
        "CEF:0|Credential Keeper|{APP_NAME}|{}|{kind}|{}|{severity}|",
        env!("CARGO_PKG_VERSION"),
        kind.replace('_', " ")
    )
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

    fn message(event: &StreamedEvent, format: SyslogFormat) -> String {
        let mut bytes = Vec::new();
        frame(event, format, "keeper-1", &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        message.to_owned()
    }

    #[test]
    fn a_message_has_the_header_of_rfc_5424_and_the_event() {
        let json = message(&event(41), SyslogFormat::Json);
        let header = "<109>1 2026-09-21T14:13:20.123456Z keeper-1 credential-keeper - \
                      credential_saved - ";
        assert_eq!(json, format!("{header}{}", write_event(&event(41))));
        let cef = message(&event(41), SyslogFormat::Cef);
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
    fn an_ipv6_address_has_the_label_of_its_custom_field() {
        let address = Some("2001:db8::7".to_owned());
        let cef = message(&StreamedEvent { address, ..event(41) }, SyslogFormat::Cef);
        let expected = " c6a2=2001:db8::7 c6a2Label=Source IPv6 Address requestContext=";
        assert!(cef.contains(expected) && !cef.contains(" src="), "{cef}");
    }

    #[test]
    fn no_value_ends_a_field() {
        let invalid = StreamedEvent {
            occurred_at: None,
            kind: "a b|\\\n".to_owned(),
            reason: Some("case|".to_owned()),
            ..event(41)
        };
        let json = message(&invalid, SyslogFormat::Json);
        assert!(json.starts_with(r"<109>1 - keeper-1 credential-keeper - ab|\ - {"), "{json}");
        let cef = message(&invalid, SyslogFormat::Cef);
        assert!(cef.contains(r"|ab\|\\|ab\|\\|3|externalId=7-3 duid=7 "), "{cef}");
        assert!(cef.contains(" reason=case| cn1=3 ") && !cef.contains("cs5"), "{cef}");
    }

    #[test]
    fn a_host_name_has_no_characters_that_end_a_field() {
        assert_eq!(host_name("keeper 1\n.example"), "keeper1.example");
        assert_eq!(host_name("åäö"), "-");
        assert_eq!(host_name(&"x".repeat(300)).len(), 255);
    }
}
