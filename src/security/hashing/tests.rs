//! The adapter with real hashes.

use super::*;
use crate::domain::{
    stored_credential::StoredCredential, typed_login::TypedLogin, user::UserId, validity::Validity,
};

const FAST: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

fn engine() -> HashingEngine {
    let options = HashingOptions {
        parameters: FAST,
        maximum_memory_kib: 0,
        threads: Some(1),
        deadline: Duration::from_secs(30),
        longest_delay: Duration::from_secs(30),
        maximum_verified: 10,
        verified_lifetime: Duration::from_secs(3600),
    };
    HashingEngine::start(&options).unwrap()
}

fn value(text: &str) -> CredentialValue {
    CredentialValue::parse("Value", &SecretString::from(text)).unwrap()
}

fn row() -> StoredCredential {
    StoredCredential {
        user_id: UserId::try_from(1).unwrap(),
        credential_type: "CRM5/PASSWORD".to_owned(),
        sealed_hash: b"sealed".to_vec(),
        key_id: "key".to_owned(),
        hash_scheme: HashScheme::Argon2id,
        hash_parameters: FAST,
        version: 1,
        validity: Validity::default(),
        change_required: None,
    }
}

#[tokio::test]
async fn a_cached_result_is_valid_for_its_row_only() {
    let (engine, right, wrong) = (engine(), value("right"), value("wrong"));
    let hash = StoredHash::Own(engine.hash(FairnessKey::Service, &right).await.unwrap());
    let base = row();
    let same_secret = [
        StoredCredential { sealed_hash: b"sealed again".to_vec(), ..row() },
        StoredCredential { key_id: "other".to_owned(), ..row() },
    ];
    let other_secret = [
        StoredCredential { version: 2, ..row() },
        StoredCredential { user_id: UserId::try_from(2).unwrap(), ..row() },
    ];
    let request = |row, value| VerificationRequest {
        canonical_name: "anna",
        credential_type: "CRM5/PASSWORD",
        value,
        row: Some(row),
        hash: Some(&hash),
        is_login_allowed: true,
        question: None,
    };
    for (value, outcome) in
        [(&right, VerificationOutcome::Verified), (&wrong, VerificationOutcome::Wrong)]
    {
        let request = request(&base, value);
        assert_eq!(engine.verify(FairnessKey::Service, &request).await.unwrap(), outcome);
    }
    assert_eq!(engine.cached_result(&request(&base, &right)), Some(true));
    assert_eq!(engine.cached_result(&request(&base, &wrong)), Some(false));
    for row in &same_secret {
        assert_eq!(engine.cached_result(&request(row, &right)), None);
        assert_eq!(engine.cached_result(&request(row, &wrong)), Some(false));
    }
    for row in &other_secret {
        assert_eq!(engine.cached_result(&request(row, &right)), None);
        assert_eq!(engine.cached_result(&request(row, &wrong)), None);
    }
}

#[test]
fn a_cached_refusal_of_another_system_is_about_one_spelling() {
    let (engine, value) = (engine(), value("secr\u{e9}t"));
    let [typed, other] = ["secr\u{e9}t", "secre\u{301}t"].map(SecretString::from);
    let request = |question| VerificationRequest {
        canonical_name: "anna",
        credential_type: "CRM5/PASSWORD",
        value: &value,
        row: None,
        hash: None,
        is_login_allowed: true,
        question,
    };
    let asked = request(Some(TypedLogin { name: "Anna", password: &typed }));
    engine.remember(&engine.cache_keys(FairnessKey::Service, &asked), false, Duration::ZERO);
    assert_eq!(engine.cached_result(&asked), Some(false));
    for question in [
        Some(TypedLogin { name: "anna", password: &typed }),
        Some(TypedLogin { name: "Anna", password: &other }),
        None,
    ] {
        let request = request(question);
        assert_eq!(engine.cached_result(&request), None, "{question:?}");
        assert_ne!(engine.digest(&request), engine.digest(&asked));
    }
}

#[tokio::test]
async fn a_value_also_matches_a_hash_of_its_decomposed_form() {
    let engine = engine();
    let decomposed = "ri\u{308}ght".as_bytes();
    let hash = engine.0.hash(FairnessKey::Service, decomposed).await.unwrap();
    let hash = StoredHash::Own(hash);
    let composed = value("r\u{ef}ght");
    assert!(engine.verify_hash(FairnessKey::Service, &composed, Some(&hash)).await.unwrap());
}

#[test]
fn a_value_that_bcrypt_may_truncate_is_not_rehashed() {
    let engine = engine();
    let text = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";
    let bcrypt = StoredHash::parse(&SecretString::from(text)).unwrap();
    assert!(engine.should_rehash(&bcrypt, &value(&"a".repeat(71))));
    assert!(!engine.should_rehash(&bcrypt, &value(&"a".repeat(72))));
    // 71 bytes in NFC and 72 in NFD.
    assert!(!engine.should_rehash(&bcrypt, &value(&format!("{}é", "a".repeat(69)))));
    assert!(engine.should_rehash(&bcrypt, &value(&format!("{}é", "a".repeat(68)))));
}
