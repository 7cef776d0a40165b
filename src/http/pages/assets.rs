//! Static resources of the pages.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};

use crate::http::constant::ConstantAnswer;

const CSS_TYPE: &str = "text/css; charset=utf-8";
const SCRIPT_TYPE: &str = "text/javascript; charset=utf-8";

const STYLE: &str = include_str!("../../../assets/keeper.css");
/// The script, without which every page works.
const SCRIPT: &str = include_str!("../../../assets/keeper.js");
const ICON: &str = include_str!("../../../assets/favicon.svg");
/// The styles that only the API documentation needs.
const DOCS_STYLE: &str = include_str!("../../../assets/docs.css");
/// The script of the API documentation: search, copy and *try it*.
const DOCS_SCRIPT: &str = include_str!("../../../assets/docs.js");

/// Declares a handler that answers with a constant, which is compressed at the first request.
macro_rules! asset {
    ($(#[$documentation:meta])* $handler:ident, $content_type:expr, $content:expr) => {
        $(#[$documentation])*
        pub(in crate::http) async fn $handler(request: HttpRequest) -> HttpResponse {
            static ANSWER: LazyLock<ConstantAnswer> =
                LazyLock::new(|| ConstantAnswer::new($content_type, $content.to_owned()));
            ANSWER.answer(&request)
        }
    };
}

asset! {
    /// `GET /assets/keeper.css`.
    style, CSS_TYPE, STYLE
}
asset! {
    /// `GET /assets/keeper.js`.
    script, SCRIPT_TYPE, SCRIPT
}
asset! {
    /// `GET /assets/favicon.svg`.
    icon, "image/svg+xml", ICON
}
asset! {
    /// `GET /assets/docs.css`.
    docs_style, CSS_TYPE, DOCS_STYLE
}
asset! {
    /// `GET /assets/docs.js`.
    docs_script, SCRIPT_TYPE, DOCS_SCRIPT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resources_of_every_page_are_small() {
        assert!(STYLE.len() <= 20 * 1024, "{}", STYLE.len());
        assert!(SCRIPT.len() <= 6 * 1024, "{}", SCRIPT.len());
        assert!(ICON.len() <= 1024, "{}", ICON.len());
        assert!(DOCS_STYLE.len() <= 8 * 1024, "{}", DOCS_STYLE.len());
        assert!(DOCS_SCRIPT.len() <= 12 * 1024, "{}", DOCS_SCRIPT.len());
    }
}
