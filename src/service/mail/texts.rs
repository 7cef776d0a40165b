//! The texts of mails, which the layer above writes.

/// The arguments of the texts of a mail.
pub(crate) struct MailTextArguments<'mail> {
    /// The tag of the language.
    pub(crate) language: &'mail str,
    pub(crate) login_name: &'mail str,
    pub(crate) url: &'mail str,
    /// The lifetime of the link.
    pub(crate) minutes: u64,
}

/// The texts of a mail.
pub(crate) struct MailTexts {
    pub(crate) subject: String,
    pub(crate) body: String,
}

/// Writes the texts of a mail; the layer above has the languages.
pub(crate) type WriteMailTexts = fn(&MailTextArguments<'_>) -> MailTexts;
