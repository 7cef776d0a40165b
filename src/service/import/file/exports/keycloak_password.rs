//! Converts the password of a Keycloak user, whose hash is in parts, into a hash text.

use std::collections::BTreeMap;

use data_encoding::{BASE64, BASE64_NOPAD};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::service::import::file::{entry::Problem, names::known_or, new_line::NewLineCredential};

/// The types of other credentials of Keycloak itself.
const TYPES: [&str; 7] = [
    "kerberos",
    "otp",
    "password-history",
    "recovery-authn-codes",
    "secret",
    "webauthn",
    "webauthn-passwordless",
];

/// A credential. Keycloak 8 and later write the members that contain JSON as text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredCredential {
    #[serde(rename = "type")]
    kind: Option<String>,
    secret_data: Option<String>,
    credential_data: Option<String>,
    /// A password in clear text, as realms for demos have it.
    value: Option<String>,
    temporary: Option<bool>,
    // The members before Keycloak 8.
    hashed_salted_value: Option<String>,
    salt: Option<String>,
    hash_iterations: Option<u32>,
    algorithm: Option<String>,
}

#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    hash_iterations: Option<i64>,
    algorithm: Option<String>,
    additional_parameters: Option<BTreeMap<String, Vec<String>>>,
}

const FIELD: &str = "credentials";

impl StoredCredential {
    pub(super) fn is_password(&self) -> bool {
        self.kind.as_deref() == Some("password")
    }
}

/// Converts the password among the credentials, if there is one, and names the others.
///
/// # Errors
/// When it is not of a known form.
pub(super) fn convert(
    credentials: Vec<StoredCredential>,
    dropped: &mut Vec<String>,
) -> Result<Option<NewLineCredential>, Problem> {
    let mut password = None;
    for credential in credentials {
        if !credential.is_password() {
            let kind = credential.kind.as_deref().unwrap_or_default();
            let kind = known_or(&TYPES, kind, "other");
            dropped.push(format!("credentials.{kind}"));
            continue;
        }
        if password.is_some() {
            return Err(Problem::new(FIELD, "has more than one password; keep one"));
        }
        if credential.temporary == Some(true) {
            dropped.push("credentials.temporary".to_owned());
        }
        password = Some(credential.into_credential()?);
    }
    if password.is_none() {
        dropped.push("no password".to_owned());
    }
    Ok(password)
}

impl StoredCredential {
    fn into_credential(self) -> Result<NewLineCredential, Problem> {
        if let Some(value) = self.value {
            return Ok(NewLineCredential::with_value(value));
        }
        let (secret, data) =
            match (self.secret_data, self.credential_data, self.hashed_salted_value) {
                (Some(secret), Some(data), _) => {
                    let secret = Zeroizing::new(secret);
                    (
                        parse(&secret, "credentials.secretData")?,
                        parse(&data, "credentials.credentialData")?,
                    )
                }
                (_, _, Some(value)) => {
                    let secret = SecretData { value, salt: self.salt };
                    let hash_iterations = self.hash_iterations.map(i64::from);
                    let algorithm = self.algorithm;
                    (
                        secret,
                        CredentialData { hash_iterations, algorithm, additional_parameters: None },
                    )
                }
                _ => {
                    return Err(Problem::new(
                        FIELD,
                        "has a password without secretData and credentialData",
                    ));
                }
            };
        Ok(NewLineCredential::with_hash(hash_text(&secret, &data)?))
    }
}

fn parse<'text, T: Deserialize<'text>>(text: &'text str, field: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|_| Problem::new(field, "is not the JSON of a password"))
}

/// The hash as a text: PHC for argon2 and PBKDF2, and bcrypt as the plugin `keycloak-bcrypt` stores
/// it.
fn hash_text(secret: &SecretData, data: &CredentialData) -> Result<String, Problem> {
    if secret.value.starts_with("$2") {
        return Ok(secret.value.clone());
    }
    let (hash, hash_length) = base_64(&secret.value, "credentials.secretData.value")?;
    let salt = secret.salt.as_deref().unwrap_or_default();
    let (salt, _) = base_64(salt, "credentials.secretData.salt")?;
    let iterations = data.hash_iterations.unwrap_or_default();
    let algorithm = data.algorithm.as_deref().unwrap_or_default();
    let digest = match algorithm {
        "argon2" => return argon2(data, iterations, (&salt, &hash)),
        "pbkdf2" => "",
        "pbkdf2-sha256" => "-sha256",
        "pbkdf2-sha512" => "-sha512",
        _ => {
            return Err(Problem::new(
                "credentials.credentialData.algorithm",
                "is not argon2, pbkdf2, pbkdf2-sha256 or pbkdf2-sha512; reset this password",
            ));
        }
    };
    Ok(format!("$pbkdf2{digest}$i={iterations},l={hash_length}${salt}${hash}"))
}

