//! A browser without scripts: it keeps the cookies of a session, and sends the forms of a page.

use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use url::form_urlencoded;

use crate::support::{Answer, Credentials, TestApp, client_builder};

/// A browser with the session of one user, which does not follow redirects.
pub(crate) struct Browser {
    client: Client,
    url: String,
    cookies: String,
}

/// A form of a page.
#[derive(Debug)]
pub(crate) struct PageForm {
    action: String,
    /// The names and values of the hidden fields.
    pub(crate) hidden: Vec<(String, String)>,
}

impl Browser {
    /// A browser in which that user has signed in.
    pub(crate) async fn signed_in(app: &TestApp, name: &str) -> Self {
        let Credentials::Session { cookie, .. } = app.session(name).await else {
            panic!("no session");
        };
        Self { cookies: format!("ASP.NET_SessionId={cookie}"), ..Self::anonymous(app) }
    }

    /// A browser without a session.
    pub(crate) fn anonymous(app: &TestApp) -> Self {
        let client = client_builder().redirect(Policy::none()).build().unwrap();
        Self { client, url: app.url.clone(), cookies: String::new() }
    }

    /// The same browser at another instance.
    pub(crate) fn at(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.header("Cookie", &self.cookies).header("Accept", "text/html")
    }

    /// Opens a page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// Opens a page that must exist.
    pub(crate) async fn open(&self, path: &str) -> Answer {
        let page = self.get(path).await;
        page.assert_status(200);
        page
    }

    /// Sends fields to a path.
    pub(crate) async fn post(&self, path: &str, fields: &[(String, String)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        let request = self
            .request(Method::POST, path)
            .header("Origin", &self.url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.extend_pairs(fields).finish());
        Answer::read(request.send().await.unwrap()).await
    }

    /// Sends a form with its hidden fields and with what was typed.
    pub(crate) async fn send(&self, form: &PageForm, typed: &[(&str, &str)]) -> Answer {
        let typed = typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let fields: Vec<_> = form.hidden.iter().cloned().chain(typed).collect();
        self.post(&form.action, &fields).await
    }

    /// Opens a page and sends its form to that page.
    pub(crate) async fn submit(&self, path: &str, typed: &[(&str, &str)]) -> Answer {
        let page = self.open(path).await;
        let action = path.split('?').next().unwrap();
        self.send(&form(&page, action), typed).await
    }
}

/// The form of a page that is sent to a path.
#[track_caller]
pub(crate) fn form(page: &Answer, action: &str) -> PageForm {
    let start = format!("action=\"{action}\"");
    let Some((_, rest)) = page.body.split_once(&start) else {
        panic!("no form for {action}: {page:?}");
    };
    let (form, _) = rest.split_once("</form>").unwrap();
    let inputs = form.split("<input type=\"hidden\"").skip(1);
    let hidden = inputs.map(|input| (attribute(input, "name"), attribute(input, "value")));
    PageForm { action: action.to_owned(), hidden: hidden.collect() }
}

/// The value of an attribute of the first element in a text.
#[track_caller]
pub(crate) fn attribute(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!(" {name}=\"")).unwrap();
    unescaped(rest.split_once('"').unwrap().0)
}

/// A text of a page without character references.
fn unescaped(text: &str) -> String {
    let text = text.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"");
    text.replace("&#39;", "'").replace("&#38;", "&")
}
