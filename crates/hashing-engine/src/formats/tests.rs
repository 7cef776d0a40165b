//! Hashes of other systems, and texts that are rejected.

use argon2::Block;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    argon2_text::Argon2Hash,
    cost_limits::check_cost,
    foreign_hash::{ForeignHash, ParsedForeign},
    phc::PhcHash,
    rejection::HashRejection,
    stored_hash::{AcceptedHash, StoredHash},
    vectors::{HASHES, OTHER_SYSTEMS, WEAK},
    wrapped_hash::WeakHash,
};

/// The default cost of a new hash.
const NEW: HashParameters = HashParameters { memory_kib: 19_456, iterations: 2, parallelism: 1 };

fn accept(text: &str) -> Result<AcceptedHash, HashRejection> {
    let hash = AcceptedHash::parse(&SecretString::from(text))?;
    hash.check_cost(65_536, NEW)?;
    Ok(hash)
}

fn parse(text: &str) -> Result<ForeignHash, HashRejection> {
    match ForeignHash::parse(&SecretString::from(text))? {
        ParsedForeign::Strong(hash) => Ok(hash),
        ParsedForeign::Weak(_) => panic!("{text} is weak"),
    }
}

#[test]
fn a_hash_of_every_other_system_matches_its_secret_and_no_other() {
    let mut memory = vec![Block::new(); 4096];
    for (source, scheme, text) in OTHER_SYSTEMS {
        let hash = parse(text).unwrap_or_else(|reason| panic!("{source}: {reason}"));
        assert_eq!(hash.scheme(), scheme, "{source}");
        assert_eq!(check_cost(scheme, hash.parameters(), 4096), Ok(()), "{source}");
        assert!(hash.matches(b"correct horse battery", &mut memory), "{source}");
        assert!(!hash.matches(b"correct horse batterz", &mut memory), "{source}");
        assert_eq!(hash.text().expose_secret(), text);
    }
}

#[test]
fn a_fast_or_weak_hash_is_never_parsed_as_one_to_store() {
    for (source, scheme, text) in WEAK {
        let weak = accept(text).unwrap_or_else(|reason| panic!("{source}: {reason}"));
        let AcceptedHash::Weak(weak) = weak else { panic!("{source} would be stored as it is") };
        let function = weak.function();
        assert_eq!(function.wrapped_scheme(), scheme, "{source}");
        let output = |secret: &[u8]| function.compute(secret).unwrap().to_vec();
        assert_eq!(output(b"correct horse battery"), weak.output(), "{source}");
        assert_ne!(output(b"correct horse batterz"), weak.output(), "{source}");
        let stored = StoredHash::parse(&SecretString::from(text));
        assert_eq!(stored.err(), Some(HashRejection::Unrecognized), "{source}");
        assert!(!format!("{weak:?}").contains(|c: char| c.is_ascii_digit()), "{source}");
    }
}

/// A weak hash that is wrapped in an output that no secret has.
fn wrapped(weak: WeakHash) -> StoredHash {
    let outer = PhcHash::new(NEW, vec![9; 16], [9; 32]);
    StoredHash::Wrapped(std::sync::Arc::new(weak.wrapped_in(outer)))
}

#[test]
fn a_wrapped_hash_reads_back_and_contains_no_output_of_the_other_system() {
    for (source, scheme, text) in WEAK {
        let Ok(AcceptedHash::Weak(weak)) = accept(text) else { panic!("{source}") };
        let output = STANDARD_NO_PAD.encode(weak.output());
        let written = wrapped(weak).to_text().unwrap();
        let written = written.expose_secret();
        assert!(written.starts_with("$wrapped$") && !written.contains(&output), "{written}");
        let Ok(AcceptedHash::Stored(read)) = accept(written) else { panic!("{written}") };
        assert_eq!(read.scheme(), scheme, "{source}");
        assert_eq!(read.to_text().unwrap().expose_secret(), written);
        assert!(!format!("{read:?}").contains(written.rsplit('$').next().unwrap()), "{source}");
    }
}

