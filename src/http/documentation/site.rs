//! The pages below `/docs`. Each is rendered from the OpenAPI document at its first request, and kept.

use std::{collections::HashMap, sync::OnceLock};

use serde_json::Value;

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
}

/// The pages by their path below `/docs/`, in lower case.
pub(in crate::http) struct Site {
    base_path: String,
    pages: HashMap<String, OnceLock<ConstantAnswer>>,
}

impl Site {
    /// The pages of a document, none of them rendered.
    pub(in crate::http) fn new(document: &Value, base_path: &str) -> Self {
        let operations = operations(document).map(|described| described.id().to_lowercase());
        let schemas = schemas(document).map(|(name, _)| schema_key(name));
        let keys = operations.chain(schemas).chain(["errors".to_owned()]);
        let pages = keys.map(|key| (key, OnceLock::new())).collect();
        Self { base_path: base_path.to_owned(), pages }
    }

    /// The page at a path below `/docs/`; `None` when there is none. `openapi` is the document as
    /// text.
    ///
    /// # Errors
    /// When the page cannot be rendered.
    pub(in crate::http) fn page(
        &self,
        path: &str,
        openapi: &ConstantAnswer,
    ) -> Result<Option<&ConstantAnswer>, SiteError> {
        let Some((key, page)) = self.pages.get_key_value(&path.to_lowercase()) else {
            return Ok(None);
        };
        if let Some(rendered) = page.get() {
            return Ok(Some(rendered));
        }
        // Two workers may render the same page; both get the same text.
        let document = serde_json::from_slice(openapi.content())?;
        let Some(html) = self.render(key, &document)? else { return Ok(None) };
        let answer = || ConstantAnswer::new("text/html; charset=utf-8", html);
        Ok(Some(page.get_or_init(answer)))
    }

    fn render(&self, key: &str, document: &Value) -> Result<Option<String>, SiteError> {
        if key == "errors" {
            return Ok(Some(errors_page(&self.base_path)?));
        }
        if let Some((name, schema)) = schemas(document).find(|(name, _)| schema_key(name) == key) {
            return Ok(Some(schema_page(document, &self.base_path, name, schema)?));
        }
        let described =
            operations(document).find(|described| described.id().eq_ignore_ascii_case(key));
        let Some(described) = described else { return Ok(None) };
        let examples = examples();
        let recorded = examples.get(described.id()).map_or(&[][..], Vec::as_slice);
        Ok(Some(operation_page(document, &self.base_path, described, recorded)?))
    }
}

fn schema_key(name: &str) -> String {
    format!("schemas/{}", name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_rendered_at_its_first_request_only() {
        let site = Site::new(&Value::Null, "");
        let document = |text: &str| ConstantAnswer::new("application/json", text.to_owned());
        // A page cannot be rendered without a document.
        let none = document("");
        assert!(site.page("errors", &none).is_err());
        let whole = document("{}");
        let rendered = site.page("errors", &whole).unwrap().unwrap();
        let again = site.page("errors", &none).unwrap().unwrap();
        assert!(std::ptr::eq(again, rendered));
    }
}
