//! Converts users of ZITADEL: the answer of `POST /admin/v1/export`, or a file for its import. The
//! members are those of `ImportDataOrg` in ZITADEL's admin API.

use serde::{Deserialize, de::IgnoredAny};

use super::{
    entries::{Converted, User, full_name},
    json::{Elements, Shape},
};
use crate::service::import::file::new_line::{NewLine, NewLineCredential};

/// Organizations with their users. JSON of protobuf has both spellings of a name.
pub(super) const EXPORT: Shape =
    Shape::object(&[("orgs", &ORGANIZATIONS), ("dataOrgs", &DATA), ("data_orgs", &DATA)]);
const DATA: Shape = Shape::object(&[("orgs", &ORGANIZATIONS)]);
const ORGANIZATIONS: Shape = Shape { elements: Elements::Of(&ORGANIZATION), members: &[] };
const ORGANIZATION: Shape = Shape::object(&[
    ("humanUsers", &Shape::list("humanUsers")),
    ("human_users", &Shape::list("humanUsers")),
    ("machineUsers", &Shape::list("machineUsers")),
    ("machine_users", &Shape::list("machineUsers")),
]);

/// A user with the id. All other members are ignored.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "userId", alias = "user_id")]
    user_id: Option<String>,
    user: Option<Account>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    #[serde(alias = "user_name")]
    user_name: Option<String>,
    profile: Option<Profile>,
    email: Option<Email>,
    phone: Option<IgnoredAny>,
    password: Option<String>,
    #[serde(alias = "hashed_password")]
    hashed_password: Option<HashedPassword>,
    #[serde(alias = "password_change_required")]
    password_change_required: Option<bool>,
    #[serde(alias = "otp_code")]
    otp_code: Option<String>,
    idps: Option<Vec<IgnoredAny>>,
    #[serde(alias = "recovery_codes")]
    recovery_codes: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    #[serde(alias = "first_name")]
    first_name: Option<String>,
    #[serde(alias = "last_name")]
    last_name: Option<String>,
    #[serde(alias = "display_name")]
    display_name: Option<String>,
}

#[derive(Deserialize)]
struct Email {
    email: Option<String>,
}

#[derive(Deserialize)]
struct HashedPassword {
    value: Option<String>,
}

/// Converts a user of the named list.
pub(super) fn convert(list: &str, text: &str) -> Converted {
    let entry = match serde_json::from_str::<Entry>(text) {
        Ok(entry) => entry,
        Err(error) => return Converted::not_a("a ZITADEL user", &error),
    };
    let account = entry.user.unwrap_or_default();
    let name = account.user_name.clone().or(entry.user_id);
    if list == "machineUsers" {
        let user = User::Skipped("is a machine user, which has no password");
        return Converted { name, user, dropped: Vec::new() };
    }
    let mut dropped = account.dropped();
    let credential = account.hashed_password.and_then(|hashed| hashed.value);
    let credential = credential.map(NewLineCredential::with_hash);
    let credential = credential.or(account.password.map(NewLineCredential::with_value));
    if credential.is_none() {
        dropped.push("no password".to_owned());
    }
    let display_name = account.profile.and_then(|profile| {
        let full = full_name(profile.first_name, profile.last_name);
        profile.display_name.filter(|name| !name.trim().is_empty()).or(full)
    });
    let user = User::Line(NewLine {
        login_name: account.user_name.unwrap_or_default(),
        display_name,
        credentials: credential.into_iter().collect(),
        ..NewLine::default()
    });
    Converted { name, user, dropped }
}

impl Account {
    fn dropped(&self) -> Vec<String> {
        let email = self.email.as_ref().and_then(|email| email.email.as_ref());
        let is_not_empty =
            |list: &Option<Vec<IgnoredAny>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let all = [
            ("email", email.is_some() && email != self.user_name.as_ref()),
            ("phone", self.phone.is_some()),
            ("passwordChangeRequired", self.password_change_required == Some(true)),
            ("otpCode", self.otp_code.is_some()),
            ("idps", is_not_empty(&self.idps)),
            ("recoveryCodes", is_not_empty(&self.recovery_codes)),
        ];
        let dropped = all.into_iter().filter(|(_, is_present)| *is_present);
        dropped.map(|(name, _)| name.to_owned()).collect()
    }
}
