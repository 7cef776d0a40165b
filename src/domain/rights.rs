//! Who may do what (docs/reference/rights.md, docs/reference/wire-contract.md#d10-rights).

use super::{
    application::InstallationType,
    credential_type::{CredentialType, PASSWORD},
    principal::{Actor, AuthenticationScheme, Principal, Proof},
    role::Role,
    untrusted_credential::UntrustedAccess,
    user::{UserId, UserReference, UserType},
};

/// The users on whom a right may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// Every user.
    All,
    /// Users without rights over others (`User::is_protected`).
    Unprotected,
}

impl Coverage {
    /// True when the right may be used on a user who is protected, or is not.
    pub(crate) fn includes(self, is_protected: bool) -> bool {
        self == Self::All || !is_protected
    }
}

impl Principal {
    /// True for administrators and system users, who may administer all users, unless they must
    /// change the secret that authenticated them.
    pub(crate) fn may_administer_users(&self) -> bool {
        self.user.may_administer_users() && !self.must_change_secret()
    }

    /// The role whose rights the caller has; none with a secret that must be changed.
    fn active_role(&self) -> Option<Role> {
        self.user.active_role().filter(|_| !self.must_change_secret())
    }

    fn has_role(&self, role: Role) -> bool {
        self.active_role() == Some(role)
    }

    /// True when the caller may read the activity and the state of the installation.
    pub(crate) fn may_read_activity(&self) -> bool {
        self.may_administer_users() || self.has_role(Role::Auditor)
    }

    /// True when the caller may call agents: onsite every caller; online trusted applications and
    /// the service's own pages, which have a session.
    pub(crate) fn may_call_agents(&self, installation: InstallationType) -> bool {
        installation == InstallationType::Onsite
            || self.scheme == AuthenticationScheme::Session
            || self.application.as_ref().is_some_and(|application| application.is_trusted)
    }

    /// True when the caller may save a credential of that type of that user. Owners may save their
    /// password, and another secret that they must change.
    pub(crate) fn may_save_credential_of(
        &self,
        user_id: UserId,
        credential_type: &CredentialType,
    ) -> bool {
        self.may_administer_users()
            || (self.user.may_act()
                && self.user_id() == user_id
                && (credential_type.is_password() || self.must_change_secret())
                && self.was_authenticated_with(credential_type.as_str()))
    }

    /// True when the caller may replace that user's password with the old one as proof.
    pub(crate) fn may_change_password_of(&self, user: &UserReference) -> bool {
        let may_change_own = !self.must_change_secret() || self.was_authenticated_with(PASSWORD);
        self.may_administer_users()
            || (self.user.may_act() && user.refers_to(&self.user) && may_change_own)
    }

    /// True when the caller may list users, and read every user, their failed attempts, and who has
    /// a name.
    pub(crate) fn may_read_users(&self) -> bool {
        self.may_administer_users() || self.active_role().is_some()
    }

    /// True when the caller may read that user.
    pub(crate) fn may_read(&self, user: &UserReference) -> bool {
        self.may_read_users() || user.refers_to(&self.user)
    }

    /// True when the caller may search the directory of the organization.
    pub(crate) fn may_search_directory(&self) -> bool {
        self.may_administer_users() || self.has_role(Role::Auditor)
    }

    /// True when the caller may read the audit events of that user; `None` means all users. Anonymous
    /// users may not read their own: they share one account.
    pub(crate) fn may_read_audit_events_of(&self, user_id: Option<UserId>) -> bool {
        self.may_administer_users()
            || self.has_role(Role::Auditor)
            || (user_id == Some(self.user_id()) && self.user.user_type != UserType::Anonymous)
    }

    /// The users whom the caller may help: unlock them, generate their password, end their tickets
    /// and sessions; `None` for callers who may help nobody.
    pub(crate) fn help_coverage(&self) -> Option<Coverage> {
        if self.may_administer_users() {
            return Some(Coverage::All);
        }
        self.has_role(Role::HelpDesk).then_some(Coverage::Unprotected)
    }

    /// The coverage of the right to end that user's tickets and sessions. Anonymous users may not end
    /// their own: they share one account.
    fn session_end_coverage(&self, user: &UserReference) -> Option<Coverage> {
        let is_own = user.refers_to(&self.user) && self.user.user_type != UserType::Anonymous;
        if is_own { Some(Coverage::All) } else { self.help_coverage() }
    }

    /// The coverage of the right to list that user's tickets and sessions.
    fn session_list_coverage(&self, user: &UserReference) -> Option<Coverage> {
        if self.has_role(Role::Auditor) {
            return Some(Coverage::All);
        }
        self.session_end_coverage(user)
    }

    /// True when the caller may save and remove untrusted credentials of that user.
    fn may_save_untrusted_of(&self, user_id: UserId) -> bool {
        self.user.may_act() && (self.user_id() == user_id || self.may_administer_users())
    }

