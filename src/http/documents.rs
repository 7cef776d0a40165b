//! The documents of an installation, which are built once at startup.

use super::{constant::ConstantAnswer, documentation::Site};

/// A document of this service cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("the OpenAPI document cannot be serialized")]
    OpenApi(#[from] serde_json::Error),
    #[error("the documentation page cannot be rendered")]
    Page(#[from] askama::Error),
}

/// Every document, ready to be sent.
pub(crate) struct Documents {
    /// `/openapi.json`.
    pub(super) openapi: ConstantAnswer,
    /// `/docs`, and `/api` in a browser.
    pub(super) page: ConstantAnswer,
    /// The pages below `/docs`.
    pub(super) site: Site,
    /// `/api/v1`.
    pub(super) routes: ConstantAnswer,
    /// The style sheet of the pages.
    pub(super) style: ConstantAnswer,
    /// The script of the pages.
    pub(super) script: ConstantAnswer,
    /// The icon of the pages.
    pub(super) icon: ConstantAnswer,
    /// The styles of the API documentation.
    pub(super) docs_style: ConstantAnswer,
    /// The script of the API documentation.
    pub(super) docs_script: ConstantAnswer,
}
