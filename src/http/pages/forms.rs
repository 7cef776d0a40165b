//! Forms of pages: fields, buttons, and the summary of errors that takes the focus.
//! `templates/form.html` renders a form, from the variable `form`.

use super::{
    field::Field,
    frame::PageFrame,
    return_to::{KEEP, KeptForm, PAGE, RESUME, XSRF_TOKEN},
};
use crate::{
    domain::{InvalidField, Reason},
    http::{error::ErrorKind, localization::Language},
};

/// A form.
pub(in crate::http) struct Form {
    action: String,
    hidden: Vec<(String, String)>,
    /// The names of the hidden values that survive a sign-in, as the fields do.
    kept: Vec<&'static str>,
    fields: Vec<Field>,
    buttons: Vec<Button>,
    /// The login name, for password managers.
    user_name: Option<String>,
    /// What is wrong, in one sentence.
    problem: Option<String>,
    /// True if the answer is a file, so that the page remains.
    is_download: bool,
}

/// A button that sends a form.
pub(in crate::http) struct Button {
    pub(super) text: String,
    /// The classes of the style sheet: `primary`, `danger`, or none.
    pub(super) style: &'static str,
    /// The name and the value that the button sends.
    pub(super) value: Option<(&'static str, &'static str)>,
    /// True if the browser sends the form although required fields are empty.
    pub(super) skips_checks: bool,
}

impl Form {
    /// A form of a signed-in user, with the XSRF token of the session.
    pub(in crate::http) fn new(frame: &PageFrame, path: &str) -> Self {
        let mut form = Self::without_session(frame, path);
        if let Some(session) = frame.session() {
            form = form.with_hidden(XSRF_TOKEN, session.xsrf_token());
        }
        match frame.page() {
            Some(page) => form.with_hidden(PAGE, page.as_str()),
            None => form,
        }
    }

    /// A form that needs no session.
    pub(in crate::http) fn without_session(frame: &PageFrame, path: &str) -> Self {
        Self {
            action: frame.url(path),
            hidden: Vec::new(),
            kept: Vec::new(),
            fields: Vec::new(),
            buttons: Vec::new(),
            user_name: None,
            problem: None,
            is_download: false,
        }
    }

    /// The form that sends kept fields back, only to be shown again.
    pub(super) fn resuming(frame: &PageFrame, kept: &KeptForm, xsrf_token: &str) -> Self {
        let form = Self::without_session(frame, kept.action());
        let form = form.with_hidden(XSRF_TOKEN, xsrf_token).with_hidden(RESUME, "1");
        let pairs = kept.pairs();
        let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let form = form.with_hidden(KEEP, &names.join(" "));
        pairs.iter().fold(form, |form, (name, value)| form.with_hidden(name, value))
    }

    /// Marks a form whose answer is a file.
    pub(in crate::http) fn for_download(self) -> Self {
        Self { is_download: true, ..self }
    }

    /// Adds a hidden value.
    pub(in crate::http) fn with_hidden(mut self, name: &str, value: &str) -> Self {
        self.hidden.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a hidden value that survives a sign-in: without it, what was typed says nothing.
    pub(in crate::http) fn with_kept(mut self, name: &'static str, value: &str) -> Self {
        self.kept.push(name);
        self.with_hidden(name, value)
    }

    /// Adds a field.
    pub(in crate::http) fn with_field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Adds the button for the purpose of the form.
    pub(in crate::http) fn with_submit(self, text: String) -> Self {
        self.with_button(Button { text, style: "primary", value: None, skips_checks: false })
    }

    /// Adds a button that sends a value.
    pub(in crate::http) fn with_action(
        self,
        text: String,
        style: &'static str,
        value: (&'static str, &'static str),
    ) -> Self {
        self.with_button(Button { text, style, value: Some(value), skips_checks: true })
    }

    fn with_button(mut self, button: Button) -> Self {
        self.buttons.push(button);
        self
    }

    /// Adds the login name, so that password managers know whose password it is.
    pub(in crate::http) fn of_user(mut self, user_name: &str) -> Self {
        self.user_name = Some(user_name.to_owned());
        self
    }

    /// Shows an error: at its field if it is about one of the form, else above the form.
    pub(in crate::http) fn with_error(self, frame: &PageFrame, kind: &ErrorKind) -> Self {
        if let ErrorKind::InvalidField(InvalidField { field, reason }) = kind {
            return self.with_reasons(frame, field, &[*reason]);
        }
        if let ErrorKind::PasswordRefused { field, reasons } = kind {
            return self.with_reasons(frame, field, reasons);
        }
        // A form whose outcome is unknown may have been saved.
        let is_fault = kind.row().status.is_server_error() && *kind != ErrorKind::OutcomeUnknown;
        let text =
            if is_fault { frame.text("page-try-later") } else { frame.language().error(kind) };
        self.with_problem(text)
    }

    /// Shows a sentence above the form.
    pub(in crate::http) fn with_problem(mut self, text: String) -> Self {
        self.problem = Some(text);
        self.fields.iter_mut().for_each(Field::unfocus);
        self
    }

    /// Shows a sentence at a field of the form.
    pub(in crate::http) fn with_field_error(
        mut self,
        frame: &PageFrame,
        name: &str,
        text: &str,
    ) -> Self {
        if let Some(field) = self.fields.iter_mut().find(|field| field.name() == name) {
            let error = format!("{}: {text}", field.label());
            field.set_error(error);
        }
        self.with_problem(frame.text("page-check-form"))
    }

    fn with_reasons(mut self, frame: &PageFrame, name: &str, reasons: &[Reason]) -> Self {
        let language: &Language = frame.language();
        let Some(field) = self.fields.iter_mut().find(|field| field.name() == name) else {
            return self.with_problem(language.reasons(name, reasons));
        };
        let error = language.reasons(field.label(), reasons);
        field.set_error(error);
        self.with_problem(frame.text("page-check-form"))
    }

    pub(super) fn action(&self) -> &str {
        &self.action
    }

    /// The hidden values, with the names of the fields that may survive a sign-in.
    pub(super) fn hidden_values(&self) -> Vec<(&str, String)> {
        let typed = self.fields.iter().filter(|field| field.may_be_kept()).map(Field::name);
        let kept = self.kept.iter().copied().chain(typed).collect::<Vec<_>>().join(" ");
        let hidden = self.hidden.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let needs_session = self.hidden.iter().any(|(name, _)| name == XSRF_TOKEN);
        let has_kept = needs_session && !kept.is_empty();
        hidden.chain(has_kept.then_some((KEEP, kept))).collect()
    }

    pub(super) fn user_name(&self) -> Option<&str> {
        self.user_name.as_deref()
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(super) fn buttons(&self) -> &[Button] {
        &self.buttons
    }

    /// True if the answer is a file.
    pub(super) fn is_download(&self) -> bool {
        self.is_download
    }

    /// True if the form sends a file.
    pub(super) fn has_file(&self) -> bool {
        self.fields.iter().any(Field::is_file)
    }

    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The errors of the fields, each with the id of its input.
    pub(super) fn problems(&self) -> Vec<(&str, &str)> {
        let refused = self.fields.iter().filter_map(|field| Some((field.id(), field.error()?)));
        refused.collect()
    }
}