    /// What the caller may read of the untrusted credentials of that user; `None`: nothing. Secrets
    /// are for their owner and for system users.
    fn untrusted_access_to(&self, user_id: UserId) -> Option<UntrustedAccess> {
        if !self.user.may_act() {
            return None;
        }
        if self.user_id() == user_id || self.user.user_type == UserType::System {
            return Some(UntrustedAccess::Secrets);
        }
        let may_read_details = self.may_administer_users() || self.has_role(Role::Auditor);
        may_read_details.then_some(UntrustedAccess::Details)
    }

    /// True when this request was authenticated with a secret of that type.
    fn was_authenticated_with(&self, secret_type: &str) -> bool {
        matches!(&self.proof, Proof::Password { credential_type, .. } if credential_type == secret_type)
    }
}

impl Actor<'_> {
    /// True when the actor has a right. An operator's command has every right. The old system, the
    /// link of a mail and the service have none: `Moving`, `PasswordLinks` and the delivery decide
    /// what each may cause.
    fn has(self, right: impl FnOnce(&Principal) -> bool) -> bool {
        match self {
            Self::Principal(principal) => right(principal),
            Self::Command => true,
            Self::OldSystem | Self::PasswordLink(_) | Self::Service | Self::Anonymous => false,
        }
    }

    /// True when the actor may read the audit events of that user; `None` means all users.
    pub(crate) fn may_read_audit_events_of(self, user_id: Option<UserId>) -> bool {
        match self {
            Self::Principal(principal) => principal.may_read_audit_events_of(user_id),
            Self::Command => true,
            Self::OldSystem | Self::PasswordLink(_) | Self::Service | Self::Anonymous => false,
        }
    }

    /// The value of a right that is more than yes or no; `every` is that of an operator's command.
    fn coverage<T>(self, every: T, right: impl FnOnce(&Principal) -> Option<T>) -> Option<T> {
        match self {
            Self::Principal(principal) => right(principal),
            Self::Command => Some(every),
            Self::OldSystem | Self::PasswordLink(_) | Self::Service | Self::Anonymous => None,
        }
    }

    /// True when the actor may administer all users.
    pub(crate) fn may_administer_users(self) -> bool {
        self.has(Principal::may_administer_users)
    }

    /// True when the actor may change the role of that user: administrators, but nobody their own.
    pub(crate) fn may_change_role_of(self, user_id: UserId) -> bool {
        self.may_administer_users() && self.user_id() != Some(user_id)
    }

    /// See [`Principal::may_read_users`].
    pub(crate) fn may_read_users(self) -> bool {
        self.has(Principal::may_read_users)
    }

    /// See [`Principal::help_coverage`].
    pub(crate) fn help_coverage(self) -> Option<Coverage> {
        self.coverage(Coverage::All, Principal::help_coverage)
    }

    /// The coverage of the right to end that user's tickets and sessions.
    pub(crate) fn session_end_coverage(self, user: &UserReference) -> Option<Coverage> {
        self.coverage(Coverage::All, |principal| principal.session_end_coverage(user))
    }

    /// The coverage of the right to list that user's tickets and sessions.
    pub(crate) fn session_list_coverage(self, user: &UserReference) -> Option<Coverage> {
        self.coverage(Coverage::All, |principal| principal.session_list_coverage(user))
    }

    /// True when the actor may replace that user's password with the old one as proof.
    pub(crate) fn may_change_password_of(self, user: &UserReference) -> bool {
        self.has(|principal| principal.may_change_password_of(user))
    }

    /// True when the actor may save and remove untrusted credentials of that user.
    pub(crate) fn may_save_untrusted_of(self, user_id: UserId) -> bool {
        self.has(|principal| principal.may_save_untrusted_of(user_id))
    }

    /// What the actor may read of the untrusted credentials of that user.
    pub(crate) fn untrusted_access_to(self, user_id: UserId) -> Option<UntrustedAccess> {
        self.coverage(UntrustedAccess::Secrets, |principal| principal.untrusted_access_to(user_id))
    }

    /// True when the actor may save a credential of that type of that user.
    pub(crate) fn may_save_credential_of(
        self,
        user_id: UserId,
        credential_type: &CredentialType,
    ) -> bool {
        self.has(|principal| principal.may_save_credential_of(user_id, credential_type))
    }

    /// False for a write of a credential that would give the actor the rights of another user. Each
    /// use case checks its own right; this is checked where all of them write, with the row of the
    /// user locked.
    pub(crate) fn may_write_credential_of(self, user_id: UserId, is_protected: bool) -> bool {
        !is_protected || self.user_id() == Some(user_id) || self.may_administer_users()
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::domain::{
        credential_type::{ACTIVE_DIRECTORY, CredentialTypes},
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
            role: None,
            is_retired: false,
            session_epoch: 0,
            vendor_ids: VendorIds::default(),
            nick_name: String::new(),
        };
        let scheme = AuthenticationScheme::Basic;
        let auth_time = OffsetDateTime::UNIX_EPOCH;
        Principal { user, scheme, proof, auth_time, is_proof_recent: false, application: None }
    }

    const TOKEN: Proof = Proof::Token { is_of_session: false };

    fn proof_of(credential_type: &str, must_change: bool) -> Proof {
        Proof::Password { credential_type: credential_type.to_owned(), version: 1, must_change }
    }

    fn password() -> Proof {
        proof_of(PASSWORD, false)
    }

    fn may_save(principal: &Principal, user_id: i32, type_name: &str) -> bool {
        let types = CredentialTypes::new(Vec::new(), PASSWORD).unwrap();
        let credential_type = types.find(type_name).unwrap();
        principal.may_save_credential_of(UserId::try_from(user_id).unwrap(), credential_type)
    }

    #[test]
    fn administrators_and_system_users_may_save_credentials_of_every_user() {
        assert!(may_save(&principal(UserType::Internal, true, TOKEN), 8, ACTIVE_DIRECTORY));
        assert!(may_save(&principal(UserType::System, false, TOKEN), 8, PASSWORD));
    }

    #[test]
    fn a_plain_user_may_save_only_their_own_password_with_the_password_as_proof() {
        let user = principal(UserType::Internal, false, password());
        assert!(may_save(&user, 7, PASSWORD));
        assert!(!may_save(&user, 8, PASSWORD));
        assert!(!may_save(&user, 7, ACTIVE_DIRECTORY));
        assert!(!may_save(&principal(UserType::Internal, false, TOKEN), 7, PASSWORD));
        let pin = proof_of("Pin", false);
        assert!(!may_save(&principal(UserType::Internal, false, pin), 7, PASSWORD));
    }

    fn with_role(user_type: UserType, role: Role) -> Principal {
        let mut principal = principal(user_type, false, TOKEN);
        principal.user.role = Some(role);
        principal
    }

    #[test]
    fn a_role_reads_users_and_only_the_help_desk_helps_those_without_rights() {
        let help_desk = with_role(UserType::Internal, Role::HelpDesk);
        let auditor = with_role(UserType::Resource, Role::Auditor);
        assert!(help_desk.may_read_users() && auditor.may_read_users());
        assert!(!help_desk.may_search_directory() && auditor.may_search_directory());
        assert_eq!(help_desk.help_coverage(), Some(Coverage::Unprotected));
        assert_eq!(auditor.help_coverage(), None);
        for caller in [help_desk, auditor] {
            assert!(!caller.may_administer_users());
            assert!(!may_save(&caller, 8, PASSWORD));
            let other = UserId::try_from(8).unwrap();
            assert!(!Actor::Principal(&caller).may_change_role_of(other));
            assert!(!Actor::Principal(&caller).may_write_credential_of(other, true));
            assert!(!Actor::Principal(&caller).may_save_untrusted_of(other));
        }
    }

    #[test]
    fn a_role_gives_no_right_to_external_anonymous_and_retired_users() {
        for role in Role::ALL {
            let mut retired = with_role(UserType::Internal, role);
            retired.user.is_retired = true;
            let outside =
                [UserType::External, UserType::Anonymous].map(|kind| with_role(kind, role));
            for caller in outside.into_iter().chain([retired]) {
                assert!(!caller.may_read_users(), "{caller:?}");
                assert_eq!(caller.help_coverage(), None, "{caller:?}");
                // They would have it in another state, so the help desk may not act on them.
                assert!(caller.user.is_protected());
            }
        }
    }

    #[test]
    fn a_secret_that_must_be_changed_gives_no_right_but_its_own_change() {
        let own = UserReference::Id(UserId::try_from(7).unwrap());
        let other = UserReference::Id(UserId::try_from(8).unwrap());
        for user_type in [UserType::Internal, UserType::System] {
            let caller = principal(user_type, true, proof_of(PASSWORD, true));
            assert!(may_save(&caller, 7, PASSWORD));
            assert!(caller.may_change_password_of(&own));
            assert!(!may_save(&caller, 7, ACTIVE_DIRECTORY));
            assert!(!may_save(&caller, 8, PASSWORD));
            assert!(!caller.may_change_password_of(&other));
            assert!(!caller.may_administer_users());
            assert!(!caller.may_read_users());
            let caller = principal(user_type, true, proof_of("Pin", true));
            assert!(!may_save(&caller, 7, PASSWORD));
            assert!(!caller.may_change_password_of(&own));
        }
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
            let mut caller = principal(user_type, is_administrator, TOKEN);
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
