//! Who may do what (docs/reference/wire-contract.md#d10-rights).

use super::{
    application::InstallationType,
    credential_type::CredentialType,
    principal::{Actor, AuthenticationScheme, Principal, Proof},
    untrusted_credential::UntrustedAccess,
    user::{UserId, UserReference, UserType},
};

impl Principal {
    /// True for administrators and system users, who may administer all users.
    pub(crate) fn may_administer_users(&self) -> bool {
        self.user.may_administer_users()
    }

    /// True when the caller may call agents: onsite every caller; online trusted applications and
    /// the service's own pages, which have a session.
    pub(crate) fn may_call_agents(&self, installation: InstallationType) -> bool {
        installation == InstallationType::Onsite
            || self.scheme == AuthenticationScheme::Session
            || self.application.as_ref().is_some_and(|application| application.is_trusted)
    }

    /// True when the caller may save a credential of that type of that user.
    pub(crate) fn may_save_credential_of(
        &self,
        user_id: UserId,
        credential_type: &CredentialType,
    ) -> bool {
        self.may_administer_users()
            || (self.user.may_act()
                && self.user_id() == user_id
                && credential_type.is_password()
                && self.was_authenticated_with(credential_type))
    }

    /// True when the caller may replace that user's password with the old one as proof.
    pub(crate) fn may_change_password_of(&self, user: &UserReference) -> bool {
        self.may_administer_users() || (self.user.may_act() && user.refers_to(&self.user))
    }

    /// True when the caller may read that user.
    pub(crate) fn may_read(&self, user: &UserReference) -> bool {
        self.may_administer_users() || user.refers_to(&self.user)
    }

    /// True when the caller may list and end that user's tickets and sessions. Anonymous users may
    /// not: they share one account.
    pub(crate) fn may_end_sessions_of(&self, user: &UserReference) -> bool {
        self.may_administer_users()
            || (user.refers_to(&self.user) && self.user.user_type != UserType::Anonymous)
    }

    /// The caller's access to the untrusted credentials of that user; `None` for callers who may
    /// use none of them. Secrets are for their owner and for system users. Administrators may save
    /// and remove those of others, and read them without the secrets.
    fn untrusted_access_to(&self, user_id: UserId) -> Option<UntrustedAccess> {
        if !self.user.may_act() {
            return None;
        }
        if self.user_id() == user_id || self.user.user_type == UserType::System {
            return Some(UntrustedAccess::Secrets);
        }
        self.may_administer_users().then_some(UntrustedAccess::Details)
    }

    /// True when this request was authenticated with a secret of that type.
    fn was_authenticated_with(&self, secret_type: &CredentialType) -> bool {
        matches!(&self.proof, Proof::Password { credential_type, .. } if credential_type == secret_type.as_str())
    }
}