#[test]
fn a_damaged_wrapped_hash_is_rejected() {
    let Ok(AcceptedHash::Weak(weak)) = accept(WEAK[13].2) else { panic!("not weak") };
    let text = wrapped(weak).to_text().unwrap();
    let text = text.expose_secret();
    for (part, other) in [
        ("sha1,", "sha2,"),
        ("i=1,", "i=2,"),
        ("i=1,", "i=01,"),
        ("l=20,", "l=19,"),
        ("l=20,", ""),
        (",s=", ",s=_"),
        ("argon2id", "argon2i"),
        ("v=19", "v=16"),
        ("$wrapped$", "$wrapped"),
    ] {
        assert!(text.contains(part), "{part} in {text}");
        let damaged = text.replacen(part, other, 1);
        assert!(accept(&damaged).is_err(), "{damaged}");
    }
}

#[test]
fn an_imported_wrapped_hash_has_the_limits_of_its_function() {
    use HashRejection::{TooCheap, TooExpensive, Unrecognized};
    let salt = "s=YWJjZGVmZ2g";
    let outer = "$argon2id$v=19$m=19456,t=2,p=1$CQkJCQkJCQkJCQkJCQkJCQ$\
                 CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk";
    for (function, expected) in [
        ("sha1,i=1,l=20", None),
        ("sha1,i=2,l=20", Some(Unrecognized)),
        ("md5-crypt,i=1000,l=16", None),
        ("md5-crypt,i=1001,l=16", Some(Unrecognized)),
        ("apr1-crypt,i=4294967295,l=16", Some(Unrecognized)),
        ("sha256-crypt,i=999,l=32", Some(Unrecognized)),
        ("sha256-crypt,i=1000,l=32", None),
        ("sha512-crypt,i=19999,l=64", None),
        ("sha512-crypt,i=20000,l=64", Some(Unrecognized)),
        ("sha512-crypt,i=999999999,l=64", Some(TooExpensive("SHA-crypt rounds=1000000"))),
        ("phpass,i=64,l=16", Some(TooCheap("phpass rounds=2^7"))),
        ("phpass,i=128,l=16", None),
        ("phpass,i=32768,l=16", None),
        ("phpass,i=65536,l=16", Some(TooExpensive("phpass rounds=2^15"))),
        ("phpass,i=2147483648,l=16", Some(TooExpensive("phpass rounds=2^15"))),
        ("pbkdf2-sha1,i=999,l=20", Some(TooCheap("PBKDF2 rounds=1000"))),
        ("pbkdf2-sha1,i=1000,l=20", None),
        ("pbkdf2-sha256,i=9999,l=32", None),
        ("pbkdf2-sha256,i=10000,l=32", Some(Unrecognized)),
        ("pbkdf2-sha512,i=4294967295,l=64", Some(TooExpensive("PBKDF2 rounds=2000000"))),
    ] {
        let text = format!("$wrapped${function},{salt}{outer}");
        assert_eq!(accept(&text).err(), expected, "{text}");
    }
}

#[test]
fn an_imported_wrapped_hash_costs_the_minimum_of_argon2_or_as_much_as_a_new_one() {
    let text = |memory_kib: u32| {
        SecretString::from(format!(
            "$wrapped$sha1,i=1,l=20,s=YWJjZGVmZ2g$argon2id$v=19$m={memory_kib},t=1,p=1$\
             CQkJCQkJCQkJCQkJCQkJCQ$CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"
        ))
    };
    let low = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };
    let too_cheap = Err(HashRejection::TooCheap("argon2 m·t=4096"));
    for (memory_kib, new, expected) in [
        (4_096, NEW, Ok(())),
        (4_095, NEW, too_cheap),
        (8, NEW, too_cheap),
        (64, low, Ok(())),
        (63, low, too_cheap),
    ] {
        let hash = AcceptedHash::parse(&text(memory_kib)).unwrap();
        assert_eq!(hash.check_cost(65_536, new), expected, "{memory_kib}, {new:?}");
    }
}

