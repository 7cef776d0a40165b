//! The versions of SOAP.

/// A version of SOAP, by the namespace of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum SoapVersion {
    V1_1,
    V1_2,
}

/// The binding of a message to HTTP, by the media type of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Binding {
    /// `text/xml` (SOAP 1.1, section 6). The vendor's sample sends envelopes of SOAP 1.2 in it.
    V1_1,
    /// `application/soap+xml` (SOAP 1.2, part 2, section 7).
    V1_2,
}

impl SoapVersion {
    pub(super) const ALL: [Self; 2] = [Self::V1_1, Self::V1_2];

    /// The namespace of the envelope.
    pub(super) const fn namespace(self) -> &'static str {
        match self {
            Self::V1_1 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V1_2 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The attribute that names the recipient of a header entry.
    pub(super) fn recipient(self) -> &'static str {
        match self {
            Self::V1_1 => "actor",
            Self::V1_2 => "role",
        }
    }

    /// True for the name of a recipient that is this service: the next one, or the last one.
    pub(super) fn is_own_role(self, name: &str) -> bool {
        match self {
            Self::V1_1 => matches!(name, "" | "http://schemas.xmlsoap.org/soap/actor/next"),
            Self::V1_2 => matches!(
                name.strip_prefix("http://www.w3.org/2003/05/soap-envelope/role/"),
                Some("next" | "ultimateReceiver")
            ),
        }
    }
}

impl Binding {
    pub(super) const ALL: [Self; 2] = [Self::V1_1, Self::V1_2];

    /// The media type.
    pub(super) fn essence(self) -> &'static str {
        match self {
            Self::V1_1 => "text/xml",
            Self::V1_2 => "application/soap+xml",
        }
    }

    /// The value of `Content-Type` of a response.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::V1_1 => "text/xml; charset=utf-8",
            Self::V1_2 => "application/soap+xml; charset=utf-8",
        }
    }

    /// True when the binding carries envelopes of this version.
    pub(super) fn carries(self, version: SoapVersion) -> bool {
        self == Self::V1_1 || version == SoapVersion::V1_2
    }

    /// The version of a fault when the version of the request is unknown.
    pub(super) fn version(self) -> SoapVersion {
        match self {
            Self::V1_1 => SoapVersion::V1_1,
            Self::V1_2 => SoapVersion::V1_2,
        }
    }
}
