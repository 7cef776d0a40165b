//! Forms of pages, for fuzz targets.

use std::{cell::RefCell, time::Duration};

use actix_web::{http::header::CONTENT_TYPE, test::TestRequest, web::Bytes};
use futures_util::stream;
use tokio::runtime::{Builder, Runtime};

use super::{
    admin::import::{ReceivedFile, Upload},
    page_path::PagePath,
    return_to::{KeptForm, ReturnTo},
};

pub use super::admin::fuzz_support::*;

/// A form with a file, as the page of imports receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedForm {
    /// The fields that are kept, as in the body of a form without a file.
    pub kept: String,
    /// The file, if it is not missing or too large.
    pub file: Option<Vec<u8>>,
    /// True if the file is too large.
    pub is_too_large: bool,
}

thread_local! {
    static RUNTIME: RefCell<Option<Runtime>> =
        RefCell::new(Builder::new_current_thread().enable_time().build().ok());
}

/// Receives a form with this boundary in parts of a length, with a file of at most `maximum` bytes.
///
/// # Errors
/// The text of the error.
pub fn receive_form(
    boundary: &str,
    body: &[u8],
    part: usize,
    maximum: usize,
) -> Result<ReceivedForm, String> {
    let media_type = format!("multipart/form-data; boundary={boundary}");
    let request =
        TestRequest::default().insert_header((CONTENT_TYPE, media_type)).to_http_request();
    let parts: Vec<_> =
        body.chunks(part.max(1)).map(|bytes| Ok(Bytes::copy_from_slice(bytes))).collect();
    let receive = async {
        let timeout = Duration::from_hours(1);
        let mut upload = Upload::within(timeout, &request, stream::iter(parts), None);
        let fields = upload.fields().await.map_err(|error| error.to_string())?;
        let file = upload.file(true, maximum).await.map_err(|error| error.to_string())?;
        let is_too_large = matches!(file, ReceivedFile::TooLarge);
        let file = match file {
            ReceivedFile::Whole(file) => Some(file.to_vec()),
            ReceivedFile::Missing | ReceivedFile::TooLarge | ReceivedFile::Late => None,
        };
        let kept = String::from_utf8_lossy(&fields.body).into_owned();
        Ok(ReceivedForm { kept, file, is_too_large })
    };
    RUNTIME.with_borrow(|runtime| match runtime {
        Some(runtime) => runtime.block_on(receive),
        None => Err("no runtime".to_owned()),
    })
}

/// The path that a form is sent back to, and its fields.
pub type Kept = (String, Vec<(String, String)>);

/// What is kept of the body of a form that its session did not survive.
#[must_use]
pub fn kept_form(action: &str, names: &str, body: &[u8]) -> Option<Kept> {
    told(KeptForm::of_body(PagePath::parse(action)?, names, body))
}

/// What the hidden values of the login page keep.
#[must_use]
pub fn kept_by_login(page: &str, action: &str, fields: &str) -> (Option<String>, Option<Kept>) {
    let request = TestRequest::default().to_http_request();
    let ReturnTo { page, form } =
        ReturnTo::receive(&request, Some(page), Some(action), Some(fields));
    (page.map(|page| page.as_str().to_owned()), told(form))
}

fn told(form: Option<KeptForm>) -> Option<Kept> {
    form.map(|form| (form.action().to_owned(), form.pairs()))
}
