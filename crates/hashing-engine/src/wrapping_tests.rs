//! Weak hashes, wrapped and verified by an engine.

use std::time::Duration;

use secrecy::SecretString;

use super::{
    engine::HashingEngine,
    formats::stored_hash::{AcceptedHash, StoredHash},
    hash_parameters::HashParameters,
    options::HashingOptions,
};

const CLIENT: &str = "client";

const FAST: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

fn engine() -> HashingEngine<&'static str> {
    let options = HashingOptions {
        parameters: FAST,
        maximum_memory_kib: 0,
        threads: Some(1),
        deadline: Duration::from_secs(30),
        longest_delay: Duration::from_secs(30),
        maximum_verified: 10,
        verified_lifetime: Duration::from_secs(3600),
    };
    HashingEngine::start(&options, |_| ()).unwrap()
}

#[tokio::test]
async fn a_weak_hash_is_wrapped_at_the_cost_of_a_new_one_and_verifies_its_secret() {
    let engine = engine();
    let text = SecretString::from("{SSHA}bWuy9AZq/qHEl1Ca3nvTXSVCXz/P4lZf");
    let AcceptedHash::Weak(weak) = engine.accept(&text).unwrap() else { panic!("not weak") };
    let hash = engine.wrap(CLIENT, weak).await.unwrap();
    assert_eq!((engine.hashed(), hash.parameters()), (1, FAST));
    assert!(engine.is_below_target(&hash), "it is replaced when its owner logs in");
    let (right, wrong) = ("correct horse battery".into(), "correct horse batterz".into());
    assert!(engine.verify_hash(CLIENT, right, Some(&hash)).await.unwrap());
    assert!(!engine.verify_hash(CLIENT, wrong, Some(&hash)).await.unwrap());
    assert_eq!(engine.hashed(), 3);
}

#[tokio::test]
async fn a_secret_that_crypt_cannot_have_hashed_costs_the_same_and_does_not_match() {
    let engine = engine();
    let text = SecretString::from("$1$abcdefgh$E2IUOVGWn4QIROUcRm1wO/");
    let AcceptedHash::Weak(weak) = engine.accept(&text).unwrap() else { panic!("not weak") };
    let hash = engine.wrap(CLIENT, weak).await.unwrap();
    let (blocks, long) = (engine.metrics.blocks(), "x".repeat(1024));
    assert!(!engine.verify_hash(CLIENT, long.as_str().into(), Some(&hash)).await.unwrap());
    assert_eq!(engine.metrics.blocks() - blocks, FAST.blocks());
}

#[tokio::test]
async fn a_stored_wrapped_hash_outside_the_limits_is_not_computed() {
    let engine = engine();
    let outer = "$argon2id$v=19$m=64,t=1,p=1$CQkJCQkJCQkJCQkJCQkJCQ$\
                 CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";
    for function in ["pbkdf2-sha512,i=4294967295,l=64", "phpass,i=2147483648,l=16"] {
        let text = SecretString::from(format!("$wrapped${function},s=YWJjZGVmZ2g{outer}"));
        let hash = StoredHash::parse(&text).unwrap();
        let blocks = engine.metrics.blocks();
        let is_right = engine.verify_hash(CLIENT, "correct horse".into(), Some(&hash));
        // It would take hours.
        let is_right = tokio::time::timeout(Duration::from_secs(60), is_right).await;
        assert!(!is_right.expect("the function is computed").unwrap(), "{function}");
        assert_eq!(engine.metrics.blocks() - blocks, FAST.blocks(), "{function}");
    }
}
