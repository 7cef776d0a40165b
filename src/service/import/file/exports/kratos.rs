//! Converts identities of Ory Kratos: the answer of `GET /admin/identities` with
//! `include_credential=password`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    entries::{Converted, User, full_name, retired_if},
    json::{Elements, Shape},
};
use crate::service::import::file::{
    entry::Problem,
    new_line::{NewLine, NewLineCredential},
};

/// A list of identities, or an object that has it.
pub(super) const IDENTITIES: Shape = Shape {
    elements: Elements::Entries("identities"),
    members: &[("identities", &Shape::list("identities"))],
};

/// An identity. All other members are ignored.
#[derive(Deserialize)]
struct Identity {
    id: Option<String>,
    state: Option<String>,
    traits: Option<BTreeMap<String, Value>>,
    credentials: Option<BTreeMap<String, Credential>>,
    metadata_public: Option<Value>,
    metadata_admin: Option<Value>,
    organization_id: Option<String>,
}

#[derive(Deserialize)]
struct Credential {
    identifiers: Option<Vec<String>>,
    config: Option<Config>,
}

/// The configuration of a password, and empty for others.
#[derive(Default, Deserialize)]
struct Config {
    hashed_password: Option<String>,
    /// A password in clear text, in a file for `kratos import identities`.
    password: Option<String>,
}

/// Converts an identity.
pub(super) fn convert(text: &str) -> Converted {
    match serde_json::from_str::<Identity>(text) {
        Ok(identity) => identity.convert(),
        Err(error) => Converted::not_a("a Kratos identity", &error),
    }
}

impl Identity {
    fn convert(mut self) -> Converted {
        let mut credentials = self.credentials.take().unwrap_or_default();
        let password = credentials.remove("password");
        let mut identifiers = password.as_ref().and_then(|one| one.identifiers.clone());
        let login_name =
            identifiers.as_mut().filter(|all| !all.is_empty()).map(|all| all.remove(0));
        let mut dropped = self.dropped(login_name.as_deref());
        dropped.extend(credentials.keys().map(|kind| format!("credentials.{kind}")));
        dropped.extend(identifiers.iter().flatten().map(|_| "further identifiers".to_owned()));
        let name = login_name.clone().or_else(|| self.id.clone());
        let display_name = self.display_name();
        let Some(login_name) = login_name else {
            let reason = "has no identifier of a password; export with include_credential=password, \
                          or it logs in without a password";
            return Converted { name, user: User::Skipped(reason), dropped };
        };
        let config = password.and_then(|one| one.config).unwrap_or_default();
        let credential = match config {
            Config { hashed_password: Some(hash), .. } => NewLineCredential::with_hash(hash),
            Config { password: Some(value), .. } => NewLineCredential::with_value(value),
            Config { .. } => {
                let reason = "is missing; export with include_credential=password";
                let problem = Problem::new("credentials.password.config.hashed_password", reason);
                return Converted { name, user: User::Invalid(problem), dropped };
            }
        };
        let user = User::Line(NewLine {
            login_name,
            display_name,
            retired: retired_if(self.state.as_deref() == Some("inactive")),
            credentials: vec![credential],
            ..NewLine::default()
        });
        Converted { name, user, dropped }
    }

    /// The name in the traits of the usual schemas: a text, or first and last name.
    fn display_name(&self) -> Option<String> {
        match self.traits.as_ref()?.get("name")? {
            Value::String(name) => full_name(Some(name.clone()), None),
            Value::Object(parts) => {
                let part = |name| parts.get(name).and_then(Value::as_str).map(str::to_owned);
                full_name(part("first"), part("last"))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
    }

    fn dropped(&self, login_name: Option<&str>) -> Vec<String> {
        let traits = self.traits.iter().flatten().filter(|(name, value)| {
            *name != "name" && !(value.is_string() && value.as_str() == login_name)
        });
        let mut dropped: Vec<_> = traits.map(|(name, _)| format!("traits.{name}")).collect();
        let is_present =
            |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
        for (name, is_present) in [
            ("metadata_public", is_present(&self.metadata_public)),
            ("metadata_admin", is_present(&self.metadata_admin)),
            ("organization_id", self.organization_id.is_some()),
        ] {
            if is_present {
                dropped.push(name.to_owned());
            }
        }
        dropped
    }
}