impl Actor<'_> {
    /// True when the actor may administer all users.
    pub(crate) fn may_administer_users(self) -> bool {
        match self {
            Self::Principal(principal) => principal.may_administer_users(),
            Self::Command => true,
            // It has no right of its own: `Moving` decides what it may cause.
            Self::OldSystem | Self::PasswordLink(_) | Self::Service => false,
        }
    }

    /// True when the actor may list and end that user's tickets and sessions.
    pub(crate) fn may_end_sessions_of(self, user: &UserReference) -> bool {
        match self {
            Self::Principal(principal) => principal.may_end_sessions_of(user),
            Self::Command => true,
            Self::OldSystem | Self::PasswordLink(_) | Self::Service => false,
        }
    }

    /// True when the actor may replace that user's password with the old one as proof.
    pub(crate) fn may_change_password_of(self, user: &UserReference) -> bool {
        match self {
            Self::Principal(principal) => principal.may_change_password_of(user),
            Self::Command => true,
            Self::OldSystem | Self::PasswordLink(_) | Self::Service => false,
        }
    }

    /// The actor's access to the untrusted credentials of that user.
    pub(crate) fn untrusted_access_to(self, user_id: UserId) -> Option<UntrustedAccess> {
        match self {
            Self::Principal(principal) => principal.untrusted_access_to(user_id),
            Self::Command => Some(UntrustedAccess::Secrets),
            Self::OldSystem | Self::PasswordLink(_) | Self::Service => None,
        }
    }

    /// True when the actor may save a credential of that type of that user.
    pub(crate) fn may_save_credential_of(
        self,
        user_id: UserId,
        credential_type: &CredentialType,
    ) -> bool {
        match self {
            Self::Principal(principal) => {
                principal.may_save_credential_of(user_id, credential_type)
            }
            Self::Command => true,
            Self::OldSystem | Self::PasswordLink(_) | Self::Service => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::domain::{
        credential_type::{ACTIVE_DIRECTORY, CredentialTypes, PASSWORD},
        user::User,
        vendor_ids::VendorIds,
    };

    fn principal(user_type: UserType, is_administrator: bool, proof: Proof) -> Principal {
        let user = User {
            user_id: UserId::try_from(7).unwrap(),
            login_name: "seven".to_owned(),
            display_name: "Seven".to_owned(),
            user_type,
            is_administrator,
            is_retired: false,
            session_epoch: 0,
            vendor_ids: VendorIds::default(),
            nick_name: String::new(),
        };
        let scheme = AuthenticationScheme::Basic;
        Principal { user, scheme, proof, auth_time: OffsetDateTime::UNIX_EPOCH, application: None }
    }

    fn password() -> Proof {
        Proof::Password { credential_type: PASSWORD.to_owned(), version: 1 }
    }

    fn may_save(principal: &Principal, user_id: i32, type_name: &str) -> bool {
        let types = CredentialTypes::new(Vec::new(), PASSWORD).unwrap();
        let credential_type = types.find(type_name).unwrap();
        principal.may_save_credential_of(UserId::try_from(user_id).unwrap(), credential_type)
    }

    #[test]
    fn administrators_and_system_users_may_save_credentials_of_every_user() {
        assert!(may_save(&principal(UserType::Internal, true, Proof::Token), 8, ACTIVE_DIRECTORY));
        assert!(may_save(&principal(UserType::System, false, Proof::Token), 8, PASSWORD));
    }

    #[test]
    fn a_plain_user_may_save_only_their_own_password_with_the_password_as_proof() {
        let user = principal(UserType::Internal, false, password());
        assert!(may_save(&user, 7, PASSWORD));
        assert!(!may_save(&user, 8, PASSWORD));
        assert!(!may_save(&user, 7, ACTIVE_DIRECTORY));
        assert!(!may_save(&principal(UserType::Internal, false, Proof::Token), 7, PASSWORD));
        let pin = Proof::Password { credential_type: "Pin".to_owned(), version: 1 };
        assert!(!may_save(&principal(UserType::Internal, false, pin), 7, PASSWORD));
    }

    #[test]
    fn untrusted_secrets_are_for_their_owner_and_for_system_users() {
        use UntrustedAccess::{Details, Secrets};
        let (own, other) = (UserId::try_from(7).unwrap(), UserId::try_from(8).unwrap());
        for (user_type, is_administrator, of_own, of_other) in [
            (UserType::Internal, false, Some(Secrets), None),
            (UserType::Resource, false, Some(Secrets), None),
            (UserType::Internal, true, Some(Secrets), Some(Details)),
            (UserType::System, false, Some(Secrets), Some(Secrets)),
            (UserType::External, true, None, None),
            (UserType::Anonymous, true, None, None),
        ] {
            let mut caller = principal(user_type, is_administrator, Proof::Token);
            assert_eq!(caller.untrusted_access_to(own), of_own, "{user_type:?}");
            assert_eq!(caller.untrusted_access_to(other), of_other, "{user_type:?}");
            caller.user.is_retired = true;
            assert_eq!(caller.untrusted_access_to(own), None);
            assert_eq!(caller.untrusted_access_to(other), None);
        }
    }

    #[test]
    fn external_anonymous_and_retired_users_may_save_nothing() {
        for user_type in [UserType::External, UserType::Anonymous] {
            for is_administrator in [false, true] {
                assert!(!may_save(
                    &principal(user_type, is_administrator, password()),
                    7,
                    PASSWORD
                ));
            }
        }
        let mut retired = principal(UserType::Internal, true, password());
        retired.user.is_retired = true;
        assert!(!may_save(&retired, 7, PASSWORD));
    }
}
