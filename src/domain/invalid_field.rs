//! The one parse failure: which field, and why; never the rejected value.

/// A value that was refused. `field` is spelled as the caller knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub(crate) struct InvalidField {
    /// The offending member, for example `Credential.Value`.
    pub(crate) field: String,
    /// What is wrong with it, in words that never contain the value.
    pub(crate) reason: Reason,
}

impl InvalidField {
    /// A refusal of `field`.
    pub(crate) fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self { field: field.into(), reason }
    }
}

/// What is wrong with a value. `Display` is for commands; the API says it in the caller's
/// language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("is required")]
    Required,
    #[error("must not be empty")]
    Empty,
    #[error("must be positive")]
    NotPositive,
    #[error("must be a whole number")]
    NotInteger,
    #[error("is out of range")]
    OutOfRange,
    #[error("must be true or false")]
    NotBoolean,
    #[error("must be a text")]
    NotText,
    #[error("must be an object")]
    NotObject,
    #[error("must be a list")]
    NotList,
    #[error("must not contain NUL")]
    Nul,
    #[error("must have at most {0} bytes")]
    TooManyBytes(usize),
    #[error("must have at most {0} characters")]
    TooManyCharacters(usize),
    #[error("must have at least {0} bytes")]
    TooFewBytes(usize),
    #[error("must have at least {0} characters")]
    TooFewCharacters(usize),
    #[error("is made of little but names of the user or the service")]
    ContextWords,
    #[error("is among the passwords that are tried first")]
    CommonPassword,
    #[error("is too easy to guess")]
    Guessable,
    #[error("must not contain a control character or a colon")]
    NameCharacters,
    #[error("must not contain a control character")]
    ControlCharacter,
    #[error("must not contain an invisible or bidirectional control character")]
    InvisibleCharacter,
    #[error("must contain a visible character")]
    Blank,
    #[error("is not a known credential type")]
    UnknownType,
    #[error("tickets cannot be saved")]
    Ticket,
    #[error("is not for users of this type")]
    TypeNotForUser,
    #[error("is not a type of users")]
    UnknownUserType,
    #[error("must be Administrator or User")]
    UnknownRole,
    #[error("is not a known application")]
    UnknownApplication,
    #[error("must be a moment such as 2027-01-01T00:00:00Z")]
    NotMoment,
    #[error("is not a hash that can be verified")]
    UnknownHash,
    #[error("is a {0} hash, which is not supported: argon2, PBKDF2 and bcrypt are")]
    UnsupportedHash(&'static str),
    #[error("is a $2x$ hash: the bug that made it takes other passwords for the right one")]
    BrokenBcrypt,
    #[error("must have the parameters m, t and p, each once, and no others")]
    HashParameters,
    #[error("has keyid or data, which are not supported")]
    KeyedHash,
    #[error("has padding (=) in its Base64, which PHC strings do not have")]
    PaddedHash,
    #[error("needs more memory than hashing.maximum_memory_kib allows")]
    HashTooMuchMemory,
    #[error("costs too little: bcrypt needs 8, PBKDF2 10,000 rounds, argon2 4 MiB of blocks")]
    HashTooCheap,
    #[error("costs too much: bcrypt may have 15, PBKDF2 2,000,000 rounds, argon2 4 GiB of blocks")]
    HashTooExpensive,
    #[error("meets data that is damaged; see the log")]
    Damaged,
    #[error("was held by another change for too long")]
    Busy,
    #[error("is not JSON")]
    NotJson,
    #[error("is not what a user has")]
    NotAUser,
    #[error("is longer than 64 KiB")]
    LineTooLong,
    #[error("ends before it begins")]
    EndsBeforeItBegins,
    #[error("belongs to another user")]
    Taken,
    #[error("contradicts another member")]
    Contradiction,
    #[error("is not a valid value of this header; correct the proxy or the client that sends it")]
    InvalidHeader,
}

