//! An answer that was read to its end, and what tests say about it.

use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Reads an answer to its end.
    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A header's text.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().unwrap()
    }

    /// The value of a cookie that the answer sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all("set-cookie").iter().map(|text| text.to_str().unwrap());
        let pairs = cookies.filter_map(|text| text.split(';').next()?.split_once('='));
        pairs.into_iter().find(|(given, _)| *given == name).map(|(_, value)| value.to_owned())
    }

    /// 200 with the bare literal `true`, as the vendor's clients expect it.
    #[track_caller]
    pub(crate) fn assert_saved(&self) {
        assert_eq!((self.status.as_u16(), self.body.as_str()), (200, "true"), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
    }

    /// That status, whatever the body.
    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
    }

    /// The error envelope with that status, type and code.
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

    /// 400 naming that field.
    #[track_caller]
    pub(crate) fn assert_field_refused(&self, field: &str) {
        self.assert_refused(400, "ArgumentException", "invalid_field");
        assert_eq!(self.json()["Field"], field, "{self:?}");
    }

    /// 401 with challenges, telling nothing else.
    #[track_caller]
    pub(crate) fn assert_unauthenticated(&self) {
        self.assert_refused(401, "SoSessionException", "unauthenticated");
        self.header("www-authenticate");
    }

    /// 403 for a right that is missing.
    #[track_caller]
    pub(crate) fn assert_forbidden(&self) {
        self.assert_refused(403, "SoIllegalOperationException", "forbidden");
    }
}
