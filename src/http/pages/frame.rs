//! What every page shows around its content: the context of `templates/layout.html`.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, dev::Payload, web::Data};
use secrecy::{ExposeSecret, SecretString};

use super::{
    html,
    navigation::{self, Link},
    notices::Notice,
    page_path::PagePath,
    secret_url::is_password_page,
};
use crate::{
    domain::principal::{AuthenticationScheme, Principal},
    http::{
        authentication::session_cookie::{SESSION_COOKIE, single_cookie},
        error::{ApiError, ErrorKind},
        localization::Language,
        secret_headers::secret_headers,
        state::HttpState,
    },
    service::sessions::sign_in::Sessions,
};

/// The frame of a page. Templates that extend `layout.html` have it as their field `frame`.
pub(in crate::http) struct PageFrame {
    base_path: String,
    language: Language,
    /// The page of the request; `None` outside of the pages for signed-in users.
    page: Option<PagePath>,
    session: Option<SignedIn>,
    notice: Option<Notice>,
    /// False for a page whose URL has a secret.
    has_scripts: bool,
    /// True in the read-only mode.
    is_read_only: bool,
}

/// The user who is signed in, and the navigation of this user.
pub(in crate::http) struct SignedIn {
    pub(in crate::http) user_name: String,
    /// False if a sensitive form asks for the password again.
    pub(in crate::http) is_proof_recent: bool,
    xsrf_token: SecretString,
    pub(in crate::http) menu: Vec<MenuLink>,
    pub(in crate::http) tabs: Vec<MenuLink>,
}

/// A link of the navigation, as the template shows it.
pub(in crate::http) struct MenuLink {
    pub(in crate::http) url: String,
    pub(in crate::http) text: String,
    pub(in crate::http) is_current: bool,
}

impl SignedIn {
    /// The XSRF token for the forms of the page.
    pub(in crate::http) fn xsrf_token(&self) -> &str {
        self.xsrf_token.expose_secret()
    }
}

impl FromRequest for PageFrame {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<Data<HttpState>>().ok_or(ErrorKind::Internal);
        ready(state.map_err(ApiError::from).and_then(|state| Self::of(request, state)))
    }
}

impl PageFrame {
    /// The frame of a page for the session that authenticated the request, or for nobody.
    ///
    /// # Errors
    /// When the operating system returns no random bytes.
    pub(in crate::http) fn of(request: &HttpRequest, state: &HttpState) -> Result<Self, ApiError> {
        let extensions = request.extensions();
        let principal = extensions
            .get::<Principal>()
            .filter(|principal| principal.scheme == AuthenticationScheme::Session);
        let cookie = single_cookie(&secret_headers(request), SESSION_COOKIE).ok().flatten();
        let Some((principal, cookie)) = principal.zip(cookie) else {
            return Ok(Self::without_session(request, state));
        };
        let xsrf_token = state.service.get::<Sessions>().new_xsrf_token(&cookie)?;
        Ok(match xsrf_token {
            Some(token) => Self::of_session(request, state, principal, token),
            None => Self::without_session(request, state),
        })
    }

    /// The frame of a page for nobody.
    pub(in crate::http) fn without_session(request: &HttpRequest, state: &HttpState) -> Self {
        Self {
            base_path: state.base_path.clone(),
            language: Language::of(request.headers()),
            page: PagePath::of(request, &state.base_path),
            session: None,
            notice: Notice::of(request),
            has_scripts: !is_password_page(request),
            is_read_only: state.maintenance.is_read_only(),
        }
    }

    /// The frame of a page for this session.
    pub(in crate::http) fn of_session(
        request: &HttpRequest,
        state: &HttpState,
        principal: &Principal,
        xsrf_token: SecretString,
    ) -> Self {
        let mut frame = Self::without_session(request, state);
        let path = frame.page.as_ref().map_or("", PagePath::path);
        let shown = |links: Vec<Link>| {
            let show = |link: Link| MenuLink {
                url: frame.url(link.path),
                text: frame.text(link.key),
                is_current: link.is_current,
            };
            links.into_iter().map(show).collect()
        };
        frame.session = Some(SignedIn {
            user_name: principal.user.login_name.clone(),
            is_proof_recent: principal.is_proof_recent,
            xsrf_token,
            menu: shown(navigation::menu(principal, path)),
            tabs: shown(navigation::tabs(principal, path)),
        });
        frame
    }

    /// The language of the page.
    pub(in crate::http) fn language(&self) -> &Language {
        &self.language
    }

    /// The tag of the language.
    pub(in crate::http) fn tag(&self) -> &'static str {
        self.language.tag()
    }

    /// A text of the page.
    pub(in crate::http) fn text(&self, key: &str) -> String {
        self.language.page(key, &[])
    }

    /// A text of the page with arguments.
    pub(in crate::http) fn text_with(
        &self,
        key: &str,
        arguments: &[(&'static str, &str)],
    ) -> String {
        self.language.page(key, arguments)
    }

    /// The URL of a path below the base path.
    pub(in crate::http) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// The path of the first page: the account, or the login page for nobody.
    pub(in crate::http) fn home(&self) -> &'static str {
        if self.session.is_some() { "/account" } else { "/login" }
    }

    /// The version of the service.
    #[expect(clippy::unused_self, reason = "templates read it from the frame")]
    pub(in crate::http) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// True if the page runs the script.
    pub(in crate::http) fn has_scripts(&self) -> bool {
        self.has_scripts
    }

    /// True in the read-only mode.
    pub(in crate::http) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Notes that this request has proven the password of the user: its page does not ask again.
    pub(in crate::http) fn record_proof(&mut self) {
        if let Some(session) = &mut self.session {
            session.is_proof_recent = true;
        }
    }

    /// The session; `None` for nobody.
    pub(in crate::http) fn session(&self) -> Option<&SignedIn> {
        self.session.as_ref()
    }

    /// The text of the notice.
    pub(in crate::http) fn notice(&self) -> Option<String> {
        self.notice.map(|notice| self.text(notice.key()))
    }

    /// The page of the request, with its query.
    pub(in crate::http) fn page(&self) -> Option<&PagePath> {
        self.page.as_ref()
    }

    /// Answers a form that succeeded with a redirect to a page, which shows the notice.
    pub(in crate::http) fn redirect(&self, path: &str, notice: Notice) -> HttpResponse {
        html::redirect_to(&self.url(&notice.on(path)))
    }
}
