//! Receives the form with a file. The file is its last field, so everything else is checked before
//! the file is kept; a file that is not wanted is read and dropped, so that the browser shows why.

use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{
    HttpRequest,
    http::header::HeaderMap,
    web::{Data, Payload},
};
use futures_util::StreamExt;
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use crate::{
    http::{
        error::{ApiError, BodyFault, ErrorKind},
        negotiation,
        state::HttpState,
        transport::{Waiting, read_body},
    },
    service::import::jobs::ImportFile,
};

/// The name of the field with the file.
pub(super) const FILE: &str = "File";

/// The longest value of another field, in bytes.
const MAXIMUM_VALUE: usize = 8 * 1024;

/// The most fields before the file.
const MAXIMUM_FIELDS: usize = 16;

/// The part of a file that has to arrive within the timeout of a body, in bytes.
const PART: usize = 128 * 1024;

/// A file that is larger than this many times the limit is not read to its end.
const DROPPED: usize = 4;

/// The fields before the file.
#[derive(Default)]
pub(super) struct UploadFields {
    pub(super) xsrf: Option<SecretString>,
    /// The id of the form.
    pub(super) id: String,
    pub(super) mode: String,
    pub(super) reason: String,
    /// The caller's own password.
    pub(super) own_password: SecretString,
}

/// The file of a form.
pub(super) enum ReceivedFile {
    Whole(ImportFile),
    /// No file was chosen.
    Missing,
    TooLarge,
}

/// A form that is received.
pub(super) struct Upload {
    parts: Multipart,
    file: Option<Field>,
    timeout: Duration,
    waiting: Waiting,
}

/// True for a form that can have a file.
pub(in crate::http::pages) fn is_multipart(headers: &HeaderMap) -> bool {
    let media_type = negotiation::content_type(headers).unwrap_or_default();
    let name = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data")
}

impl Upload {
    pub(super) fn open(request: &HttpRequest, payload: Payload) -> Self {
        let timeout = request
            .app_data::<Data<HttpState>>()
            .map_or_else(Default::default, |state| state.read_timeout);
        let parts = Multipart::new(request.headers(), payload);
        Self { parts, file: None, timeout, waiting: read_body(request) }
    }

    /// Reads the fields before the file.
    ///
    /// # Errors
    /// When the body is malformed, ends early or is late, or a field is too long.
    pub(super) async fn fields(&mut self) -> Result<UploadFields, ApiError> {
        let mut fields = UploadFields::default();
        let due = Instant::now() + self.timeout;
        for _ in 0..MAXIMUM_FIELDS {
            let Some(mut field) = next(&mut self.parts, &self.waiting, due).await? else { break };
            let name = field.name().unwrap_or_default().to_owned();
            if name == FILE {
                self.file = Some(field);
                break;
            }
            let mut value = Zeroizing::new(Vec::new());
            while let Some(bytes) = next(&mut field, &self.waiting, due).await? {
                if value.len() + bytes.len() > MAXIMUM_VALUE {
                    return Err(ErrorKind::BodyTooLarge.into());
                }
                value.extend_from_slice(&bytes);
            }
            let text = std::str::from_utf8(&value).map_err(|_| BodyFault::Framework)?;
            match name.as_str() {
                "XSRF_TOKEN" => fields.xsrf = Some(text.to_owned().into()),
                "Import" => text.clone_into(&mut fields.id),
                "Mode" => text.clone_into(&mut fields.mode),
                "Reason" => text.clone_into(&mut fields.reason),
                "OwnPassword" => fields.own_password = text.to_owned().into(),
                _ => {}
            }
        }
        Ok(fields)
    }

    /// Reads the file, and drops it unless it is wanted.
    ///
    /// # Errors
    /// When the body is malformed, ends early or is late.
    pub(super) async fn file(
        mut self,
        is_wanted: bool,
        maximum: usize,
    ) -> Result<ReceivedFile, ApiError> {
        let Some(mut field) = self.file.take() else { return Ok(ReceivedFile::Missing) };
        let mut file = Zeroizing::new(Vec::new());
        let (mut length, mut part) = (0_usize, 0_usize);
        let mut due = Instant::now() + self.timeout;
        while let Some(bytes) = next(&mut field, &self.waiting, due).await? {
            length = length.saturating_add(bytes.len());
            part += bytes.len();
            if part >= PART {
                part = 0;
                due = Instant::now() + self.timeout;
            }
            if length > maximum.saturating_mul(DROPPED) {
                return Ok(ReceivedFile::TooLarge);
            }
            if length > maximum {
                file = Zeroizing::new(Vec::new());
            } else if is_wanted {
                file.extend_from_slice(&bytes);
            }
        }
        drop(field);
        // The end of the form shows that nothing was cut off.
        while next(&mut self.parts, &self.waiting, due).await?.is_some() {}
        Ok(match length {
            0 => ReceivedFile::Missing,
            length if length > maximum => ReceivedFile::TooLarge,
            _ => ReceivedFile::Whole(file),
        })
    }
}

/// The next part of a form or of a field, until the deadline.
async fn next<S, T>(stream: &mut S, waiting: &Waiting, due: Instant) -> Result<Option<T>, ApiError>
where
    S: StreamExt<Item = Result<T, MultipartError>> + Unpin,
{
    tokio::select! {
        next = timeout_at(due, stream.next()) => {
            let next = next.map_err(|_| ErrorKind::RequestTimeout)?;
            next.transpose().map_err(|error| {
                let is_cut =
                    matches!(error, MultipartError::Incomplete | MultipartError::Payload(_));
                let fault = if is_cut { BodyFault::EndedEarly } else { BodyFault::Framework };
                fault.into()
            })
        }
        () = waiting.malformed() => Err(BodyFault::Framework.into()),
    }
}
