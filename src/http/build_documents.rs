//! Builds the documents of an installation from the route table. They depend only on its base path.

use super::{
    api,
    constant::ConstantAnswer,
    documentation::{Site, index_page},
    documents::{DocumentError, Documents},
    openapi::document,
    pages::assets,
    routes::routes,
};

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Builds the documents of an installation with that base path.
///
/// # Errors
/// When one cannot be serialized or rendered, which is a bug in this program.
pub(crate) fn build_documents(base_path: &str) -> Result<Documents, DocumentError> {
    let routes = routes();
    let openapi = document(&routes, base_path);
    let value = serde_json::to_value(&openapi)?;
    let page = index_page(&value, base_path)?;
    let list = api::list_content(&routes, base_path)?;
    Ok(Documents {
        openapi: ConstantAnswer::new(JSON, openapi.to_json()?),
        page: ConstantAnswer::new("text/html; charset=utf-8", page),
        site: Site::new(&value, base_path),
        routes: ConstantAnswer::new(JSON, list),
        style: ConstantAnswer::new(CSS, assets::STYLE.to_owned()),
        script: ConstantAnswer::new(SCRIPT, assets::SCRIPT.to_owned()),
        icon: ConstantAnswer::new("image/svg+xml", assets::ICON.to_owned()),
        docs_style: ConstantAnswer::new(CSS, assets::DOCS_STYLE.to_owned()),
        docs_script: ConstantAnswer::new(SCRIPT, assets::DOCS_SCRIPT.to_owned()),
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