#[test]
fn only_secrets_that_crypt_can_have_hashed_are_computed() {
    for (source, _, text) in WEAK {
        let Ok(AcceptedHash::Weak(weak)) = accept(text) else { panic!("{source}") };
        let is_of_crypt = text.contains("$1$") || "$a$P$H$5$6".contains(&text[..2]);
        let is_limited = is_of_crypt && !text.starts_with("AD");
        assert_eq!(weak.function().compute(&[b'x'; 512]).is_none(), is_limited, "{source}");
        assert!(weak.function().compute(&[b'x'; 511]).is_some(), "{source}");
    }
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
    let argon2_parameters = InvalidParameters("m, t, p");
    let bcrypt = "$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";
    for (text, reason) in [
        (String::new(), Unrecognized),
        ("$".to_owned(), Unrecognized),
        ("plain text".to_owned(), Unrecognized),
        (format!("$2x{bcrypt}"), BrokenBcrypt),
        ("$2b$08$tooshort".to_owned(), Unrecognized),
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
        (argon2("m=4096,t=2"), argon2_parameters),
        (argon2("m=4096,p=2"), argon2_parameters),
        (argon2("t=2,p=2"), argon2_parameters),
        (argon2("m=4096,t=2,p=2,x=1"), argon2_parameters),
        (argon2("m=4096,m=4096,t=2,p=2"), argon2_parameters),
        (argon2("m=4096,t=x,p=2"), argon2_parameters),
        (argon2("m=4096,t=0,p=2"), argon2_parameters),
        (argon2("m=8,t=2,p=2"), argon2_parameters),
        (argon2("m=4096,t=2,p=2") + "=", Padded),
        (argon2("m=4096,t=2,p=2").replace("c2FsdHNhbHQ", "c2FsdHNhbHQ="), Padded),
    ] {
        assert_eq!(accept(&text).err(), Some(reason), "{text}");
    }
    assert!(parse(&"$2b$08$".repeat(100)).is_err());
}

