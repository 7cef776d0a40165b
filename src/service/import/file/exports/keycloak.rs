//! Converts the users of a Keycloak realm: the file of `kc.sh export`, whose members are those of
//! `UserRepresentation` in Keycloak's REST API.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::{
    entries::{Converted, User, full_name, retired_if},
    json::{Elements, Shape},
    keycloak_password::{self, StoredCredential},
};
use crate::service::import::file::{names::known_or, new_line::NewLine};

/// The required actions of Keycloak itself.
const ACTIONS: [&str; 14] = [
    "CONFIGURE_RECOVERY_AUTHN_CODES",
    "CONFIGURE_TOTP",
    "TERMS_AND_CONDITIONS",
    "UPDATE_EMAIL",
    "UPDATE_PASSWORD",
    "UPDATE_PROFILE",
    "VERIFY_EMAIL",
    "VERIFY_PROFILE",
    "delete_account",
    "delete_credential",
    "idp_link",
    "update_user_locale",
    "webauthn-register",
    "webauthn-register-passwordless",
];

/// A realm, or a list of realms.
pub(super) const REALM: Shape = Shape {
    elements: Elements::Of(&Shape { elements: Elements::None, members: MEMBERS }),
    members: MEMBERS,
};

const MEMBERS: &[(&str, &Shape)] = &[("users", &Shape::list("users"))];

/// A user. All other members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakUser {
    id: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    enabled: Option<bool>,
    credentials: Option<Vec<StoredCredential>>,
    /// The user storage provider that verifies the password, for example LDAP.
    federation_link: Option<String>,
    service_account_client_id: Option<String>,
    federated_identities: Option<Vec<IgnoredAny>>,
    required_actions: Option<Vec<String>>,
    attributes: Option<Map<String, Value>>,
    realm_roles: Option<Vec<IgnoredAny>>,
    client_roles: Option<Map<String, Value>>,
    groups: Option<Vec<IgnoredAny>>,
    client_consents: Option<Vec<IgnoredAny>>,
}

/// Converts a user.
pub(super) fn convert(text: &str) -> Converted {
    match serde_json::from_str::<KeycloakUser>(text) {
        Ok(user) => user.convert(),
        Err(error) => Converted::not_a("a Keycloak user", &error),
    }
}

impl KeycloakUser {
    fn convert(mut self) -> Converted {
        let credentials = self.credentials.take().unwrap_or_default();
        let mut dropped = self.dropped();
        let name = self.username.clone().or_else(|| self.id.clone());
        let user = match self.reason_to_skip(&credentials) {
            Some(reason) => User::Skipped(reason),
            None => match keycloak_password::convert(credentials, &mut dropped) {
                Err(problem) => User::Invalid(problem),
                Ok(password) => User::Line(NewLine {
                    login_name: self.username.unwrap_or_default(),
                    display_name: full_name(self.first_name, self.last_name),
                    retired: retired_if(self.enabled == Some(false)),
                    credentials: password.into_iter().collect(),
                    ..NewLine::default()
                }),
            },
        };
        Converted { name, user, dropped }
    }

    fn reason_to_skip(&self, credentials: &[StoredCredential]) -> Option<&'static str> {
        let has_identities = self.federated_identities.as_ref().is_some_and(|all| !all.is_empty());
        if self.service_account_client_id.is_some() {
            Some("is the service account of a client, which has no password")
        } else if self.federation_link.is_some() {
            Some("is from a user federation, which keeps the password")
        } else if has_identities && !credentials.iter().any(StoredCredential::is_password) {
            Some("logs in through an identity provider, and has no password")
        } else {
            None
        }
    }

    fn dropped(&self) -> Vec<String> {
        let mut dropped = Vec::new();
        let is_other_email = self.email.is_some() && self.email != self.username;
        let attributes = self.attributes.iter().flatten();
        dropped.extend(attributes.map(|(name, _)| format!("attributes.{name}")));
        let actions = self.required_actions.iter().flatten();
        let action = |name: &String| known_or(&ACTIONS, name, "other");
        dropped.extend(actions.map(|name| format!("requiredActions.{}", action(name))));
        for (name, is_present) in [
            ("email", is_other_email),
            ("federatedIdentities", is_not_empty(self.federated_identities.as_deref())),
            ("realmRoles", is_not_empty(self.realm_roles.as_deref())),
            ("clientRoles", self.client_roles.as_ref().is_some_and(|roles| !roles.is_empty())),
            ("groups", is_not_empty(self.groups.as_deref())),
            ("clientConsents", is_not_empty(self.client_consents.as_deref())),
        ] {
            if is_present {
                dropped.push(name.to_owned());
            }
        }
        dropped
    }
}

fn is_not_empty(list: Option<&[IgnoredAny]>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}
