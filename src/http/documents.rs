//! The documents of an installation, which are built once, at the first request for one.

use std::{error::Error, sync::OnceLock};

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
}

/// Builds the documents of an installation with that base path.
type Build = fn(base_path: &str) -> Result<BuiltDocuments, DocumentError>;

/// The documents of an installation.
pub(crate) struct Documents {
    base_path: String,
    build: Build,
    built: OnceLock<BuiltDocuments>,
}

impl Documents {
    /// The documents that `build` builds when they are requested.
    pub(super) fn new(base_path: &str, build: Build) -> Self {
        Self { base_path: base_path.to_owned(), build, built: OnceLock::new() }
    }

    /// Every document, ready to be sent.
    ///
    /// # Errors
    /// 500 when one cannot be built.
    pub(super) fn get(&self) -> Result<&BuiltDocuments, ApiError> {
        if let Some(built) = self.built.get() {
            return Ok(built);
        }
        // Two workers may build them at the same time; both get the same documents.
        let built = (self.build)(&self.base_path).map_err(|error| {
            tracing::error!(error = &error as &dyn Error, "a document cannot be built");
            ErrorKind::Internal
        })?;
        Ok(self.built.get_or_init(|| built))
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::Value;

    use super::*;

    static BUILDS: AtomicUsize = AtomicUsize::new(0);

    fn build(base_path: &str) -> Result<BuiltDocuments, DocumentError> {
        BUILDS.fetch_add(1, Ordering::SeqCst);
        let answer = || ConstantAnswer::new("text/plain", String::new());
        let document: Value = serde_json::from_str("{}")?;
        let site = Site::new(&document, base_path);
        Ok(BuiltDocuments { openapi: answer(), page: answer(), site, routes: answer() })
    }

    #[test]
    fn documents_are_built_at_the_first_request_only() {
        let documents = Documents::new("", build);
        assert_eq!(BUILDS.load(Ordering::SeqCst), 0);
        for _ in 0..3 {
            assert!(documents.get().is_ok());
        }
        assert_eq!(BUILDS.load(Ordering::SeqCst), 1);
    }
}
