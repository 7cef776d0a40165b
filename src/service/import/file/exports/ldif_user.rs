//! Converts the entry of a directory into a user: `uid` is the login name, and `userPassword` the
//! password (RFC 4519, RFC 2307).

use secrecy::SecretString;

use super::{
    entries::{Converted, User, retired_if},
    ldif::Record,
};
use crate::{
    security::hashing::{TextKind, text_kind},
    service::import::file::{
        entry::Problem,
        new_line::{NewLine, NewLineCredential},
    },
};

/// Attributes that say nothing about a user that this service could keep.
const TECHNICAL: [&str; 13] = [
    "sn",
    "givenname",
    "structuralobjectclass",
    "entryuuid",
    "entrycsn",
    "entrydn",
    "creatorsname",
    "createtimestamp",
    "modifiersname",
    "modifytimestamp",
    "subschemasubentry",
    "hassubordinates",
    "pwdchangedtime",
];

/// The lock without an end, of the password policy overlay.
const LOCKED_FOREVER: &str = "000001010000Z";

/// Converts an entry.
pub(super) fn convert(record: &Record) -> Converted {
    let technical = |name: &&String| !TECHNICAL.contains(&name.as_str());
    let mut dropped: Vec<String> = record.others.iter().filter(technical).cloned().collect();
    let name = record.text("uid").or_else(|| record.text("dn"));
    let user = match user(record, &mut dropped) {
        Ok(user) => user,
        Err(problem) => User::Invalid(problem),
    };
    if let User::Skipped(_) = user {
        dropped.clear();
    }
    Converted { name, user, dropped }
}

fn user(record: &Record, dropped: &mut Vec<String>) -> Result<User, Problem> {
    let mut names = record.values("uid");
    let Some(first) = names.next() else {
        return Ok(User::Skipped("has no uid, which is the login name"));
    };
    let login_name = text("uid", first)?;
    dropped.extend(names.map(|_| "further uid".to_owned()));
    if login_name.ends_with('$') {
        return Ok(User::Skipped("is the account of a machine"));
    }
    let mut passwords = record.values("userpassword");
    let password = passwords.next().map(|value| text("userPassword", value)).transpose()?;
    if passwords.next().is_some() {
        let reason = "has more than one value; keep the one that the user knows";
        return Err(Problem::new("userPassword", reason));
    }
    let is_sasl = |password: &String| has_scheme(password, "SASL");
    if password.as_ref().is_some_and(is_sasl) {
        return Ok(User::Skipped("is verified through SASL by another system"));
    }
    let credential = password.map_or(Ok(None), credential)?;
    if credential.is_none() {
        dropped.push("no password".to_owned());
    }
    let is_retired = record.text("pwdaccountlockedtime").is_some_and(|time| time == LOCKED_FOREVER)
        || record.text("nsaccountlock").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    Ok(User::Line(NewLine {
        login_name,
        display_name: record.text("displayname").or_else(|| record.text("cn")),
        retired: retired_if(is_retired),
        credentials: credential.into_iter().collect(),
        ..NewLine::default()
    }))
}

fn text(field: &str, value: &super::ldif::Value) -> Result<String, Problem> {
    let bytes = value.as_ref().map_err(|problem| Problem::new(field, problem.reason.clone()))?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Problem::new(field, "is not UTF-8"))
}

/// True for a password with that scheme in front, in any letter case.
fn has_scheme(password: &str, scheme: &str) -> bool {
    let text = password.strip_prefix('{').and_then(|text| text.split_once('}'));
    text.is_some_and(|(name, _)| name.eq_ignore_ascii_case(scheme))
}

/// The credential of a password: a hash with its scheme, or clear text. `None` for a locked one.
///
/// # Errors
/// When it is a hash without a scheme: anyone who knows the hash would log in with it.
fn credential(password: String) -> Result<Option<NewLineCredential>, Problem> {
    let is_locked = ["{CRYPT}!", "{CRYPT}*"].iter().any(|start| {
        password.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
    });
    if is_locked || password.is_empty() {
        return Ok(None);
    }
    let scheme = password.strip_prefix('{').and_then(|text| text.split_once('}'));
    if let Some((name, value)) = scheme
        && name.eq_ignore_ascii_case("CLEARTEXT")
    {
        return Ok(Some(NewLineCredential::with_value(value.to_owned())));
    }
    let is_scheme = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
    };
    if scheme.is_some_and(|(name, _)| is_scheme(name)) {
        return Ok(Some(NewLineCredential::with_hash(password)));
    }
    let reason = match text_kind(&SecretString::from(password.as_str())) {
        TextKind::Password => return Ok(Some(NewLineCredential::with_value(password))),
        TextKind::Hash => "is a hash without a scheme; prefix {CRYPT}",
        TextKind::PossibleHash => {
            "may be a hash of DES-crypt, which is not supported; prefix {CLEARTEXT} if it is a \
             password, or reset it"
        }
    };
    Err(Problem::new("userPassword", reason))
}
