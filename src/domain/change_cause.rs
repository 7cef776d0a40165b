//! Why the owner of a credential must change it
//! (docs/reference/wire-contract.md#d35-forced-password-change).

stored_enum! {
    /// Why a credential must be changed.
    ChangeCause {
        /// An administrator or operator requires a new value.
        Administrator => "administrator",
        /// The password is on the list of common and breached passwords.
        CommonPassword => "common_password",
        /// Somebody else knows the value, or may know it.
        Compromised => "compromised",
    }
}

impl ChangeCause {
    /// The cause with that name, for those who may give one: only the service finds common
    /// passwords.
    pub(crate) fn parse_given(text: &str) -> Option<Self> {
        Self::parse(text).filter(|cause| *cause != Self::CommonPassword)
    }
}
