//! A page with one form: adding and changing users and credentials, and confirming what cannot be
//! undone.

use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::{subject, views::UserView};
use crate::{
    domain::user::User,
    http::{
        error::ApiError,
        pages::{forms::Form, frame::PageFrame, html},
    },
};

/// A page with one form.
#[derive(Template)]
#[template(path = "admin/form_page.html")]
pub(super) struct FormPage {
    title: String,
    /// The user that the form is about; `None` for a new one.
    user: Option<UserView>,
    texts: Vec<String>,
    /// What is lost: names and numbers.
    losses: Vec<(String, usize)>,
    is_dangerous: bool,
    /// The URL of the page to return to without a change.
    back: String,
    form: Form,
    frame: PageFrame,
}

impl FormPage {
    /// A page about a user, or about a new one.
    pub(super) fn new(frame: PageFrame, title: String, user: Option<&User>, form: Form) -> Self {
        let back =
            user.map_or_else(|| subject::USERS.to_owned(), |user| subject::path(user.user_id));
        Self {
            title,
            user: user.map(|user| UserView::new(&frame, user)),
            texts: Vec::new(),
            losses: Vec::new(),
            is_dangerous: false,
            back: frame.url(&back),
            form,
            frame,
        }
    }

    /// Adds a paragraph above the form.
    pub(super) fn with_text(mut self, text: String) -> Self {
        self.texts.push(text);
        self
    }

    /// Adds the list of what is lost.
    pub(super) fn with_losses(self, losses: Vec<(String, usize)>) -> Self {
        Self { losses, ..self }
    }

    /// Marks the form as one whose effect cannot be undone.
    pub(super) fn dangerous(self) -> Self {
        Self { is_dangerous: true, ..self }
    }

    /// Writes the page into a response.
    pub(super) fn answer(&self, response: HttpResponseBuilder) -> Result<HttpResponse, ApiError> {
        html::page(response, self)
    }
}