fn argon2(
    data: &CredentialData,
    iterations: i64,
    (salt, hash): (&str, &str),
) -> Result<String, Problem> {
    let parameter = |name: &str| {
        let parameters = data.additional_parameters.as_ref();
        let value = parameters.and_then(|all| all.get(name)?.first()).cloned();
        let field = format!("credentials.credentialData.additionalParameters.{name}");
        value.ok_or_else(|| Problem::new(field, "is required"))
    };
    let version = match parameter("version")?.as_str() {
        "1.3" => "v=19$",
        "1.0" => "v=16$",
        _ => {
            let field = "credentials.credentialData.additionalParameters.version";
            return Err(Problem::new(field, "must be 1.0 or 1.3"));
        }
    };
    let (kind, memory, parallelism) =
        (parameter("type")?, parameter("memory")?, parameter("parallelism")?);
    Ok(format!("$argon2{kind}${version}m={memory},t={iterations},p={parallelism}${salt}${hash}"))
}

/// Base64 without padding, and the number of bytes.
fn base_64(text: &str, field: &str) -> Result<(String, usize), Problem> {
    let decoded = BASE64.decode(text.as_bytes()).or_else(|_| BASE64_NOPAD.decode(text.as_bytes()));
    let bytes = decoded.map_err(|_| Problem::new(field, "is not Base64"))?;
    let bytes = Zeroizing::new(bytes);
    Ok((BASE64_NOPAD.encode(&bytes), bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(secret: &str, data: &str) -> Result<String, Problem> {
        let credential = serde_json::json!({
            "type": "password", "secretData": secret, "credentialData": data,
        });
        let credential: StoredCredential = serde_json::from_value(credential).unwrap();
        let converted = convert(vec![credential], &mut Vec::new())?.unwrap();
        Ok(converted.hash.unwrap())
    }

    #[test]
    fn parts_become_a_hash_text() {
        let secret = r#"{"value":"SGFzaA==","salt":"U2FsdFNhbHQ=","additionalParameters":{}}"#;
        let argon2 = r#"{"hashIterations":5,"algorithm":"argon2","additionalParameters":
            {"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}"#;
        for (data, expected) in [
            (argon2, "$argon2id$v=19$m=7168,t=5,p=1$U2FsdFNhbHQ$SGFzaA"),
            (
                r#"{"hashIterations":210000,"algorithm":"pbkdf2-sha512"}"#,
                "$pbkdf2-sha512$i=210000,l=4$U2FsdFNhbHQ$SGFzaA",
            ),
            (
                r#"{"hashIterations":20000,"algorithm":"pbkdf2","additionalParameters":{}}"#,
                "$pbkdf2$i=20000,l=4$U2FsdFNhbHQ$SGFzaA",
            ),
        ] {
            assert_eq!(hash(secret, data).unwrap(), expected);
        }
        let bcrypt = r#"{"value":"$2a$10$abc","salt":""}"#;
        let data = r#"{"hashIterations":10,"algorithm":"bcrypt"}"#;
        assert_eq!(hash(bcrypt, data).unwrap(), "$2a$10$abc");
    }

    #[test]
    fn an_invalid_part_is_named_and_never_repeated() {
        let secret = r#"{"value":"SGFzaA==","salt":""}"#;
        for (secret, data, field) in [
            ("marker", "{}", "credentials.secretData"),
            (r#"{"value":"mark er"}"#, "{}", "credentials.secretData.value"),
            (secret, "[]", "credentials.credentialData"),
            (secret, r#"{"algorithm":"marker"}"#, "credentials.credentialData.algorithm"),
            (
                secret,
                r#"{"algorithm":"argon2","additionalParameters":{"version":["1.3"]}}"#,
                "credentials.credentialData.additionalParameters.type",
            ),
        ] {
            let problem = hash(secret, data).unwrap_err();
            assert_eq!(problem.field, field);
            assert!(!problem.reason.contains("marker"), "{problem:?}");
        }
    }
}
