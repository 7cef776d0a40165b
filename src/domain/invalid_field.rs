//! The error for a value that cannot be parsed: the field and the reason, never the rejected value.

/// A field with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub(crate) struct InvalidField {
    /// The member as the caller spells it, for example `Credential.Value`.
    pub(crate) field: String,
    pub(crate) reason: Reason,
}

impl InvalidField {
    /// The error for `field`.
    pub(crate) fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self { field: field.into(), reason }
    }
}

/// Defines [`Reason`]: each variant with its argument and a sample of it, the key of its text in
/// `locales`, and its English text.
macro_rules! reasons {
    ($($variant:ident $(($argument:ident: $type:ty = $sample:literal))? => $key:literal, $text:literal;)+) => {
        /// Why a value is invalid. `Display` is the English text, for commands; the API answers in
        /// the language of the caller.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub(crate) enum Reason {
            $(#[error($text)] $variant $(($type))?,)+
        }

        impl Reason {
            /// Every reason, with sample arguments; for reference pages and tests.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant $(($sample))?),+];

            /// The key of the text in `locales`.
            pub(crate) fn key(self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $key,)+
                }
            }

            /// The argument of the text, with its name.
            pub(crate) fn argument(self) -> Option<(&'static str, String)> {
                let arguments: &[(&str, String)] = match self {
                    $(Self::$variant $(($argument))? => {
                        &[$((stringify!($argument), $argument.to_string()))?]
                    })+
                };
                arguments.first().cloned()
            }
        }
    };
}

