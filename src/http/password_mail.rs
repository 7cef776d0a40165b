//! The texts of the mail with a link to set a new password.

use super::localization::Language;
use crate::service::mail::texts::{MailTextArguments, MailTexts};

/// Writes the texts in the language of the mail.
pub(crate) fn write_password_mail(mail: &MailTextArguments<'_>) -> MailTexts {
    let language = Language::of_tag(mail.language);
    let minutes = mail.minutes.to_string();
    let text = |key, arguments: &[_]| language.page(key, arguments);
    let paragraphs = [
        text("mail-password-request", &[("name", mail.login_name)]),
        text("mail-password-link", &[("minutes", minutes.as_str())]),
        mail.url.to_owned(),
        text("mail-password-ignore", &[]),
    ];
    MailTexts {
        subject: text("mail-password-subject", &[]),
        body: format!("{}\n", paragraphs.join("\n\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_has_its_arguments_in_every_language() {
        for tag in Language::tags() {
            let texts = write_password_mail(&MailTextArguments {
                language: tag,
                login_name: "anna@example.com",
                url: "https://keeper.example/account/password?token=t",
                minutes: 30,
            });
            assert!(!texts.subject.is_empty() && !texts.subject.contains("SR_"), "{tag}");
            for part in [
                "anna@example.com",
                "30",
                "\n\nhttps://keeper.example/account/password?token=t\n\n",
            ] {
                assert!(texts.body.contains(part), "{tag}: {}", texts.body);
            }
            assert!(!texts.body.contains("SR_"), "{tag}: {}", texts.body);
        }
    }
}
