//! Reads a SOAP envelope: its version, the application token, and the operation with its parameters.
//!
//! A message must be unambiguous. Whatever two readers could understand differently is refused: a
//! second body, operation, parameter or token, a foreign namespace, an action that differs from the
//! operation. Unknown parameters are ignored, as everywhere in this API.

use secrecy::{ExposeSecret, SecretString};
use wire_formats::{Charset, XmlAttribute, XmlElement, XmlNamespace};

use super::{
    version::{Binding, SoapVersion},
    vocabulary::{APPLICATION_TOKEN, OperationName, SERVICE},
};
use crate::{
    domain::{InvalidField, Reason},
    http::error::{EnvelopeFault, ErrorKind},
};

/// The namespaces with a meaning in a message.
const NAMESPACES: [&str; 3] =
    [SoapVersion::V1_1.namespace(), SoapVersion::V1_2.namespace(), SERVICE];

/// The body of a message, with the properties of its HTTP request.
pub(in crate::http) struct Message<'request> {
    pub(in crate::http) bytes: &'request [u8],
    pub(in crate::http) charset: Charset,
    pub(in crate::http) binding: Binding,
    /// The action, from the header or the media type; `None` if there is none.
    pub(in crate::http) action: Option<&'request str>,
}

/// A message that was understood.
pub(in crate::http) struct Envelope {
    pub(in crate::http) version: SoapVersion,
    pub(in crate::http) application_token: Option<SecretString>,
    pub(in crate::http) call: Call,
}

/// A call of an operation.
pub(in crate::http) enum Call {
    AuthenticateUsernamePassword { user_name: String, password: SecretString },
    AuthenticateWithAccessToken { access_token: SecretString },
    GetSystemInfo,
}

/// A message that was refused.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Refused {
    /// The version of the envelope; `None` when it is unknown.
    pub(in crate::http) version: Option<SoapVersion>,
    pub(in crate::http) kind: ErrorKind,
}

/// Reads a message.
///
/// # Errors
/// When it is not one envelope with one known operation.
pub(in crate::http) fn read(message: &Message<'_>) -> Result<Envelope, Refused> {
    let unknown = |kind| Refused { version: None, kind };
    let root = XmlElement::read(message.bytes, message.charset, &NAMESPACES)
        .map_err(|error| unknown(error.into()))?;
    let version = version(&root).map_err(|fault| unknown(fault.into()))?;
    let refused = |kind| Refused { version: Some(version), kind };
    if !message.binding.carries(version) {
        return Err(refused(EnvelopeFault::VersionOfMediaType.into()));
    }
    let parts = Parts::of(root.children, version).map_err(|fault| refused(fault.into()))?;
    let application_token = application_token(&parts.entries, version).map_err(refused)?;
    let call = call(parts.body, message.action).map_err(refused)?;
    Ok(Envelope { version, application_token, call })
}

/// The version of an envelope.
fn version(root: &XmlElement) -> Result<SoapVersion, EnvelopeFault> {
    if root.name != "Envelope" {
        return Err(EnvelopeFault::NoEnvelope);
    }
    let version = SoapVersion::ALL
        .into_iter()
        .find(|version| root.namespace == XmlNamespace::Known(version.namespace()));
    version.ok_or(EnvelopeFault::EnvelopeNamespace)
}

/// The parts of an envelope.
struct Parts {
    /// The header entries. The vendor's clients also send them beside the header.
    entries: Vec<XmlElement>,
    body: Vec<XmlElement>,
}

impl Parts {
    /// Takes an envelope apart.
    fn of(children: Vec<XmlElement>, version: SoapVersion) -> Result<Self, EnvelopeFault> {
        let namespace = version.namespace();
        let (mut header, mut body, mut entries) = (None, None, Vec::new());
        for child in children {
            if child.is(namespace, "Header") {
                if body.is_some() {
                    return Err(EnvelopeFault::UnexpectedElement);
                }
                if header.replace(child.children).is_some() {
                    return Err(EnvelopeFault::RepeatedHeader);
                }
            } else if child.is(namespace, "Body") {
                if body.replace(child.children).is_some() {
                    return Err(EnvelopeFault::RepeatedBody);
                }
            } else if child.namespace == XmlNamespace::Known(SERVICE) {
                entries.push(child);
            } else {
                return Err(EnvelopeFault::UnexpectedElement);
            }
        }
        entries.extend(header.unwrap_or_default());
        Ok(Self { entries, body: body.ok_or(EnvelopeFault::NoBody)? })
    }
}

