//! Paths of pages for signed-in users, as the page to return to. The path may come from a query or
//! a form, so it must not lead to another host (CWE-601).

use actix_web::HttpRequest;
use url::form_urlencoded;

use super::notices;

/// The first segments of pages for signed-in users, and of the API documentation.
const ROOTS: [&str; 3] = ["/account", "/admin", "/docs"];

/// The longest path with its query, in bytes.
const MAXIMUM: usize = 1024;

/// The path of a page below the base path, with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct PagePath(String);

impl PagePath {
    /// Parses a path; `None` unless it is below a root of pages and has only characters that no
    /// browser interprets in another way.
    pub(in crate::http) fn parse(text: &str) -> Option<Self> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let is_below = |root: &&str| {
            path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // Ids of operations have points. A segment of points only would lead upwards.
        let is_segment = |text: &str| {
            let is_named = text.starts_with(|first: char| first.is_ascii_alphanumeric());
            is_named && text.bytes().all(|byte| is_plain(byte, b"-_."))
        };
        let is_query = query.bytes().all(|byte| is_plain(byte, b"-_.~%+=&:@,$'"));
        let is_page = text.len() <= MAXIMUM
            && ROOTS.iter().any(is_below)
            && path.split('/').skip(1).all(is_segment)
            && is_query;
        is_page.then(|| Self(text.to_owned()))
    }

    /// The path of a request, without the notice of an earlier page; `None` for a path that is not
    /// one of a page.
    pub(in crate::http) fn of(request: &HttpRequest, base_path: &str) -> Option<Self> {
        let path = request.uri().path().get(base_path.len()..)?;
        let query = form_urlencoded::parse(request.query_string().as_bytes())
            .filter(|(name, _)| name != notices::PARAMETER);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        if query.is_empty() { Self::parse(path) } else { Self::parse(&format!("{path}?{query}")) }
    }

    /// The path without its query.
    pub(super) fn path(&self) -> &str {
        self.0.split_once('?').map_or(self.as_str(), |(path, _)| path)
    }

    /// The path alone: a query that somebody typed may have a secret, and must not travel into
    /// another URL or page.
    pub(super) fn without_query(self) -> Self {
        Self(self.path().to_owned())
    }

    /// The path with its query.
    pub(in crate::http) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(byte: u8, others: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || others.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_pages_are_accepted() {
        for text in [
            "/account",
            "/account/sessions",
            "/account/change-password",
            "/admin/users?name=a%20b&after=7",
            "/admin/users/278",
            "/docs/post.Agents.User.GetUser",
        ] {
            assert_eq!(PagePath::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_path_that_could_lead_elsewhere_is_refused() {
        for text in [
            "",
            "/",
            "account",
            "//evil.example",
            "//evil.example/account",
            r"/\evil.example",
            r"\\evil.example",
            "/account//evil.example",
            r"/account\evil.example",
            "/account/../login",
            "/account/..",
            "/docs/.post/../login",
            "/account/%2e%2e/login",
            "/account/%2f%2fevil.example",
            "/accounts",
            "/account@evil.example",
            "/account.evil.example",
            "https://evil.example/account",
            "javascript:alert(1)",
            "/login",
            "/api/v1/User",
            "/account\t",
            "/account\r\nSet-Cookie: a=b",
            "/account?a=\r\nb",
            "/account?a=<script>",
            "/account#//evil.example",
            "/account/ä",
            &format!("/account?a={}", "x".repeat(MAXIMUM)),
        ] {
            assert_eq!(PagePath::parse(text), None, "{text}");
        }
    }
}
