//! Receives the form with a file. The file is its last field, so everything else is checked before
//! the file is kept; a file that is not wanted is read and dropped, so that the browser shows why.
//! Each part of a file has its own time limit, and the whole form another.

use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{
    HttpRequest,
    error::PayloadError,
    http::header::HeaderMap,
    web::{Bytes, Data},
};
use futures_util::{Stream, StreamExt};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::{
    http::{
        error::{ApiError, BodyFault, ErrorKind},
        negotiation,
        pages::return_to::XSRF_TOKEN,
        state::HttpState,
        transport::{Waiting, read_body},
    },
    service::import::jobs::ImportFile,
};

/// The name of the field with the file.
pub(super) const FILE: &str = "File";

/// The field of the caller's own password.
const OWN_PASSWORD: &str = "OwnPassword";

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
pub(in crate::http::pages) struct UploadFields {
    /// All but secrets, as in the body of a form without a file.
    pub(in crate::http::pages) body: Bytes,
    pub(super) xsrf: Option<SecretString>,
    /// The id of the form.
    pub(super) id: String,
    pub(super) mode: String,
    pub(super) reason: String,
    /// The caller's own password.
    pub(super) own_password: SecretString,
}

/// The file of a form.
pub(in crate::http::pages) enum ReceivedFile {
    Whole(ImportFile),
    /// No file was chosen.
    Missing,
    TooLarge,
    /// It did not arrive in time.
    Late,
}

/// A form that is received.
pub(in crate::http::pages) struct Upload {
    parts: Multipart,
    file: Option<Field>,
    /// The time limit of the fields, and of each part of the file.
    timeout: Duration,
    /// The time at which the whole form must have arrived.
    deadline: Instant,
    waiting: Waiting,
}

/// True for a form that can have a file.
pub(in crate::http::pages) fn is_multipart(headers: &HeaderMap) -> bool {
    let media_type = negotiation::content_type(headers).unwrap_or_default();
    let name = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data")
}

impl Upload {
    /// A form that must arrive within `longest`, or within the time limit of other forms.
    pub(in crate::http::pages) fn open(
        request: &HttpRequest,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
        longest: Option<Duration>,
    ) -> Self {
        let timeout = request
            .app_data::<Data<HttpState>>()
            .map_or_else(Default::default, |state| state.read_timeout);
        Self::within(timeout, request, payload, longest)
    }

    /// As [`Self::open`], with the time limit of other forms.
    pub(in crate::http::pages) fn within(
        timeout: Duration,
        request: &HttpRequest,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
        longest: Option<Duration>,
    ) -> Self {
        let parts = Multipart::new(request.headers(), payload);
        let deadline = Instant::now() + longest.unwrap_or(timeout);
        Self { parts, file: None, timeout, deadline, waiting: read_body(request) }
    }

    /// The time limit of the next part.
    fn due(&self) -> Instant {
        self.deadline.min(Instant::now() + self.timeout)
    }

    /// Reads the fields before the file.
    ///
    /// # Errors
    /// When the body is malformed, ends early or is late, or a field is too long.
    pub(in crate::http::pages) async fn fields(&mut self) -> Result<UploadFields, ApiError> {
        let mut fields = UploadFields::default();
        let mut body = form_urlencoded::Serializer::new(String::new());
        let due = self.due();
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
            if ![XSRF_TOKEN, OWN_PASSWORD].contains(&name.as_str()) {
                body.append_pair(&name, text);
            }
            fields.set(&name, text);
        }
        fields.body = body.finish().into();
        Ok(fields)
    }

    /// Reads the file, and drops it unless it is wanted.
    ///
    /// # Errors
    /// When the body is malformed or ends early.
    pub(in crate::http::pages) async fn file(
        mut self,
        is_wanted: bool,
        maximum: usize,
    ) -> Result<ReceivedFile, ApiError> {
        match self.receive(is_wanted, maximum).await {
            Err(error) if error.kind == ErrorKind::RequestTimeout => Ok(ReceivedFile::Late),
            received => received,
        }
    }

    /// Reads and drops the file of a form that is refused.
    pub(in crate::http::pages) async fn discard(self, maximum: usize) {
        // The refusal is the answer, whatever becomes of the file.
        drop(self.file(false, maximum).await);
    }

    async fn receive(&mut self, is_wanted: bool, maximum: usize) -> Result<ReceivedFile, ApiError> {
        let Some(mut field) = self.file.take() else { return Ok(ReceivedFile::Missing) };
        let mut file = Zeroizing::new(Vec::new());
        let (mut length, mut part) = (0_usize, 0_usize);
        let mut due = self.due();
        while let Some(bytes) = next(&mut field, &self.waiting, due).await? {
            length = length.saturating_add(bytes.len());
            part += bytes.len();
            if part >= PART {
                part = 0;
                due = self.due();
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

impl UploadFields {
    fn set(&mut self, name: &str, text: &str) {
        match name {
            XSRF_TOKEN => self.xsrf = Some(text.to_owned().into()),
            OWN_PASSWORD => self.own_password = text.to_owned().into(),
            "Import" => text.clone_into(&mut self.id),
            "Mode" => text.clone_into(&mut self.mode),
            "Reason" => text.clone_into(&mut self.reason),
            _ => {}
        }
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
