//! The fields of a user in a form: reading what was typed, and showing it again.

use secrecy::SecretString;
use serde::Deserialize;

use super::views::{role_key, type_choices, type_key};
use crate::{
    domain::{
        InvalidField, Reason,
        role::Role,
        save_user::SaveUser,
        user::{DisplayName, LoginName, MAXIMUM_LOGIN_NAME, User, UserType},
    },
    http::pages::{field::Field, forms::Form, frame::PageFrame},
};

pub(super) const USER_NAME: &str = "UserName";
const DISPLAY_NAME: &str = "DisplayName";
const TYPE: &str = "Type";
const ADMINISTRATOR: &str = "Administrator";
const ROLE: &str = "Role";

/// The longest display name that the input accepts, in characters.
const MAXIMUM_DISPLAY_NAME: usize = 254;

/// The value of a box that is checked.
pub(super) const CHECKED: &str = "true";

/// The fields as typed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct UserFields {
    user_name: String,
    display_name: String,
    r#type: String,
    /// `true` when the box is checked.
    administrator: String,
    /// A role, `none`, or empty without the field.
    role: String,
    /// The role that the form was opened with; empty for a new user.
    pub(super) opened_role: String,
    /// The caller's own password, for a sensitive change.
    pub(super) own_password: SecretString,
    pub(super) reason: String,
    /// `generated` or `none`, for a new user.
    #[serde(rename = "First")]
    pub(super) first_password: String,
    /// The state that the form was opened with.
    pub(super) signature: String,
    /// The number of the form of a new user; see [`super::form_id`].
    pub(super) form_id: String,
}

impl UserFields {
    /// The fields of a new user.
    pub(super) fn of_new_user() -> Self {
        Self {
            r#type: UserType::Internal.as_str().to_owned(),
            role: Role::optional_text(None).to_owned(),
            first_password: "generated".to_owned(),
            ..Self::default()
        }
    }

    /// The fields of an existing user in a form that is opened with that signature.
    pub(super) fn opened(user: &User, signature: String) -> Self {
        let opened_role = Role::optional_text(user.role).to_owned();
        Self { opened_role, signature, ..Self::of(user) }
    }

    /// The fields with the present state of the user, for a page that says that the user has
    /// changed. A role that nobody chose in this form follows the user's, because the form would
    /// otherwise undo a change that another administrator made meanwhile.
    pub(super) fn reopened(self, user: &User, signature: String) -> Self {
        let opened_role = Role::optional_text(user.role).to_owned();
        let is_chosen = !self.role.is_empty() && self.role != self.opened_role;
        let role = if is_chosen { self.role } else { opened_role.clone() };
        Self { role, opened_role, signature, ..self }
    }

    /// The fields of an existing user.
    fn of(user: &User) -> Self {
        Self {
            user_name: user.login_name.clone(),
            display_name: user.display_name.clone(),
            r#type: user.user_type.as_str().to_owned(),
            administrator: if user.is_administrator { CHECKED } else { "" }.to_owned(),
            role: Role::optional_text(user.role).to_owned(),
            ..Self::default()
        }
    }

    /// True when saving the fields would not change that user.
    pub(super) fn are_those_of(&self, user: &User) -> bool {
        let current = Self::of(user);
        self.user_name == current.user_name
            && self.display_name_or_login_name() == current.display_name
            && self.r#type == current.r#type
            && self.administrator == current.administrator
            && (self.role.is_empty() || self.role == current.role)
    }

    /// The login name; `None` if it is invalid.
    pub(super) fn login_name(&self) -> Option<LoginName> {
        LoginName::parse(&self.user_name).ok()
    }

    /// The display name; without one, the login name.
    fn display_name_or_login_name(&self) -> &str {
        if self.display_name.is_empty() { &self.user_name } else { &self.display_name }
    }

