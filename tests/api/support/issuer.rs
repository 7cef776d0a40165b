//! An OpenID Connect issuer for tests: generated keys, valid signatures, a key set in a file.

use std::{fs, path::PathBuf};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An issuer with a P-256 and an Ed25519 key.
pub(crate) struct TestIssuer {
    folder: TempDir,
    elliptic: Vec<u8>,
    edwards: Vec<u8>,
}

/// The audience of the issuer's tokens.
pub(crate) const AUDIENCE: &str = "keeper-client";

impl TestIssuer {
    /// Generates the keys and writes the key set.
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let elliptic = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let issuer = Self {
            folder: tempfile::tempdir().unwrap(),
            elliptic: elliptic.as_ref().to_vec(),
            edwards: edwards.as_ref().to_vec(),
        };
        fs::write(issuer.jwks_file(), issuer.key_set().to_string()).unwrap();
        issuer
    }

    /// Replaces the published key set.
    pub(crate) fn publish(&self, key_set: &Value) {
        fs::write(self.jwks_file(), key_set.to_string()).unwrap();
    }

    /// The path of the key set.
    pub(crate) fn jwks_file(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    /// The public keys, as a key set.
    pub(crate) fn key_set(&self) -> Value {
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let elliptic = EcdsaKeyPair::from_pkcs8(signing, &self.elliptic).unwrap();
        let edwards = Ed25519KeyPair::from_pkcs8(&self.edwards).unwrap();
        // An uncompressed point: 4, then x, then y.
        let (x, y) = elliptic.public_key().as_ref()[1..].split_at(32);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [
            { "kty": "EC", "crv": "P-256", "kid": "elliptic", "use": "sig", "alg": "ES256",
              "x": text(x), "y": text(y) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "edwards", "use": "sig",
              "x": text(edwards.public_key().as_ref()) },
            { "kty": "oct", "kid": "symmetric", "k": text(b"a secret that everybody can read") },
        ] })
    }

    /// Settings that accept this issuer for identifiers of type `OpenId`.
    pub(crate) fn settings(&self) -> String {
        self.settings_with_options("")
    }

    /// The same settings with more options of the issuer; each option starts with a comma.
    pub(crate) fn settings_with_options(&self, options: &str) -> String {
        Self::settings_with_keys(&format!(
            r#"jwks_file = "{}"{options}"#,
            self.jwks_file().display()
        ))
    }

    /// The same settings with another source of keys.
    pub(crate) fn settings_with_keys(keys: &str) -> String {
        format!(
            r#"
            [credentials]
            additional_types = [{{ name = "OpenId", kind = "identifier" }}]
            [authentication]
            issuers = [{{ issuer = "https://issuer.test", audience = "{AUDIENCE}",
                          {keys}, credential_type = "OpenId" }}]
            "#
        )
        .replace("\n                          ", " ")
    }

    /// Valid claims for a subject.
    pub(crate) fn claims(subject: &str) -> Value {
        let now = time::UtcDateTime::now().unix_timestamp();
        json!({ "iss": "https://issuer.test", "aud": AUDIENCE, "sub": subject,
                "iat": now, "exp": now + 600 })
    }

    /// A token signed with the P-256 key.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&Self::header(Algorithm::ES256, "elliptic"), claims)
    }

    /// The public P-256 key as a JWK.
    pub(crate) fn public_key(&self) -> Value {
        self.key_set()["keys"][0].clone()
    }

    /// A header with this algorithm and key id.
    pub(crate) fn header(algorithm: Algorithm, kid: &str) -> Header {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        header
    }

    /// A token with this header, signed with the key of its algorithm.
    pub(crate) fn token_with(&self, header: &Header, claims: &Value) -> String {
        let key = if header.alg == Algorithm::EdDSA {
            EncodingKey::from_ed_der(&self.edwards)
        } else if header.alg == Algorithm::HS256 {
            EncodingKey::from_secret(b"a secret that everybody can read")
        } else {
            EncodingKey::from_ec_der(&self.elliptic)
        };
        encode(header, claims, &key).unwrap()
    }
}