/// The application token of the header entries. Entries that must be understood and are not are
/// refused.
fn application_token(
    entries: &[XmlElement],
    version: SoapVersion,
) -> Result<Option<SecretString>, ErrorKind> {
    let mut tokens = Vec::new();
    for entry in entries {
        if entry.is(SERVICE, APPLICATION_TOKEN) {
            tokens.push(entry);
        } else if must_be_understood(entry, version)? {
            return Err(EnvelopeFault::NotUnderstood.into());
        }
    }
    if tokens.len() > 1 {
        return Err(EnvelopeFault::RepeatedApplicationToken.into());
    }
    let token = tokens.first().filter(|token| !token.is_nil);
    token.map(|token| text(APPLICATION_TOKEN, token)).transpose()
}

/// True for a header entry for this service that it must understand to answer the message.
fn must_be_understood(entry: &XmlElement, version: SoapVersion) -> Result<bool, EnvelopeFault> {
    let namespace = version.namespace();
    let recipient = entry.attribute(namespace, version.recipient());
    if recipient.is_some_and(|recipient| !version.is_own_role(recipient.value.trim_ascii())) {
        return Ok(false);
    }
    let must = entry.attribute(namespace, "mustUnderstand");
    must.map_or(Some(false), XmlAttribute::boolean).ok_or(EnvelopeFault::MustUnderstandValue)
}

/// The call in a body.
fn call(body: Vec<XmlElement>, action: Option<&str>) -> Result<Call, ErrorKind> {
    let mut operations = body.into_iter();
    let operation = operations.next().ok_or(EnvelopeFault::EmptyBody)?;
    if operations.next().is_some() {
        return Err(EnvelopeFault::RepeatedOperation.into());
    }
    if operation.namespace != XmlNamespace::Known(SERVICE) {
        return Err(EnvelopeFault::OperationNamespace.into());
    }
    let name = OperationName::find(&operation.name).ok_or(EnvelopeFault::UnknownOperation)?;
    // Gateways may decide by the action and not by the body.
    if action.is_some_and(|action| action != name.action()) {
        return Err(EnvelopeFault::OtherAction.into());
    }
    let parameter = |name: &str| parameter(&operation, name);
    Ok(match name {
        OperationName::AuthenticateUsernamePassword => Call::AuthenticateUsernamePassword {
            user_name: text("UserName", parameter("UserName")?)?.expose_secret().to_owned(),
            password: text("Password", parameter("Password")?)?,
        },
        OperationName::AuthenticateWithAccessToken => Call::AuthenticateWithAccessToken {
            access_token: text("AccessToken", parameter("AccessToken")?)?,
        },
        OperationName::GetSystemInfo => Call::GetSystemInfo,
    })
}

/// A required parameter of an operation.
fn parameter<'operation>(
    operation: &'operation XmlElement,
    name: &str,
) -> Result<&'operation XmlElement, ErrorKind> {
    let mut given = operation.children.iter().filter(|child| child.name == name);
    let required = || InvalidField::new(name, Reason::Required);
    let parameter = given.next().ok_or_else(required)?;
    if given.next().is_some() {
        return Err(ErrorKind::DuplicateMember { field: Some(name.to_owned()) });
    }
    if parameter.namespace != XmlNamespace::Known(SERVICE) {
        return Err(EnvelopeFault::ParameterNamespace.into());
    }
    if parameter.is_nil { Err(required().into()) } else { Ok(parameter) }
}

/// The text of an element.
fn text(name: &str, element: &XmlElement) -> Result<SecretString, ErrorKind> {
    if element.children.is_empty() {
        Ok(element.text.clone())
    } else {
        Err(InvalidField::new(name, Reason::NotText).into())
    }
}
