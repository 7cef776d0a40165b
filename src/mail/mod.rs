//! The SMTP client that delivers mails to a mail server
//! ([ADR 57](../../docs/adr/0057-password-mails.md)).

mod client;
mod error;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod message;
mod options;
mod server_stream;
mod start_tls;

pub(crate) use self::{
    client::{CA_FILE, MailClient},
    error::MailError,
    message::OutgoingMail,
    options::{MailOptions, Sender, ServerSource},
};
