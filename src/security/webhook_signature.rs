//! Signs requests to other systems as Standard Webhooks does (standardwebhooks.com, version 1.0):
//! HMAC-SHA-256 over the id, the time and the body.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The prefix of a key.
const KEY_PREFIX: &str = "whsec_";

/// The lengths of a key that the specification allows, in bytes.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The maximum number of keys: during a change of the key, the former one and the next one.
const MAXIMUM_KEYS: usize = 2;

/// The keys that sign requests.
pub(crate) struct WebhookKeys(Vec<Zeroizing<Vec<u8>>>);

impl WebhookKeys {
    /// Reads keys, one for each line; `None` if a line is no key, or there are more than two.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let key = |line: &str| {
            let encoded = line.trim().strip_prefix(KEY_PREFIX)?;
            let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
            KEY_LENGTHS.contains(&bytes.len()).then_some(bytes)
        };
        let keys: Vec<_> = text.trim().lines().map(key).collect::<Option<_>>()?;
        (1..=MAXIMUM_KEYS).contains(&keys.len()).then_some(Self(keys))
    }

    /// The value of `webhook-signature`: the signatures with every key.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let sign = |key: &Zeroizing<Vec<u8>>| {
            // HMAC accepts keys of every length.
            let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        };
        self.0.iter().filter_map(sign).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn sign(keys: &str) -> String {
        let body = br#"{"test": 2432232314}"#;
        WebhookKeys::parse(keys).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    }

    #[test]
    fn the_signature_is_that_of_the_reference_libraries() {
        assert_eq!(sign(KEY), SIGNATURE);
        assert_eq!(sign(&format!("\n{KEY} \r\n")), SIGNATURE);
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let both = sign(&format!("{KEY}\n{other}\n"));
        assert_eq!(both.split(' ').next().unwrap(), SIGNATURE);
        assert_eq!(both.split(' ').nth(1).unwrap(), sign(&other));
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        let encoded = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for text in [
            String::new(),
            "whsec_".to_owned(),
            KEY.replace("whsec_", ""),
            KEY.replace("whsec_", "whpk_"),
            format!("{KEY}*"),
            format!("{KEY} {KEY}"),
            format!("{KEY}\n\n{KEY}"),
            format!("{KEY}\n{KEY}\n{KEY}"),
            encoded(23),
            encoded(65),
        ] {
            assert!(WebhookKeys::parse(&text).is_none(), "{text:?}");
        }
        assert!(WebhookKeys::parse(&encoded(24)).is_some());
        assert!(WebhookKeys::parse(&encoded(64)).is_some());
    }
}
