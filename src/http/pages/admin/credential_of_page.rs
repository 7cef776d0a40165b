//! The credential that a page is about: a user, and one of the types of the installation.

use actix_web::{HttpRequest, web::Query};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::subject;
use crate::{
    domain::{
        credential::CredentialSummary,
        credential_type::CredentialType,
        user::{User, UserId},
    },
    http::{
        error::{ApiError, ErrorKind},
        pages::{forms::Form, frame::PageFrame},
        request_context::RequestContext,
    },
    service::users::directory::UserWithCredentials,
};

/// The field with the name of the type, in forms and in the query string.
const TYPE: &str = "Type";

/// The parameters of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    r#type: String,
}

/// The name of the type in a query string; empty if there is none.
pub(super) fn type_of_query(request: &HttpRequest) -> String {
    let parameters = Query::<Parameters>::from_query(request.query_string());
    parameters.map(|parameters| parameters.into_inner().r#type).unwrap_or_default()
}

/// The query string for a type.
pub(super) fn query_of_type(credential_type: &str) -> String {
    format!("type={}", utf8_percent_encode(credential_type, NON_ALPHANUMERIC))
}

/// A user, and the credential of one type.
pub(super) struct CredentialOfPage {
    pub(super) found: UserWithCredentials,
    pub(super) credential_type: CredentialType,
    pub(super) frame: PageFrame,
}

impl CredentialOfPage {
    /// Reads the user.
    ///
    /// # Errors
    /// When the user or the type is unknown, or the caller may not read the user.
    pub(super) async fn open(
        context: RequestContext,
        frame: PageFrame,
        user_id: UserId,
        type_name: &str,
    ) -> Result<Self, ApiError> {
        let found_type = context.types().find(type_name).cloned();
        let found = subject::read(context, user_id).await?;
        let credential_type = found_type.ok_or(ErrorKind::UnknownRoute)?;
        Ok(Self { found, credential_type, frame })
    }

    /// Reads the user again, whose credential has changed since.
    ///
    /// # Errors
    /// When the user is unknown, or the caller may not read the user.
    pub(super) async fn reread(self, context: RequestContext) -> Result<Self, ApiError> {
        let found = subject::read(context, self.user().user_id).await?;
        Ok(Self { found, ..self })
    }

    /// The user.
    pub(super) fn user(&self) -> &User {
        &self.found.user
    }

    /// The stored credential; `None` if the user has none of this type.
    pub(super) fn stored(&self) -> Option<&CredentialSummary> {
        let name = self.credential_type.as_str();
        self.found.credentials.iter().find(|summary| summary.credential_type == name)
    }

    /// The version of the stored credential; 0 without one.
    pub(super) fn version(&self) -> i64 {
        self.stored().map_or(0, |summary| summary.version)
    }

    /// The URL of a page below that of the user.
    pub(super) fn path(&self, page: &str) -> String {
        format!("{}/{page}", subject::path(self.user().user_id))
    }

    /// Adds the hidden values that name this credential, and the version that the form was opened
    /// with.
    pub(super) fn add_to(&self, form: Form, opened_version: &str) -> Form {
        form.with_kept(TYPE, self.credential_type.as_str()).with_kept("Version", opened_version)
    }
}
