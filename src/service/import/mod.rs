//! Importing and exporting users with their credentials.

pub(crate) mod bulk;
pub(crate) mod export;
pub(crate) mod export_lines;
pub(crate) mod file;
pub(crate) mod jobs;
pub(crate) mod run;
pub(crate) mod users;
