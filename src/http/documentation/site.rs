//! The pages below `/docs`. Each is rendered from the OpenAPI document at its first request, and kept.

use std::collections::HashMap;

use actix_web::{
    error::BlockingError,
    web::{self, Bytes},
};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    errors::errors_page,
    operation::operation_page,
    reader::{operations, schemas},
    schema::schema_page,
};
use crate::http::{constant::ConstantAnswer, examples::examples};

/// A page cannot be rendered, which is a bug in this program.
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum SiteError {
    #[error("the OpenAPI document cannot be read")]
    Document(#[from] serde_json::Error),
    #[error("the page cannot be rendered")]
    Page(#[from] askama::Error),
    #[error("the document has no content for the page")]
    NoContent,
    #[error("its thread ended early")]
    Stopping(#[from] BlockingError),
}

/// The pages by their path below `/docs/`, in lower case.
pub(in crate::http) struct Site {
    base_path: String,
    /// The OpenAPI document as text.
    openapi: Bytes,
    pages: HashMap<String, OnceCell<ConstantAnswer>>,
}

impl Site {
    /// The pages of a document, none of them rendered. `openapi` is the document as text.
    pub(in crate::http) fn new(document: &Value, openapi: Bytes, base_path: &str) -> Self {
        let operations = operations(document).map(|described| described.id().to_lowercase());
        let schemas = schemas(document).map(|(name, _)| schema_key(name));
        let keys = operations.chain(schemas).chain(["errors".to_owned()]);
        let pages = keys.map(|key| (key, OnceCell::new())).collect();
        Self { base_path: base_path.to_owned(), openapi, pages }
    }

    /// The page at a path below `/docs/`; `None` when there is none. The first request for a page
    /// waits for it; others do not.
    ///
    /// # Errors
    /// When the page cannot be rendered.
    pub(in crate::http) async fn page(
        &self,
        path: &str,
    ) -> Result<Option<&ConstantAnswer>, SiteError> {
        match self.pages.get_key_value(&path.to_lowercase()) {
            None => Ok(None),
            Some((key, page)) => page.get_or_try_init(|| self.render(key)).await.map(Some),
        }
    }

    async fn render(&self, key: &str) -> Result<ConstantAnswer, SiteError> {
        let (openapi, base_path) = (self.openapi.clone(), self.base_path.clone());
        let key = key.to_owned();
        let html = move || render(&serde_json::from_slice(&openapi)?, &base_path, &key);
        let answer = move || Ok(ConstantAnswer::new("text/html; charset=utf-8", html()?));
        web::block(answer).await?
    }
}

/// The page with this key.
fn render(document: &Value, base_path: &str, key: &str) -> Result<String, SiteError> {
    if key == "errors" {
        return Ok(errors_page(base_path)?);
    }
    if let Some((name, schema)) = schemas(document).find(|(name, _)| schema_key(name) == key) {
        return Ok(schema_page(document, base_path, name, schema)?);
    }
    let described = operations(document).find(|described| described.id().eq_ignore_ascii_case(key));
    let described = described.ok_or(SiteError::NoContent)?;
    let examples = examples();
    let recorded = examples.get(described.id()).map_or(&[][..], Vec::as_slice);
    Ok(operation_page(document, base_path, described, recorded)?)
}

fn schema_key(name: &str) -> String {
    format!("schemas/{}", name.to_lowercase())
}
