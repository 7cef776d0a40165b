//! Writes a line of the import format.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::domain::{InvalidField, Reason};

use super::line::MAXIMUM_LINE;

/// A user to write as a line. The reader is `super::line`.
#[derive(Debug, Default, Serialize)]
pub(super) struct NewLine {
    pub(super) login_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) user_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) administrator: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retired: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) person_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ej_user_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nick_name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) credentials: Vec<NewLineCredential>,
}

/// A credential of a line. Freed memory is wiped, so its secrets need no type of their own.
#[derive(Default, Serialize)]
pub(super) struct NewLineCredential {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) type_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) valid_to: Option<String>,
}

impl std::fmt::Debug for NewLineCredential {
    /// Shows no secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewLineCredential").finish_non_exhaustive()
    }
}

impl NewLineCredential {
    /// A password of which a hash is known.
    pub(super) fn with_hash(hash: String) -> Self {
        Self { hash: Some(hash), ..Self::default() }
    }

    /// A password in clear text.
    pub(super) fn with_value(value: String) -> Self {
        Self { value: Some(value), ..Self::default() }
    }
}

impl NewLine {
    /// The line as JSON.
    ///
    /// # Errors
    /// When it is too long.
    pub(super) fn write(&self) -> Result<Zeroizing<Vec<u8>>, InvalidField> {
        let too_long = || InvalidField::new("line", Reason::LineTooLong);
        let line = serde_json::to_vec(self).map(Zeroizing::new).map_err(|_| too_long())?;
        if line.len() > MAXIMUM_LINE { Err(too_long()) } else { Ok(line) }
    }
}
