//! Hashes that other implementations computed, for tests.

use super::super::hash_parameters::HashScheme;

/// Hashes of "correct horse", computed by libxcrypt 4.4, Python 3.11's hashlib, and argon2-cffi
/// 25.1 over the reference implementation.
pub(super) const HASHES: [(&str, HashScheme); 13] = [
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

/// Hashes of "correct horse battery" that are stored as they are, and where they come from. The
/// password and the salts are constants: nothing of anybody.
pub(super) const OTHER_SYSTEMS: [(&str, HashScheme, &str); 22] = [
    (
        "passlib 1.7.4, scrypt.using(rounds=12)",
        HashScheme::Scrypt,
        "$scrypt$ln=12,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$uVICSCSm3mhWp/ZRvdYQTnXip13lGAc6bRW9D1ZeUxA",
    ),
    (
        "passlib 1.7.4, scrypt.using(rounds=11, block_size=4, parallelism=8)",
        HashScheme::Scrypt,
        "$scrypt$ln=11,r=4,p=8$c2FsdHNhbHRzYWx0c2FsdA$Uvl9O64Rc61zrkThPZ3+LXPJWt+d+7GqMBprrRGDFR4",
    ),
    (
        "Django 5.2.19, ScryptPasswordHasher with work_factor 2**12",
        HashScheme::Scrypt,
        "scrypt$4096$saltsaltsalt$8$5$I3hb/BM1ybFv5mzs4h3wgtPGF+js35/8DtDc10BEldSnqmZ3xWXbckODem0oKyFl\
         hO3s1nrw0v+xOJVkJ6TqBw==",
    ),
    (
        "firebase-scrypt 2.2.0 of npm, memCost 12",
        HashScheme::FirebaseScrypt,
        "$firebase-scrypt$ln=12,r=8,p=1,ss=Bw,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJy\
         gpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw$c2FsdHNhbHRzYQ$d44bspEHlNFNyICLjCuF5yv9fCB+2qEWnhDzsCQatqmZgc\
         0ipY9k+TYerbsR7PMrLABXFYfXDclKNCmwER97EQ",
    ),
    (
        "the same, with the padding of an export",
        HashScheme::FirebaseScrypt,
        "$firebase-scrypt$ln=12,r=8,p=1,ss=Bw==,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUm\
         JygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$c2FsdHNhbHRzYQ==$d44bspEHlNFNyICLjCuF5yv9fCB+2qEWnhDzsCQa\
         tqmZgc0ipY9k+TYerbsR7PMrLABXFYfXDclKNCmwER97EQ==",
    ),
    (
        "passlib 1.7.4, sha256_crypt.using(rounds=20000)",
        HashScheme::Sha256Crypt,
        "$5$rounds=20000$abcdefgh$OpB/8fJQ47uyYAN2sib75tkcwYjCEvnQIUeQoJ.Mpf8",
    ),
    (
        "passlib 1.7.4, sha512_crypt.using(rounds=20000)",
        HashScheme::Sha512Crypt,
        "$6$rounds=20000$abcdefgh$nz6vYNWxlpLl2Ke/kVCfVdQz/cz8xo06iQyN0Ifd7dqqrYZlnGZt3KCNNYHbmxLYWEpqN\
         etagvgDzzWnuW2Xr.",
    ),
    (
        "openssl passwd -6 of OpenSSL 3",
        HashScheme::Sha512Crypt,
        "$6$rounds=20000$opensslx$7MerW4MZd3VZz6.EeO/bexHY03sedqiT2a4edSUzOolw78uphKcSuOakVbQ2D2n9Li/t2\
         egfKqFwMyJB.u0Rm.",
    ),
    (
        "passlib 1.7.4, ldap_sha512_crypt",
        HashScheme::Sha512Crypt,
        "{CRYPT}$6$rounds=20000$abcdefgh$nz6vYNWxlpLl2Ke/kVCfVdQz/cz8xo06iQyN0Ifd7dqqrYZlnGZt3KCNNYHbmx\
         LYWEpqNetagvgDzzWnuW2Xr.",
    ),
    (
        "ASP.NET Identity 3 by its documented header, with Python 3.11's hashlib; PRF 0",
        HashScheme::Pbkdf2Sha1,
        "AQAAAAAAACcQAAAAEDAxMjM0NTY3ODlhYmNkZWYtJmiL8sxQxEQqH4bdURvS94za44iUWdzwE9ZVdd3X0g==",
    ),
    (
        "the same, PRF 1",
        HashScheme::Pbkdf2Sha256,
        "AQAAAAEAACcQAAAAEDAxMjM0NTY3ODlhYmNkZWaupEzzNZzGpHkmB00fZSS/pkMvTHKdJuZEIOx494Wc6g==",
    ),
    (
        "the same, PRF 2",
        HashScheme::Pbkdf2Sha512,
        "AQAAAAIAACcQAAAAEDAxMjM0NTY3ODlhYmNkZWaTrjSx/Sul4bTEcoeEVDO67NOEAPgOsKSdC97wGRLmvA==",
    ),
    (
        "passlib 1.7.4, ldap_pbkdf2_sha1",
        HashScheme::Pbkdf2Sha1,
        "{PBKDF2}10000$c2FsdHNhbHQ$tonXuMf8f44HzHYl9CULd2ElV6E",
    ),
    (
        "passlib 1.7.4, ldap_pbkdf2_sha256",
        HashScheme::Pbkdf2Sha256,
        "{PBKDF2-SHA256}10000$c2FsdHNhbHQ$IYh7rci4fh2D6bTOoDrXv/CJUb.f4beXTPMnLTRiKtM",
    ),
    (
        "passlib 1.7.4, ldap_pbkdf2_sha512",
        HashScheme::Pbkdf2Sha512,
        "{PBKDF2-SHA512}10000$c2FsdHNhbHQ$GepmZFbfVF/wjRSpfLPWqF7bb2J5sgyTuqgn.ERbCFY7U/L4qcwzphrHinnez\
         ukkmOZS4UF5ci5DboXY7BXBwQ",
    ),
    (
        "Django 5.2.19, Argon2PasswordHasher",
        HashScheme::Argon2id,
        "argon2$argon2id$v=19$m=4096,t=1,p=1$c2FsdHNhbHRzYWx0$uztSNKNKpMY3GIilAIsYtaqOdsciF8nBg2PazvzsO\
         Mw",
    ),
    (
        "the same, with a prefix of LDAP",
        HashScheme::Argon2id,
        "{ARGON2}$argon2id$v=19$m=4096,t=1,p=1$c2FsdHNhbHRzYWx0$uztSNKNKpMY3GIilAIsYtaqOdsciF8nBg2Pazvz\
         sOMw",
    ),
    (
        "Django 5.2.19, BCryptPasswordHasher",
        HashScheme::Bcrypt,
        "bcrypt$$2b$08$abcdefghijklmnopqrstuuwezlW09AGl.Qc8oiYvHEzrpumH/GaSu",
    ),
    (
        "Django 5.2.19, BCryptSHA256PasswordHasher",
        HashScheme::BcryptSha256,
        "bcrypt_sha256$$2b$08$abcdefghijklmnopqrstuupLPKbD36O4eVfSf2q0SkYyD0MQIlqVS",
    ),
    (
        "passlib 1.7.4, ldap_bcrypt",
        HashScheme::Bcrypt,
        "{CRYPT}$2b$08$abcdefghijklmnopqrstuuwezlW09AGl.Qc8oiYvHEzrpumH/GaSu",
    ),
    (
        "the same, with other prefixes",
        HashScheme::Bcrypt,
        "{bcrypt}$2b$08$abcdefghijklmnopqrstuuwezlW09AGl.Qc8oiYvHEzrpumH/GaSu",
    ),
    (
        "Dovecot's prefix",
        HashScheme::Bcrypt,
        "{BLF-CRYPT}$2y$08$abcdefghijklmnopqrstuuwezlW09AGl.Qc8oiYvHEzrpumH/GaSu",
    ),
];

/// Hashes of "correct horse battery" that are wrapped, and where they come from.
pub(super) const WEAK: [(&str, HashScheme, &str); 25] = [
    ("passlib 1.7.4, md5_crypt", HashScheme::OverMd5Crypt, "$1$abcdefgh$E2IUOVGWn4QIROUcRm1wO/"),
    (
        "passlib 1.7.4, ldap_md5_crypt",
        HashScheme::OverMd5Crypt,
        "{CRYPT}$1$abcdefgh$E2IUOVGWn4QIROUcRm1wO/",
    ),
    (
        "openssl passwd -1 of OpenSSL 3",
        HashScheme::OverMd5Crypt,
        "$1$opensslx$U4FCNORrBbBXRNPWOsomk1",
    ),
    (
        "passlib 1.7.4, apr_md5_crypt",
        HashScheme::OverMd5Crypt,
        "$apr1$abcdefgh$GQF3hbcxO2ySp4igPQ/3a.",
    ),
    (
        "openssl passwd -apr1 of OpenSSL 3",
        HashScheme::OverMd5Crypt,
        "$apr1$opensslx$Oz38orm/JD2MB4AOSryPt1",
    ),
    (
        "passlib 1.7.4, phpass.using(rounds=8)",
        HashScheme::OverPhpass,
        "$P$6abcdefghyRBpe.F2TfPI.IUb.3wEn0",
    ),
    (
        "passlib 1.7.4, phpass.using(rounds=11, ident='H')",
        HashScheme::OverPhpass,
        "$H$9abcdefghMFv4dm/.vhz.RfwdLQR1d.",
    ),
    (
        "passlib 1.7.4, sha256_crypt.using(rounds=5000)",
        HashScheme::OverShaCrypt,
        "$5$abcdefghijklmnop$QTTClpSKvDT.Anmnj5buShmxEtAPEWeOhb6.aCGoW71",
    ),
    (
        "openssl passwd -5 of OpenSSL 3",
        HashScheme::OverShaCrypt,
        "$5$opensslx$lBxtzekOjCV3G3nGCIB7ffOmF.3EUW7NkWzIBLJtEFA",
    ),
    (
        "passlib 1.7.4, sha512_crypt.using(rounds=5000)",
        HashScheme::OverShaCrypt,
        "$6$abcdefghijklmnop$rt39N1qx1/IV9N1Jf5nwUgG6t8Znzd69aCkEyydxq/KPdVGwEO3H4uBFCIlTZqoTbUZLsXm2RD\
         5Na5i7F.u2v/",
    ),
    ("passlib 1.7.4, ldap_md5", HashScheme::OverDigest, "{MD5}iOTd0kAtktUOGHnW7Nn/1A=="),
    ("slappasswd -h {SHA}", HashScheme::OverDigest, "{SHA}mN7MYuzjmaIu0w1JDvMzvn/ec4U="),
    ("slappasswd -h {SMD5}", HashScheme::OverDigest, "{SMD5}xB8NV7Yg8QsRJDp+9TJCIujlVPE="),
    ("slappasswd -h {SSHA}", HashScheme::OverDigest, "{SSHA}bWuy9AZq/qHEl1Ca3nvTXSVCXz/P4lZf"),
    (
        "passlib 1.7.4, ldap_salted_md5",
        HashScheme::OverDigest,
        "{SMD5}9OL7ksaN98eYahm3NH6TJXNhbHRzYWx0",
    ),
    (
        "passlib 1.7.4, ldap_salted_sha1",
        HashScheme::OverDigest,
        "{ssha}+zgJCcduvLFhD+Rk7/v3C0FqyKpzYWx0c2FsdA==",
    ),
    (
        "passlib 1.7.4, ldap_salted_sha256",
        HashScheme::OverDigest,
        "{SSHA256}DPX0hsx+ToYNct+PICc6u4kEWULjuq12UL+oDCUfd55zYWx0c2FsdA==",
    ),
    (
        "passlib 1.7.4, ldap_salted_sha512",
        HashScheme::OverDigest,
        "{SSHA512}QOZ0WJFlSsWxwsBsupmlywYHsTXLksvamFsJJ+kcy5d3+UwtZHlzrNVNkgUEahEnTPkf4ckoCn+PJZ9WOKzal\
         3NhbHRzYWx0",
    ),
    (
        "Python 3.11's hashlib, SHA-256",
        HashScheme::OverDigest,
        "{SHA256}kCjqDRXeyqNbLaIcApCvOxpboKMKWRkG+JtQdOIJ6nI=",
    ),
    (
        "Python 3.11's hashlib, SHA-512",
        HashScheme::OverDigest,
        "{SHA512}zvYeTk7ae6ii/qoSBhf896UTrZIEQjsl4kO30/VW+ShT6VsVatr/3Zon0OUHNq1qa7zFDOipvTUWL315nomlIQ==",
    ),
    (
        "Python 3.11's hashlib, SHA-384 with the salt \"saltsalt\"",
        HashScheme::OverDigest,
        "{SSHA384}SzCfuqU1vMMZjGQPejK6its8l4bxGzZ1DPtMw/51/z7Zx4Fo0XR+xlPNGlmBd+8Hc2FsdHNhbHQ=",
    ),
    (
        "ASP.NET Identity 2 by its documented header, with Python 3.11's hashlib",
        HashScheme::OverPbkdf2,
        "ADAxMjM0NTY3ODlhYmNkZWasOPHDiqbOmXgdPKos1g2x0TlmLmE5W24C1Kki6/2ytw==",
    ),
    (
        "passlib 1.7.4, pbkdf2_sha256.using(rounds=1000)",
        HashScheme::OverPbkdf2,
        "$pbkdf2-sha256$1000$c2FsdHNhbHQ$2vLrmxK8YFROnGTL6oinO4bfT02gvTppeFbz7HWz5X0",
    ),
    (
        "Django 5.2.19, PBKDF2PasswordHasher with 1,000 iterations",
        HashScheme::OverPbkdf2,
        "pbkdf2_sha256$1000$saltsaltsalt$GacV8oEzUl3KM0Mwey9yrMcTPKpkL4jXrFpbKB8oOnI=",
    ),
    (
        "passlib 1.7.4, ldap_pbkdf2_sha256.using(rounds=1000)",
        HashScheme::OverPbkdf2,
        "{PBKDF2-SHA256}1000$c2FsdHNhbHQ$2vLrmxK8YFROnGTL6oinO4bfT02gvTppeFbz7HWz5X0",
    ),
];
