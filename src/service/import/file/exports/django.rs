//! Converts users of Django: the output of `manage.py dumpdata` in JSON.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    entries::{Converted, User, full_name, retired_if},
    json::Shape,
};
use crate::service::import::file::{
    names::known_or,
    new_line::{NewLine, NewLineCredential},
};

/// The models of Django itself, which most dumps have.
const MODELS: [&str; 6] = [
    "admin.logentry",
    "auth.group",
    "auth.permission",
    "auth.user",
    "contenttypes.contenttype",
    "sessions.session",
];

/// A list of objects of all models.
pub(super) const OBJECTS: Shape = Shape::list("objects");

/// An object of any model.
#[derive(Deserialize)]
struct Object<'text> {
    model: Option<String>,
    pk: Option<IgnoredAny>,
    #[serde(borrow)]
    fields: Option<&'text RawValue>,
}

/// The fields of a user. All others are ignored.
#[derive(Deserialize)]
struct Fields {
    username: Option<String>,
    email: Option<String>,
    password: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    is_active: Option<bool>,
    is_staff: Option<bool>,
    is_superuser: Option<bool>,
    groups: Option<Vec<IgnoredAny>>,
    user_permissions: Option<Vec<IgnoredAny>>,
}

/// Converts an object. An object of another model has no result.
pub(super) fn convert(user_model: &str, text: &str) -> Converted {
    let object = match serde_json::from_str::<Object<'_>>(text) {
        Ok(object) if object.pk.is_some() || object.model.is_some() => object,
        Ok(_) => return none(Vec::new()),
        Err(error) => return Converted::not_a("a Django object", &error),
    };
    let model = object.model.unwrap_or_default();
    if !model.eq_ignore_ascii_case(user_model) {
        let model = known_or(&MODELS, &model, "other models");
        return none(vec![format!("objects of {model}")]);
    }
    let fields = object.fields.map_or("{}", RawValue::get);
    match serde_json::from_str::<Fields>(fields) {
        Ok(fields) => fields.convert(),
        Err(error) => Converted::not_a("a Django user", &error),
    }
}

fn none(dropped: Vec<String>) -> Converted {
    Converted { name: None, user: User::None, dropped }
}

impl Fields {
    fn convert(self) -> Converted {
        let mut dropped = self.dropped();
        // A model may have no user name; its users log in with their email address.
        let login_name = self.username.or(self.email);
        // Django marks a user without a password with `!`.
        let password = self.password.filter(|text| !text.is_empty() && !text.starts_with('!'));
        if password.is_none() {
            dropped.push("no password".to_owned());
        }
        let user = User::Line(NewLine {
            login_name: login_name.clone().unwrap_or_default(),
            display_name: full_name(self.first_name, self.last_name),
            retired: retired_if(self.is_active == Some(false)),
            credentials: password.map(NewLineCredential::with_hash).into_iter().collect(),
            ..NewLine::default()
        });
        Converted { name: login_name, user, dropped }
    }

    fn dropped(&self) -> Vec<String> {
        let is_not_empty =
            |list: &Option<Vec<IgnoredAny>>| list.as_ref().is_some_and(|list| !list.is_empty());
        let has_email = self.email.as_ref().is_some_and(|email| !email.is_empty());
        let all = [
            ("email", has_email && self.username.is_some() && self.username != self.email),
            ("is_staff", self.is_staff == Some(true)),
            ("is_superuser", self.is_superuser == Some(true)),
            ("groups", is_not_empty(&self.groups)),
            ("user_permissions", is_not_empty(&self.user_permissions)),
        ];
        let dropped = all.into_iter().filter(|(_, is_present)| *is_present);
        dropped.map(|(name, _)| name.to_owned()).collect()
    }
}
