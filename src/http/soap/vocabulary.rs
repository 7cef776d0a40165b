//! The names of the service and of its messages, as in the vendor's WSDL.

/// The namespace of the operations and their carriers.
pub(super) const SERVICE: &str = "http://www.superoffice.net/ws/crm/NetServer/Services88";

/// The path of the service below the base path.
pub(super) const PATH: &str = "/Remote/Services88/SoPrincipal.svc";

/// The header entry with the secret of the calling application.
pub(super) const APPLICATION_TOKEN: &str = "ApplicationToken";

/// The name of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OperationName {
    AuthenticateUsernamePassword,
    AuthenticateWithAccessToken,
    GetSystemInfo,
}

impl OperationName {
    /// Every served operation. The WSDL describes the same ones.
    pub(super) const ALL: [Self; 3] = [
        Self::AuthenticateUsernamePassword,
        Self::AuthenticateWithAccessToken,
        Self::GetSystemInfo,
    ];

    /// The name of its element.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::AuthenticateUsernamePassword => "AuthenticateUsernamePassword",
            Self::AuthenticateWithAccessToken => "AuthenticateWithAccessToken",
            Self::GetSystemInfo => "GetSystemInfo",
        }
    }

    /// The element of its response. Both logins have the same.
    pub(super) fn response(self) -> &'static str {
        match self {
            Self::AuthenticateUsernamePassword | Self::AuthenticateWithAccessToken => {
                "AuthenticateResponse"
            }
            Self::GetSystemInfo => "GetSystemInfoResponse",
        }
    }

    /// The operation with that element.
    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The value of `SOAPAction`.
    pub(super) fn action(self) -> String {
        format!("{SERVICE}/SoPrincipal/{}", self.as_str())
    }
}
