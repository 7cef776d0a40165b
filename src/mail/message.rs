//! Writes a mail in the format of RFC 5322.

use std::time::SystemTime;

use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::{error::MailError, options::Sender};
use crate::domain::mail_address::MailAddress;

/// A mail to deliver.
pub(crate) struct OutgoingMail<'mail> {
    pub(crate) recipient: &'mail MailAddress,
    pub(crate) subject: String,
    /// Plain text. It may contain a secret.
    pub(crate) body: zeroize::Zeroizing<String>,
    /// The part of the message id before the `@`. A mail that is delivered twice has the same one.
    pub(crate) id: String,
    pub(crate) date: SystemTime,
}

impl OutgoingMail<'_> {
    /// Builds the mail. `lettre` encodes the headers, so no text can add another one.
    ///
    /// # Errors
    /// When `lettre` does not accept an address.
    pub(super) fn build(&self, sender: &Sender) -> Result<Message, MailError> {
        // RFC 3834: no out-of-office notice answers this mail.
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        Message::builder()
            .from(Mailbox::new(sender.name.clone(), address(&sender.address)?))
            .to(Mailbox::new(None, address(self.recipient)?))
            .subject(self.subject.clone())
            .date(self.date)
            .message_id(Some(format!("<{}@{}>", self.id, sender.address.domain())))
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(self.body.to_string())
            .map_err(|_| MailError::Unsendable)
    }
}

fn address(address: &MailAddress) -> Result<Address, MailError> {
    Address::new(address.local_part(), address.domain()).map_err(|_| MailError::Unsendable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_adds_a_header() {
        let address = |text| MailAddress::parse(text).unwrap();
        let sender = Sender {
            // The settings refuse a name with a line break.
            name: Some("Keeper, Bcc: evil@example.com".to_owned()),
            address: address("keeper@bücher.example"),
        };
        let mail = OutgoingMail {
            recipient: &address("anna@example.com"),
            subject: "New\r\nBcc: evil@example.com\r\n\r\npassword".to_owned(),
            body: "Grüße\n.\nBcc: evil@example.com".to_owned().into(),
            id: "1".to_owned(),
            date: SystemTime::UNIX_EPOCH,
        };
        let text = String::from_utf8(mail.build(&sender).unwrap().formatted()).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = headers
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        assert!(!names.iter().any(|name| name.eq_ignore_ascii_case("bcc")), "{headers}");
        assert!(headers.contains("Message-ID: <1@xn--bcher-kva.example>"), "{headers}");
        assert!(headers.contains("Auto-Submitted: auto-generated"), "{headers}");
    }
}
