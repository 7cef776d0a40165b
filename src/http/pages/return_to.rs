//! What a sign-in returns to: the page that needed a session, and what was typed into its form.
//!
//! A form names the fields that may survive in its hidden field `KEEP`; `forms.rs` never names the
//! field of a secret there. The fields travel through the login page in one hidden value. After the
//! sign-in, a page with a button sends them back to the form, which shows them and changes nothing.

use std::collections::HashSet;

use actix_web::{HttpMessage, HttpRequest, web::Data};
use url::form_urlencoded;

use super::page_path::PagePath;
use crate::http::state::HttpState;

/// The hidden field with the names of fields that survive a sign-in, separated by spaces.
pub(super) const KEEP: &str = "KEEP";
/// The hidden field with the path of the page that has the form.
pub(super) const PAGE: &str = "PAGE";
/// The hidden field of a form that is only to be shown again.
pub(super) const RESUME: &str = "RESUME";
/// The hidden field with the XSRF token.
pub(super) const XSRF_TOKEN: &str = "XSRF_TOKEN";

/// The longest text of all kept fields, in bytes.
const MAXIMUM_KEPT: usize = 16 * 1024;
/// The maximum number of kept fields.
const MAXIMUM_FIELDS: usize = 100;

/// Parts of names of fields that are never kept, whatever the form says.
const SECRETS: [&str; 4] = ["password", "secret", "token", "credentialvalue"];

/// The page that a sign-in returns to.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct ReturnTo {
    /// `None`: the account.
    pub(in crate::http) page: Option<PagePath>,
    /// The form that the end of the session interrupted.
    pub(in crate::http) form: Option<KeptForm>,
}

/// A form that was not accepted, with what was typed.
#[derive(Debug, Clone)]
pub(in crate::http) struct KeptForm {
    action: PagePath,
    /// As in the body of a form.
    fields: String,
}

impl ReturnTo {
    /// Reads the hidden values of a form on the way in, and stores what they return to for the page of
    /// an error. Nothing that leads to another host is accepted.
    pub(super) fn receive(
        request: &HttpRequest,
        page: Option<&str>,
        kept_action: Option<&str>,
        kept_fields: Option<&str>,
    ) -> Self {
        let kept = kept_action.zip(kept_fields);
        let return_to = Self {
            page: page.and_then(PagePath::parse),
            form: kept.and_then(|(action, fields)| KeptForm::parse(action, fields)),
        };
        request.extensions_mut().insert(return_to.clone());
        return_to
    }

    /// The page that has the form, and its fields that survive. Without the page, the account: the path
    /// of the form itself may have no page.
    pub(super) fn of_body(request: &HttpRequest, body: &[u8]) -> Self {
        let state = request.app_data::<Data<HttpState>>();
        let action = state.and_then(|state| PagePath::of(request, &state.base_path));
        let action = action.map(PagePath::without_query);
        let names = hidden_value(body, KEEP).unwrap_or_default();
        let form = action.and_then(|action| KeptForm::of_body(action, &names, body));
        let page = hidden_value(body, PAGE).and_then(|text| PagePath::parse(&text));
        Self { page, form }
    }

    /// What the request returns to, as an earlier step has stored it.
    pub(in crate::http) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

impl KeptForm {
    /// Keeps the fields of a form that its `KEEP` names; `None` if it has none.
    pub(super) fn of_body(action: PagePath, names: &str, body: &[u8]) -> Option<Self> {
        let names: HashSet<_> = names.split(' ').filter(|name| !is_secret(name)).collect();
        let fields = form_urlencoded::parse(body);
        let kept = fields.filter(|(name, _)| names.contains(name.as_ref()));
        Self::new(action, kept)
    }

    /// Reads the hidden values of the login page.
    pub(super) fn parse(action: &str, fields: &str) -> Option<Self> {
        let pairs = form_urlencoded::parse(fields.as_bytes());
        Self::new(PagePath::parse(action)?, pairs.filter(|(name, _)| !is_secret(name)))
    }

    fn new<T: AsRef<str>>(action: PagePath, pairs: impl Iterator<Item = (T, T)>) -> Option<Self> {
        let mut text = form_urlencoded::Serializer::new(String::new());
        let fields = text.extend_pairs(pairs.take(MAXIMUM_FIELDS)).finish();
        let is_kept = !fields.is_empty() && fields.len() <= MAXIMUM_KEPT;
        is_kept.then_some(Self { action, fields })
    }

    /// The path that the form is sent to.
    pub(super) fn action(&self) -> &str {
        self.action.as_str()
    }

    /// The fields in one text.
    pub(super) fn fields(&self) -> &str {
        &self.fields
    }

    /// The name and the value of each field.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.fields.as_bytes()).into_owned().collect()
    }
}

/// The value of a hidden field of this service; `None` if it is missing or repeated.
pub(super) fn hidden_value(body: &[u8], name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(body).filter(|(given, _)| given == name);
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.into_owned())
}

/// True for a name that a secret may have, and for the names of the service's own hidden fields.
fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    [KEEP, PAGE, RESUME].contains(&name) || SECRETS.iter().any(|part| lower.contains(part))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use instruction_count::{Work, assert_proportional, do_counted};

    use super::*;

    /// Everybody may send a form with many fields, and many names of fields.
    const WORKS: [Work; 1] = [("the fields of a form", keep_few, 1000)];

    fn keep_few(size: usize) {
        let (mut names, mut body) = ("last".to_owned(), String::new());
        for number in 0..size {
            write!(names, " a{number}").unwrap();
            write!(body, "b{number}&").unwrap();
        }
        assert_eq!(kept(&names, &format!("{body}last=1")).unwrap().len(), 1);
    }

    #[test]
    fn keeping_fields_is_proportional_to_the_form() {
        let counted = "http::pages::return_to::tests::few_of_many_fields_are_kept";
        assert_proportional(&WORKS, counted);
    }

    #[test]
    fn few_of_many_fields_are_kept() {
        do_counted(&WORKS);
    }

    fn kept(names: &str, body: &str) -> Option<Vec<(String, String)>> {
        let action = PagePath::parse("/account").unwrap();
        KeptForm::of_body(action, names, body.as_bytes()).map(|form| form.pairs())
    }

    #[test]
    fn only_named_fields_are_kept_and_never_a_secret() {
        let body = "XSRF_TOKEN=x&A=1%26+2&B=%C3%A4&OldPassword=s&C=3&KEEP=A&RESUME=1";
        let pairs = kept("A B OldPassword XSRF_TOKEN KEEP RESUME", body).unwrap();
        let expected = [("A", "1& 2"), ("B", "ä")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(pairs, expected);
        assert_eq!(kept("", body), None);
        assert_eq!(kept("Missing", body), None);
        assert_eq!(kept("A", &format!("A={}", "x".repeat(MAXIMUM_KEPT))), None);
    }

    #[test]
    fn the_hidden_value_of_the_login_page_is_checked_again() {
        let form = KeptForm::parse("/admin/users", "A=1&NewPassword=s&RESUME=1").unwrap();
        assert_eq!(form.pairs(), [("A".to_owned(), "1".to_owned())]);
        assert!(KeptForm::parse("//evil.example", "A=1").is_none());
        assert!(KeptForm::parse("/admin/users", "").is_none());
    }
}
