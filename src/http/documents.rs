//! The documents of an installation: they depend on its base path and on nothing else, so they are
//! made when it starts.

use super::{
    api,
    constant::ConstantAnswer,
    pages::{assets, docs},
};

/// A document of this service cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("the OpenAPI document cannot be written")]
    OpenApi(#[from] serde_json::Error),
    #[error("the documentation page cannot be written")]
    Page(#[from] askama::Error),
}

/// Every document, ready to be answered.
pub(crate) struct Documents {
    /// `/openapi.json`.
    pub(super) openapi: ConstantAnswer,
    /// `/docs`, and `/api` for people.
    pub(super) page: ConstantAnswer,
    /// `/api/v1`.
    pub(super) routes: ConstantAnswer,
    /// What the pages look like.
    pub(super) style: ConstantAnswer,
}

impl Documents {
    /// The documents of an installation with that base path.
    ///
    /// # Errors
    /// When one cannot be written, which would be an error in the program.
    pub(crate) fn new(base_path: &str) -> Result<Self, DocumentError> {
        const JSON: &str = "application/json";
        Ok(Self {
            openapi: ConstantAnswer::new(JSON, docs::openapi_content(base_path)?),
            page: ConstantAnswer::new("text/html; charset=utf-8", docs::page_content(base_path)?),
            routes: ConstantAnswer::new(JSON, api::list_content(base_path)?),
            style: ConstantAnswer::new("text/css; charset=utf-8", assets::STYLE.to_owned()),
        })
    }
}
