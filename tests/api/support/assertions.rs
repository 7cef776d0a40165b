//! A complete HTTP response, and the assertions that tests make about it.

use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Reads the whole response.
    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("the body is not JSON: {self:?}"))
    }

    /// The value of a header.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("the header {name} is missing: {self:?}"));
        value.to_str().unwrap()
    }

    /// The value of a cookie that the response sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
        let pairs = cookies.filter_map(|line| line.split(';').next()?.split_once('='));
        pairs.into_iter().find(|(cookie, _)| *cookie == name).map(|(_, value)| value.to_owned())
    }

    /// Asserts 200 with the bare literal `true`, which the vendor's clients expect.
    #[track_caller]
    pub(crate) fn assert_saved(&self) {
        assert_eq!((self.status.as_u16(), self.body.as_str()), (200, "true"), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
    }

    /// Asserts the status; the body may be anything.
    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
    }

    /// Asserts the error envelope with this status, type and code.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, error_type: &str, code: &str) {
        self.assert_status(status);
        let body = self.json();
        assert_eq!(body["Error"], true, "{self:?}");
        assert_eq!(body["ErrorSource"], "CredentialKeeper", "{self:?}");
        assert_eq!(body["ErrorType"], error_type, "{self:?}");
        assert_eq!(body["Code"], code, "{self:?}");
        assert_eq!(body["RequestId"], self.header("x-request-id"), "{self:?}");
        assert!(!body["Message"].as_str().unwrap().is_empty(), "{self:?}");
    }

    /// Asserts a 400 that names this field.
    #[track_caller]
    pub(crate) fn assert_field_refused(&self, field: &str) {
        self.assert_refused(400, "ArgumentException", "invalid_field");
        assert_eq!(self.json()["Field"], field, "{self:?}");
    }

    /// Asserts a 401 with challenges, whose code does not reveal the reason.
    #[track_caller]
    pub(crate) fn assert_unauthenticated(&self) {
        self.assert_refused(401, "SoSessionException", "unauthenticated");
        self.header("www-authenticate");
    }

    /// Asserts a 403 for a missing right.
    #[track_caller]
    pub(crate) fn assert_forbidden(&self) {
        self.assert_refused(403, "SoIllegalOperationException", "forbidden");
    }
}
