//! One field of a form: label, hint, input and error. `templates/field.html` renders it.

use super::frame::PageFrame;
use crate::domain::user::UserId;

/// The path of the call that checks a new password while it is typed.
const POLICY: &str = "/api/v1/Agents/User/IsPasswordValidWithReason";

/// A field of a form.
pub(in crate::http) struct Field {
    name: &'static str,
    id: String,
    label: String,
    hint: Option<String>,
    error: Option<String>,
    /// The value of `autocomplete`, which is the purpose of the input (WCAG 1.3.5).
    purpose: Option<&'static str>,
    input: Input,
    is_required: bool,
    is_focused: bool,
}

/// The input of a field.
enum Input {
    Text {
        value: String,
        maximum: usize,
    },
    /// Its value is never written into a page.
    Password {
        policy: Option<Policy>,
        reveal: String,
    },
    Choice {
        value: String,
        choices: Vec<(String, String)>,
    },
    Check {
        is_checked: bool,
    },
    File,
}

/// Where a script asks about a new password, and whose it would be.
pub(super) struct Policy {
    pub(super) url: String,
    pub(super) user_id: UserId,
}

impl Field {
    /// A line of text with at most `maximum` characters.
    pub(in crate::http) fn text(name: &'static str, label: String, maximum: usize) -> Self {
        Self::new(name, label, Input::Text { value: String::new(), maximum })
    }

    /// A password. A script adds a button that shows it.
    pub(in crate::http) fn password(
        name: &'static str,
        label: String,
        purpose: &'static str,
        frame: &PageFrame,
    ) -> Self {
        let reveal = frame.text("page-show-password");
        let input = Input::Password { policy: None, reveal };
        Self { purpose: Some(purpose), ..Self::new(name, label, input) }
    }

    /// A choice between values, each with the text to show.
    pub(in crate::http) fn choice(
        name: &'static str,
        label: String,
        choices: Vec<(String, String)>,
    ) -> Self {
        Self::new(name, label, Input::Choice { value: String::new(), choices })
    }

    /// A box to check; its value is `true`.
    pub(in crate::http) fn check(name: &'static str, label: String, is_checked: bool) -> Self {
        Self::new(name, label, Input::Check { is_checked })
    }

    /// A file.
    pub(in crate::http) fn file(name: &'static str, label: String) -> Self {
        Self::new(name, label, Input::File)
    }

    fn new(name: &'static str, label: String, input: Input) -> Self {
        Self {
            name,
            id: name.to_owned(),
            label,
            hint: None,
            error: None,
            purpose: None,
            input,
            is_required: false,
            is_focused: false,
        }
    }

    /// Sets what was typed or chosen; ignored for a password.
    pub(in crate::http) fn with_value(mut self, typed: &str) -> Self {
        match &mut self.input {
            Input::Text { value, .. } | Input::Choice { value, .. } => typed.clone_into(value),
            Input::Check { is_checked } => *is_checked = typed == "true",
            Input::Password { .. } | Input::File => {}
        }
        self
    }

    /// Sets a hint, which is shown between label and input.
    pub(in crate::http) fn with_hint(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Sets the purpose of the input, as a value of `autocomplete`.
    pub(in crate::http) fn with_purpose(mut self, purpose: &'static str) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// Requires a value.
    pub(in crate::http) fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Gives the field the focus when the page is shown.
    pub(in crate::http) fn focused(mut self) -> Self {
        self.is_focused = true;
        self
    }

    /// Checks a new password of a user against the policy while it is typed.
    pub(in crate::http) fn checked_by_policy(mut self, frame: &PageFrame, user_id: UserId) -> Self {
        if let Input::Password { policy, .. } = &mut self.input {
            *policy = Some(Policy { url: frame.url(POLICY), user_id });
        }
        self
    }

    pub(super) fn set_error(&mut self, error: String) {
        self.error = Some(error);
    }

    pub(super) fn unfocus(&mut self) {
        self.is_focused = false;
    }

    /// True for a field that may survive a sign-in.
    pub(super) fn may_be_kept(&self) -> bool {
        !matches!(self.input, Input::Password { .. } | Input::File)
    }

    /// True for a file.
    pub(in crate::http) fn is_file(&self) -> bool {
        matches!(self.input, Input::File)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub(super) fn purpose(&self) -> Option<&'static str> {
        self.purpose
    }

    pub(super) fn is_required(&self) -> bool {
        self.is_required
    }

    pub(super) fn is_focused(&self) -> bool {
        self.is_focused
    }

    pub(super) fn is_check(&self) -> bool {
        matches!(self.input, Input::Check { .. })
    }

    pub(super) fn is_checked(&self) -> bool {
        matches!(self.input, Input::Check { is_checked: true })
    }

    /// The type of the input element.
    pub(super) fn input_type(&self) -> &'static str {
        match self.input {
            Input::Password { .. } => "password",
            Input::File => "file",
            Input::Text { .. } | Input::Choice { .. } | Input::Check { .. } => "text",
        }
    }

    /// The text in the input element.
    pub(super) fn value(&self) -> Option<&str> {
        if let Input::Text { value, .. } = &self.input { Some(value) } else { None }
    }

    pub(super) fn maximum_length(&self) -> Option<usize> {
        if let Input::Text { maximum, .. } = self.input { Some(maximum) } else { None }
    }

    pub(super) fn choices(&self) -> Option<&[(String, String)]> {
        if let Input::Choice { choices, .. } = &self.input { Some(choices) } else { None }
    }

    pub(super) fn is_chosen(&self, choice: &str) -> bool {
        matches!(&self.input, Input::Choice { value, .. } if value == choice)
    }

    pub(super) fn policy(&self) -> Option<&Policy> {
        if let Input::Password { policy, .. } = &self.input { policy.as_ref() } else { None }
    }

    pub(super) fn reveal_text(&self) -> Option<&str> {
        if let Input::Password { reveal, .. } = &self.input { Some(reveal) } else { None }
    }

    /// The ids of the texts that describe the input.
    pub(super) fn described_by(&self) -> Option<String> {
        let texts = [
            (self.hint.is_some(), "hint"),
            (self.error.is_some(), "error"),
            (self.policy().is_some(), "strength"),
        ];
        let shown = texts.into_iter().filter(|(is_shown, _)| *is_shown);
        let ids: Vec<_> = shown.map(|(_, part)| format!("{}-{part}", self.id)).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}
