//! What the fuzz targets share: limits of a parser, files, and the request that they read and write.

mod files;
mod limits;
mod request;
mod round_trip;
mod secrets;

pub use self::{
    files::InputFile,
    limits::{Limits, within},
    request::{Credential, Request, Type, assert_path_of_request},
    round_trip::{assert_list_reads_back, assert_reads_back, assert_reads_from_form, charset},
    secrets::{assert_hides, shows},
};
