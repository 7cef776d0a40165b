//! What the answer to a user's bind says about their password.

use ldap3::LdapResult;

use super::{error::DirectoryError, result_code};

/// The verdict of the directory on a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindVerdict {
    /// It is the user's password, and the directory lets them log in.
    Accepted,
    /// The directory does not let them log in with it.
    Refused(DirectoryRefusal),
    /// No password was sent: the login has no credential that the directory verifies, or the password
    /// is known to be wrong.
    NotSent,
}

/// Why the directory refused a password. For the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DirectoryRefusal {
    #[error("the directory has no entry with the value of the credential")]
    NoEntry,
    #[error("the directory has several entries with the value of the credential")]
    SeveralEntries,
    #[error("the directory refused the password")]
    WrongPassword,
    #[error("the directory refused the password: logins are not permitted at this time")]
    NotNow,
    #[error("the directory refused the password: logins are not permitted from this computer")]
    NotHere,
    #[error("the directory refused the password: it has expired there")]
    PasswordExpired,
    #[error("the directory refused the password: it must be changed there first")]
    MustChange,
    #[error("the directory refused the password: the account is disabled there")]
    AccountDisabled,
    #[error("the directory refused the password: the account has expired there")]
    AccountExpired,
    #[error("the directory refused the password: the account is locked there")]
    AccountLocked,
    #[error("the directory refused the password with a referral, which is not followed")]
    Referral,
    #[error("the directory refused the password with result code {0}")]
    Other(u32),
}

impl BindVerdict {
    /// Reads the answer to a bind. A code that concerns one account is a refusal: otherwise an error
    /// would reveal the account.
    ///
    /// # Errors
    /// [`DirectoryError::Undecided`] for a code that does not concern the account.
    pub(super) fn of(answer: &LdapResult) -> Result<Self, DirectoryError> {
        let refusal = match answer.rc {
            result_code::SUCCESS => return Ok(Self::Accepted),
            result_code::INVALID_CREDENTIALS => DirectoryRefusal::of_invalid(&answer.text),
            result_code::REFERRAL => DirectoryRefusal::Referral,
            result_code::NO_SUCH_OBJECT => DirectoryRefusal::NoEntry,
            code @ (result_code::CONSTRAINT_VIOLATION
            | result_code::INVALID_DN_SYNTAX
            | result_code::INAPPROPRIATE_AUTHENTICATION
            | result_code::INSUFFICIENT_ACCESS_RIGHTS
            | result_code::UNWILLING_TO_PERFORM) => DirectoryRefusal::Other(code),
            code => return Err(DirectoryError::Undecided(code)),
        };
        Ok(Self::Refused(refusal))
    }

    /// Whether the password is the user's; `None` when the directory said something else, such as the
    /// state of the account.
    pub(crate) fn is_right(self) -> Option<bool> {
        match self {
            Self::Accepted => Some(true),
            Self::Refused(DirectoryRefusal::WrongPassword) => Some(false),
            Self::Refused(_) | Self::NotSent => None,
        }
    }

    /// A stable word for metrics.
    pub(super) fn outcome(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(_) => "refused",
            Self::NotSent => "not_sent",
        }
    }

    /// Every value of [`Self::outcome`].
    pub(super) const OUTCOMES: [&str; 3] = ["accepted", "refused", "not_sent"];
}

impl DirectoryRefusal {
    /// The reason in the diagnostic message of `invalidCredentials`. Active Directory writes a number
    /// of Windows into it, such as `data 52e`; others write what they like.
    fn of_invalid(message: &str) -> Self {
        match windows_error(message) {
            Some(0x530) => Self::NotNow,
            Some(0x531) => Self::NotHere,
            Some(0x532) => Self::PasswordExpired,
            Some(0x533) => Self::AccountDisabled,
            Some(0x701) => Self::AccountExpired,
            Some(0x773) => Self::MustChange,
            Some(0x775) => Self::AccountLocked,
            Some(0x525 | 0x52e) | None => Self::WrongPassword,
            // All other numbers are about the account, too.
            Some(_) => Self::Other(result_code::INVALID_CREDENTIALS),
        }
    }
}

/// The number after `data` in a diagnostic message of Active Directory.
fn windows_error(message: &str) -> Option<u32> {
    let (_, after) = message.split_once(", data ")?;
    let digits = after.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(rc: u32, text: &str) -> Result<BindVerdict, u32> {
        let (matched, text) = (String::new(), text.to_owned());
        let answer = LdapResult { rc, matched, text, refs: Vec::new(), ctrls: Vec::new() };
        BindVerdict::of(&answer).map_err(|error| {
            let DirectoryError::Undecided(code) = error else { panic!("{error}") };
            code
        })
    }

    #[test]
    fn the_reason_of_active_directory_is_read() {
        use DirectoryRefusal::*;
        for (number, reason) in [
            ("525", WrongPassword),
            ("52e", WrongPassword),
            ("52f", Other(49)),
            ("568", Other(49)),
            ("530", NotNow),
            ("531", NotHere),
            ("532", PasswordExpired),
            ("533", AccountDisabled),
            ("701", AccountExpired),
            ("773", MustChange),
            ("775", AccountLocked),
        ] {
            let text = format!(
                "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data \
                 {number}, v4563"
            );
            assert_eq!(verdict(49, &text), Ok(BindVerdict::Refused(reason)), "{number}");
        }
        for text in ["", "data 775", ", data ", ", data x", ", data 1000000775", ", data ¤"] {
            assert_eq!(verdict(49, text), Ok(BindVerdict::Refused(WrongPassword)), "{text}");
        }
    }

    #[test]
    fn only_a_wrong_password_is_wrong_until_it_changes() {
        use DirectoryRefusal::*;
        let is_right = |refusal| BindVerdict::Refused(refusal).is_right();
        assert_eq!(is_right(WrongPassword), Some(false));
        for state in [NoEntry, SeveralEntries, NotNow, PasswordExpired, MustChange, AccountLocked] {
            assert_eq!(is_right(state), None, "{state}");
        }
        assert_eq!(is_right(Other(53)), None, "some servers refuse inactive accounts so");
        assert_eq!(BindVerdict::Accepted.is_right(), Some(true));
        assert_eq!(BindVerdict::NotSent.is_right(), None);
    }

    #[test]
    fn only_success_accepts_and_only_codes_about_the_account_refuse() {
        let refusing = [10, 19, 32, 34, 48, 49, 50, 53];
        for code in 0..=128 {
            let expected = match code {
                0 => "accepted",
                code if refusing.contains(&code) => "refused",
                _ => "undecided",
            };
            let found = verdict(code, ", data 775").map_or("undecided", BindVerdict::outcome);
            assert_eq!(found, expected, "{code}");
        }
    }
}
