//! The details of errors whose code has more than one text.

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum BodyFault {
    NotJson,
    NotXml,
    NotForm,
    ControlCharacter,
    NotUtf8,
    NotUtf16,
    ForeignCharset,
    ByteOrderMark,
    DocumentType,
    TooDeep,
    TooManyValues,
    NotObject,
    NotList,
    EndedEarly,
    /// actix-web refused the request.
    Framework,
}

impl BodyFault {
    /// Every fault, for tests.
    #[cfg(test)]
    pub(in crate::http) const ALL: [Self; 15] = [
        Self::NotJson,
        Self::NotXml,
        Self::NotForm,
        Self::ControlCharacter,
        Self::NotUtf8,
        Self::NotUtf16,
        Self::ForeignCharset,
        Self::ByteOrderMark,
        Self::DocumentType,
        Self::TooDeep,
        Self::TooManyValues,
        Self::NotObject,
        Self::NotList,
        Self::EndedEarly,
        Self::Framework,
    ];

    /// The key of its text in `locales`.
    pub(in crate::http) fn key(self) -> &'static str {
        match self {
            Self::NotJson => "body-not-json",
            Self::NotXml => "body-not-xml",
            Self::NotForm => "body-not-form",
            Self::ControlCharacter => "body-control-character",
            Self::NotUtf8 => "body-not-utf8",
            Self::NotUtf16 => "body-not-utf16",
            Self::ForeignCharset => "body-foreign-charset",
            Self::ByteOrderMark => "body-byte-order-mark",
            Self::DocumentType => "body-document-type",
            Self::TooDeep => "body-too-deep",
            Self::TooManyValues => "body-too-many-values",
            Self::NotObject => "body-not-object",
            Self::NotList => "body-not-list",
            Self::EndedEarly => "body-ended-early",
            Self::Framework => "body-framework",
        }
    }
}

/// The permission that the caller does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum MissingRight {
    SaveCredential,
    AdministerUsers,
    ReadUser,
    IssueTicket,
    EndTicket,
    OnlineSession,
    ForeignPage,
    LoginPage,
    CrossOrigin,
}

impl MissingRight {
    /// Every permission, for tests.
    #[cfg(test)]
    pub(in crate::http) const ALL: [Self; 9] = [
        Self::SaveCredential,
        Self::AdministerUsers,
        Self::ReadUser,
        Self::IssueTicket,
        Self::EndTicket,
        Self::OnlineSession,
        Self::ForeignPage,
        Self::LoginPage,
        Self::CrossOrigin,
    ];

    /// The key of its text in `locales`.
    pub(in crate::http) fn key(self) -> &'static str {
        match self {
            Self::SaveCredential => "forbidden-save-credential",
            Self::AdministerUsers => "forbidden-administer-users",
            Self::ReadUser => "forbidden-read-user",
            Self::IssueTicket => "forbidden-issue-ticket",
            Self::EndTicket => "forbidden-end-ticket",
            Self::OnlineSession => "forbidden-online-session",
            Self::ForeignPage => "forbidden-foreign-page",
            Self::LoginPage => "forbidden-login-page",
            Self::CrossOrigin => "forbidden-cross-origin",
        }
    }
}
