//! A browser without scripts: it keeps cookies, follows no redirect, and fills in forms.

use std::collections::BTreeMap;

use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use url::form_urlencoded;

use crate::{
    compression::assert_uncompressed,
    support::{Answer, TestApp, client_builder, password_of},
};

const FORM: &str = "application/x-www-form-urlencoded";
/// What browsers send for a document.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A browser on the pages of an application. A clone has the same cookies at first.
#[derive(Clone)]
pub(crate) struct Browser {
    url: String,
    client: Client,
    cookies: BTreeMap<String, String>,
    language: &'static str,
}

impl Browser {
    /// A browser without cookies.
    pub(crate) fn new(app: &TestApp) -> Self {
        Self::at(&app.url)
    }

    /// A browser without cookies, for the service at that URL.
    pub(crate) fn at(url: &str) -> Self {
        let client = client_builder().redirect(Policy::none()).build().unwrap();
        Self { url: url.to_owned(), client, cookies: BTreeMap::new(), language: "en" }
    }

    /// The same browser, for the service at another URL.
    pub(crate) fn moved_to(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    /// A browser in which a user with the password `<name>-password` has signed in.
    pub(crate) async fn signed_in(app: &TestApp, name: &str) -> Self {
        let mut browser = Self::new(app);
        browser.sign_in("/login", name, &password_of(name)).await.assert_status(303);
        browser
    }

    /// The same browser with another language.
    pub(crate) fn in_language(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    /// A copy with the same cookies, as another tab whose cookies stay as they are.
    pub(crate) fn copy(&self) -> Self {
        let (url, client) = (self.url.clone(), self.client.clone());
        Self { url, client, cookies: self.cookies.clone(), language: self.language }
    }

    /// Opens a page.
    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        let request = self.request(Method::GET, path).header("Sec-Fetch-Site", "same-origin");
        self.send(request).await
    }

    /// Opens the page that an answer redirects to.
    pub(crate) async fn follow(&mut self, answer: &Answer) -> Answer {
        answer.assert_status(303);
        let path = answer.header("location").to_owned();
        self.open(&path).await
    }

    /// Opens the login page at `path`, and sends its form.
    pub(crate) async fn sign_in(&mut self, path: &str, name: &str, password: &str) -> Answer {
        let page = self.open(path).await;
        self.submit(&page, "/login", &[("UserName", name), ("Password", password)]).await
    }

    /// Sends the first form of a page with that action: its hidden and filled-in values, and those
    /// that are typed.
    pub(crate) async fn submit(
        &mut self,
        page: &Answer,
        action: &str,
        typed: &[(&str, &str)],
    ) -> Answer {
        let fields = values_of(&form_of(&page.body, action));
        self.submit_fields(action, &with_typed(fields, typed)).await
    }

    /// Sends a form with exactly these fields.
    pub(crate) async fn submit_fields(
        &mut self,
        action: &str,
        fields: &[(String, String)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self
            .request(Method::POST, action)
            .header("Content-Type", FORM)
            .header("Sec-Fetch-Site", "same-origin")
            .body(body);
        self.send(request).await
    }

    /// A request with the cookies of the browser.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.client
            .request(method, format!("{}{path}", self.url))
            .header("Accept", ACCEPT)
            .header("Accept-Language", self.language)
            .header("Cookie", cookies.join("; "))
    }

    /// Sends a request, and keeps the cookies of the response.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Answer::read(client.execute(request).await.unwrap()).await;
        assert_uncompressed(&method, &path, &answer.headers);
        for line in answer.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

/// The first form of a page with that action, as text.
#[track_caller]
pub(crate) fn form_of(page: &str, action: &str) -> String {
    let forms = page.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap());
    let mut found = forms.filter(|form| form.contains(&format!("action=\"{action}\"")));
    found.next().unwrap_or_else(|| panic!("no form for {action}: {page}")).to_owned()
}

/// The names and values of the inputs of a form, except buttons.
pub(crate) fn values_of(form: &str) -> Vec<(String, String)> {
    let inputs = form.split("<input ").skip(1).map(|rest| rest.split_once('>').unwrap().0);
    let named = inputs.filter_map(|input| Some((attribute(input, "name")?, input)));
    named.map(|(name, input)| (name, attribute(input, "value").unwrap_or_default())).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(unescape(rest.split_once('"')?.0))
}

/// Decodes the references that templates write.
fn unescape(text: &str) -> String {
    let pairs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    pairs.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn with_typed(mut fields: Vec<(String, String)>, typed: &[(&str, &str)]) -> Vec<(String, String)> {
    for (name, value) in typed {
        fields.retain(|(known, _)| known != name);
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    fields
}
