//! `/admin/import`: imports users from a file (docs/adr/0067-import-in-the-browser.md).

pub(in crate::http) mod form;
pub(in crate::http) mod job;
pub(in crate::http) mod results;
mod upload;

#[cfg(feature = "fuzz")]
pub(in crate::http::pages) use self::upload::ReceivedFile;
pub(in crate::http::pages) use self::upload::{Upload, is_multipart};
