//! Converts accounts of Firebase: the file of `firebase auth:export` in JSON.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use serde::{Deserialize, de::IgnoredAny};
use zeroize::Zeroizing;

use super::{
    entries::{Converted, User, full_name, retired_if},
    firebase_config::HashConfig,
    json::Shape,
};
use crate::service::import::file::{
    entry::Problem,
    new_line::{NewLine, NewLineCredential},
};

/// An object with the accounts.
pub(super) const ACCOUNTS: Shape = Shape::object(&[("users", &Shape::list("users"))]);

/// An account. All other members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    local_id: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
    password_hash: Option<String>,
    salt: Option<String>,
    disabled: Option<bool>,
    phone_number: Option<IgnoredAny>,
    photo_url: Option<IgnoredAny>,
    custom_attributes: Option<IgnoredAny>,
    provider_user_info: Option<Vec<IgnoredAny>>,
    mfa_info: Option<Vec<IgnoredAny>>,
}

/// Converts an account.
pub(super) fn convert(config: &HashConfig, text: &str) -> Converted {
    match serde_json::from_str::<Account>(text) {
        Ok(account) => account.convert(config),
        Err(error) => Converted::not_a("a Firebase account", &error),
    }
}

impl Account {
    fn convert(self, config: &HashConfig) -> Converted {
        let dropped = self.dropped();
        let name = self.email.clone().or_else(|| self.local_id.clone());
        let user = if self.password_hash.is_none() {
            User::Skipped("has no password: it logs in with another provider or a phone")
        } else if self.email.is_none() {
            User::Invalid(Problem::new("email", "is required: it is the login name"))
        } else {
            match self.hash(config) {
                Ok(hash) => User::Line(NewLine {
                    login_name: self.email.unwrap_or_default(),
                    display_name: full_name(self.display_name, None),
                    retired: retired_if(self.disabled == Some(true)),
                    credentials: vec![NewLineCredential::with_hash(hash)],
                    ..NewLine::default()
                }),
                Err(problem) => User::Invalid(problem),
            }
        };
        Converted { name, user, dropped }
    }

    fn hash(&self, config: &HashConfig) -> Result<String, Problem> {
        let hash = base_64(self.password_hash.as_deref(), "passwordHash")?;
        let salt = base_64(self.salt.as_deref(), "salt")?;
        Ok(format!("{}${salt}${hash}", config.prefix()))
    }

    fn dropped(&self) -> Vec<String> {
        let is_not_empty =
            |list: &Option<Vec<IgnoredAny>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let all = [
            ("phoneNumber", self.phone_number.is_some()),
            ("photoUrl", self.photo_url.is_some()),
            ("customAttributes", self.custom_attributes.is_some()),
            ("providerUserInfo", is_not_empty(&self.provider_user_info)),
            ("mfaInfo", is_not_empty(&self.mfa_info)),
        ];
        let dropped = all.into_iter().filter(|(_, is_present)| *is_present);
        dropped.map(|(name, _)| name.to_owned()).collect()
    }
}

/// Standard Base64 without padding. The API writes the URL-safe alphabet and the command line tool
/// the standard one.
fn base_64(text: Option<&str>, field: &str) -> Result<String, Problem> {
    let text = text.unwrap_or_default().trim_end_matches('=');
    let decoded =
        BASE64_NOPAD.decode(text.as_bytes()).or_else(|_| BASE64URL_NOPAD.decode(text.as_bytes()));
    let bytes = decoded.map_err(|_| Problem::new(field, "is not Base64"))?;
    Ok(BASE64_NOPAD.encode(&Zeroizing::new(bytes)))
}