reasons! {
    Required => "field-required", "is required";
    Empty => "field-empty", "must not be empty";
    NotPositive => "field-not-positive", "must be positive";
    Negative => "field-negative", "must not be negative";
    NotInteger => "field-not-integer", "must be an integer";
    OutOfRange => "field-out-of-range", "is out of range";
    NotBoolean => "field-not-boolean", "must be true or false";
    NotText => "field-not-text", "must be a string";
    NotObject => "field-not-object", "must be an object";
    NotList => "field-not-list", "must be a list";
    Nul => "field-nul", "must not contain NUL";
    TooManyBytes(limit: usize = 1024) => "field-too-many-bytes", "must have at most {0} bytes";
    TooManyCharacters(limit: usize = 254) => "field-too-many-characters",
        "must have at most {0} characters";
    TooFewBytes(limit: usize = 8) => "field-too-few-bytes", "must have at least {0} bytes";
    TooFewCharacters(limit: usize = 15) => "field-too-few-characters",
        "must have at least {0} characters";
    ContextWords => "field-context-words",
        "consists mostly of your user name or the service's name";
    CommonPassword => "field-common-password", "is a common or breached password";
    NotRepeated => "field-not-repeated", "is not the same as the new password";
    MustDiffer => "field-must-differ", "must differ from the current one";
    Guessable => "field-guessable", "is too easy to guess";
    NameCharacters => "field-name-characters", "must not contain a control character or a colon";
    ControlCharacter => "field-control-character", "must not contain a control character";
    NotXml => "field-not-xml", "must not contain a character that XML does not allow";
    InvisibleCharacter => "field-invisible-character",
        "must not contain an invisible or bidirectional control character";
    Blank => "field-blank", "must contain a visible character";
    UnknownType => "field-unknown-type", "is not a known credential type";
    NotSecret => "field-not-secret",
        "is an identifier type; a change can be required only for secrets";
    UnknownChangeCause => "field-unknown-change-cause", "must be administrator or compromised; in an import also common_password";
    Ticket => "field-ticket", "is a ticket, which cannot be saved";
    TypeNotForUser => "field-type-not-for-user", "is not available to users of this type";
    NoChoice => "field-no-choice", "is a credential type whose values are not chosen from a directory";
    TooManyMatches(limit: usize = 1000) => "field-too-many-matches",
        "matches more than {0} entries of the directory; make it narrower";
    TooManyPerUser(limit: usize = 100) => "field-too-many-per-user",
        "would be more than {0} for this user; remove one first";
    UnknownUserType => "field-unknown-user-type", "is not a known user type";
    UnknownRole => "field-unknown-role", "must be Administrator or User";
    UnknownOwnRole => "field-unknown-own-role", "must be help_desk, auditor or none";
    OwnRole => "field-own-role",
        "is your own, and nobody can change their own role; ask another administrator";
    LastAdministrator => "field-last-administrator",
        "is the last active administrator; make another user an administrator first";
    NotExternalUser => "field-not-external-user",
        "is not an external user; use a call for all users, such as SaveUser";
    UnknownExternalUserPart => "field-unknown-external-user-part",
        "must be All, or one or more of UserName, Password, Role and Active, separated by commas";
    UnknownApplication => "field-unknown-application", "is not a known application";
    NotMoment => "field-not-moment", "must be a date and time such as 2027-01-01T00:00:00Z";
    UnknownHash => "field-unknown-hash", "is not a hash that can be verified";
    UnsupportedHash(name: &'static str = "yescrypt") => "field-unsupported-hash",
        "is a {0} hash, which is not supported; leave the credential out, and set a new password";
    BrokenBcrypt => "field-broken-bcrypt",
        "is a $2x$ hash, whose faulty implementation also accepts wrong passwords";
    HashParameters(names: &'static str = "m, t, p") => "field-hash-parameters",
        "must have each of the parameters {0} exactly once and in range, and no others";
    KeyedHash => "field-keyed-hash", "has keyid or data, which are not supported";
    PaddedHash => "field-padded-hash",
        "has padding (=) in its Base64, which PHC strings do not have";
    HashTooMuchMemory(name: &'static str = "argon2") => "field-hash-too-much-memory",
        "needs more memory for {0} than hashing.maximum_memory_kib allows; raise that setting";
    HashTooCheap(limit: &'static str = "bcrypt cost=8") => "field-hash-too-cheap",
        "costs too little: the minimum is {0}; leave the credential out, and set a new password";
    HashTooExpensive(limit: &'static str = "bcrypt cost=15") => "field-hash-too-expensive",
        "costs too much: the maximum is {0}; leave the credential out, and set a new password";
    Damaged => "field-damaged", "refers to damaged data; see the log";
    Busy => "field-busy", "timed out waiting for another change to this user; try again";
    NotJson => "field-not-json", "is not valid JSON";
    NotAUser => "field-not-a-user", "does not describe a user";
    LineTooLong => "field-line-too-long", "is longer than 64 KiB";
    EndsBeforeItBegins => "field-ends-before-it-begins", "ends before it begins";
    Taken => "field-taken", "belongs to another user";
    Outdated => "field-outdated",
        "belongs to an earlier state of the user; read the user again, then retry";
    NotAdded => "field-not-added",
        "does not exist, and this line does not add a user; correct the line that adds the user, and import both again";
    Contradiction => "field-contradiction", "contradicts another member";
    OtherUser => "field-other-user",
        "must be 0, omitted, or the id of the user that the request names";
    NotNew => "field-not-new", "must be 0 or omitted for a new user; use PUT to change a user";
    UnknownFilter => "field-unknown-filter",
        "must be one to three conditions, joined by and, on different fields: name eq 'text', name startswith 'text', type eq 'name', retired eq true or false";
    UnknownOrder => "field-unknown-order",
        "must be id, name or type, optionally followed by asc or desc";
    NotOrderOfNames => "field-not-order-of-names",
        "must be name, or omitted, when $filter has name startswith";
    NotPageSize(limit: u16 = 1000) => "field-not-page-size", "must be an integer from 1 to {0}";
    NotSkip(limit: u16 = 10_000) => "field-not-skip",
        "must be an integer from 0 to {0}; follow odata.nextLink to read further";
    NotSkipToken => "field-not-skip-token",
        "does not continue this list; use odata.nextLink unchanged";
    NotScope => "field-not-scope", "must be installation or instance";
    NotFormat => "field-not-format", "must be json or xml";
    UnknownParameter => "field-unknown-parameter",
        "has an unknown parameter; those that start with $ are $select, $filter, $orderby, $top, $skip, $skiptoken and $format";
    UnknownQueryParameter(names: &'static str = "user and kind") => "field-unknown-query-parameter",
        "has an unknown parameter; the known ones are {0}";
    UnknownAuditKind => "field-unknown-audit-kind",
        "must be one or more kinds of audit events, such as credential_saved, separated by commas";
    NotAuditPosition => "field-not-audit-position",
        "does not continue this list; use Next unchanged";
    NotExportFormat => "field-not-export-format", "must be csv or jsonl";
    NotHttpDate => "field-not-http-date",
        "must be given once, as a date such as Fri, 01 Jan 2027 00:00:00 GMT";
    NotUtf8 => "field-not-utf8", "must be percent-encoded UTF-8";
    InvalidHeader => "field-invalid-header",
        "is not a valid value of this header; correct the proxy or the client that sends it";
}
