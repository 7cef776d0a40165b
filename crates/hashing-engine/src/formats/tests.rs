//! Hashes of other systems, and texts that are rejected.

use argon2::Block;
use secrecy::{ExposeSecret, SecretString};

use super::{
    super::hash_parameters::HashScheme, argon2_text::Argon2Hash, cost_limits::check_cost,
    foreign_hash::ForeignHash, rejection::HashRejection,
};

/// Hashes of "correct horse", computed by libxcrypt 4.4, Python 3.11's hashlib, and argon2-cffi
/// 25.1 over the reference implementation.
const HASHES: [(&str, HashScheme); 13] = [
    ("$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe", HashScheme::Bcrypt),
    ("$2y$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe", HashScheme::Bcrypt),
    ("$pbkdf2-sha1$i=10000,l=20$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8", HashScheme::Pbkdf2Sha1),
    (
        "$pbkdf2-sha256$i=10000,l=32$c2FsdHNhbHQ$MBlX8O5tpAxXjnIZapIeuVCT5y+7lFYpNN3O3eK8oOs",
        HashScheme::Pbkdf2Sha256,
    ),
    (
        "$pbkdf2-sha512$i=10000,l=64$c2FsdHNhbHQ$SRl9U3XB4V6sE0qgj2kNlpHjNAF/t80nzn08MIK9MikE4\
         0sYmo1/mbJe3iZlysoMZPTMtHWle6aKFgnsaKsZNA",
        HashScheme::Pbkdf2Sha512,
    ),
    (
        "$pbkdf2-sha256$12000$.//.MDEyMzQ1Njc4OWFiYw$EltpNJM/jMpVkXjA8jPybML/FjFZ4iWH6gMgeqxs3\
         ZY",
        HashScheme::Pbkdf2Sha256,
    ),
    ("$pbkdf2$10000$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8", HashScheme::Pbkdf2Sha1),
    (
        "pbkdf2_sha256$26000$Django5Salt$NOGVWoUQTyBCLCAZn+sWotpiDWR9II7cjfkE1pMOGs4=",
        HashScheme::Pbkdf2Sha256,
    ),
    ("pbkdf2_sha1$26000$Django5Salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=", HashScheme::Pbkdf2Sha1),
    (
        "$argon2i$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$aRgIhWvUJG5CeQ62n8Ov6zRMGD9MRS+k",
        HashScheme::Argon2i,
    ),
    (
        "$argon2d$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$6euInv0H9QT6yjzZjUMIfevBi3TAjib4",
        HashScheme::Argon2d,
    ),
    (
        "$argon2id$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$lK2g3EYkhEQ4UanSkEli/ZD3NHwkaz1h",
        HashScheme::Argon2id,
    ),
    (
        "$argon2i$v=16$m=4096,t=2,p=1$c2FsdHNhbHQ$Fm7NCzoABzNkID5elb5ooCjJsz7jMojPVySA+HIABCs",
        HashScheme::Argon2i,
    ),
];

fn parse(text: &str) -> Result<ForeignHash, HashRejection> {
    ForeignHash::parse(&SecretString::from(text))
}

#[test]
fn a_hash_of_another_system_matches_its_secret_and_no_other() {
    let mut memory = vec![Block::new(); 4096];
    for (text, scheme) in HASHES {
        let hash = parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        assert_eq!(hash.scheme(), scheme, "{text}");
        assert_eq!(check_cost(scheme, hash.parameters(), 4096), Ok(()), "{text}");
        assert!(hash.matches(b"correct horse", &mut memory), "{text}");
        assert!(!hash.matches(b"correct horsf", &mut memory), "{text}");
        assert_eq!(hash.text().expose_secret(), text);
    }
}

/// A hash of the reference implementation with other parameters.
fn argon2(parameters: &str) -> String {
    format!("$argon2id$v=19${parameters}$c2FsdHNhbHQ$lK2g3EYkhEQ4UanSkEli/ZD3NHwkaz1h")
}

