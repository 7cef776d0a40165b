//! The documents of an installation, which are built once, at the first request for one.

use std::error::Error;

use actix_web::{error::BlockingError, web};
use tokio::sync::OnceCell;

use super::{
    constant::ConstantAnswer,
    documentation::Site,
    error::{ApiError, ErrorKind},
};

/// A document of this service cannot be built, which is a bug in this program.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("the OpenAPI document cannot be serialized")]
    OpenApi(#[from] serde_json::Error),
    #[error("the documentation page cannot be rendered")]
    Page(#[from] askama::Error),
    #[error("its thread ended early")]
    Stopping(#[from] BlockingError),
}

/// Builds the documents of an installation with that base path.
type Build = fn(base_path: &str) -> Result<BuiltDocuments, DocumentError>;

/// The documents of an installation.
pub(crate) struct Documents {
    base_path: String,
    build: Build,
    built: OnceCell<BuiltDocuments>,
}

impl Documents {
    /// The documents that `build` builds when they are requested.
    pub(super) fn new(base_path: &str, build: Build) -> Self {
        Self { base_path: base_path.to_owned(), build, built: OnceCell::new() }
    }

    /// Every document, ready to be sent. The first request for one waits for them; others do not.
    ///
    /// # Errors
    /// 500 when one cannot be built.
    pub(super) async fn get(&self) -> Result<&BuiltDocuments, ApiError> {
        self.built.get_or_try_init(|| self.build()).await.map_err(|error| {
            tracing::error!(error = &error as &dyn Error, "a document cannot be built");
            ErrorKind::Internal.into()
        })
    }

    async fn build(&self) -> Result<BuiltDocuments, DocumentError> {
        let (build, base_path) = (self.build, self.base_path.clone());
        web::block(move || build(&base_path)).await?
    }
}

/// Every document, ready to be sent.
pub(super) struct BuiltDocuments {
    /// `/openapi.json`.
    pub(super) openapi: ConstantAnswer,
    /// `/docs`, and `/api` in a browser.
    pub(super) page: ConstantAnswer,
    /// The pages below `/docs`.
    pub(super) site: Site,
    /// `/api/v1`.
    pub(super) routes: ConstantAnswer,
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        time::{Duration, Instant},
    };

    use actix_web::web::Bytes;
    use serde_json::Value;

    use super::*;

    static ANSWERED: AtomicBool = AtomicBool::new(false);
    static BUILT: AtomicUsize = AtomicUsize::new(0);

    /// Builds empty documents after another request was answered.
    #[expect(clippy::unnecessary_wraps, reason = "a function of the type Build")]
    fn build_slowly(base_path: &str) -> Result<BuiltDocuments, DocumentError> {
        let end = Instant::now() + Duration::from_secs(10);
        while !ANSWERED.load(Ordering::Relaxed) {
            assert!(Instant::now() < end, "no other request was answered");
            std::thread::sleep(Duration::from_millis(1));
        }
        BUILT.fetch_add(1, Ordering::Relaxed);
        let empty = || ConstantAnswer::new("application/json", String::new());
        let site = Site::new(&Value::Null, Bytes::new(), base_path);
        Ok(BuiltDocuments { openapi: empty(), page: empty(), site, routes: empty() })
    }

    #[actix_web::test]
    async fn a_worker_answers_others_while_documents_are_built_once() {
        let documents = Documents::new("", build_slowly);
        let (first, second, ()) = tokio::join!(documents.get(), documents.get(), async {
            ANSWERED.store(true, Ordering::Relaxed);
        });
        assert!(std::ptr::eq(first.unwrap(), second.unwrap()));
        assert_eq!(BUILT.load(Ordering::Relaxed), 1);
    }
}