impl Reason {
    /// Every reason, for tests; the numbers are samples.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 46] = [
        Self::Required,
        Self::Empty,
        Self::NotPositive,
        Self::NotInteger,
        Self::OutOfRange,
        Self::NotBoolean,
        Self::NotText,
        Self::NotObject,
        Self::NotList,
        Self::Nul,
        Self::TooManyBytes(1024),
        Self::TooManyCharacters(254),
        Self::NameCharacters,
        Self::UnknownType,
        Self::Ticket,
        Self::TooFewBytes(8),
        Self::TooFewCharacters(15),
        Self::ContextWords,
        Self::CommonPassword,
        Self::Guessable,
        Self::TypeNotForUser,
        Self::UnknownUserType,
        Self::UnknownRole,
        Self::Taken,
        Self::Contradiction,
        Self::ControlCharacter,
        Self::InvisibleCharacter,
        Self::Blank,
        Self::UnknownApplication,
        Self::EndsBeforeItBegins,
        Self::NotMoment,
        Self::NotJson,
        Self::NotAUser,
        Self::LineTooLong,
        Self::Busy,
        Self::Damaged,
        Self::UnknownHash,
        Self::UnsupportedHash("scrypt"),
        Self::BrokenBcrypt,
        Self::HashParameters,
        Self::KeyedHash,
        Self::PaddedHash,
        Self::HashTooMuchMemory,
        Self::HashTooCheap,
        Self::HashTooExpensive,
        Self::InvalidHeader,
    ];

    /// The name under which its text is kept.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Required => "field-required",
            Self::Empty => "field-empty",
            Self::NotPositive => "field-not-positive",
            Self::NotInteger => "field-not-integer",
            Self::OutOfRange => "field-out-of-range",
            Self::NotBoolean => "field-not-boolean",
            Self::NotText => "field-not-text",
            Self::NotObject => "field-not-object",
            Self::NotList => "field-not-list",
            Self::Nul => "field-nul",
            Self::TooManyBytes(_) => "field-too-many-bytes",
            Self::TooManyCharacters(_) => "field-too-many-characters",
            Self::NameCharacters => "field-name-characters",
            Self::UnknownType => "field-unknown-type",
            Self::Ticket => "field-ticket",
            Self::TooFewBytes(_) => "field-too-few-bytes",
            Self::TooFewCharacters(_) => "field-too-few-characters",
            Self::ContextWords => "field-context-words",
            Self::CommonPassword => "field-common-password",
            Self::Guessable => "field-guessable",
            Self::TypeNotForUser => "field-type-not-for-user",
            Self::UnknownUserType => "field-unknown-user-type",
            Self::UnknownRole => "field-unknown-role",
            Self::Taken => "field-taken",
            Self::Contradiction => "field-contradiction",
            Self::ControlCharacter => "field-control-character",
            Self::InvisibleCharacter => "field-invisible-character",
            Self::Blank => "field-blank",
            Self::Busy => "field-busy",
            Self::Damaged => "field-damaged",
            Self::UnknownHash => "field-unknown-hash",
            Self::UnsupportedHash(_) => "field-unsupported-hash",
            Self::BrokenBcrypt => "field-broken-bcrypt",
            Self::HashParameters => "field-hash-parameters",
            Self::KeyedHash => "field-keyed-hash",
            Self::PaddedHash => "field-padded-hash",
            Self::HashTooMuchMemory => "field-hash-too-much-memory",
            Self::HashTooCheap => "field-hash-too-cheap",
            Self::HashTooExpensive => "field-hash-too-expensive",
            Self::NotJson => "field-not-json",
            Self::NotAUser => "field-not-a-user",
            Self::LineTooLong => "field-line-too-long",
            Self::NotMoment => "field-not-moment",
            Self::EndsBeforeItBegins => "field-ends-before-it-begins",
            Self::UnknownApplication => "field-unknown-application",
            Self::InvalidHeader => "field-invalid-header",
        }
    }

    /// What its text mentions, by the name that it has there.
    pub(crate) fn argument(self) -> Option<(&'static str, String)> {
        if let Self::UnsupportedHash(name) = self {
            return Some(("name", name.to_owned()));
        }
        if let Self::TooManyBytes(limit)
        | Self::TooManyCharacters(limit)
        | Self::TooFewBytes(limit)
        | Self::TooFewCharacters(limit) = self
        {
            return Some(("limit", limit.to_string()));
        }
        None
    }
}
