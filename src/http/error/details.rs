//! The details of errors whose code has more than one text.

use wire_formats::BodyError;

/// Defines the list of all values, and the key in `locales` of the message of each value.
macro_rules! text_keys {
    ($type:ident { $($variant:ident $(($inner:path))? => $key:literal,)* }) => {
        impl $type {
            /// Every value, for documents and tests.
            pub(in crate::http) const ALL: &[Self] = &[$(Self::$variant $(($inner))?),*];

            /// The key of its message in `locales`.
            pub(in crate::http) fn key(self) -> &'static str {
                match self {
                    $(Self::$variant $(($inner))? => $key),*
                }
            }
        }
    };
}

/// The reason why a request body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum BodyFault {
    /// The body does not have the format that `Content-Type` names.
    Format(BodyError),
    EndedEarly,
    /// actix-web refused the request.
    Framework,
    /// The XML is not a SOAP envelope that this service understands.
    Envelope(EnvelopeFault),
}

/// The reason why a well-formed envelope is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum EnvelopeFault {
    NoEnvelope,
    EnvelopeNamespace,
    VersionOfMediaType,
    UnexpectedElement,
    RepeatedHeader,
    NoBody,
    RepeatedBody,
    EmptyBody,
    RepeatedOperation,
    OperationNamespace,
    UnknownOperation,
    OtherAction,
    NotUnderstood,
    MustUnderstandValue,
    RepeatedApplicationToken,
    ParameterNamespace,
}

text_keys! {
    BodyFault {
        Format(BodyError::NotJson) => "body-not-json",
        Format(BodyError::NotXml) => "body-not-xml",
        Format(BodyError::NotForm) => "body-not-form",
        Format(BodyError::ControlCharacter) => "body-control-character",
        Format(BodyError::NotUtf8) => "body-not-utf8",
        Format(BodyError::NotUtf16) => "body-not-utf16",
        Format(BodyError::UnsupportedCharset) => "body-foreign-charset",
        Format(BodyError::ByteOrderMark) => "body-byte-order-mark",
        Format(BodyError::DocumentType) => "body-document-type",
        Format(BodyError::TooDeep) => "body-too-deep",
        Format(BodyError::TooManyValues) => "body-too-many-values",
        Format(BodyError::NotObject) => "body-not-object",
        Format(BodyError::NotList) => "body-not-list",
        Format(BodyError::Missing) => "body-missing",
        EndedEarly => "body-ended-early",
        Framework => "body-framework",
        Envelope(EnvelopeFault::NoEnvelope) => "soap-no-envelope",
        Envelope(EnvelopeFault::EnvelopeNamespace) => "soap-envelope-namespace",
        Envelope(EnvelopeFault::VersionOfMediaType) => "soap-version-of-media-type",
        Envelope(EnvelopeFault::UnexpectedElement) => "soap-unexpected-element",
        Envelope(EnvelopeFault::RepeatedHeader) => "soap-repeated-header",
        Envelope(EnvelopeFault::NoBody) => "soap-no-body",
        Envelope(EnvelopeFault::RepeatedBody) => "soap-repeated-body",
        Envelope(EnvelopeFault::EmptyBody) => "soap-empty-body",
        Envelope(EnvelopeFault::RepeatedOperation) => "soap-repeated-operation",
        Envelope(EnvelopeFault::OperationNamespace) => "soap-operation-namespace",
        Envelope(EnvelopeFault::UnknownOperation) => "soap-unknown-operation",
        Envelope(EnvelopeFault::OtherAction) => "soap-other-action",
        Envelope(EnvelopeFault::NotUnderstood) => "soap-not-understood",
        Envelope(EnvelopeFault::MustUnderstandValue) => "soap-must-understand-value",
        Envelope(EnvelopeFault::RepeatedApplicationToken) => "soap-repeated-application-token",
        Envelope(EnvelopeFault::ParameterNamespace) => "soap-parameter-namespace",
    }
}

/// The permission that the caller lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum MissingRight {
    SaveCredential,
    AdministerUsers,
    HelpUsers,
    ProtectedUser,
    OwnRole,
    UntrustedCredentials,
    ReadUser,
    ReadAuditEvents,
    ReadActivity,
    IssueTicket,
    EndTicket,
    OnlineSession,
    ProveSession,
    ForeignPage,
    LoginPage,
    CrossOrigin,
}

text_keys! {
    MissingRight {
        SaveCredential => "forbidden-save-credential",
        AdministerUsers => "forbidden-administer-users",
        HelpUsers => "forbidden-help-users",
        ProtectedUser => "forbidden-protected-user",
        OwnRole => "forbidden-own-role",
        UntrustedCredentials => "forbidden-untrusted-credentials",
        ReadUser => "forbidden-read-user",
        ReadAuditEvents => "forbidden-read-audit-events",
        ReadActivity => "forbidden-read-activity",
        IssueTicket => "forbidden-issue-ticket",
        EndTicket => "forbidden-end-ticket",
        OnlineSession => "forbidden-online-session",
        ProveSession => "forbidden-prove-session",
        ForeignPage => "forbidden-foreign-page",
        LoginPage => "forbidden-login-page",
        CrossOrigin => "forbidden-cross-origin",
    }
}