#[test]
fn an_unsupported_hash_is_rejected_with_its_reason() {
    use HashRejection::{
        BrokenBcrypt, InvalidParameters, Keyed, Padded, Unrecognized, Unsupported,
    };
    let bcrypt = "$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";
    for (text, reason) in [
        (String::new(), Unrecognized),
        ("$".to_owned(), Unrecognized),
        ("plain text".to_owned(), Unrecognized),
        (format!("$2x{bcrypt}"), BrokenBcrypt),
        ("$2b$08$tooshort".to_owned(), Unrecognized),
        (format!("bcrypt$$2b{bcrypt}"), Unsupported("Django bcrypt")),
        ("$1$abcdefgh$aaaaaaaaaaaaaaaaaaaaa.".to_owned(), Unsupported("md5crypt")),
        ("$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh".to_owned(), Unsupported("scrypt")),
        (
            "$pbkdf2-md5$i=10000$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8".to_owned(),
            Unsupported("PBKDF2 (with that digest)"),
        ),
        ("$pbkdf2-sha1$i=x$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8".to_owned(), Unrecognized),
        ("$pbkdf2-sha1$i=10000$$IF4UejPH5Sni7s7H89KLJHixSw8".to_owned(), Unrecognized),
        ("$pbkdf2-sha1$i=10000$c2FsdHNhbHQ$IF4U".to_owned(), Unrecognized),
        (
            "$pbkdf2-sha1$i=10000,l=32$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8".to_owned(),
            Unrecognized,
        ),
        ("$pbkdf2-sha1$i=10000$c2FsdHNhbHQ$IF4UejPH5Sni7s7H89KLJHixSw8=".to_owned(), Padded),
        ("pbkdf2_sha256$26000$salt$".to_owned(), Unrecognized),
        (
            "argon2id$26000$salt$NOGVWoUQTyBCLCAZn+sWotpiDWR9II7cjfkE1pMOGs4=".to_owned(),
            Unrecognized,
        ),
        ("$argon2id$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ".to_owned(), Unrecognized),
        (
            "$argon2x$v=19$m=4096,t=2,p=2$c2FsdHNhbHQ$lK2g3EYkhEQ4UanSkEli/ZD3".to_owned(),
            Unrecognized,
        ),
        (argon2("m=4096,t=2,p=2,keyid=YQ"), Keyed),
        (argon2("m=4096,t=2,p=2,data=YQ"), Keyed),
        (argon2("m=4096,t=2,p=2,keyid=,data="), Keyed),
        (argon2("m=4096,t=2"), InvalidParameters),
        (argon2("m=4096,p=2"), InvalidParameters),
        (argon2("t=2,p=2"), InvalidParameters),
        (argon2("m=4096,t=2,p=2,x=1"), InvalidParameters),
        (argon2("m=4096,m=4096,t=2,p=2"), InvalidParameters),
        (argon2("m=4096,t=x,p=2"), InvalidParameters),
        (argon2("m=4096,t=0,p=2"), InvalidParameters),
        (argon2("m=8,t=2,p=2"), InvalidParameters),
        (argon2("m=4096,t=2,p=2") + "=", Padded),
        (argon2("m=4096,t=2,p=2").replace("c2FsdHNhbHQ", "c2FsdHNhbHQ="), Padded),
    ] {
        assert_eq!(parse(&text).err(), Some(reason), "{text}");
    }
    assert!(parse(&"$2b$08$".repeat(100)).is_err());
}

#[test]
fn argon2_parameters_may_have_any_order() {
    let mut memory = vec![Block::new(); 4096];
    for parameters in ["m=4096,t=2,p=2", "p=2,t=2,m=4096", "t=2,m=4096,p=2"] {
        let hash = parse(&argon2(parameters)).unwrap();
        assert!(hash.matches(b"correct horse", &mut memory), "{parameters}");
    }
}

#[test]
fn only_the_first_block_of_a_long_pbkdf2_output_is_compared() {
    // The length of Keycloak, computed with Python 3.11's hashlib. The bytes of the second block
    // differ.
    let text = "$pbkdf2-sha256$i=10000,l=64$c2FsdHNhbHQ$MBlX8O5tpAxXjnIZapIeuVCT5y+7lFYpNN3O3eK8oOsw\
                GVfw7m2kDFeOchlqkh65UJPnL7uUVik03c7d4ryg6w";
    let hash = parse(text).unwrap();
    assert!(hash.matches(b"correct horse", &mut []));
    assert!(!hash.matches(b"correct horsf", &mut []));
}

proptest::proptest! {
    #[test]
    fn every_accepted_argon2_hash_can_be_verified(
        algorithm in "(id|i|d|x)",
        version in "(v=19\\$|v=16\\$|v=17\\$|)",
        memory_kib in 0_u32..64,
        iterations in 0_u32..3,
        parallelism in 0_u32..4,
        salt in "[A-Za-z0-9+/]{0,70}",
        output in "[A-Za-z0-9+/]{0,90}",
    ) {
        let text = format!(
            "$argon2{algorithm}${version}m={memory_kib},t={iterations},p={parallelism}${salt}${output}"
        );
        if let Ok(hash) = Argon2Hash::parse(&text) {
            let mut memory = vec![Block::new(); 64];
            proptest::prop_assert!(hash.compute(b"secret", &mut memory).is_some(), "{}", text);
        }
    }
}

#[test]
fn a_hash_that_costs_too_little_or_too_much_is_rejected_without_computing_it() {
    let bcrypt =
        |cost: &str| format!("$2b${cost}$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe");
    let django = |rounds: u64| format!("pbkdf2_sha1${rounds}$salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=");
    let argon2 = |memory: u64, passes: u64| {
        format!(
            "$argon2i$v=19$m={memory},t={passes},p=1$c2FsdHNhbHQ$Fm7NCzoABzNkID5elb5ooCjJsz7jMojPVySA+HIABCs"
        )
    };
    for (text, expected) in [
        (bcrypt("07"), Err(HashRejection::TooCheap)),
        (bcrypt("08"), Ok(())),
        (bcrypt("15"), Ok(())),
        (bcrypt("16"), Err(HashRejection::TooExpensive)),
        (bcrypt("31"), Err(HashRejection::TooExpensive)),
        (django(9_999), Err(HashRejection::TooCheap)),
        (django(10_000), Ok(())),
        (django(4_294_967_295), Err(HashRejection::TooExpensive)),
        (argon2(1_024, 3), Err(HashRejection::TooCheap)),
        (argon2(4_096, 1), Ok(())),
        (argon2(4_194_304, 1), Err(HashRejection::TooMuchMemory)),
        (argon2(4_096, 2_000), Err(HashRejection::TooExpensive)),
    ] {
        let hash = parse(&text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        assert_eq!(check_cost(hash.scheme(), hash.parameters(), 19_456), expected, "{text}");
    }
}
