//! Renders errors as SOAP faults (docs/reference/wire-contract.md#d30-soap).

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{Method, StatusCode},
};
use askama::Template;

use super::{
    message_body::binding,
    version::{Binding, SoapVersion},
    vocabulary::{PATH, SERVICE},
};
use crate::http::{
    error::{BodyFault, EnvelopeFault, ErrorKind},
    localization::Language,
    request_id::RequestId,
    state::HttpState,
};

/// Who has to change something before the message can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultCode {
    VersionMismatch,
    MustUnderstand,
    /// The sender: the message is invalid.
    Sender,
    /// The receiver: the same message may succeed later.
    Receiver,
}

#[derive(Template)]
#[template(path = "soap/fault.xml")]
struct FaultMessage<'error> {
    envelope: &'static str,
    service: &'static str,
    is_v1_1: bool,
    code: &'static str,
    language: &'static str,
    message: String,
    error_type: &'static str,
    error_code: &'static str,
    field: Option<&'error str>,
    request_id: &'error str,
    /// The versions that an envelope may have, for a version mismatch in SOAP 1.2.
    supported: &'static [SoapVersion],
}

/// The fault for an error of a message; `None` for a request that is no message. `response` has the
/// headers of the error.
pub(in crate::http) fn fault_of(
    kind: &ErrorKind,
    mut response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
) -> Option<HttpResponse> {
    if !is_message(request, state) {
        return None;
    }
    let binding = binding(request.headers()).unwrap_or(Binding::V1_1);
    let read = request.extensions().get::<SoapVersion>().copied();
    let version = read.unwrap_or(binding.version());
    // A sender of SOAP 1.1 cannot read the media type of SOAP 1.2.
    let binding = if binding.carries(version) { binding } else { Binding::V1_1 };
    let code = FaultCode::of(kind);
    let xml = render(kind, code, version, request)?;
    response.status(code.status(binding, kind.row().status));
    Some(response.content_type(binding.content_type()).body(xml))
}

/// The envelope of a fault.
fn render(
    kind: &ErrorKind,
    code: FaultCode,
    version: SoapVersion,
    request: &HttpRequest,
) -> Option<String> {
    let language = Language::of(request.headers());
    let extensions = request.extensions();
    let row = kind.row();
    let is_mismatch = code == FaultCode::VersionMismatch;
    let fault = FaultMessage {
        envelope: version.namespace(),
        service: SERVICE,
        is_v1_1: version == SoapVersion::V1_1,
        code: code.name(version),
        language: language.tag(),
        message: language.error(kind),
        error_type: row.error_type,
        error_code: row.code,
        field: kind.field(),
        request_id: extensions.get::<RequestId>().map_or("", RequestId::as_str),
        supported: if is_mismatch { &SoapVersion::ALL } else { &[] },
    };
    fault.render().ok()
}

/// True for a request to the service whose sender expects a message.
fn is_message(request: &HttpRequest, state: &HttpState) -> bool {
    let path = request.path();
    let below = path.get(..state.base_path.len());
    let is_below = below.is_some_and(|base| base.eq_ignore_ascii_case(&state.base_path));
    let rest = path.get(state.base_path.len()..).unwrap_or_default();
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    *request.method() == Method::POST && is_below && rest.eq_ignore_ascii_case(PATH)
}

impl FaultCode {
    fn of(kind: &ErrorKind) -> Self {
        let status = kind.row().status;
        if let ErrorKind::MalformedBody(BodyFault::Envelope(fault)) = kind {
            return Self::of_envelope(*fault);
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Self::Receiver
        } else {
            Self::Sender
        }
    }

    fn of_envelope(fault: EnvelopeFault) -> Self {
        if matches!(fault, EnvelopeFault::EnvelopeNamespace | EnvelopeFault::VersionOfMediaType) {
            Self::VersionMismatch
        } else if fault == EnvelopeFault::NotUnderstood {
            Self::MustUnderstand
        } else {
            Self::Sender
        }
    }

    fn name(self, version: SoapVersion) -> &'static str {
        match (self, version) {
            (Self::VersionMismatch, _) => "VersionMismatch",
            (Self::MustUnderstand, _) => "MustUnderstand",
            (Self::Sender, SoapVersion::V1_1) => "Client",
            (Self::Sender, SoapVersion::V1_2) => "Sender",
            (Self::Receiver, SoapVersion::V1_1) => "Server",
            (Self::Receiver, SoapVersion::V1_2) => "Receiver",
        }
    }

    /// The status of a fault. Errors of messages have the status of the binding: always 500 in SOAP
    /// 1.1 (section 6.2), 400 for a fault of the sender in SOAP 1.2 (part 2, section 7.5.2.2).
    /// Clients read a fault only with that status. All other errors keep theirs, so that proxies
    /// and monitoring see throttling and overload.
    fn status(self, binding: Binding, status: StatusCode) -> StatusCode {
        match (status, binding, self) {
            (StatusCode::BAD_REQUEST, Binding::V1_2, Self::Sender) => StatusCode::BAD_REQUEST,
            (StatusCode::BAD_REQUEST, _, _) => StatusCode::INTERNAL_SERVER_ERROR,
            (status, _, _) => status,
        }
    }
}