#[test]
fn an_invalid_hash_of_another_system_is_rejected_with_its_reason() {
    use HashRejection::{BrokenBcrypt, InvalidParameters, Padded, Unrecognized, Unsupported};
    let scrypt = InvalidParameters("ln=1…31, r=1, 2, 4, 8, 16, 32, p=1…16");
    let firebase = InvalidParameters("ln, r, p, ss, sk");
    for (text, reason) in [
        ("bcrypt$$2x$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe", BrokenBcrypt),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSY", Unsupported("yescrypt")),
        ("{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSY", Unsupported("yescrypt")),
        ("{CRYPT}abhfCpXqd4GrI", Unsupported("DES-crypt")),
        ("{SASL}anna@example.org", Unsupported("LDAP (with that scheme)")),
        ("{PBKDF2_SHA256}AAAIAA==", Unsupported("LDAP (with that scheme)")),
        ("md5$saltsaltsalt$f5b882f7d8b17f9f6783280eb772a156", Unsupported("Django MD5")),
        ("$1$abcdefgh$aaaaaaaaaaaaaaaaaaaaaz", Unrecognized),
        ("$1$abcdefghi$E2IUOVGWn4QIROUcRm1wO/", Unrecognized),
        ("$P$6abcdefgh", Unrecognized),
        ("$5$salt$short", Unrecognized),
        ("{SSHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U=", Unrecognized),
        ("{SHA}bWuy9AZq/qHEl1Ca3nvTXSVCXz/P4lZf", Unrecognized),
        ("{MD5}AAAA", Unrecognized),
        ("$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh", Unrecognized),
        ("$scrypt$ln=16,r=8,p=1$c2FsdA==$c2FsdHNhbHRzYWx0c2FsdA", Padded),
        ("$scrypt$ln=16,r=8$c2FsdA$c2FsdHNhbHRzYWx0c2FsdA", scrypt),
        ("$scrypt$ln=16,r=3,p=1$c2FsdA$c2FsdHNhbHRzYWx0c2FsdA", scrypt),
        ("$firebase-scrypt$ln=14,r=8,p=1$c2FsdA$c2FsdHNhbHQ", firebase),
        ("$firebase-scrypt$ln=14,r=8,p=1,ss=Bw,sk=AAAA$c2FsdA$c2FsdHNhbHQ", Unrecognized),
    ] {
        assert_eq!(accept(text).err(), Some(reason), "{text}");
    }
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
    use HashRejection::{TooCheap, TooExpensive, TooMuchMemory};
    let bcrypt =
        |cost: &str| format!("$2b${cost}$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe");
    let django = |rounds: u64| format!("pbkdf2_sha1${rounds}$salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=");
    let argon2 = |memory: u64, passes: u64| {
        format!(
            "$argon2i$v=19$m={memory},t={passes},p=1$c2FsdHNhbHQ$Fm7NCzoABzNkID5elb5ooCjJsz7jMojPVySA+HIABCs"
        )
    };
    let scrypt = |log_n: u8, p: u8| {
        format!("$scrypt$ln={log_n},r=8,p={p}$c2FsdA$Fm7NCzoABzNkID5elb5ooCjJsz7jMojPVySA+HIABCs")
    };
    let sha_crypt = |rounds: u64| {
        format!("$5$rounds={rounds}$abcdefgh$OpB/8fJQ47uyYAN2sib75tkcwYjCEvnQIUeQoJ.Mpf8")
    };
    let phpass = |digit: char| format!("$P${digit}abcdefghyRBpe.F2TfPI.IUb.3wEn0");
    for (text, expected) in [
        (bcrypt("07"), Some(TooCheap("bcrypt cost=8"))),
        (bcrypt("08"), None),
        (bcrypt("15"), None),
        (bcrypt("16"), Some(TooExpensive("bcrypt cost=15"))),
        (format!("bcrypt_sha256${}", bcrypt("07")), Some(TooCheap("bcrypt cost=8"))),
        (format!("{{CRYPT}}{}", bcrypt("31")), Some(TooExpensive("bcrypt cost=15"))),
        (django(999), Some(TooCheap("PBKDF2 rounds=1000"))),
        (django(1_000), None),
        (django(2_000_000), None),
        (django(4_294_967_295), Some(TooExpensive("PBKDF2 rounds=2000000"))),
        (argon2(1_024, 3), Some(TooCheap("argon2 m·t=4096"))),
        (argon2(4_096, 1), None),
        (argon2(4_194_304, 1), Some(TooMuchMemory("argon2"))),
        (argon2(4_096, 2_000), Some(TooExpensive("argon2 m·t=4194304"))),
        (scrypt(11, 1), Some(TooCheap("scrypt 128·N·r·p=4194304"))),
        (scrypt(11, 2), None),
        (scrypt(16, 16), None),
        (scrypt(17, 1), Some(TooMuchMemory("scrypt"))),
        (scrypt(31, 16), Some(TooMuchMemory("scrypt"))),
        (sha_crypt(999), Some(TooCheap("SHA-crypt rounds=1000"))),
        (sha_crypt(1_000), None),
        (sha_crypt(1_000_000), None),
        (sha_crypt(1_000_001), Some(TooExpensive("SHA-crypt rounds=1000000"))),
        (phpass('4'), Some(TooCheap("phpass rounds=2^7"))),
        (phpass('5'), None),
        (phpass('D'), None),
        (phpass('E'), Some(TooExpensive("phpass rounds=2^15"))),
    ] {
        assert_eq!(accept(&text).err(), expected, "{text}");
    }
    // More memory is allowed, so the time counts.
    let cost = HashParameters { memory_kib: 1 << 19, iterations: 3, parallelism: 1 };
    let too_expensive = TooExpensive("scrypt 128·N·r·p=1073741824");
    assert_eq!(check_cost(HashScheme::Scrypt, cost, 1 << 19), Err(too_expensive));
}

#[test]
fn few_rounds_are_wrapped_and_many_are_stored_as_they_are() {
    let text = |rounds: u32| {
        format!(
            "$6$rounds={rounds}$abcdefgh${}",
            "nz6vYNWxlpLl2Ke/kVCfVdQz/cz8xo06iQyN0Ifd7dqqrYZln\
                 GZt3KCNNYHbmxLYWEpqNetagvgDzzWnuW2Xr."
        )
    };
    assert!(matches!(accept(&text(19_999)), Ok(AcceptedHash::Weak(_))));
    assert!(matches!(accept(&text(20_000)), Ok(AcceptedHash::Stored(_))));
    let text = |rounds: u32| format!("pbkdf2_sha1${rounds}$salt$9QUCimG0W8iLrVjlN/vlrBn0GeM=");
    assert!(matches!(accept(&text(9_999)), Ok(AcceptedHash::Weak(_))));
    assert!(matches!(accept(&text(10_000)), Ok(AcceptedHash::Stored(_))));
}
