//! Builds the documents of an installation from the route table. They depend only on its base path.

use super::{
    api,
    constant::ConstantAnswer,
    documentation::{Site, index_page},
    documents::{BuiltDocuments, DocumentError, Documents},
    openapi::document,
    routes::routes,
};

const JSON: &str = "application/json";

/// The documents of an installation with that base path.
pub(crate) fn documents(base_path: &str) -> Documents {
    Documents::new(base_path, build)
}

fn build(base_path: &str) -> Result<BuiltDocuments, DocumentError> {
    let routes = routes();
    let openapi = document(&routes, base_path);
    let value = serde_json::to_value(&openapi)?;
    let page = index_page(&value, base_path)?;
    let list = api::list_content(&routes, base_path)?;
    Ok(BuiltDocuments {
        openapi: ConstantAnswer::new(JSON, openapi.to_json()?),
        page: ConstantAnswer::new("text/html; charset=utf-8", page),
        site: Site::new(&value, base_path),
        routes: ConstantAnswer::new(JSON, list),
    })
}

/// The OpenAPI document as text, for the committed copy.
///
/// # Errors
/// When it cannot be serialized.
pub(crate) fn openapi_document(base_path: &str) -> Result<String, serde_json::Error> {
    document(&routes(), base_path).to_pretty_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_v1_lists_every_url_with_its_methods() {
        let list = api::list_content(&routes(), "").unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        insta::assert_json_snapshot!(list);
    }
}
