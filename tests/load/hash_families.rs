//! A hash of "correct horse battery" of each family that an import accepts.
//!
//! Sources: passlib 1.7.4 (`passlib.hash`, with the salts and rounds in the text), Django 5.2.19
//! (`django.contrib.auth.hashers`), firebase-scrypt 2.2.0 of npm, and Python 3.11's hashlib for the
//! documented header of ASP.NET Identity. The salts are constants: nothing of anybody.

/// The password of every hash.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A hash of a family.
pub(crate) struct Family {
    /// The login name of the user who has it.
    pub(crate) name: &'static str,
    /// The stored scheme.
    pub(crate) scheme: &'static str,
    /// The text of the other system.
    pub(crate) hash: &'static str,
}

impl Family {
    /// True when the hash is stored as argon2id over the other system's function.
    pub(crate) fn is_wrapped(&self) -> bool {
        self.scheme.starts_with("argon2id-over-")
    }
}

/// Every family.
pub(crate) const FAMILIES: [Family; 17] = [
    Family {
        name: "django-argon2",
        scheme: "argon2id",
        hash: "argon2$argon2id$v=19$m=4096,t=1,p=1$c2FsdHNhbHRzYWx0$uztSNKNKpMY3GIilAIsYtaqOdsciF8nBg2\
               PazvzsOMw",
    },
    Family {
        name: "ldap-bcrypt",
        scheme: "bcrypt",
        hash: "{CRYPT}$2b$08$abcdefghijklmnopqrstuuwezlW09AGl.Qc8oiYvHEzrpumH/GaSu",
    },
    Family {
        name: "bcrypt-sha256",
        scheme: "bcrypt-sha256",
        hash: "bcrypt_sha256$$2b$08$abcdefghijklmnopqrstuupLPKbD36O4eVfSf2q0SkYyD0MQIlqVS",
    },
    Family {
        name: "aspnet-sha1",
        scheme: "pbkdf2-sha1",
        hash: "AQAAAAAAACcQAAAAEDAxMjM0NTY3ODlhYmNkZWYtJmiL8sxQxEQqH4bdURvS94za44iUWdzwE9ZVdd3X0g==",
    },
    Family {
        name: "ldap-pbkdf2",
        scheme: "pbkdf2-sha256",
        hash: "{PBKDF2-SHA256}10000$c2FsdHNhbHQ$IYh7rci4fh2D6bTOoDrXv/CJUb.f4beXTPMnLTRiKtM",
    },
    Family {
        name: "aspnet-sha512",
        scheme: "pbkdf2-sha512",
        hash: "AQAAAAIAACcQAAAAEDAxMjM0NTY3ODlhYmNkZWaTrjSx/Sul4bTEcoeEVDO67NOEAPgOsKSdC97wGRLmvA==",
    },
    Family {
        name: "scrypt",
        scheme: "scrypt",
        hash: "$scrypt$ln=12,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$uVICSCSm3mhWp/ZRvdYQTnXip13lGAc6bRW9D1ZeUxA",
    },
    Family {
        name: "firebase",
        scheme: "firebase-scrypt",
        hash: "$firebase-scrypt$ln=12,r=8,p=1,ss=Bw,sk=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj\
               JCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw$c2FsdHNhbHRzYQ$d44bspEHlNFNyICLjCuF5yv9fCB+2qEWn\
               hDzsCQatqmZgc0ipY9k+TYerbsR7PMrLABXFYfXDclKNCmwER97EQ",
    },
    Family {
        name: "sha256-crypt",
        scheme: "sha256-crypt",
        hash: "$5$rounds=20000$abcdefgh$OpB/8fJQ47uyYAN2sib75tkcwYjCEvnQIUeQoJ.Mpf8",
    },
    Family {
        name: "sha512-crypt",
        scheme: "sha512-crypt",
        hash: "$6$rounds=20000$abcdefgh$nz6vYNWxlpLl2Ke/kVCfVdQz/cz8xo06iQyN0Ifd7dqqrYZlnGZt3KCNNYHbmxLYW\
               EpqNetagvgDzzWnuW2Xr.",
    },
    Family {
        name: "ssha",
        scheme: "argon2id-over-digest",
        hash: "{SSHA}+zgJCcduvLFhD+Rk7/v3C0FqyKpzYWx0c2FsdA==",
    },
    Family { name: "md5", scheme: "argon2id-over-digest", hash: "{MD5}iOTd0kAtktUOGHnW7Nn/1A==" },
    Family {
        name: "md5-crypt",
        scheme: "argon2id-over-md5-crypt",
        hash: "$1$abcdefgh$E2IUOVGWn4QIROUcRm1wO/",
    },
    Family {
        name: "sha-crypt",
        scheme: "argon2id-over-sha-crypt",
        hash: "$6$abcdefghijklmnop$rt39N1qx1/IV9N1Jf5nwUgG6t8Znzd69aCkEyydxq/KPdVGwEO3H4uBFCIlTZqoTbUZLsX\
               m2RD5Na5i7F.u2v/",
    },
    Family {
        name: "phpass",
        scheme: "argon2id-over-phpass",
        hash: "$P$6abcdefghyRBpe.F2TfPI.IUb.3wEn0",
    },
    Family {
        name: "aspnet-2",
        scheme: "argon2id-over-pbkdf2",
        hash: "ADAxMjM0NTY3ODlhYmNkZWasOPHDiqbOmXgdPKos1g2x0TlmLmE5W24C1Kki6/2ytw==",
    },
    Family {
        name: "django-pbkdf2",
        scheme: "argon2id-over-pbkdf2",
        hash: "pbkdf2_sha256$1000$saltsaltsalt$GacV8oEzUl3KM0Mwey9yrMcTPKpkL4jXrFpbKB8oOnI=",
    },
];

/// A line of an import for each family.
pub(crate) fn import_lines() -> Vec<String> {
    let line = |family: &Family| {
        format!(
            r#"{{"login_name":"{}","credentials":[{{"hash":"{}"}}]}}"#,
            family.name, family.hash
        )
    };
    FAMILIES.iter().map(line).collect()
}