    /// The command that saves the fields.
    ///
    /// # Errors
    /// Names every field that is invalid.
    pub(super) fn command(&self) -> Result<SaveUser, Vec<InvalidField>> {
        let name = LoginName::require(USER_NAME, Some(&self.user_name));
        let display_name = self.display_name_or_login_name();
        // An invalid login name is one error, not two.
        let display_name = (name.is_ok() || !self.display_name.is_empty())
            .then(|| DisplayName::parse(DISPLAY_NAME, display_name));
        let unknown = || InvalidField::new(TYPE, Reason::UnknownUserType);
        let user_type = UserType::parse(&self.r#type).ok_or_else(unknown);
        match (name, display_name.transpose(), user_type, self.new_role()) {
            (Ok(name), Ok(display_name), Ok(user_type), Ok(role)) => Ok(SaveUser {
                login_names: vec![name.into()],
                display_name,
                user_type: Some(user_type),
                is_administrator: Some(self.administrator == CHECKED),
                role,
                ..SaveUser::default()
            }),
            (name, display_name, user_type, role) => {
                let refused = [name.err(), display_name.err(), user_type.err(), role.err()];
                Err(refused.into_iter().flatten().collect())
            }
        }
    }

    /// The role to set; `None` keeps the one that the form was opened with.
    #[expect(clippy::option_option, reason = "as in `SaveUser`")]
    fn new_role(&self) -> Result<Option<Option<Role>>, InvalidField> {
        if self.role.is_empty() || self.role == self.opened_role {
            return Ok(None);
        }
        Role::parse_optional(ROLE, &self.role).map(Some)
    }

    /// Adds the choice of the role to a form. `current` is as in [`Self::add_to`].
    pub(super) fn add_role_to(
        &self,
        frame: &PageFrame,
        form: Form,
        current: Option<&User>,
    ) -> Form {
        let name = |role: Option<Role>| frame.text(role.map_or("page-user-no-rights", role_key));
        let choices = std::iter::once(None).chain(Role::ALL.map(Some));
        let choices = choices.map(|role| (Role::optional_text(role).to_owned(), name(role)));
        let choice = Field::choice(ROLE, frame.text("page-user-role"), choices.collect());
        let shown = if self.role.is_empty() { &self.opened_role } else { &self.role };
        let choice = choice.with_value(shown);
        let other = current.filter(|user| shown != Role::optional_text(user.role));
        form.with_field(match other {
            Some(user) => {
                let name = name(user.role);
                choice.with_hint(frame.text_with("page-user-current", &[("name", &name)]))
            }
            None => choice,
        })
    }

    /// Adds the fields to a form. `current` is the user as they are, if that may differ from what
    /// the form was opened with: each field that differs says so.
    pub(super) fn add_to(&self, frame: &PageFrame, form: Form, current: Option<&User>) -> Form {
        let inputs = Inputs { frame, typed: self, current: current.map(Self::of) };
        form.with_field(inputs.user_name())
            .with_field(inputs.display_name())
            .with_field(inputs.user_type())
            .with_field(inputs.administrator())
    }
}

/// The inputs of a form with what was typed.
struct Inputs<'form> {
    frame: &'form PageFrame,
    typed: &'form UserFields,
    /// The user as they are; `None`: as the form was opened with.
    current: Option<UserFields>,
}

impl Inputs<'_> {
    fn user_name(&self) -> Field {
        let label = self.frame.text("page-login-name");
        let input = Field::text(USER_NAME, label, MAXIMUM_LOGIN_NAME).required();
        let input = input.with_value(&self.typed.user_name).with_purpose("off");
        let usual = Some("page-login-name-hint");
        self.with_hint(input, |fields| &fields.user_name, str::to_owned, usual)
    }

    fn display_name(&self) -> Field {
        let label = self.frame.text("page-display-name");
        let input = Field::text(DISPLAY_NAME, label, MAXIMUM_DISPLAY_NAME);
        let input = input.with_value(&self.typed.display_name).with_purpose("off");
        let usual = Some("page-display-name-hint");
        self.with_hint(input, |fields| &fields.display_name, str::to_owned, usual)
    }

    fn user_type(&self) -> Field {
        let choices = type_choices(self.frame).into_iter();
        let choices = choices.map(|(value, text)| (value.to_owned(), text)).collect();
        let input = Field::choice(TYPE, self.frame.text("page-user-type"), choices);
        let text = |value: &str| {
            let kind = UserType::parse(value);
            kind.map(|kind| self.frame.text(type_key(kind))).unwrap_or_default()
        };
        let input = input.with_value(&self.typed.r#type);
        self.with_hint(input, |fields| &fields.r#type, text, None)
    }

    fn administrator(&self) -> Field {
        let is_checked = self.typed.administrator == CHECKED;
        let label = self.frame.text("page-user-administrator");
        let text = |value: &str| {
            let key =
                if value == CHECKED { "page-user-administrator" } else { "page-user-no-rights" };
            self.frame.text(key)
        };
        let usual = Some("page-user-administrator-hint");
        let input = Field::check(ADMINISTRATOR, label, is_checked);
        self.with_hint(input, |fields| &fields.administrator, text, usual)
    }

    /// Adds the current value as a hint if it differs from what was typed, and the usual hint
    /// otherwise.
    fn with_hint(
        &self,
        input: Field,
        member: fn(&UserFields) -> &str,
        text: impl Fn(&str) -> String,
        usual: Option<&str>,
    ) -> Field {
        let now = self.current.as_ref().map(member).filter(|now| *now != member(self.typed));
        match (now, usual) {
            (Some(now), _) => {
                let now = text(now);
                input.with_hint(self.frame.text_with("page-user-current", &[("name", &now)]))
            }
            (None, Some(key)) => input.with_hint(self.frame.text(key)),
            (None, None) => input,
        }
    }
}
