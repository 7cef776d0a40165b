//! Writes a line of the import format.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::domain::{InvalidField, Reason};

use super::line::MAXIMUM_LINE;

/// A user to write as a line. The reader is `super::line`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct NewLine {
    pub(crate) login_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) user_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) administrator: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retired: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) person_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ej_user_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nick_name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) credentials: Vec<NewLineCredential>,
}

/// A credential of a line. Freed memory is wiped, so its secrets need no type of their own.
#[derive(Default, Serialize)]
pub(crate) struct NewLineCredential {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) type_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) valid_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change_required: Option<String>,
}

impl std::fmt::Debug for NewLineCredential {
    /// Shows no secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewLineCredential").finish_non_exhaustive()
    }
}

impl NewLineCredential {
    /// A password of which a hash is known.
    pub(crate) fn with_hash(hash: String) -> Self {
        Self { hash: Some(hash), ..Self::default() }
    }

    /// A password in clear text.
    pub(crate) fn with_value(value: String) -> Self {
        Self { value: Some(value), ..Self::default() }
    }
}

impl NewLine {
    /// The line as JSON.
    ///
    /// # Errors
    /// When it is too long.
    pub(crate) fn write(&self) -> Result<Zeroizing<Vec<u8>>, InvalidField> {
        let too_long = || InvalidField::new("line", Reason::LineTooLong);
        let line = serde_json::to_vec(self).map(Zeroizing::new).map_err(|_| too_long())?;
        if line.len() > MAXIMUM_LINE { Err(too_long()) } else { Ok(line) }
    }
}
