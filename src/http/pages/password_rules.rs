//! What a new password must be like, for people (NIST SP 800-63B-4, 3.1.1.2: guidance).

use super::frame::PageFrame;
use crate::service::credentials::passwords::Passwords;

/// The advice for a new password, with the rules of the policy if there is one.
pub(super) fn password_rules(frame: &PageFrame, passwords: &Passwords) -> String {
    let advice = frame.text("page-password-hint");
    let Some(policy) = passwords.policy() else { return advice };
    let minimum = policy.minimum_characters.to_string();
    let rules = frame.text_with("page-password-rules", &[("minimum", minimum.as_str())]);
    format!("{rules} {advice}")
}
